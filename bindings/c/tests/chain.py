"""Runs a program on a chain with Ocean's contracts, beside an IPFS daemon. Both are those of core's tests.

chain.py <program> [arguments]

The program's last arguments are the URL of the chain's node, the path of its address.json, the secrets of three accounts with
ether and 50 OCEAN each, the digest of a transaction that transferred OCEAN, and the address of the daemon's RPC.
"""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from daemon import peer


def main():
    # Ends program, chain and daemon, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (
        peer("ocean/chain.mjs") as (ready, ask),
        peer("rpc_daemon.mjs") as (daemon, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        addresses = Path(folder) / "address.json"
        addresses.write_text(json.dumps(ready["addresses"]), encoding="utf-8")
        accounts = ready["accounts"][1:4]  # the one before deployed the contracts
        for account in accounts:
            ask(do="fund", to=account["address"], ocean="50")
        block = ask(do="rpc", method="eth_getBlockByNumber", params=["latest", False])["result"]
        given = [*(account["secret"] for account in accounts), block["transactions"][0]]
        given = [text.removeprefix("0x") for text in given]
        program = [*sys.argv[1:], ready["url"], addresses, *given, daemon["url"]]
        status = subprocess.run(program, check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
