"""The privacy budget from Python: what is asked of a policy, what is foretold, spent and refused."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
import sealock as sl
from conftest import visits_schema, visits_table


def noisy(**rules: Any) -> sl.Policy:
    return sl.Policy(
        dimensions=["plan", "region"],
        measures=["cost"],
        aggregations=["count", "sum", "mean"],
        programs="any",
        min_group_size=1,
        **rules,
    )


def market(policy: sl.Policy) -> tuple[sl.Owner, sl.Asset, sl.Order]:
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    published = owner.publish(
        visits_table(),
        name="Visits",
        schema=visits_schema(),
        policy=policy,
        price=sl.Price.free(),
        uses_per_order=5,
    )
    asset = published.asset
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    return owner, asset, consumer.order(asset)


def test_a_budget_is_foretold_spent_and_ends() -> None:
    owner, asset, order = market(noisy(epsilon="0.01", epsilon_per_asset=Decimal("0.025")))
    assert asset.policy.epsilon == Decimal("0.01")
    assert asset.policy.epsilon_per_asset == Decimal("0.025")
    query = sl.select(sl.count(), sl.sum("cost")).filter(sl.col("plan") == sl.secret("paid"))
    estimate = asset.estimate(query)
    assert (estimate.epsilon, estimate.delta, estimate.epsilon_limit) == (0.01, None, 0.025)
    counted, summed = estimate.errors
    assert (counted.name, counted.cells, summed.name) == ("count", 2, "sum(cost)")
    # Two numbers share the loss: scales of 200 rows, and of 200 times the largest cost.
    assert counted.cell_deviation == pytest.approx(200 * 2**0.5, rel=1e-3)
    assert summed.cell_deviation == pytest.approx(200 * 99.99 * 2**0.5, rel=1e-3)
    assert counted.cell_deviation < counted.deviation < counted.half_width

    answers = []
    for spent in (Decimal("0.01"), Decimal("0.02")):
        ticket = order.request(query)
        result, receipt = owner.node.run(ticket.request)
        answers.append(ticket.open(result, receipt))
        assert receipt.statement.epsilon == 0.01
        assert ticket.open(*owner.node.run(ticket.request))["count"] == answers[-1]["count"]
        assert owner.node.budget(asset).spent == spent
    assert any(answer["count"] != [120] for answer in answers)
    assert owner.node.budget(asset) == sl.Budget(spent=Decimal("0.02"), limit=Decimal("0.025"), left=Decimal("0.005"))
    with pytest.raises(sl.errors.Rejected):
        owner.node.run(order.request(query).request)
    assert owner.node.refusals()[-1].kind == "BudgetExhausted"


def test_a_protected_cube_answers_alike_and_is_paid_once() -> None:
    owner, asset, order = market(noisy(protected_cube=0.05, delta="1e-9", clamp={"cost": (0, "20.5")}))
    policy = asset.policy
    assert (policy.protected_cube, policy.delta, policy.epsilon) == (Decimal("0.05"), Decimal("1e-9"), None)
    query = sl.select(sl.count()).group_by("plan")
    assert asset.estimate(query).delta == 1e-9 and asset.estimate(query).epsilon == 0
    answers = []
    for _ in range(3):
        ticket = order.request(query)
        result, receipt = owner.node.run(ticket.request)
        assert receipt.statement.epsilon == 0
        answers.append(ticket.open(result, receipt)["count"])
    assert answers[0] == answers[1] == answers[2]
    assert owner.node.budget(asset) == sl.Budget(spent=Decimal("0.05"), limit=None, left=None)


def test_policies_with_a_budget_are_kept_whole() -> None:
    policy = noisy(epsilon=1, epsilon_per_order=3, delta=0.001, clamp={"cost": (0, 7)})
    assert sl.Policy.from_json(policy.to_json()) == policy
    assert pickle.loads(pickle.dumps(policy)).digest == policy.digest
    plain = noisy()
    assert plain.epsilon is None and plain.epsilon_per_asset is None and "privacy" not in plain.to_json()


@pytest.mark.parametrize(
    ("rules", "error", "says"),
    [
        ({"epsilon": 0}, sl.errors.InvalidArgument, "no privacy loss"),
        ({"epsilon": "0.0000001"}, sl.errors.InvalidArgument, "six places"),
        ({"epsilon": float("nan")}, sl.errors.InvalidArgument, "no decimal"),
        ({"epsilon": True}, TypeError, "expected a number"),
        ({"epsilon": None, "delta": 2}, sl.errors.InvalidArgument, "no δ"),
        ({"clamp": [1]}, TypeError, "clamp"),
        ({"clamp": {"cost": 1}}, TypeError, "pairs"),
    ],
)
def test_what_is_no_loss_is_refused(rules: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        noisy(**rules)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"epsilon_per_asset": 1}, "draws no noise"),
        ({"epsilon": 1, "protected_cube": 1}, "once for all"),
        ({"epsilon": 1, "epsilon_per_order": 4}, "5 uses"),
        ({"epsilon": 1, "clamp": {"cost": (5, 1)}}, "empty"),
    ],
)
def test_rules_that_cannot_be_meant_are_not_published(rules: dict[str, Any], says: str) -> None:
    with pytest.raises(sl.errors.InvalidArgument, match=says):
        market(noisy(**rules))
