"""Every function, with what it does not take: a typed error that says what to do, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sealock as sl
from conftest import Market, visits_policy, visits_schema, visits_table
from sealock.errors import (
    CapExceeded,
    DispenserLimit,
    InsufficientBalance,
    InvalidArgument,
    Io,
    Locked,
    Malformed,
    NotAuthorized,
    NotFound,
    PolicyDenied,
    SchemaMismatch,
    TooLarge,
    UnknownColumn,
    UnknownToken,
)

ZERO = "0x" + "00" * 20
category, integer, decimal, boolean = (
    getattr(sl.Column, name) for name in ("category", "integer", "decimal", "boolean")
)
make_schema: Any = sl.Schema
make_policy: Any = sl.Policy
price: Any = sl.Price


def test_amounts_are_exact(market: Market) -> None:
    exchange: Any = market.exchange
    to = sl.Account.generate().address
    for amount, held in ((1, 1), ("0.5", "1.5"), (Decimal("0.25"), "1.75"), (Decimal("1E-18"), "1.750000000000000001")):
        exchange.mint(market.bank, market.token, to, amount)
        assert exchange.balance_of(market.token, to) == Decimal(held)
    for amount in (1.0, True, None, b"1", [1], object()):
        with pytest.raises(TypeError, match="amounts are exact"):
            exchange.mint(market.bank, market.token, to, amount)
    for amount in (
        -1,
        "1e3",
        "",
        "1.0000000000000000001",
        "NaN",
        2**128,
        10**5000,
        Decimal("NaN"),
        Decimal(-1),
        Decimal("1e99"),
    ):
        with pytest.raises(InvalidArgument):
            exchange.mint(market.bank, market.token, to, amount)
    assert exchange.balance_of(market.token, to) == Decimal("1.750000000000000001")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: m.exchange.mint(m.bank, "0x12", ZERO, 1), InvalidArgument),
        (lambda m: m.exchange.mint(m.bank, m.token.swapcase(), ZERO, 1), InvalidArgument),
        (lambda m: m.exchange.mint(m.bank, 5, ZERO, 1), TypeError),
        (lambda m: m.exchange.mint(m.bank, ZERO, ZERO, 1), UnknownToken),
        (lambda m: m.exchange.mint(sl.Account.generate(), m.token, m.bank.address, 1), NotAuthorized),
        (lambda m: m.exchange.mint(m.bank, m.token, m.bank.address, 10_000), CapExceeded),
        (lambda m: m.exchange.mint("me", m.token, ZERO, 1), TypeError),
        (lambda m: m.exchange.transfer(sl.Account.generate(), m.token, m.bank.address, 1), InsufficientBalance),
        (lambda m: m.exchange.transfer(m.bank, m.token, None, 1), TypeError),
        (lambda m: m.exchange.balance_of(ZERO, ZERO), UnknownToken),
        (lambda m: m.exchange.deploy_token(m.bank, "", "X", 1), InvalidArgument),
        (lambda m: m.exchange.deploy_token(m.bank, "x" * 129, "X", 1), TooLarge),
        (lambda m: m.exchange.deploy_token(m.bank, "x", "X", 1.5), TypeError),
        (lambda m: m.exchange.asset(m.token), UnknownToken),
        (lambda m: m.exchange.asset(m.asset.did[:-1]), InvalidArgument),
        (lambda m: m.exchange.asset("did:op:" + "0" * 64), NotFound),
        (lambda m: m.exchange.asset(None), TypeError),
        (lambda m: m.exchange.owner(None), TypeError),
        (lambda m: m.exchange.consumer(m.bank.address), TypeError),
        (lambda m: m.consumer.buy(m.asset, 0), InvalidArgument),
        (lambda m: m.consumer.buy(m.asset, -1), InvalidArgument),
        (lambda m: m.consumer.buy(m.asset, 2**32), InvalidArgument),
        (lambda m: m.consumer.buy(m.asset, 1.5), TypeError),
        (lambda m: m.consumer.buy(m.asset, True), TypeError),
        (lambda m: m.consumer.buy(m.asset, 1000), InsufficientBalance),
        (lambda m: m.consumer.buy(m.asset.did), TypeError),
        (lambda m: m.exchange.consumer(sl.Account.generate()).order(m.asset), InsufficientBalance),
        (lambda m: m.consumer.order(None), TypeError),
        (lambda m: m.consumer.forget("xyz"), InvalidArgument),
        (lambda m: m.consumer.forget(5), TypeError),
        (lambda m: m.order.request("query"), TypeError),
        (lambda m: m.order.request_use(sl.select(sl.count()), -1), InvalidArgument),
        (lambda m: m.order.request_use(sl.select(sl.count()), 2**70), InvalidArgument),
        (lambda m: m.order.request_use(sl.select(sl.count()), "0"), TypeError),
        (lambda m: m.order.request_without_policy_check(None), TypeError),
        (lambda m: m.owner.node.run(None), TypeError),
        (lambda m: m.owner.node.run("text"), TypeError),
        (lambda m: m.owner.node.job("text"), InvalidArgument),
        (lambda m: m.owner.node.job("é" * 64), InvalidArgument),
        (lambda m: m.asset.estimate(None), TypeError),
        (lambda m: m.asset.schema.column("plam"), UnknownColumn),
        (lambda m: sl.verify_chain("0x", []), InvalidArgument),
        (lambda m: sl.verify_chain(m.bank.address, "x"), TypeError),
    ],
)
def test_calls_with_what_they_do_not_take(
    market: Market, call: Callable[[Any], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(market)


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"name": "ab"}, InvalidArgument, "4 to"),
        ({"name": "a\0bcd"}, InvalidArgument, "control characters"),
        ({"name": 5}, TypeError, "str"),
        ({"description": "short"}, InvalidArgument, "description"),
        ({"tags": "health"}, TypeError, "tags"),
        ({"tags": [5]}, TypeError, "tags"),
        ({"tags": ["x"] * 65}, InvalidArgument, "tags"),
        ({"cap": -1}, InvalidArgument, "cap"),
        ({"cap": "5"}, TypeError, "cap"),
        ({"uses_per_order": 0}, InvalidArgument, "uses_per_order"),
        ({"uses_per_order": 2**40}, InvalidArgument, "uses_per_order"),
        ({"uses_per_order": 1.0}, TypeError, "uses_per_order"),
        ({"valid_for": timedelta(0)}, InvalidArgument, "valid_for"),
        ({"valid_for": timedelta(days=-1)}, InvalidArgument, "valid_for"),
        ({"valid_for": timedelta(days=365 * 200)}, InvalidArgument, "validity"),
        ({"valid_for": 0}, InvalidArgument, "validity"),
        ({"valid_for": "30d"}, TypeError, "valid_for"),
        ({"price": 2}, TypeError, "Price"),
        ({"schema": "auto"}, TypeError, "Schema"),
        ({"policy": None}, TypeError, "policy"),
        ({"policy": {"dimension": ["plan"]}}, TypeError, "dimension"),
        ({"policy": {}}, InvalidArgument, "aggregation"),
        ({"policy": {"aggregations": ["count"]}}, InvalidArgument, "program"),
        ({"policy": {"aggregations": ["count"], "programs": "any", "dimensions": ["plam"]}}, UnknownColumn, "plan"),
        (
            {"policy": {"aggregations": ["count"], "programs": "any", "dimensions": ["cost"]}},
            InvalidArgument,
            "dimension",
        ),
        ({"policy": {"aggregations": ["count"], "programs": "any", "measures": ["plan"]}}, InvalidArgument, "measure"),
        (
            {"policy": {"aggregations": ["count"], "programs": "any", "min_group_size": 0}},
            InvalidArgument,
            "min_group_size",
        ),
        ({"policy": {"aggregations": ["count"], "programs": "any", "min_group_size": 500}}, InvalidArgument, "500"),
        ({"policy": {"aggregations": ["count"], "programs": "any", "max_jobs": 0}}, InvalidArgument, "max_jobs"),
        ({"policy": {"aggregations": ["count"], "programs": "any", "expires": 1}}, PolicyDenied, "expired"),
        ({"progress": 3}, TypeError, "progress"),
    ],
)
def test_offers_that_are_refused(market: Market, keywords: dict[str, Any], error: type[Exception], words: str) -> None:
    offer: dict[str, Any] = dict(name="An offer", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free())
    before = len(market.exchange.assets())
    with pytest.raises(error, match=words):
        market.owner.publish(visits_table(), **offer | keywords)
    assert len(market.exchange.assets()) == before


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: category("", ["a"]), InvalidArgument),
        (lambda: category("x" * 200, ["a"]), InvalidArgument),
        (lambda: category("x\0", ["a"]), InvalidArgument),
        (lambda: category("x", []), InvalidArgument),
        (lambda: category("x", ["a", "a"]), InvalidArgument),
        (lambda: category("x", "abc"), TypeError),
        (lambda: category("x", [1]), TypeError),
        (lambda: category("x", ["a"], measure=True), InvalidArgument),
        (lambda: category("x", ["a"], description="\0"), InvalidArgument),
        (lambda: integer("x", 5, 1), InvalidArgument),
        (lambda: integer("x", 0, 2**63), InvalidArgument),
        (lambda: integer("x", 0.0, 1), TypeError),
        (lambda: integer("x", 0, 2**40, dimension=True), InvalidArgument),
        (lambda: integer("x", 0, 10, bins=[0, 5]), InvalidArgument),
        (lambda: integer("x", 0, 10, bins=[5, 0, 10]), InvalidArgument),
        (lambda: integer("x", 0, 10, bins=[0, 2.5, 10]), InvalidArgument),
        (lambda: integer("x", 0, 10, bins=5), TypeError),
        (lambda: integer("x", 0, 10, bins=[None, 10]), InvalidArgument),
        (lambda: integer("x", 0, 10, bins=["a", 10]), InvalidArgument),
        (lambda: decimal("x", 2, 0, "1.005"), InvalidArgument),
        (lambda: decimal("x", 19, 0, 1), InvalidArgument),
        (lambda: decimal("x", 300, 0, 1), InvalidArgument),
        (lambda: decimal("x", 2, 0, float("nan")), InvalidArgument),
        (lambda: decimal("x", 2, 0, "one"), InvalidArgument),
        (lambda: decimal("x", 18, 0, 100), InvalidArgument),
        (lambda: boolean(5), TypeError),
        (lambda: make_schema([]), InvalidArgument),
        (lambda: make_schema([boolean("x"), boolean("x")]), InvalidArgument),
        (lambda: make_schema(["x"]), TypeError),
        (lambda: make_schema(None), TypeError),
        (lambda: make_schema([boolean("x")]).with_column(boolean("y")), UnknownColumn),
        (lambda: make_schema([boolean("x")]).without_column("x"), InvalidArgument),
        (lambda: make_schema([boolean("x")]).column("\0"), UnknownColumn),
        (lambda: make_schema.from_json("{"), Malformed),
        (lambda: make_schema.from_json('{"version": 1, "columns": []}'), Malformed),
        (lambda: make_schema.from_json(5), TypeError),
        (lambda: make_policy(dimensions="plan"), TypeError),
        (lambda: make_policy(dimensions=b"plan"), TypeError),
        (lambda: make_policy(dimensions={"plan": 1}), TypeError),
        (lambda: make_policy(aggregations=["median"]), InvalidArgument),
        (lambda: make_policy(aggregations=[sl.count]), TypeError),
        (lambda: make_policy(programs="all"), InvalidArgument),
        (lambda: make_policy(programs=["any"]), InvalidArgument),
        (lambda: make_policy(programs=[5]), TypeError),
        (lambda: make_policy(min_group_size=-1), InvalidArgument),
        (lambda: make_policy(min_group_size=2**32), InvalidArgument),
        (lambda: make_policy(min_group_size=2.5), TypeError),
        (lambda: make_policy(max_jobs="5"), TypeError),
        (lambda: make_policy(expires=datetime(2030, 1, 1)), InvalidArgument),
        (lambda: make_policy(expires=datetime(1960, 1, 1, tzinfo=timezone.utc)), InvalidArgument),
        (lambda: make_policy(expires=date(2030, 1, 1)), TypeError),
        (lambda: make_policy(expires=1e9), TypeError),
        (lambda: make_policy(purpose=5), TypeError),
        (lambda: make_policy.from_json("[]"), Malformed),
        (lambda: price.free(0), InvalidArgument),
        (lambda: price.free(-1), InvalidArgument),
        (lambda: price.free("1"), TypeError),
        (lambda: price.fixed(ZERO, 1), InvalidArgument),
        (lambda: price.fixed("0x" + "11" * 20, 0), InvalidArgument),
        (lambda: price.fixed("0x" + "11" * 20, 0.5), TypeError),
    ],
)
def test_declarations_that_contradict_themselves(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("kind", [sl.Schema, sl.Asset, sl.Program, sl.JobRequest, sl.SealedResult, sl.Receipt])
def test_bytes_that_are_none(
    kind: Any, market: Market, ticket: sl.JobTicket, released: sl.Released, query: sl.Query
) -> None:
    things = (market.asset.schema, market.asset, query.program, ticket.request, *released)
    good = next(thing for thing in things if isinstance(thing, kind)).to_bytes()
    assert kind.from_bytes(good).to_bytes() == good
    for bad in (b"", good[:-1], good[: len(good) // 2], good + b"\0", b"\xff" * 100, bytes(64)):
        with pytest.raises(ValueError) as caught:
            kind.from_bytes(bad)
        assert isinstance(caught.value, sl.SealockError)
    with pytest.raises(TooLarge):
        kind.from_bytes(bytes(70 << 20))
    for wrong in ("text", None, 5, [1]):
        with pytest.raises(TypeError):
            kind.from_bytes(wrong)


def test_folders_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file", str(tmp_path / "file" / "below"), "a\0b"):
        with pytest.raises(Io) as caught:
            sl.Exchange.local(path)
        assert isinstance(caught.value, OSError)
    with pytest.raises(TypeError):
        sl.Exchange.local(5)  # type: ignore[arg-type]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ledger.redb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(sl.SealockError):
        sl.Exchange.local(tmp_path / "bad")


def test_what_is_open_is_open_once(tmp_path: Path) -> None:
    exchange = sl.Exchange.local(tmp_path)
    with pytest.raises(Locked):
        sl.Exchange.local(tmp_path)
    account = sl.Account.generate()
    consumer = exchange.consumer(account)
    with pytest.raises(Locked, match="open already"):
        exchange.consumer(account)
    del consumer
    exchange.consumer(account)


def test_an_nft_that_is_no_asset(market: Market) -> None:
    with pytest.raises((NotFound, UnknownToken)):
        market.exchange.asset(ZERO)


@pytest.mark.parametrize("name", ["Visits", "did:op:12", "did:op:" + "A" * 64, "0x12", "", "0x" + "A" * 39 + "a"])
def test_an_asset_is_named_by_its_did_or_its_nft(market: Market, name: str) -> None:
    asset = market.asset
    assert market.exchange.asset(asset.did) == market.exchange.asset(asset.nft) == asset
    with pytest.raises(InvalidArgument) as caught:
        market.exchange.asset(name)
    said = str(caught.value)
    assert "a DID (did:op: and 64" in said and "the address of a data NFT (0x and 40" in said and name in said


def test_a_dispenser_gives_no_more(market: Market) -> None:
    keywords: Any = dict(name="Free", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free(1))
    asset = market.owner.publish(visits_table(), **keywords).asset
    consumer = market.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    with pytest.raises(DispenserLimit) as caught:
        consumer.buy(asset)
    assert caught.value.hint == "the account has 1 already: order with what it has"
    consumer.order(asset)


def test_values_come_back_as_they_went_in(market: Market) -> None:
    column = sl.Column.decimal(
        "x", 2, "-1.5", Decimal("9.99"), bins=[-1.5, 0, "5.25", 10], dimension=True, nullable=True
    )
    assert (column.min, column.max, column.scale) == (Decimal("-1.5"), Decimal("9.99"), 2)
    assert column.bins == (Decimal("-1.5"), 0, Decimal("5.25"), 10) and column.nullable and not column.measure
    schema = market.asset.schema
    assert sl.Schema.from_json(schema.to_json()) == schema and len(schema) == 4
    assert schema.column("plan").values == ("free", "paid") and schema.column("plan").min is None
    assert schema.without_column("cost").with_column(sl.Column.boolean("plan")).columns[0].kind == "boolean"
    expires = datetime(2040, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    policy = sl.Policy(
        dimensions=["b", "a"],
        measures={"m"},
        aggregations=("mean", "sum"),
        programs=["ab" * 32],
        min_group_size=3,
        max_jobs=7,
        expires=expires,
        purpose="testing",
    )
    assert policy.dimensions == {"a", "b"} and policy.measures == {"m"} and policy.aggregations == {"mean", "sum"}
    assert policy.programs == {"ab" * 32} and policy.min_group_size == 3 and policy.max_jobs == 7
    assert policy.expires == expires and policy.purpose == "testing"
    assert (
        sl.Policy.from_json(policy.to_json()) == policy
        and sl.Policy(expires=int(expires.timestamp())).expires == expires
    )
    nothing = sl.Policy()
    assert nothing.programs == frozenset() and nothing.dimensions == frozenset() and nothing.expires is None
    assert nothing.min_group_size == 10
    assert sl.Policy(programs="any").programs == "any"
    fixed = sl.Price.fixed(market.token, "1.5")
    assert fixed == market.asset.price and (fixed.token, fixed.amount) == (market.token, Decimal("1.5"))
    assert sl.Price.free().max_per_account == 1 and sl.Price.free().token is None and sl.Price.free().amount == 0


def test_an_asset_shows_what_was_published(market: Market) -> None:
    asset = market.asset
    assert asset in market.exchange.assets() and market.exchange.asset(asset.nft) == asset
    assert asset.owner == market.owner.address and asset.name == "Visits" and asset.tags == ("test",)
    assert asset.uses_per_order == 200 and asset.valid_for == timedelta(days=30) and asset.max_rows == 256
    assert asset.did.startswith("did:op:") and len(asset.data) == 64 and asset.license == "proprietary"
    assert abs(asset.created - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert market.exchange.balance_of(asset.datatoken, market.consumer.address) == 0
    assert market.published.suppression == sl.Suppression(
        cells=18, suppressed_cells=0, rows=240, suppressed_rows=0, suppressed_values=0
    )


def test_a_program_can_be_allowed_by_itself(market: Market, query: sl.Query) -> None:
    policy = sl.Policy(
        dimensions=["plan", "region"],
        measures=["visits", "cost"],
        aggregations=["count", "sum", "mean"],
        programs=[query.program],
    )
    keywords: Any = dict(name="One program", schema=visits_schema(), policy=policy, price=sl.Price.free())
    asset = market.owner.publish(visits_table(), **keywords).asset
    assert asset.estimate(query).groups == 3
    with pytest.raises(PolicyDenied, match="allowed_programs"):
        asset.estimate(sl.select(sl.count()))
    with pytest.raises(SchemaMismatch):
        asset.estimate(query.filter(sl.col("plan") == 3))
