"""Jobs in the background, and what a node says of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import threading
from datetime import datetime, timedelta, timezone

import pytest
import sealock as sl
from conftest import Market, visits_table


@pytest.fixture
def fresh(market: Market, query: sl.Query) -> sl.JobTicket:
    return market.order.request(query)


def test_a_job_gives_its_result(market: Market, fresh: sl.JobTicket, answer: sl.Answer) -> None:
    job = market.owner.node.submit(fresh.request)
    result, receipt = job.result(timeout=30)
    assert fresh.open(result, receipt) == answer
    assert job.done() and not job.cancel() and job.exception() is None and fresh.job in repr(job)


def test_a_job_can_be_awaited(market: Market, fresh: sl.JobTicket, answer: sl.Answer) -> None:
    async def ask() -> sl.Answer:
        released = await market.owner.node.submit(fresh.request.to_bytes())
        return fresh.open(*released)

    assert asyncio.run(ask()) == answer


def test_a_failed_job_raises(market: Market) -> None:
    with pytest.raises(sl.errors.Rejected):
        market.owner.node.submit(b"nothing").result()

    async def ask() -> None:
        await market.owner.node.submit(b"nothing")

    with pytest.raises(sl.errors.Rejected):
        asyncio.run(ask())
    with pytest.raises(TypeError, match="request"):
        market.owner.node.submit("nothing")  # type: ignore[arg-type]


def test_a_job_can_be_waited_for_and_cancelled(market: Market, fresh: sl.JobTicket, answer: sl.Answer) -> None:
    hold, reached = threading.Event(), threading.Event()

    def wait(stage: str, done: int, total: int | None) -> None:
        reached.set()
        hold.wait(30)

    job = market.owner.node.submit(fresh.request, progress=wait)
    assert reached.wait(30) and not job.done()
    with pytest.raises(concurrent.futures.TimeoutError):
        job.result(timeout=0.01)
    assert job.cancel()
    hold.set()
    with pytest.raises(concurrent.futures.CancelledError):
        job.result(timeout=30)
    # Nothing is lost: the same request again.
    assert fresh.open(*market.owner.node.run(fresh.request)) == answer


def test_callbacks_are_called(market: Market, fresh: sl.JobTicket) -> None:
    called: list[sl.Job] = []
    job = market.owner.node.submit(fresh.request)
    job.add_done_callback(called.append)
    job.result()
    job.add_done_callback(called.append)
    deadline = datetime.now() + timedelta(seconds=10)
    while len(called) < 2 and datetime.now() < deadline:
        pass
    assert called == [job, job]
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(job)


def test_a_node_remembers(market: Market, ticket: sl.JobTicket, released: sl.Released) -> None:
    node = market.owner.node
    record = node.job(ticket.job)
    assert record is not None
    assert record.receipt == released.receipt.statement.number
    assert record.asset == market.asset.did and record.policy == market.asset.policy.digest
    assert abs(record.admitted_at - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert node.job("00" * 32) is None
    assert released.receipt in node.receipts()
    assert node.resume() == 0
    assert node.run(ticket.request) == released


def test_refusals_tell_the_owner_why(market: Market, ticket: sl.JobTicket) -> None:
    node = market.owner.node
    with pytest.raises(sl.errors.Rejected) as caught:
        node.run(ticket.request.to_bytes() + b"\0")
    assert str(caught.value) == "rejected"
    last = node.refusals()[-1]
    assert last.kind == "Malformed" and "request" in last.reason


def test_a_ticket_is_run_as_its_request(market: Market, ticket: sl.JobTicket, released: sl.Released) -> None:
    node = market.owner.node
    assert node.run(ticket) == node.submit(ticket).result(30) == released


def test_what_does_not_decode_is_said_in_words(ticket: sl.JobTicket, released: sl.Released) -> None:
    for thing in (ticket.request, released.result, released.receipt):
        encoded = thing.to_bytes()
        for bad, why in (
            (b"", "it ends too early"),
            (b"abc", "expected a map, got a text"),
            (encoded[:-1], "it ends too early"),
            (encoded + b"\0", "something follows after its end"),
        ):
            with pytest.raises(sl.errors.Malformed) as caught:
                type(thing).from_bytes(bad)
            assert str(caught.value).endswith(why)


def test_a_receipt_says_what_was_done(market: Market, ticket: sl.JobTicket, released: sl.Released) -> None:
    result, receipt = released
    receipt.verify(market.owner.address)
    said = receipt.statement
    assert said.asset == market.asset.did and said.job == ticket.job == result.job
    assert said.result == result.digest and said.data == market.asset.data
    assert said.device == "cpu" and said.epsilon is None and len(said.nullifier) == 32
    with pytest.raises(sl.errors.BadSignature):
        receipt.verify(market.consumer.address)


def test_a_chain_of_receipts_is_verified(market: Market, released: sl.Released) -> None:
    receipts = market.owner.node.receipts()
    assert released.receipt in receipts
    sl.verify_chain(market.owner.address, receipts)
    sl.verify_chain(market.owner.address, [])
    if len(receipts) > 1:
        with pytest.raises(sl.errors.BadSignature):
            sl.verify_chain(market.owner.address, receipts[1:])
    with pytest.raises(sl.errors.BadSignature):
        sl.verify_chain(market.consumer.address, receipts)
    with pytest.raises(TypeError):
        sl.verify_chain(market.owner.address, [1])  # type: ignore[list-item]


def test_results_open_for_their_own_ticket_alone(
    market: Market, fresh: sl.JobTicket, ticket: sl.JobTicket, released: sl.Released
) -> None:
    mine = market.owner.node.run(fresh.request)
    for result, receipt in ((released.result, released.receipt), (mine.result, released.receipt)):
        with pytest.raises(sl.errors.InvalidArgument, match=f"of job {ticket.job}, and this is the ticket of"):
            fresh.open(result, receipt)
    with pytest.raises(TypeError):
        ticket.open(released.receipt, released.result)  # type: ignore[arg-type]


def test_the_wallet_has_the_tickets(market: Market, fresh: sl.JobTicket) -> None:
    assert fresh.job in [ticket.job for ticket in market.consumer.tickets()]
    again = next(ticket for ticket in market.consumer.tickets() if ticket.job == fresh.job)
    again.renew()
    assert again.job == fresh.job and again.request != fresh.request
    assert len(again.open(*market.owner.node.run(again.request))) == 3
    market.consumer.forget(fresh.job)
    assert fresh.job not in [ticket.job for ticket in market.consumer.tickets()]


def test_orders_are_found_again(market: Market) -> None:
    (found,) = market.consumer.orders(market.asset)
    assert found.index == market.order.index == 0 and found.asset == market.asset
    assert found.uses == 200 and found.uses_left == market.order.uses_left
    assert timedelta(days=29) < found.expires - datetime.now(timezone.utc) < timedelta(days=31)


def test_an_order_is_used_up(market: Market) -> None:
    asset = market.owner.publish(
        visits_table(),
        name="Short",
        schema=market.asset.schema,
        policy=market.asset.policy,
        price=sl.Price.free(),
        uses_per_order=1,
    ).asset
    market.consumer.buy(asset)
    order = market.consumer.order(asset)
    order.request(sl.select(sl.count()))
    assert order.uses_left == 0
    with pytest.raises(sl.errors.UseLimitReached) as caught:
        order.request(sl.select(sl.count()))
    assert caught.value.hint == "order the asset again"
    replay = order.request_use(sl.select(sl.count()), 0)
    market.owner.node.run(replay.request)


def test_a_device_is_used_or_refused_and_never_another(market: Market) -> None:
    node = market.owner.node
    assert node.device == "cpu"
    for missing in ("cuda:4096", "gpu", ""):
        with pytest.raises(sl.errors.SealockError, match="device"):
            node.set_device(missing)
        assert node.device == "cpu"
    node.set_device("cpu")
