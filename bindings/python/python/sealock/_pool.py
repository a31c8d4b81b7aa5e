"""Tasks on sealed data, spread over a pool."""

from __future__ import annotations

import os
from concurrent.futures import Executor as Pool

from ._sealock import Account, Executor, ExecutorResult, Part, Task

#: Of this process, by the folder. One keeps the evaluation key, which takes a while to make ready.
_WORKERS: dict[str, Executor] = {}


def _worker(store: str) -> Executor:
    worker = _WORKERS.get(store)
    if worker is None:
        _WORKERS.clear()
        # It signs nothing: who joins the parts does.
        worker = _WORKERS[store] = Executor(store, Account.generate())
    return worker


def _run_part(store: str, part: bytes) -> str:
    return _worker(store).run_part(Part.from_bytes(part))


def run_on(
    pool: Pool, executor: Executor, task: Task, *, store: str | os.PathLike[str], timeout: float | None = None
) -> ExecutorResult:
    """Runs the parts of a task on a pool, and signs their results with `executor`: they open to what those of `executor.run(task)` do.

    `pool` is any `concurrent.futures.Executor`, of processes of this machine or, for instance, Dask's `Client.get_executor()` of
    many. `store` is the folder of an exchange that every worker sees under this path, and `executor` as well: columns, keys and
    results go through it by CID, and nothing else is sent but the parts. A worker that is lost loses nothing: a pool runs
    its part again, as Dask does.

    Raises what `Executor.run_part` raises, and `TimeoutError` for a part that takes longer than `timeout` seconds.
    """
    where = os.fspath(store)
    futures = [pool.submit(_run_part, where, part.to_bytes()) for part in executor.parts(task)]
    try:
        return executor.join(task, [future.result(timeout) for future in futures])
    finally:
        for future in futures:
            future.cancel()
