"""Plots of answers, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument

if TYPE_CHECKING:
    from ._sealock import Answer

KINDS = ("bar", "barh", "line")


def plot(answer: Answer, groups: Sequence[str], numbers: Sequence[str], ax: Any, y: str | None, kind: str) -> Any:
    """Draws one aggregate of a grouped answer, and returns the axes."""
    if kind not in KINDS:
        raise InvalidArgument(f"kind: there is no {kind!r}", hint=f"choose from {', '.join(KINDS)}")
    if not groups:
        raise InvalidArgument("the answer is not grouped, so there is nothing to plot", hint="see Query.group_by")
    if y is None:
        if len(numbers) != 1:
            raise InvalidArgument("the answer has several aggregates", hint=f"choose one with y=: {', '.join(numbers)}")
        y = numbers[0]
    elif y not in numbers:
        raise InvalidArgument(f"y: there is no aggregate {y!r}", hint=f"choose from {', '.join(numbers)}")
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plot() needs matplotlib: pip install 'sealock[plot]'") from error
    if ax is None:
        ax = pyplot.figure().add_subplot()
    columns = [answer[group] for group in groups]
    labels = [" · ".join("null" if cell is None else str(cell) for cell in row) for row in zip(*columns)]
    # A mean of no rows has no height; it keeps its place.
    heights = [float("nan") if value is None else float(value) for value in answer[y]]
    draw = {"bar": ax.bar, "barh": ax.barh, "line": ax.plot}[kind]
    draw(labels, heights)
    along, across = (ax.set_ylabel, ax.set_xlabel) if kind == "barh" else (ax.set_xlabel, ax.set_ylabel)
    along(" · ".join(groups))
    across(y)
    return ax
