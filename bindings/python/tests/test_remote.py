"""Owner and consumer on different machines: a node that is served, and an exchange that is connected to it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sealock as sl
from conftest import HERE, open_market, visits_policy, visits_schema, visits_table

PAID = sl.select(sl.mean("visits"), sl.count()).filter(sl.col("plan") == sl.secret("paid"))
#: What the table says of them.
MEAN, COUNT = 5.0, 120


class Served:
    """An owner in a process of its own, on loopback, until it is left."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.options = folder, options
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Starts it, where it was before if it was."""
        command = [sys.executable, str(HERE / "served.py"), str(self.folder), self.listen, json.dumps(self.options)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE)
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url, self.owner = said["url"], said["owner"]
        self.listen = self.url.removeprefix("http://")

    def stop(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def order(self, exchange: sl.Exchange) -> sl.Order:
        """An order of its asset, of a new account's."""
        (asset,) = exchange.assets()
        consumer = exchange.consumer(sl.Account.generate())
        consumer.buy(asset)
        return consumer.order(asset)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served") / "owner") as served:
        yield served


@pytest.fixture(scope="module")
def far(served: Served) -> sl.Exchange:
    exchange = sl.Exchange.connect(served.url)
    for _ in range(3):
        served.order(exchange)
    return exchange


@pytest.fixture(scope="module")
def node(far: sl.Exchange) -> sl.RemoteNode:
    assert far.node is not None
    return far.node


@pytest.fixture(scope="module")
def far_order(served: Served, far: sl.Exchange) -> sl.Order:
    return served.order(far)


@pytest.fixture
def fresh(far_order: sl.Order) -> sl.JobTicket:
    return far_order.request(PAID)


def checked(answer: sl.Answer) -> None:
    assert answer["mean(visits)"] == [MEAN] and answer["count"] == [COUNT]


# The story.


def test_owner_and_consumer_are_two_processes(served: Served, tmp_path: Path) -> None:
    account = sl.Account.generate()
    exchange = sl.Exchange.connect(served.url, tmp_path / "consumer")
    assert exchange.node is not None and exchange.node.address == served.owner
    for _ in range(3):
        served.order(exchange)
    consumer = exchange.consumer(account)
    (asset,) = exchange.assets()
    consumer.buy(asset)
    ticket = consumer.order(asset).request(PAID)
    steps: list[tuple[str, int, int | None]] = []
    result, receipt = exchange.node.run(ticket.request, progress=lambda *step: steps.append(step))
    checked(ticket.open(result, receipt))
    receipt.verify(served.owner)
    assert steps[0] == ("admit", 0, 1) and steps[-1] == ("release", 1, 1)
    # The same request again is the same job, from bytes as well.
    assert exchange.node.run(ticket.request) == exchange.node.run(ticket.request.to_bytes()) == (result, receipt)
    job = ticket.job
    # What is in the folder is found again, the keys that open the result among it.
    del exchange, consumer, ticket
    again = sl.Exchange.connect(served.url, tmp_path / "consumer")
    assert again.node is not None
    (kept,) = [kept for kept in again.consumer(account).tickets() if kept.job == job]
    checked(kept.open(*again.node.fetch(kept.request)))


def test_the_consumers_code_is_the_same_here_and_afar(tmp_path: Path) -> None:
    """Queries, vectors for a model, data itself and a sum over two owners, asked of both."""
    exchange = sl.Exchange.local(tmp_path / "owner")
    owners = [exchange.owner(sl.Account.generate()) for _ in range(2)]
    terms: dict[str, Any] = {"price": sl.Price.free(9), "uses_per_order": 9}
    features = sl.Schema([sl.Column.integer("x", 0, 9)])
    model = sl.Model.linear(features, [[2.0]], [1.0], targets=["y"])
    rules: dict[str, Any] = {"dimensions": ["plan"], "measures": ["visits"], "aggregations": ["count", "sum"]}
    rules |= {"programs": "any", "min_group_size": 1}
    together = sl.Policy(**rules, federation=[owner.member for owner in owners])
    table: dict[str, Any] = {"data": visits_table(), "schema": visits_schema()}
    visits = owners[0].publish(**table, name="Visits", policy=sl.Policy(**rules), **terms).asset
    whole = owners[0].publish(**table, name="Whole", policy=sl.Policy(allow_download=True), **terms).asset
    scores = owners[0].publish_model(model, name="Scores", policy=sl.Policy(allow_inference=9), **terms).asset
    parts = [owner.publish(**table, name="Part", policy=together, **terms).asset for owner in owners]

    def story(exchange: sl.Exchange, nodes: Sequence[sl.Node | sl.RemoteNode]) -> list[object]:
        consumer = exchange.consumer(sl.Account.generate())
        for asset in (visits, whole, scores, *parts):
            consumer.buy(asset)
        query = sl.select(sl.sum("visits"), sl.count()).filter(sl.col("plan") == sl.secret("free"))
        asked = consumer.order(visits).request(query)
        vectors = consumer.order(scores).infer(np.array([[3], [4]]))
        assert nodes[0].run(vectors).result.job == vectors.job
        data = consumer.order_download(whole).request()
        sums = consumer.request_federated([consumer.order(part) for part in parts], query)
        with pytest.raises(TypeError, match=r"pass one of ticket\.requests"):
            nodes[0].run(sums)  # type: ignore[arg-type]
        return [
            list(asked.open(*nodes[0].run(asked.request))),
            vectors.open(*nodes[0].submit(vectors.request).result(60)),
            pa.table(data.open(*nodes[0].run(data.request)).table()).num_rows,
            list(sums.open([node.run(request) for node, request in zip(nodes, sums.requests, strict=True)])),
        ]

    here = story(exchange, [owner.node for owner in owners])
    with sl.serve(owners[0]) as first, sl.serve(owners[1]) as second:
        far, other = sl.Exchange.connect(first.url, tmp_path / "consumer"), sl.Exchange.connect(second.url)
        assert far.node is not None and other.node is not None
        assert story(far, [far.node, other.node]) == here


def test_an_owner_is_used_while_it_is_served(tmp_path: Path) -> None:
    market = open_market(sl.Exchange.local(tmp_path))
    with sl.serve(market.owner) as server:
        far = sl.Exchange.connect(server.url)
        assert far.node is not None
        before = {entry.did for entry in far.node.assets()}
        new = market.owner.publish(
            visits_table(), name="Later", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free(2)
        ).asset
        (entry,) = [entry for entry in far.node.assets() if entry.did not in before]
        assert (entry.did, entry.nft) == (new.did, new.nft)
        # A connected exchange looks at the node's ledger now and then.
        deadline = time.monotonic() + 10
        while new not in far.assets() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert far.asset(entry.nft) == far.asset(entry.did) == new
        assert entry.ddo["id"] == new.did and entry.price == {"type": "free", "max_per_account": 2}
        consumer = far.consumer(sl.Account.generate())
        consumer.buy(new)
        ticket = consumer.order(new).request(PAID)
        # Admitted from afar, and run here: it is one job.
        far.node.send(ticket.request)
        released = far.node.run(ticket.request)
        assert market.owner.node.run(ticket.request) == released
        record = market.owner.node.job(ticket.job)
        assert record is not None and record.receipt == released.receipt.statement.number


# What a node says.


def test_a_node_says_what_it_is(served: Served, node: sl.RemoteNode, far: sl.Exchange) -> None:
    info = node.info
    assert info.version == sl.__version__ and info.address == node.address == served.owner
    assert info.serves_ledger and info.devices == ("cpu",) and info.result_retention == timedelta(days=7)
    assert abs(info.now - datetime.now(timezone.utc)) < timedelta(minutes=10)
    assert node.url == served.url and served.url in repr(node) and served.url in repr(far)
    assert "nothing is kept" in repr(far)
    assert sl.Exchange.in_memory().node is None


def test_a_job_is_sent_watched_and_given_up(node: sl.RemoteNode, fresh: sl.JobTicket, far_order: sl.Order) -> None:
    for ask in (node.status, node.cancel, node.fetch, node.discard):
        with pytest.raises(sl.errors.NotFound):
            ask(fresh.request)
    sent = node.send(fresh.request)
    assert sent.job == fresh.job and sent.state in ("queued", "running", "complete")
    released = node.run(fresh.request)
    done = node.status(fresh.request.to_bytes())
    assert done.state == "complete" and done.ahead is None and done.stage is None
    assert done.result_bytes == len(released.result.to_bytes())
    assert done.kept_until is not None and done.kept_until > datetime.now(timezone.utc) + timedelta(days=6)
    # What is complete is not given up.
    assert node.cancel(fresh.request).state == "complete"
    node.discard(fresh.request)
    assert node.status(fresh.request).state == "expired"
    for gone in (node.run, node.fetch):
        with pytest.raises(sl.errors.NotFound, match="was discarded or has expired; its receipt remains"):
            gone(fresh.request)
    checked(fresh.open(*released))


def test_a_job_that_was_given_up_is_taken_up_by_the_same_request(tmp_path: Path) -> None:
    with Served(tmp_path / "owner", workers=1) as served:
        exchange = sl.Exchange.connect(served.url)
        assert exchange.node is not None
        node, order = exchange.node, served.order(exchange)
        tickets = [order.request(PAID) for _ in range(6)]
        for ticket in tickets:
            node.send(ticket.request)
        # The last in the queue may have been reached already.
        state = node.cancel(tickets[-1].request).state
        assert state in ("cancelled", "complete", "running")
        for ticket in reversed(tickets):
            checked(ticket.open(*node.run(ticket.request)))


def test_jobs_run_in_the_background(node: sl.RemoteNode, far_order: sl.Order) -> None:
    tickets = [far_order.request(PAID) for _ in range(4)]
    jobs = [node.submit(ticket.request) for ticket in tickets]
    for ticket, job in zip(tickets, jobs, strict=True):
        assert ticket.job in repr(job)
        checked(ticket.open(*job.result(60)))

    async def ask() -> sl.Released:
        return await node.submit(tickets[0].request.to_bytes())

    assert asyncio.run(ask()) == jobs[0].result()


# What goes wrong.


def test_a_refusal_says_no_more_than_here(tmp_path: Path) -> None:
    market = open_market(sl.Exchange.local(tmp_path))
    with sl.serve(market.owner) as server:
        far = sl.Exchange.connect(server.url)
        assert far.node is not None
        spent = market.order.request(PAID)
        market.owner.node.run(spent.request)
        replay = market.order.request_use(sl.select(sl.count()), 0)
        with pytest.raises(sl.errors.Rejected) as caught:
            far.node.run(replay.request)
        assert str(caught.value).endswith("rejected") and caught.value.code == 600
        assert market.owner.node.refusals()[-1].kind == "NullifierSpent"


def test_a_full_node_is_busy_and_spends_nothing(tmp_path: Path) -> None:
    with Served(tmp_path / "owner", workers=1, max_queued=1) as served:
        exchange = sl.Exchange.connect(served.url)
        assert exchange.node is not None
        node, order = exchange.node, served.order(exchange)
        tickets = [order.request(PAID) for _ in range(12)]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            sent = [pool.submit(node.send, ticket.request) for ticket in tickets]
        refused = [error for error in (job.exception() for job in sent) if error is not None]
        assert refused, "twelve at once found one place"
        for error in refused:
            assert isinstance(error, sl.errors.Busy) and error.code == 405
            assert error.hint is not None and "nothing was spent" in error.hint
        # With patience, all of them are answered.
        for ticket in tickets:
            checked(ticket.open(*node.run(ticket.request)))


def test_what_is_wrong_is_said_here(node: sl.RemoteNode, fresh: sl.JobTicket, served: Served, tmp_path: Path) -> None:
    with pytest.raises(sl.errors.Malformed):
        node.run(b"nothing")
    with pytest.raises(TypeError, match="request: expected bytes, got int"):
        node.submit(5)  # type: ignore[arg-type]
    assert node.send(fresh).job == fresh.job
    checked(fresh.open(*node.run(fresh)))
    with pytest.raises(sl.errors.Unreachable) as caught:
        sl.Exchange.connect("http://127.0.0.1:1")
    assert caught.value.hint is not None and "check the address" in caught.value.hint
    for bad in ("nowhere", "ftp://127.0.0.1", "http://user:password@127.0.0.1", "http://127.0.0.1/?a=b"):
        with pytest.raises(sl.errors.InvalidArgument) as refused:
            sl.Exchange.connect(bad)
        assert "password@" not in str(refused.value)
    with pytest.raises(sl.errors.InvalidArgument, match="certificates"):
        sl.Exchange.connect(served.url, certificates=tmp_path / "nothing.pem")
    for span in (0, -1, float("nan")):
        with pytest.raises(sl.errors.InvalidArgument, match="timeout"):
            sl.Exchange.connect(served.url, timeout=span)
    with pytest.raises(TypeError, match="patience"):
        sl.Exchange.connect(served.url, patience="long")  # type: ignore[arg-type]
    with pytest.raises(sl.errors.InvalidArgument):
        sl.Exchange.connect(served.url, "")


# A node that stops, and a caller who does.


def test_a_node_that_is_killed_and_started_again_finishes(tmp_path: Path) -> None:
    with Served(tmp_path / "owner") as served:
        exchange = sl.Exchange.connect(served.url, tmp_path / "consumer")
        assert exchange.node is not None
        node, order = exchange.node, served.order(exchange)
        acknowledged, unsent = order.request(PAID), order.request(PAID)
        node.send(acknowledged.request)
        served.kill()
        with pytest.raises(sl.errors.Unreachable):
            node.status(acknowledged.request)
        jobs = [node.submit(ticket.request) for ticket in (acknowledged, unsent)]
        time.sleep(0.3)
        assert not any(job.done() for job in jobs)
        served.start()
        for ticket, job in zip((acknowledged, unsent), jobs, strict=True):
            checked(ticket.open(*job.result(60)))
        served.stop()
        served.start()
        # What it acknowledged, it has.
        assert node.run(acknowledged.request) == jobs[0].result()


def test_patience_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Served(tmp_path / "owner") as served:
        exchange = sl.Exchange.connect(served.url, patience=0.5, timeout=timedelta(seconds=5))
        assert exchange.node is not None
        ticket = served.order(exchange).request(PAID)
        served.kill()
        start, steps = time.perf_counter(), []
        with pytest.raises(sl.errors.Unreachable), caplog.at_level(logging.WARNING, "sealock"):
            exchange.node.run(ticket.request, progress=lambda *step: steps.append(step))
        assert time.perf_counter() - start < 3
        assert ("wait", 0, 1) in steps
        # Once, however often it asks.
        (warning,) = [record for record in caplog.records if record.name.startswith("sealock.remote")]
        assert served.url in warning.getMessage() and "for up to 1 s" in warning.getMessage()


#: Sends SIGINT to itself while it waits for a node that hangs, and prints how long it took until KeyboardInterrupt came.
INTERRUPTED = """
    import logging, os, signal, sys, threading, time
    logging.disable(logging.CRITICAL)
    import sealock as sl
    from test_remote import PAID, checked
    url, process = {url!r}, {process}
    exchange = sl.Exchange.connect(url)
    consumer = exchange.consumer(sl.Account.generate())
    (asset,) = exchange.assets()
    consumer.buy(asset)
    ticket = consumer.order(asset).request(PAID)
    for again in range(2):
        os.kill(process, signal.SIGSTOP)
        sent = []
        def send():
            time.sleep(0.5)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=send)
        thread.start()
        try:
            exchange.node.run(ticket.request)
            print("it was not interrupted")
        except KeyboardInterrupt:
            print(time.perf_counter() - sent[0])
        thread.join()
        os.kill(process, signal.SIGCONT)
        checked(ticket.open(*exchange.node.run(ticket.request)))
"""


def test_waiting_is_interrupted_at_once_and_the_job_is_found(tmp_path: Path, python: Callable[..., str]) -> None:
    with Served(tmp_path / "owner") as served:
        out = python(INTERRUPTED.format(url=served.url, process=served.process.pid))
        times = [float(line) for line in out.splitlines()]
        print(f"KeyboardInterrupt after {', '.join(f'{time * 1000:.0f} ms' for time in times)}")
        assert len(times) == 2 and all(time < 0.2 for time in times)


def test_other_threads_run_while_a_node_is_waited_for(tmp_path: Path) -> None:
    with Served(tmp_path / "owner") as served:
        exchange = sl.Exchange.connect(served.url)
        assert exchange.node is not None
        ticket = served.order(exchange).request(PAID)
        os.kill(served.process.pid, signal.SIGSTOP)
        released: list[sl.Released] = []
        waiting = threading.Thread(target=lambda node: released.append(node.run(ticket.request)), args=(exchange.node,))
        waiting.start()
        ticks, until = 0, time.perf_counter() + 0.5
        while time.perf_counter() < until:
            ticks += 1
        assert ticks > 10_000 and waiting.is_alive()
        os.kill(served.process.pid, signal.SIGCONT)
        waiting.join(60)
        checked(ticket.open(*released[0]))


def test_a_program_ends_while_it_serves(python: Callable[..., str]) -> None:
    out = python(
        """
        import logging
        logging.disable(logging.CRITICAL)
        from conftest import *
        market = open_market(sl.Exchange.in_memory())
        server = sl.serve(market.owner)
        far = sl.Exchange.connect(server.url)
        ticket = market.order.request(sl.select(sl.count()))
        far.node.run(ticket.request)
        print("the end")
        """
    )
    assert out == "the end\n"


# The server's own.


@pytest.fixture(scope="module")
def owner() -> sl.Owner:
    return open_market(sl.Exchange.in_memory()).owner


def test_a_server_is_stopped(owner: sl.Owner) -> None:
    with sl.serve(owner) as server:
        assert server.url.startswith("http://127.0.0.1:") and server.address == owner.address
        assert server.admin_url is not None and server.admin_url != server.url
        with pytest.raises(sl.errors.Unreachable) as caught_there:
            sl.Exchange.connect(server.admin_url)
        assert caught_there.value.hint is not None and "the owner's side" in caught_there.value.hint
        assert server.queue == sl.Queue(waiting=0, running=0) and not server.closed
        assert repr(server) == f"Server({owner.address}, {server.url}, listens)"
        html = server._repr_html_()
        assert server.url in html and f'href="{server.admin_url}"' in html and "0 waiting, 0 running" in html
        start = time.perf_counter()
        assert not server.wait(0.2) and 0.15 < time.perf_counter() - start < 2
        threading.Timer(0.2, server.stop).start()
        assert server.wait(timedelta(seconds=30)) and server.closed
    server.stop()
    assert server.wait() and repr(server).endswith("stopped)") and "href" not in server._repr_html_()
    assert server.queue == sl.Queue(waiting=0, running=0)
    with pytest.raises(sl.errors.Unreachable):
        sl.Exchange.connect(server.url)
    # The owner is served again, at the same place.
    listen = server.url.removeprefix("http://")
    with sl.serve(owner, listen=listen, admin_listen=None) as again:
        assert again.url == server.url and again.admin_url is None
        with pytest.raises(sl.errors.Io) as caught:
            sl.serve(owner, listen=listen)
        assert caught.value.hint is not None and "port 0" in caught.value.hint


def test_a_server_stops_when_nothing_refers_to_it(owner: sl.Owner) -> None:
    server = sl.serve(owner)
    url = server.url
    del server
    with pytest.raises(sl.errors.Unreachable):
        sl.Exchange.connect(url)


def test_an_option_that_is_none_is_named_with_those_that_are(owner: sl.Owner) -> None:
    with pytest.raises(sl.errors.InvalidArgument) as caught:
        sl.serve(owner, worker=2)  # type: ignore[call-arg]
    said = str(caught.value)
    assert 'no option "worker"' in said and caught.value.hint == "check the spelling"
    known = said.split("its options are ")[1].split(", ")
    doc = sl.serve.__doc__
    assert doc is not None and {"executors", "workers"} < set(known)
    for name in known:
        assert f"`{name}`" in doc, name


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"workers": "two"}, sl.errors.InvalidArgument, "workers: "),
        ({"workers": -1}, sl.errors.InvalidArgument, "workers: "),
        ({"max_queued": 0}, sl.errors.InvalidArgument, "max_queued: a queue has room"),
        ({"max_inflight_bytes": 1}, sl.errors.InvalidArgument, "max_inflight_bytes: "),
        ({"listen": "nowhere"}, sl.errors.InvalidArgument, "listen: "),
        ({"listen": None}, TypeError, "listen"),
        ({"admin_listen": "0.0.0.0:0"}, sl.errors.InvalidArgument, "set admin_token as well"),
        ({"admin_token": "abc"}, sl.errors.InvalidArgument, "less than 16 characters"),
        ({"admin_token": 1234567}, TypeError, "admin_token: expected a str, got int"),
        ({"tls_certificate": Path("chain.pem")}, sl.errors.InvalidArgument, "go together"),
        ({"shutdown_grace": 0.5}, TypeError, "shutdown_grace"),
        ({"priorities": {1}}, TypeError, "priorities: "),
        ({"priorities": {"did:op:1": "high"}}, sl.errors.InvalidArgument, "priorities: "),
    ],
)
def test_options_that_cannot_be_are_refused(
    owner: sl.Owner, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        sl.serve(owner, **options)
    assert "1234567" not in str(caught.value)


def test_options_are_taken(owner: sl.Owner) -> None:
    options: dict[str, Any] = {
        "workers": 1,
        "max_queued": 5,
        "max_queued_per_asset": 5,
        "priorities": {"did:op:1": 3},
        "max_attempts": 2,
        "result_retention": timedelta(hours=1),
        "accept_transactions": False,
        "max_connections": 10,
        "max_inflight_bytes": 64 << 20,
        "header_timeout": 5,
        "body_timeout": timedelta(seconds=20),
        "shutdown_grace": 1,
    }
    with sl.serve(owner, **options) as server:
        node = sl.Exchange.connect(server.url).node
        assert node is not None and node.info.result_retention == timedelta(hours=1)
    for wrong in (None, "owner", owner.node):
        with pytest.raises(TypeError):
            sl.serve(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_what_is_open_here_is_neither_pickled_nor_copied(
    owner: sl.Owner, far: sl.Exchange, node: sl.RemoteNode, how: Callable[[Any], object]
) -> None:
    with sl.serve(owner) as server:
        for guarded in (far, node, server):
            with pytest.raises(TypeError, match=f"{type(guarded).__name__} can be neither pickled nor copied: "):
                how(guarded)


def test_what_a_node_tells_pickles(node: sl.RemoteNode, fresh: sl.JobTicket) -> None:
    for record in (node.info, *node.assets(), node.send(fresh.request), sl.Queue(waiting=1, running=2)):
        assert pickle.loads(pickle.dumps(record)) == record


def test_the_token_is_not_shown(owner: sl.Owner, caplog: pytest.LogCaptureFixture) -> None:
    token = "a token that is not shown"
    with caplog.at_level(logging.DEBUG, "sealock"), sl.serve(owner, admin_token=token) as server:
        shown = repr(server) + str(server) + server._repr_html_() + str(server.admin_url)
    assert token not in shown and token not in caplog.text
    assert any(record.name.startswith("sealock.server") for record in caplog.records)


def test_a_fork_leaves_the_server_alone(python: Callable[..., str]) -> None:
    out = python(
        """
        import os, warnings
        from conftest import *
        warnings.simplefilter("ignore")
        server = sl.serve(sl.Exchange.in_memory().owner(sl.Account.generate()))
        if (child := os.fork()) == 0:
            for call in (server.stop, lambda: server.queue, lambda: sl.Exchange.connect(server.url)):
                try:
                    call()
                except sl.errors.Locked:
                    print("locked", flush=True)
            del server
            os._exit(0)
        os.waitpid(child, 0)
        print(sl.Exchange.connect(server.url).node.address == server.address)
        """
    )
    assert out == "locked\n" * 3 + "True\n"


# The command.


def command(folder: Path, *arguments: str) -> list[str]:
    script = Path(sys.executable).parent / "sealock-node"
    return [str(script), "--folder", str(folder), *arguments]


ENVIRONMENT = {**os.environ, "SEALOCK_PASSPHRASE": "a passphrase of tests"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *arguments), capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, end: signal.Signals) -> None:
    folder = tmp_path / "node"
    assert run(folder, "init").returncode == 0
    table = tmp_path / "visits.csv"
    table.write_text("plan,visits\n" + "free,1\npaid,2\npaid,4\n" * 20)
    schema = sl.Schema(
        [
            sl.Column.category("plan", ["free", "paid"], dimension=True),
            sl.Column.integer("visits", 0, 9, measure=True),
        ]
    )
    policy = sl.Policy(dimensions=["plan"], measures=["visits"], aggregations=["mean", "count"], programs="any")
    offer = {
        "name": "Visits",
        "schema": json.loads(schema.to_json()),
        "policy": json.loads(policy.to_json()),
        "terms": {"price": {"free": {"max_per_account": 5}}, "uses_per_order": 3, "valid_for": 86_400},
    }
    (tmp_path / "offer.json").write_text(json.dumps(offer))
    published = run(folder, "publish", str(table), "--offer", str(tmp_path / "offer.json"))
    assert published.returncode == 0, published.stderr
    serving = command(folder, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "serve")
    with subprocess.Popen(
        serving, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        exchange = sl.Exchange.connect(json.loads(line)["url"], tmp_path / "consumer")
        assert exchange.node is not None
        (asset,) = exchange.assets()
        consumer = exchange.consumer(sl.Account.generate())
        consumer.buy(asset)
        ticket = consumer.order(asset).request(PAID)
        answer = ticket.open(*exchange.node.run(ticket.request))
        assert answer["mean(visits)"] == [3.0] and answer["count"] == [40]
        process.send_signal(end)
        assert process.wait(40) == 0, process.stderr.read()
    verified = run(folder, "receipts", "verify")
    assert verified.returncode == 0, verified.stderr


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for arguments, status in ((["serve"], 2), (["--set", "server.worker=1", "config"], 2), (["--version"], 0)):
        done = run(tmp_path / "none", *arguments)
        assert done.returncode == status and (done.stdout + done.stderr).strip()
        assert "Traceback" not in done.stderr
