"""Filters and queries: what they become, and the mistakes that Python lets one make."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sealock as sl
from conftest import Market

AGE: Any = sl.col("age")


def shown(filter: sl.Filter) -> str:
    return repr(filter).removeprefix("Filter(").removesuffix(")")


@pytest.mark.parametrize(
    ("filter", "text"),
    [
        (AGE == 4, "age = 4"),
        (AGE != "x", 'age != "x"'),
        (AGE < Decimal("1.50"), "age < 1.5"),
        (AGE <= 0.1, "age <= 0.1"),
        (AGE > True, "age > true"),
        (AGE >= np.int64(4), "age >= 4"),
        (4 <= AGE, "age >= 4"),
        (np.float64(4.5) > AGE, "age < 4.5"),
        (AGE == np.bool_(True), "age = true"),
        (AGE == np.str_("x"), 'age = "x"'),
        (AGE == np.array(4), "age = 4"),
        (AGE == sl.secret(4), "age = ?"),
        (sl.secret(4) < AGE, "age > ?"),
        (AGE.is_in(["a", "b"]), 'age in ["a", "b"]'),
        (AGE.is_in({1}), "age in 1"),
        (AGE.is_in(np.array([1, 2])), "age in [1, 2]"),
        (AGE.is_in(pd.Series(["a", "b"])), 'age in ["a", "b"]'),
        (AGE.is_in(sl.secret(["a", "b"])), "age in ?"),
        (AGE.is_in(x for x in (1, 2)), "age in [1, 2]"),
        (AGE.between(1, sl.secret(2)), "age >= 1 and age <= ?"),
        (AGE.is_null(), "age is null"),
        (AGE.is_not_null(), "not (age is null)"),
        ((AGE == 1) & (AGE == 2) | ~(AGE == 3), "(age = 1 and age = 2) or not (age = 3)"),
        (~~(AGE == 1), "age = 1"),
    ],
)
def test_filters_are_what_they_look_like(filter: sl.Filter, text: str) -> None:
    assert shown(filter) == text


def test_a_query_shows_its_program() -> None:
    query = sl.select(sl.mean("x"), sl.count()).filter(AGE > sl.secret(40)).filter(AGE < 90).group_by("plan", "sex")
    assert repr(query) == "Query(mean(x), count where age > ? and age < 90 group by plan, sex)"
    assert query.program.group_by == ("plan", "sex")
    assert query.program.aggregates == (sl.mean("x"), sl.count())
    assert sl.select([sl.mean("x"), sl.count()]).group_by(["plan"]).program.group_by == ("plan",)


def test_queries_do_not_change() -> None:
    plain = sl.select(sl.count())
    filtered = plain.filter(AGE == 1)
    assert repr(plain) == "Query(count)" and repr(filtered) != repr(plain)


def test_filters_have_no_truth_value() -> None:
    a, b = AGE == 1, AGE == 2
    for mistake in (
        lambda: a and b,
        lambda: a or b,
        lambda: not a,
        lambda: 1 < AGE < 5,
        lambda: AGE in [sl.col("b"), "x"],
        lambda: bool(AGE),
        lambda: a == b,
        lambda: a in [b],
        lambda: AGE == 1 & AGE == 2,
        lambda: (AGE == 1) & AGE,
        lambda: AGE | AGE,
    ):
        with pytest.raises(TypeError, match="&|parenthes|column"):
            mistake()


def test_columns_and_filters_are_in_no_set() -> None:
    for thing in (AGE, AGE == 1):
        with pytest.raises(TypeError, match="unhashable"):
            hash(thing)
    assert len({sl.mean("x"), sl.mean("x"), sl.sum("x"), sl.count()}) == 3


@pytest.mark.parametrize(
    "literal",
    [object(), b"x", 1j, pd.Timestamp(0), pd.NA, ["x"], sl.secret(["x"]), sl.col("b"), {"a": 1}, np.array([1])],
    ids=lambda literal: type(literal).__name__,
)
def test_literals_of_wrong_types(literal: object) -> None:
    with pytest.raises(TypeError):
        AGE == literal  # noqa: B015


@pytest.mark.parametrize(
    "literal",
    [float("nan"), float("inf"), 1e300, 2**63, -(2**64), 10**5000, Decimal("NaN"), Decimal("1e400")],
    ids=lambda literal: "huge" if isinstance(literal, int) else str(literal),
)
def test_literals_out_of_range(literal: float | Decimal) -> None:
    with pytest.raises(sl.errors.InvalidArgument):
        AGE == literal  # noqa: B015
    with pytest.raises(sl.errors.InvalidArgument):
        sl.secret(literal)


@pytest.mark.parametrize("literals", ["abc", 3, None, {"a": 1}, sl.secret("abc"), [["a"]], [object()]])
def test_is_in_takes_lists(literals: Any) -> None:
    with pytest.raises(TypeError):
        AGE.is_in(literals)


def test_a_filter_cannot_exhaust_memory_or_stack() -> None:
    grown = AGE == 1
    with pytest.raises(sl.errors.InvalidArgument, match="comparisons"):
        for _ in range(64):
            grown = grown & grown
    deep = AGE == 1
    with pytest.raises(sl.errors.InvalidArgument, match="steps"):
        for _ in range(100_000):
            deep = ~(deep & (AGE == 2))


def test_select_and_group_by_say_what_they_take() -> None:
    select, add, column = (getattr(sl, name) for name in ("select", "sum", "col"))
    for mistake in (
        lambda: select("x"),
        lambda: select(sl.count),
        lambda: select([1]),
        lambda: add(3),
        lambda: select(sl.count()).group_by(3),
        lambda: select(sl.count()).filter(True),
        lambda: column(3),
    ):
        with pytest.raises(TypeError):
            mistake()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (sl.select(), sl.errors.InvalidProgram),
        (sl.select(sl.count(), sl.count()), sl.errors.InvalidProgram),
        (sl.select(sl.sum("plan")), sl.errors.InvalidProgram),
        (sl.select(sl.sum("a\0b")), sl.errors.UnknownColumn),
        (sl.select(sl.count()).group_by("cost"), sl.errors.InvalidProgram),
        (sl.select(sl.count()).group_by("plan", "plan"), sl.errors.InvalidProgram),
        (sl.select(sl.count()).filter(sl.col("pla") == "x"), sl.errors.UnknownColumn),
        (sl.select(sl.count()).filter(sl.col("plan") == "gold"), sl.errors.OutOfDomain),
        (sl.select(sl.count()).filter(sl.col("plan") == 3), sl.errors.SchemaMismatch),
        (sl.select(sl.count()).filter(sl.col("plan") < "paid"), sl.errors.InvalidProgram),
        (sl.select(sl.count()).filter(sl.col("visits") < 3), sl.errors.InvalidProgram),
        (sl.select(sl.count()).filter(sl.col("plan") == None), sl.errors.InvalidProgram),  # type: ignore[arg-type]  # noqa: E711
        (sl.select(sl.count()).filter(sl.col("plan") == sl.secret("gold")), sl.errors.OutOfDomain),
    ],
)
def test_what_is_wrong_with_a_query_is_said_before_anything_is_taken(
    market: Market, query: sl.Query, error: type[sl.SealockError]
) -> None:
    left = market.order.uses_left
    with pytest.raises(error):
        market.asset.estimate(query)
    with pytest.raises(error):
        market.order.request(query)
    assert market.order.uses_left == left


def test_programs_survive_their_bytes(query: sl.Query) -> None:
    program = query.program
    again = sl.Program.from_bytes(program.to_bytes())
    assert again == program and hash(again) == hash(program) and again.digest == program.digest
    assert pickle.loads(pickle.dumps(program)) == program
    assert len(program.digest) == 64
    array: Any = np.frombuffer(program.to_bytes(), np.uint8)
    for same in (bytearray(program.to_bytes()), memoryview(program.to_bytes()), array):
        assert sl.Program.from_bytes(same) == program


def test_what_holds_no_secret_is_copied() -> None:
    assert repr(pickle.loads(pickle.dumps(AGE))) == 'col("age")'
    assert copy.deepcopy(sl.mean("x")) == sl.mean("x")
    assert AGE.name == "age" and sl.mean("x").name == "mean(x)"
