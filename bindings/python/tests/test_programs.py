"""What can be asked beside counts, sums and means, with the answers that a database gives."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sealock as sl
from conftest import visits_schema, visits_table


@pytest.fixture(scope="module")
def order() -> tuple[sl.Order, sl.Node]:
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    policy = sl.Policy(
        dimensions=["plan", "region", "visits"],
        measures=["visits", "cost"],
        aggregations=["count", "sum", "mean", "variance", "histogram"],
        programs="any",
        min_group_size=1,
    )
    published = owner.publish(
        visits_table(), name="Visits", schema=visits_schema(), policy=policy, price=sl.Price.free(), uses_per_order=50
    )
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(published.asset)
    return consumer.order(published.asset), owner.node


def ask(order: tuple[sl.Order, sl.Node], query: sl.Query) -> sl.Answer:
    ticket = order[0].request(query)
    return ticket.open(*order[1].run(ticket.request))


def database(text: str) -> list[Any]:
    with duckdb.connect() as connection:
        connection.register("visits", visits_table())
        return connection.sql(text).fetchall()


def test_variances_and_arithmetic_are_those_of_a_database(order: tuple[sl.Order, sl.Node]) -> None:
    text = (
        "SELECT plan, var_samp(visits) AS a, var_pop(cost) AS b, stddev_samp(cost) AS c, stddev_pop(visits) AS d, "
        "100 * sum(cost) / (sum(visits) + count(*)) AS rate, sum(cost) - sum(cost) AS nothing, avg(visits) AS mean "
        "FROM visits WHERE region = {} GROUP BY plan"
    )
    answer = ask(order, sl.sql(text.format("SECRET('south')")))
    assert answer.columns == ("plan", "a", "b", "c", "d", "rate", "nothing", "mean")
    given = {row["plan"]: list(row.values())[1:] for row in answer}
    expected = {row[0]: row[1:] for row in database(text.format("'south'"))}
    assert set(given) == set(expected) == {"free", "paid"}
    for plan, numbers in expected.items():
        assert given[plan] == pytest.approx(list(numbers), abs=1e-12), plan
    assert answer["nothing"] == [0.0, 0.0]


def test_bins_answer_histograms_extremes_and_quantiles(order: tuple[sl.Order, sl.Node]) -> None:
    query = sl.select(
        sl.histogram("visits"), sl.min("visits"), sl.max("visits"), sl.median("visits"), sl.quantile("visits", 0.9)
    )
    answer = ask(order, query.filter(sl.col("visits") < sl.secret(5)))
    counts = {f"[{low}, {high}": int(low < 5) * 120 for low, high in ((0, "5)"), (5, "10)"), (10, "20]"))}
    assert answer["histogram(visits)"] == [counts]
    (low,) = answer["max(visits)"]
    assert isinstance(low, sl.Bin) and (low.label, low.first, low.last) == ("[0, 5)", 0, 4)
    whole = ask(order, query.group_by("region"))
    assert whole["region"] == ["north", "south", None]
    assert [str(bin) for bin in whole["quantile(visits, 0.9)"]] == ["[5, 10)"] * 3
    arrow = pa.table(whole).to_pylist()
    assert arrow[0]["min(visits)"] == {"bin": "[0, 5)", "first": 0, "last": 4}
    assert [part["count"] for part in arrow[0]["histogram(visits)"]] == [40, 40, 0]
    nobody = ask(order, query.filter(sl.col("visits") >= sl.secret(10)))
    assert nobody["min(visits)"] == nobody["median(visits)"] == [None]
    for thing in (low, whole):
        assert pickle.loads(pickle.dumps(thing)) == thing and copy.deepcopy(thing) == thing


def test_a_policy_names_what_leaves() -> None:
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    policy = sl.Policy(dimensions=["visits"], measures=["cost"], aggregations=["mean"], programs="any")
    asset = owner.publish(
        visits_table(), name="Visits", schema=visits_schema(), policy=policy, price=sl.Price.free()
    ).asset
    for aggregate in (sl.variance("cost"), sl.stddev("cost"), sl.min("visits"), sl.median("visits")):
        with pytest.raises(sl.errors.PolicyDenied, match="allowed_aggregations"):
            asset.estimate(sl.select(aggregate))
    assert asset.estimate(sl.select((sl.mean("cost") * 2).alias("double"))).numbers == 2


def test_expressions_are_written_like_numbers() -> None:
    a, b = sl.sum("a"), sl.sum("b")
    rate = (100 * a / (a + b)).alias("rate")
    assert rate.name == "rate" and repr(rate) == 'Expr(100 * sum(a) / (sum(a) + sum(b)), "rate")'
    assert rate == sl.Expr.alias(100 * a / (a + b), "rate") and hash(rate) == hash(copy.copy(rate))
    assert (-(a - 1) * Decimal("0.5")).name == "-(sum(a) - 1) * 0.5"
    assert (1 - a / 2).name == "1 - sum(a) / 2" and (2 / a).name == "2 / sum(a)"
    query = sl.select(rate, sl.count().alias("n"))
    assert repr(query.program) == "Program(count, sum(a), sum(b))"
    assert query.to_sql() == "SELECT 100 * sum(a) / (sum(a) + sum(b)) AS rate, count(*) AS n FROM asset"
    assert sl.sql(query.to_sql()).to_sql() == query.to_sql()
    assert pickle.loads(pickle.dumps(rate)) == rate
    for aggregate in (sl.variance("a"), sl.stddev_pop("a"), sl.histogram("a"), sl.max("a"), sl.quantile("a", 0.25)):
        assert pickle.loads(pickle.dumps(aggregate)) == aggregate
    for wrong in ("x", None, sl.col("a"), True):
        with pytest.raises(TypeError):
            a + wrong  # type: ignore[operator]
