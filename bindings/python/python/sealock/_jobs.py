"""Jobs in the background."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ._progress import Listener, Report, reporter
from ._records import Released, Step
from ._sealock import check_process
from .errors import Locked

if TYPE_CHECKING:
    from ._sealock import Node, RemoteNode, _Request

#: Jobs of one process that run at once. Each uses the cores by itself; more of them only take memory.
WORKERS = 2


#: Jobs at nodes that are far away that are waited for at once. They only take a connection each.
WAITERS = 32


#: Their threads start with the first job.
_EXECUTOR = ThreadPoolExecutor(WORKERS, thread_name_prefix="sealock-job")
_WAITERS = ThreadPoolExecutor(WAITERS, thread_name_prefix="sealock-far-job")


class Job:
    """A job that a node runs in the background: `job.result()`, or `await job`."""

    def __init__(self, name: str, future: Future[Released], cancel: threading.Event) -> None:
        self._process = os.getpid()
        self._name = name
        self._future = future
        self._cancel = cancel

    def result(self, timeout: float | None = None) -> Released:
        """Waits for the result and its receipt, at most `timeout` seconds.

        Raises what `Node.run` raises, `concurrent.futures.TimeoutError`, or `concurrent.futures.CancelledError`.
        """
        self._check_process()
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits as `result` does, and returns what it raises, or `None`."""
        self._check_process()
        return self._future.exception(timeout)

    def done(self) -> bool:
        """Whether the job is complete, has failed, or was cancelled."""
        return self._future.done()

    def cancel(self) -> bool:
        """Asks the job to stop at its next step. Returns whether it was not done yet.

        A job that was admitted stays on the node's record: the same request again, or `Node.resume`, completes it. At a node
        that is far away it goes on, and only the wait is given up: see `RemoteNode.cancel`.
        """
        if self._future.done():
            return False
        self._cancel.set()
        self._future.cancel()
        return True

    def add_done_callback(self, callback: Callable[[Job], object]) -> None:
        """Calls `callback(job)` when the job is done, or now if it is."""
        self._future.add_done_callback(lambda _: callback(self))

    def __await__(self) -> Generator[Any, None, Released]:
        import asyncio

        self._check_process()
        return asyncio.wrap_future(self._future).__await__()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise Locked(
                "the job runs in the process that this one was forked from",
                hint="start processes with multiprocessing's 'spawn' or 'forkserver'",
            )

    def __repr__(self) -> str:
        state = "done" if self.done() else "running" if self._future.running() else "queued"
        return f"Job({self._name}, {state})"

    def __reduce__(self) -> str:
        raise TypeError("Job can be neither pickled nor copied: it runs in this process")


class _Watch:
    """Passes steps on until the job is cancelled."""

    def __init__(self, cancel: threading.Event, listener: Listener | None) -> None:
        self._cancel = cancel
        self._listener = listener

    def on_step(self, step: Step) -> None:
        if self._cancel.is_set():
            raise CancelledError
        if self._listener is not None:
            self._listener.on_step(step)


def submit(node: Node, request: _Request, progress: bool | Report | Listener | None) -> Job:
    """Runs `node.run(request)` on another thread."""
    return _start(_EXECUTOR, node, request, progress)


def await_far(node: RemoteNode, request: _Request, progress: bool | Report | Listener | None) -> Job:
    """As `submit`, for a node whose jobs take nothing here but a thread that waits."""
    return _start(_WAITERS, node, request, progress)


def _start(
    executor: ThreadPoolExecutor,
    node: Node | RemoteNode,
    request: _Request,
    progress: bool | Report | Listener | None,
) -> Job:
    check_process()
    cancel, listener = threading.Event(), reporter(progress)

    def run() -> Released:
        try:
            return node.run(request, progress=_Watch(cancel, listener))
        finally:
            close = getattr(listener, "close", None)
            if close is not None:
                close()

    name = getattr(request, "job", "of bytes")
    return Job(name, executor.submit(run), cancel)
