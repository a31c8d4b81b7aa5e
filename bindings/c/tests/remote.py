"""Runs a program beside a compute node, the command `sealock-node`, on loopback.

remote.py <sealock-node> <program> [arguments]

The program's last argument is the URL of the node. The node serves one asset, the people of market.h. It starts anew, where it
was, whenever it is killed; the program gets its process id as the first line of the file that the variable NODE_PID names.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PEOPLE = """plan,age,visits
free,12,1
free,15,2
free,71,5
paid,18,2
paid,30,4
paid,34,
paid,66,7
paid,67,9
"""
SCHEMA = {
    "version": 1,
    "columns": [
        {
            "name": "plan",
            "kind": {"category": {"values": ["free", "paid"]}},
            "role": {"dimension": True, "measure": False},
            "nullable": False,
        },
        {
            "name": "age",
            "kind": {"integer": {"min": 0, "max": 99}},
            "role": {"dimension": True, "measure": False},
            "nullable": False,
            "bins": [0, 40, 99],
        },
        {
            "name": "visits",
            "kind": {"integer": {"min": 0, "max": 50}},
            "role": {"dimension": False, "measure": True},
            "nullable": True,
        },
    ],
}
POLICY = {
    "dimension_columns": ["plan", "age"],
    "measure_columns": ["visits"],
    "allowed_aggregations": ["count", "mean"],
    "allowed_programs": "any",
    "min_group_size": 1,
    "max_jobs": None,
    "expires": None,
    "purpose": None,
}
TERMS = {"price": {"free": {"max_per_account": 9}}, "uses_per_order": 20, "valid_for": 86_400}
OFFER = {"name": "People", "schema": SCHEMA, "policy": POLICY, "terms": TERMS}


class Node:
    """A node in a folder."""

    def __init__(self, command, folder):
        self.command = [command, "--folder", folder / "node"]
        self.environment = {**os.environ, "SEALOCK_PASSPHRASE": "a passphrase of tests"}
        (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
        (folder / "offer.json").write_text(json.dumps(OFFER), encoding="utf-8")
        for verb in (["init"], ["publish", folder / "people.csv", "--offer", folder / "offer.json"]):
            subprocess.run([*self.command, *verb], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        self.noted = folder / "pid"
        self.ended = False
        self.listen = "127.0.0.1:0"
        self.start()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def start(self):
        serve = ["--listen", self.listen, "--admin-listen", "127.0.0.1:0", "--log", "error", "serve"]
        self.process = subprocess.Popen(
            [*self.command, *serve], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the node did not start")
        self.url = json.loads(line)["url"]
        self.listen = self.url.removeprefix("http://")
        self.noted.write_text(f"{self.process.pid}\n", encoding="utf-8")

    def watch(self):
        while True:
            self.process.wait()
            self.process.stdout.close()
            if self.ended:
                return
            self.start()

    def end(self):
        self.ended = True
        while self.watcher.is_alive():
            # The one that runs now: it may just have been started anew.
            self.process.send_signal(signal.SIGTERM)
            self.watcher.join(1)


def main():
    # Ends program and node, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        node = Node(sys.argv[1], Path(folder))
        try:
            environment = {**os.environ, "NODE_PID": str(node.noted)}
            status = subprocess.run([*sys.argv[2:], node.url], env=environment, check=False).returncode
        finally:
            node.end()
    sys.exit(status)


if __name__ == "__main__":
    main()
