"""What every peer script shares: it says once that it is ready, then answers commands, one line of JSON each."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

Commands = dict[str, Callable[..., Any]]

# Only answers may go to the standard output, whatever libraries print.
_answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def say(value: Any) -> None:
    _answers.write(json.dumps(value) + "\n")
    _answers.flush()


def serve(ready: Any, commands: Commands) -> None:
    """Serves `commands`, functions from a command's arguments to an answer, by the command's `do`.

    When the input ends, the process does at once, also in the middle of a command.
    """
    say({"ready": ready})
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_work, args=(lines, commands), daemon=True).start()
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _work(lines: queue.Queue[str], commands: Commands) -> None:
    while True:
        args = json.loads(lines.get())
        try:
            say({"ok": commands[args.pop("do")](**args)})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
