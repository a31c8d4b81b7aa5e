"""An owner in a process of its own, whose node is served: run by test_remote.py.

    served.py <folder> <address:port> <options of sealock.serve, as JSON>

It publishes a table the first time, says in a line of JSON where it is, and ends with its input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sealock as sl
from conftest import visits_policy, visits_schema, visits_table


def main(folder: Path, listen: str, options: str) -> None:
    exchange = sl.Exchange.local(folder)
    keys = folder / "keys.age"
    if not keys.exists():
        sl.KeyStore.create(keys, sl.Account.generate(), "a passphrase of tests")
    owner = exchange.owner(sl.KeyStore.open(keys, "a passphrase of tests"))
    if not exchange.assets():
        owner.publish(
            visits_table(),
            name="Visits",
            schema=visits_schema(),
            policy=visits_policy(),
            price=sl.Price.free(100),
            uses_per_order=200,
        )
    with sl.serve(owner, listen=listen, **json.loads(options)) as server:
        print(json.dumps({"url": server.url, "owner": owner.address}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
