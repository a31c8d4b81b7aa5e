"""Sealed data: executors that see ciphertexts alone, and pools that they compute on."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import Counter
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest
import sealock as sl

PLANS = ["free", "paid"]


def frame(rows: int = 40) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "plan": [PLANS[n * n % 7 % 2] for n in range(rows)],
            "region": [["north", "south"][n % 3 % 2] for n in range(rows)],
            "visits": [n * 37 % 11 - 3 for n in range(rows)],
        }
    )


SCHEMA = sl.Schema(
    [
        sl.Column.category("plan", PLANS, dimension=True),
        sl.Column.category("region", ["north", "south"], dimension=True),
        sl.Column.integer("visits", -5, 50, measure=True),
    ]
)
POLICY = sl.Policy(
    dimensions=["plan", "region"],
    measures=["visits"],
    aggregations=["count", "sum", "mean"],
    programs="any",
    min_group_size=1,
)


@dataclass
class World:
    folder: Path
    exchange: sl.Exchange
    owner: sl.Owner
    asset: sl.Asset
    order: sl.Order

    def ask(self) -> sl.JobTicket:
        query = sl.select(sl.sum("visits"), sl.count()).filter(sl.col("plan") == "paid").group_by("region")
        return self.order.request(query)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("sealed")
    exchange = sl.Exchange.local(folder)
    owner = exchange.owner(sl.Account.generate())
    asset = owner.publish(
        frame(),
        name="Visits",
        schema=SCHEMA,
        policy=POLICY,
        price=sl.Price.free(),
        uses_per_order=20,
        sealed={"public": ["region"], "rows_per_chunk": 10, "canaries": 1, "quorum": 2},
    ).asset
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    return World(folder, exchange, owner, asset, consumer.order(asset))


def plain() -> dict[str, tuple[int, int]]:
    paid = frame().filter(pl.col("plan") == "paid").group_by("region").agg(pl.col("visits").sum(), pl.len())
    return {region: (total, count) for region, total, count in paid.rows()}


def opened(ticket: sl.JobTicket, released: sl.Released) -> dict[str, tuple[int, int]]:
    answer = ticket.open(*released)
    return {
        region: (int(total), int(count))
        for region, total, count in zip(answer["region"], answer["sum(visits)"], answer["count"], strict=True)
    }


def test_two_executors_agree_and_the_answer_is_the_plaintext_answer(world: World) -> None:
    executors = [sl.Executor(world.exchange, sl.Account.generate()), sl.Executor(world.folder, sl.Account.generate())]
    releaser = world.owner.releaser([executor.address for executor in executors])
    ticket = world.ask()
    task = releaser.task(ticket)
    assert releaser.task(ticket.request.to_bytes()) == task and task.job == ticket.job
    assert task.asset == world.asset.did and len(executors[0].parts(task)) == 5
    steps: list[tuple[int, int | None]] = []
    results = [
        executors[0].run(task, progress=lambda stage, done, total: steps.append((done, total))),
        executors[1].run(sl.Task.from_bytes(task.to_bytes())),
    ]
    assert steps[-1] == (5, 5)
    assert results[0].results == results[1].results, "the same part gives the same CID"
    # They travel.
    results = [pickle.loads(pickle.dumps(results[0])), results[1]]
    released = releaser.release(ticket, [results[0], results[1].to_bytes()])
    assert opened(ticket, released) == plain()
    said = released.receipt.statement
    assert said.device == "cpu" and said.executed is not None
    assert said.executed.quorum == 2 and said.executed.results == 2 and said.executed.canaries == 1
    assert sorted(said.executed.executors) == sorted(executor.address for executor in executors)
    # The same request again gives the result that it has.
    assert releaser.release(ticket, []) == released
    assert releaser.struck(world.asset) == []
    executors[0].forget(results[0])
    executors[0].forget(results[0])


def test_a_result_that_is_wrong_is_not_released_and_its_executor_is_struck(world: World) -> None:
    honest, other, liar = (sl.Executor(world.exchange, sl.Account.generate()) for _ in range(3))
    releaser = world.owner.releaser([honest.address, other.address, liar.address])
    assert releaser.executors == [honest.address, other.address, liar.address]
    ticket = world.ask()
    task = releaser.task(ticket)
    right = honest.run(task)
    lie = liar.join(task, right.results[1:] + right.results[:1])
    with pytest.raises(sl.errors.SealockError) as refused:
        releaser.release(ticket, [right, lie])
    assert "agree" not in str(refused.value)
    stranger = sl.Executor(world.exchange, sl.Account.generate()).run(task)
    with pytest.raises(sl.errors.SealockError) as again:
        releaser.release(ticket, [right, stranger])
    assert str(again.value) == str(refused.value), "failures look alike"
    # The owner knows more.
    assert any("none of the executors" in refusal.reason for refusal in world.owner.node.refusals())


def test_a_model_selects_rows_that_nobody_sees(world: World) -> None:
    points = {"plan": {"free": 0.25, "paid": -1.5}, "region": {"north": 2, "south": 0.5}}
    score = sl.col("plan").points(points["plan"]) + sl.col("region").points(points["region"])
    query = sl.select(sl.sum("visits"), sl.count()).filter((score >= 0.5) & (sl.col("plan") == "paid"))
    ticket = world.order.request(query)
    executors = [sl.Executor(world.exchange, sl.Account.generate()) for _ in range(2)]
    releaser = world.owner.releaser([executor.address for executor in executors])
    task = releaser.task(ticket)
    answer = ticket.open(*releaser.release(ticket, [executor.run(task) for executor in executors]))
    rows = [
        visits
        for plan, region, visits in frame().rows()
        if points["plan"][plan] + points["region"][region] >= 0.5 and plan == "paid"
    ]
    assert 0 < len(rows) < 40
    assert (answer["sum(visits)"], answer["count"]) == ([sum(rows)], [len(rows)])


def test_packed_rows_answer_the_same(world: World) -> None:
    published = world.owner.publish(
        frame(),
        name="Visits, packed",
        schema=SCHEMA,
        policy=POLICY,
        price=sl.Price.free(),
        sealed={"public": ["region"], "rows_per_chunk": 40, "packed": True},
    )
    assert published.packed
    asset = published.asset
    consumer = world.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    order, executor = consumer.order(asset), sl.Executor(world.exchange, sl.Account.generate())
    query = sl.select(sl.sum("visits"), sl.count()).filter(sl.col("plan") == "paid").group_by("region")
    ticket, releaser = order.request(query), world.owner.releaser([executor.address])
    task = releaser.task(ticket)
    assert task.packed and sl.Task.from_bytes(task.to_bytes()).packed
    assert opened(ticket, releaser.release(ticket, [executor.run(task)])) == plain()
    assert not world.owner.releaser([]).task(world.ask()).packed


def test_executors_far_away_hand_results_in_and_the_node_releases(world: World, tmp_path: Path) -> None:
    accounts = [sl.Account.generate() for _ in range(2)]
    with sl.serve(world.owner, executors=[account.address for account in accounts]) as server:
        far = sl.Exchange.connect(server.url, tmp_path / "consumer")
        consumer = far.consumer(sl.Account.generate())
        consumer.buy(far.asset(world.asset.nft))
        query = sl.select(sl.sum("visits"), sl.count()).filter(sl.col("plan") == "paid").group_by("region")
        ticket = consumer.order(far.asset(world.asset.nft)).request(query)
        far.node.send(ticket.request)
        for place, account in enumerate(accounts):
            at = sl.Exchange.connect(server.url, tmp_path / f"executor {place}")
            executor = sl.Executor(at, account)
            until = time.monotonic() + 120
            while executor.work_for(at.node) == 0:
                assert time.monotonic() < until
                time.sleep(0.1)
        stranger = sl.Executor(far, sl.Account.generate())
        with pytest.raises(sl.errors.NotFound):
            stranger.work_for(far.node)
        assert opened(ticket, far.node.run(ticket.request)) == plain()
    with pytest.raises(sl.errors.InvalidArgument, match="executors"):
        sl.serve(world.owner, executors=["nobody"])


def test_executors_compute_on_the_devices_that_they_are_told(world: World) -> None:
    account = sl.Account.generate()
    assert sl.Executor(world.exchange, account).device == "cpu"
    assert sl.Executor(world.exchange, account, device=["cpu"]).device == "cpu"
    for missing in ("cuda:4096", ["cuda:0", "cuda:0"], ["cpu", "cuda:4096"], [], "gpu"):
        with pytest.raises(sl.errors.SealockError):
            sl.Executor(world.exchange, account, device=missing)
    with pytest.raises(TypeError, match="device"):
        sl.Executor(world.exchange, account, device=3)  # type: ignore[arg-type]


def test_what_cannot_be_is_refused(world: World) -> None:
    executor = sl.Executor(world.exchange, sl.Account.generate())
    options = ({"publik": []}, {"public": ["region"], "rows": 1}, "yes", 1.5)
    for bad, named in [*((bad, "sealed") for bad in options), ({"packed": "yes"}, "packed")]:
        with pytest.raises(TypeError, match=named):
            world.owner.publish(
                frame(),
                name="Visits",
                schema=SCHEMA,
                policy=POLICY,
                price=sl.Price.free(),
                sealed=bad,  # type: ignore[arg-type]
            )
    with pytest.raises(TypeError, match="store"):
        sl.Executor(7, sl.Account.generate())  # type: ignore[call-overload]
    for kind in (sl.Task, sl.Part, sl.ExecutorResult):
        with pytest.raises(sl.errors.SealockError):
            kind.from_bytes(b"nothing")
    ticket = world.ask()
    task = world.owner.releaser([]).task(ticket)
    with pytest.raises(sl.errors.SealockError):
        world.owner.releaser([executor.address]).release(ticket, [b"nothing"])
    with pytest.raises(ValueError, match="CID"):
        executor.join(task, ["nothing"])


def agrees(world: World, pool: Pool) -> bool:
    """Whether what a pool computes is what is computed here, chunk by chunk, and the plaintext answer."""
    executor = sl.Executor(world.folder, sl.Account.generate())
    here = sl.Executor(world.exchange, sl.Account.generate())
    releaser = world.owner.releaser([executor.address, here.address])
    ticket = world.ask()
    task = releaser.task(ticket)
    spread, alone = sl.run_on(pool, executor, task, store=world.folder, timeout=300), here.run(task)
    assert spread.results == alone.results, "the same part gives the same CID in every process"
    return opened(ticket, releaser.release(ticket, [spread, alone])) == plain()


def test_a_pool_of_processes_computes_the_same(world: World) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert agrees(world, pool)
    executor = sl.Executor(world.folder, sl.Account.generate())
    task = world.owner.releaser([executor.address]).task(world.ask())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(sl.errors.SealockError):
        sl.run_on(pool, executor, task, store=world.folder / "nowhere", timeout=300)


def test_a_worker_of_dask_that_is_killed_changes_nothing(world: World) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        before = set(client.run(os.getpid).values())
        killed: list[int] = []

        def kill() -> None:
            # In the midst of it: both have parts by then.
            time.sleep(1.5)
            killed.append(min(before))
            os.kill(killed[0], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        assert agrees(world, client.get_executor())
        thread.join()
        assert len(before) == 2 and killed


def test_frame_has_both_plans_in_both_regions() -> None:
    assert min(Counter(frame().select("plan", "region").rows()).values()) > 1
