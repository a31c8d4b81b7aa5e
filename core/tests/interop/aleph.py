"""The CIDs that `aleph-cid` gives.

cid {path, profile} -> {cid}: profile is `kubo-legacy` or `kubo-v0`; path a file, or a pipe
"""

from __future__ import annotations

from typing import Any

from aleph_cid import CidHasher
from peer import serve

HASHERS = {"kubo-legacy": CidHasher.for_ipfs_v1_raw_leaves, "kubo-v0": CidHasher.for_ipfs}


def cid(path: str, profile: str) -> Any:
    hasher = HASHERS[profile]()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            hasher.update(data)
    return {"cid": hasher.finalize()}


if __name__ == "__main__":
    serve(None, {"cid": cid})
