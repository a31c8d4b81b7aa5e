"""Sums over several owners' tables, of which only the total opens."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pytest
import sealock as sl
from conftest import PLANS, REPOSITORY, visits_schema
from test_docs import snippets

#: Rows of each owner: plans in turn, and visits that tell the owners apart.
ROWS = [120, 200, 280]


def frame(owner: int) -> pd.DataFrame:
    rows = range(ROWS[owner])
    return pd.DataFrame(
        {
            "plan": [PLANS[row % 2] for row in rows],
            "region": ["north" if row % 3 else "south" for row in rows],
            "visits": [(row + owner) % 10 for row in rows],
            "cost": [row % 7 + 0.25 for row in rows],
        }
    )


@dataclass
class Federation:
    exchange: sl.Exchange
    owners: list[sl.Owner]
    assets: list[sl.Asset]
    consumer: sl.Consumer
    orders: list[sl.Order]

    def run(self, ticket: sl.FederatedTicket) -> list[tuple[sl.SealedResult, sl.Receipt]]:
        by_asset = {asset.did: owner for asset, owner in zip(self.assets, self.owners, strict=True)}
        return [by_asset[request.asset].node.run(request) for request in ticket.requests]


def policy(members: list[str]) -> sl.Policy:
    return sl.Policy(
        dimensions=["plan", "region", "visits"],
        measures=["visits", "cost"],
        aggregations=["count", "sum", "mean"],
        programs="any",
        min_group_size=2,
        federation=members,
    )


def publish(owner: sl.Owner, data: pd.DataFrame, rules: sl.Policy) -> sl.Asset:
    price = sl.Price.free()
    published = owner.publish(data, schema=visits_schema(), policy=rules, name="Visits", price=price, uses_per_order=20)
    return published.asset


def counts(answer: sl.Answer) -> list[int]:
    return pa.table(answer)["count"].to_pylist()


@pytest.fixture(scope="module")
def federation() -> Federation:
    exchange = sl.Exchange.in_memory()
    owners = [exchange.owner(sl.Account.generate()) for _ in ROWS]
    members = [owner.member for owner in owners]
    assets = [publish(owner, frame(place), policy(members)) for place, owner in enumerate(owners)]
    consumer = exchange.consumer(sl.Account.generate())
    for asset in assets:
        consumer.buy(asset)
    return Federation(exchange, owners, assets, consumer, [consumer.order(asset) for asset in assets])


def test_the_total_is_that_of_all_rows(federation: Federation) -> None:
    rows = pd.concat([frame(place) for place in range(3)])
    query = (
        sl.select(sl.count(), sl.mean("cost").alias("cost"), (sl.sum("visits") / sl.count()).alias("rate"))
        .filter(sl.col("visits") >= sl.secret(5))
        .group_by("plan")
    )
    steps: list[str] = []
    ticket = federation.consumer.request_federated(
        federation.orders, query, progress=lambda stage, done, total: steps.append(stage)
    )
    assert "prove" in steps and repr(ticket) == "FederatedTicket(3 jobs)"
    dids = [asset.did for asset in federation.assets]
    assert [request.parties for request in ticket.requests] == [dids] * 3
    assert [request.job for request in ticket.requests] == ticket.jobs
    results = federation.run(ticket)
    answer = pa.table(ticket.open(reversed(results))).to_pandas().set_index("plan")
    kept = rows[rows.visits >= 5].groupby("plan")
    assert answer["count"].to_dict() == kept.size().to_dict()
    for plan, group in kept:
        assert answer.loc[plan, "cost"] == pytest.approx(group.cost.mean(), abs=1e-12)
        assert answer.loc[plan, "rate"] == pytest.approx(group.visits.mean(), abs=1e-12)


def test_parts_open_nothing(federation: Federation) -> None:
    ticket = federation.consumer.request_federated(federation.orders, sl.select(sl.count()))
    results = federation.run(ticket)
    with pytest.raises(sl.errors.InvalidArgument, match="is missing") as raised:
        ticket.open(results[:1])
    assert raised.value.hint is not None
    for wrong in ([results[0][0]], [(results[0][1], results[0][0])], 7, "ab"):
        with pytest.raises(TypeError):
            ticket.open(wrong)  # type: ignore[arg-type]
    assert counts(ticket.open(results)) == [sum(ROWS)]


def test_a_wallet_finds_it_again(federation: Federation) -> None:
    before = len(federation.consumer.federated_tickets())
    ticket = federation.consumer.request_federated(federation.orders, sl.select(sl.count()))
    ticket.renew()
    kept = {tuple(kept.jobs): kept for kept in federation.consumer.federated_tickets()}
    assert len(kept) == before + 1
    answer = kept[tuple(ticket.jobs)].open(federation.run(ticket))
    assert counts(answer) == [sum(ROWS)]
    assert not federation.consumer.tickets()
    federation.consumer.forget(ticket.jobs[0])
    assert len(federation.consumer.federated_tickets()) == before
    with pytest.raises(TypeError, match="federated_tickets"):
        pickle.dumps(ticket)


def test_alone_it_is_denied(federation: Federation) -> None:
    left = federation.orders[0].uses_left
    with pytest.raises(sl.errors.PolicyDenied, match="of 2 other owners") as raised:
        federation.orders[0].request(sl.select(sl.count()))
    assert "request_federated" in raised.value.hint
    for orders in ([], federation.orders[:1], [federation.orders[0]] * 2):
        with pytest.raises(sl.errors.InvalidArgument):
            federation.consumer.request_federated(orders, sl.select(sl.count()))
    with pytest.raises(sl.errors.PolicyDenied, match="all 3 members"):
        federation.consumer.request_federated(federation.orders[:2], sl.select(sl.count()))
    with pytest.raises(TypeError, match="orders"):
        federation.consumer.request_federated([federation.assets[0]], sl.select(sl.count()))  # type: ignore[list-item]
    assert federation.orders[0].uses_left == left


def test_rules_are_read_as_they_are_written(federation: Federation) -> None:
    members = [owner.member for owner in federation.owners]
    rules = policy(members)
    assert rules.federation == frozenset(members)
    assert sl.Policy.from_json(rules.to_json()) == rules and pickle.loads(pickle.dumps(rules)) == rules
    alone = sl.Policy(aggregations=["count"], programs="any")
    assert alone.federation is None
    for wrong in ("", "0x12/ab", members[0][:60]):
        with pytest.raises(sl.errors.InvalidArgument, match="64 hex digits"):
            sl.Policy(federation=[wrong])
    with pytest.raises(TypeError):
        sl.Policy(federation=members[0])
    stranger = federation.exchange.owner(sl.Account.generate())
    with pytest.raises(sl.errors.InvalidArgument, match="does not name its owner"):
        publish(stranger, frame(0), rules)


def test_the_snippet_of_the_guide_runs(federation: Federation) -> None:
    snippet, _ = snippets(REPOSITORY / "docs/sealed-queries.md")
    names = {
        "sl": sl,
        "owners": federation.owners,
        "orders": federation.orders,
        "consumer": federation.consumer,
        "query": sl.select(sl.count()),
    }
    exec(snippet, names)
    assert counts(names["answer"]) == [sum(ROWS)]
