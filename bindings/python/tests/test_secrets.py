"""What is secret stays in the process and out of sight; references and data travel."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import sealock as sl
from conftest import Market


@pytest.fixture(
    params=["Account", "Exchange", "Owner", "Node", "Consumer", "Order", "JobTicket", "Secret", "Filter", "Query"]
)
def guarded(request: pytest.FixtureRequest, market: Market, ticket: sl.JobTicket, query: sl.Query) -> Any:
    things = [market.bank, market.exchange, market.owner, market.owner.node, market.consumer, market.order, ticket]
    things += [sl.secret("x"), sl.col("a") == 1, query]  # type: ignore[list-item]
    return next(thing for thing in things if type(thing).__name__ == request.param)


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_secrets_and_open_handles_are_neither_pickled_nor_copied(guarded: Any, how: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=f"{type(guarded).__name__} can be neither pickled nor copied: "):
        how(guarded)


def test_reprs_show_no_secret(market: Market, ticket: sl.JobTicket) -> None:
    account = sl.Account.generate()
    secret = account.expose_secret_bytes()
    assert account.address in repr(account)
    for shown in (repr(account), str(account), f"{account}"):
        assert secret.hex() not in shown.lower() and repr(secret) not in shown
    hidden = sl.select(sl.count()).filter(sl.col("age") == sl.secret("sesame-4711"))
    for thing in (
        sl.secret("sesame-4711"),
        sl.secret(["sesame-4711"]),
        sl.col("a") == sl.secret("sesame-4711"),
        hidden,
    ):
        assert "sesame" not in repr(thing) and "4711" not in repr(thing)
    for thing in (market.exchange, market.owner, market.owner.node, market.consumer, market.order, ticket):
        assert type(thing).__name__ in repr(thing)


def test_a_request_holds_no_secret_literal(market: Market) -> None:
    asked = sl.select(sl.count()).filter(sl.col("plan") == sl.secret("paid"))
    assert b"paid" not in market.order.request(asked).request.to_bytes()
    assert b"paid" not in asked.program.to_bytes()
    clear = sl.select(sl.count()).filter(sl.col("plan") == "paid")
    assert b"paid" in market.order.request(clear).request.to_bytes()


def test_an_account_is_its_secret() -> None:
    account = sl.Account.generate()
    again = sl.Account.from_secret_bytes(bytearray(account.expose_secret_bytes()))
    assert again == account and hash(again) == hash(account) and again.address == account.address
    assert sl.Account.generate() != account and account != account.address
    for bad in (b"", b"\0" * 32, b"\xff" * 32, b"x" * 31, b"x" * 33):
        with pytest.raises(sl.errors.InvalidArgument):
            sl.Account.from_secret_bytes(bad)
    for wrong in ("x" * 32, None, 5, account):
        with pytest.raises(TypeError):
            sl.Account.from_secret_bytes(wrong)  # type: ignore[arg-type]


def test_references_and_data_pickle(
    market: Market, ticket: sl.JobTicket, released: sl.Released, query: sl.Query
) -> None:
    asset = market.asset
    things: list[Any] = [
        market.published,
        market.published.suppression,
        asset,
        asset.schema,
        asset.schema.column("cost"),
        asset.policy,
        asset.price,
        sl.Price.free(3),
        asset.estimate(query),
        query.program,
        sl.Step(stage="fold", done=1, total=None, eta=None),
        sl.Freed(blocks=1, bytes=2),
        ticket.request,
        released,
        released.receipt.statement,
        market.owner.node.job(ticket.job),
    ]
    for thing in things:
        for again in (pickle.loads(pickle.dumps(thing)), copy.copy(thing), copy.deepcopy(thing)):
            assert type(again) is type(thing) and again == thing and hash(again) == hash(thing)
            assert repr(again) == repr(thing)
        assert thing != object()


def test_a_pickled_asset_is_as_good_as_the_asset(market: Market, query: sl.Query) -> None:
    again = pickle.loads(pickle.dumps(market.asset))
    assert again.estimate(query).groups == 3
    assert market.consumer.orders(again)[0].index == market.order.index


def test_what_is_frozen_stays(market: Market) -> None:
    for thing, name in ((market.asset, "name"), (market.published, "asset"), (market.asset.policy, "max_jobs")):
        with pytest.raises(AttributeError):
            setattr(thing, name, None)
    with pytest.raises(TypeError):
        type("Sub", (sl.Account,), {})
