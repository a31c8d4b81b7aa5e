"""Queries as SQL: the same as those that are put together, with the answers that a database gives."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pandas as pd
import pytest
import sealock as sl
from conftest import Market, visits_table

PLAN: Any = sl.col("plan")
VISITS: Any = sl.col("visits")


@pytest.mark.parametrize(
    ("condition", "filter"),
    [
        ("plan = SECRET('paid')", PLAN == sl.secret("paid")),
        ("5 <= visits AND NOT (plan <> 'paid')", (VISITS >= 5) & ~(PLAN != "paid")),
        ("visits BETWEEN 5 AND SECRET(9)", VISITS.between(5, sl.secret(9))),
        ("plan IN ('free', 'paid')", PLAN.is_in(["free", "paid"])),
        ("plan IN (SECRET('free'), SECRET('paid'))", PLAN.is_in(sl.secret(["free", "paid"]))),
        ("plan IN ('free', SECRET('paid'))", PLAN.is_in(["free"]) | PLAN.is_in(sl.secret(["paid"]))),
        ("plan NOT IN ('free') OR plan IS NULL", ~PLAN.is_in(["free"]) | PLAN.is_null()),
        ("plan IS NOT NULL AND cost < 1.50", PLAN.is_not_null() & (sl.col("cost") < 1.5)),
    ],
)
def test_sql_is_what_is_put_together(condition: str, filter: sl.Filter) -> None:
    written = sl.sql(f"SELECT region, avg(visits), count(*) FROM anything WHERE {condition} GROUP BY region")
    built = sl.select(sl.mean("visits"), sl.count()).filter(filter).group_by("region")
    assert written.program == built.program and written.program.digest == built.program.digest
    assert repr(written) == repr(built)
    assert written.to_sql() == written.program.to_sql() == built.to_sql()


def test_sql_can_be_continued() -> None:
    written = sl.sql("SELECT count(*) FROM a WHERE visits >= 5").filter(PLAN == "paid").group_by("region")
    assert written.to_sql() == "SELECT region, count(*) FROM asset WHERE visits >= 5 AND plan = 'paid' GROUP BY region"


def test_what_is_written_is_read_back() -> None:
    query = sl.sql("SELECT sum(\"a b\") FROM a WHERE (\"c'\" = 'it''s' OR d = 2.50) AND NOT smoker")
    assert sl.sql(query.to_sql()).program == query.program


# Every combination of the dimensions that has rows has five or more, so that nothing is withheld.
CONDITIONS = [
    "plan = 'paid'",
    "plan <> 'paid' AND visits >= 5",
    "region = 'north' OR visits < 5",
    "NOT (region = 'north')",
    "region NOT IN ('north')",
    "region IN ('south') OR region IS NULL",
    "region IS NOT NULL AND NOT (plan = 'free' OR region <> 'north')",
    "NOT (region = 'north' AND plan = 'paid')",
    "visits BETWEEN 5 AND 9",
    "visits NOT BETWEEN 0 AND 4 OR NOT region <> 'south'",
]


def hidden(condition: str) -> str:
    """The condition with every literal hidden."""
    for literal in ("'north'", "'south'", "'paid'", "'free'", "0", "4", "5", "9"):
        condition = condition.replace(literal, f"SECRET({literal})")
    return condition


@pytest.mark.parametrize("conceal", [False, True], ids=["clear", "secret"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_answers_are_those_of_a_database(market: Market, condition: str, conceal: bool) -> None:
    text = "SELECT plan, count(*), sum(cost), avg(visits) FROM visits WHERE {} GROUP BY plan"
    ticket = market.order.request(sl.sql(text.format(hidden(condition) if conceal else condition)))
    answer = pd.DataFrame(ticket.open(*market.owner.node.run(ticket.request)))
    given = {row[0]: row[1:] for row in answer.itertuples(index=False)}
    with duckdb.connect() as database:
        database.register("visits", visits_table())
        expected = {row[0]: row[1:] for row in database.sql(text.format(condition)).fetchall()}
    assert list(answer) == ["plan", "count", "sum(cost)", "mean(visits)"]
    assert set(expected) <= set(given)
    for plan, (rows, cost, mean) in given.items():
        count, total, average = expected.get(plan, (0, 0.0, math.nan))
        assert rows == count, plan
        if count:
            assert cost == pytest.approx(total) and mean == pytest.approx(average)


def test_mistakes_say_where_and_show_no_secret() -> None:
    with pytest.raises(sl.errors.UnsupportedProgram, match="line 2, column 3: sealed queries have no LIMIT") as limit:
        sl.sql("SELECT count(*) FROM a\n  LIMIT 5")
    assert limit.value.hint
    for text in (
        "SELECT count(*) FROM a WHERE plan = SECRET('sesame' 4711)",
        "SELECT count(*) FROM a WHERE plan = SECRET(sesame4711)",
        "SELECT count(*) FROM a WHERE plan = SECRET('sesame4711",
    ):
        with pytest.raises(sl.errors.InvalidProgram, match="line 1, column ") as error:
            sl.sql(text)
        assert "sesame" not in str(error.value) and "4711" not in str(error.value)
    with pytest.raises(sl.errors.TooLarge):
        sl.sql(" " * 100_000)
    with pytest.raises(TypeError):
        sl.sql(b"SELECT count(*) FROM a")  # type: ignore[arg-type]
    assert "sesame" not in repr(sl.sql("SELECT count(*) FROM a WHERE plan = SECRET('sesame')"))
