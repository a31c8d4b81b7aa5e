"""Progress of long calls: `progress=True` for bars, or a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tqdm.auto import tqdm


#: Called with stage, done and total.
Report: TypeAlias = Callable[[str, int, int | None], object]


class _Bars:
    """One bar of tqdm for each stage."""

    def __init__(self, make: Callable[..., tqdm[Any]]) -> None:
        self._make = make
        self._bars: dict[str, tqdm[Any]] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        bar = self._bars.get(stage)
        if bar is None:
            bytes_counted = stage in ("store", "open")
            bar = self._make(desc=stage, total=total, unit="B" if bytes_counted else "it", unit_scale=bytes_counted)
            self._bars[stage] = bar
        if total is not None:
            bar.total = total
        bar.update(done - bar.n)
        if total is not None and done >= total:
            bar.close()

    def close(self) -> None:
        """Leaves the bars of stages that were not finished as they are."""
        for bar in self._bars.values():
            bar.close()


def reporter(progress: bool | Report | None) -> Report | None:
    """What to call with stage, done and total; `None` for nothing."""
    if progress is None or progress is False:
        return None
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"progress: expected True or a callable, got {type(progress).__name__}")
        return progress
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'sealock[progress]', or pass a callable") from error
    return _Bars(tqdm)
