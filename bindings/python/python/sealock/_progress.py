"""Progress of long calls: `progress=True` for bars, a callable, or an object with a method `on_step`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ._records import Step

if TYPE_CHECKING:
    from tqdm.auto import tqdm


#: Called with stage, done and total.
Report: TypeAlias = Callable[[str, int, int | None], object]


class Listener(Protocol):
    """What is told whole steps, and so how long the rest of a stage will take."""

    def on_step(self, step: Step, /) -> object:
        """Called with each step."""


#: Stages that are counted in bytes.
BYTES = frozenset(["store", "fetch", "upload", "export", "import", "open"])


class _Bars:
    """One bar of tqdm for each stage."""

    def __init__(self, make: Callable[..., tqdm[Any]]) -> None:
        self._make = make
        self._bars: dict[str, tqdm[Any]] = {}

    def on_step(self, step: Step) -> None:
        bar = self._bars.get(step.stage)
        if bar is None:
            counted = step.stage in BYTES
            bar = self._make(desc=step.stage, total=step.total, unit="B" if counted else "it", unit_scale=counted)
            self._bars[step.stage] = bar
        if step.total is not None:
            bar.total = step.total
        if step.eta is not None:
            # The library leaves out what was there already, which tqdm's own guess counts as fast.
            left = bar.format_interval(step.eta.total_seconds())
            bar.bar_format = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<" + left + ", {rate_fmt}]"
        bar.update(step.done - bar.n)
        if step.total is not None and step.done >= step.total:
            bar.close()

    def close(self) -> None:
        """Leaves the bars of stages that were not finished as they are."""
        for bar in self._bars.values():
            bar.close()


class _Reports:
    """Tells a callable."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.close: Callable[[], object] = getattr(report, "close", lambda: None)

    def on_step(self, step: Step) -> None:
        self._report(step.stage, step.done, step.total)


def reporter(progress: bool | Report | Listener | None) -> Listener | None:
    """Who is told the steps; `None` for nobody."""
    if progress is None or progress is False:
        return None
    if progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                "progress=True needs tqdm: pip install 'sealock[progress]', or pass a callable"
            ) from error
        return _Bars(tqdm)
    if hasattr(progress, "on_step"):
        return progress
    if not callable(progress):
        raise TypeError(f"progress: expected True, a callable or a Listener, got {type(progress).__name__}")
    return _Reports(progress)
