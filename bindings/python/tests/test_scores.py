"""Models as filters: scores, linear classifiers and trees, against the estimators that they come from."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sealock as sl
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 300
SCHEMA = sl.Schema(
    [
        sl.Column.integer("age", 0, 60, dimension=True),
        sl.Column.decimal("bmi", 1, 15, 20, dimension=True),
        sl.Column.boolean("smokes", dimension=True),
        sl.Column.category("plan", ["free", "paid"], dimension=True, nullable=True),
    ]
)
FEATURES = ["age", "bmi", "smokes"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    random = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "age": random.integers(0, 61, ROWS),
            "bmi": random.integers(150, 201, ROWS) / 10,
            "smokes": random.random(ROWS) < 0.4,
            "plan": random.choice(np.array(["free", "paid", None], dtype=object), ROWS),
        }
    )


@pytest.fixture(scope="module")
def labels(data: pd.DataFrame) -> np.ndarray[Any, Any]:
    noise = np.random.default_rng(5).normal(0, 1, ROWS)
    risk = 0.05 * data["age"] + 0.6 * data["bmi"] + 1.5 * data["smokes"] - 13 + noise
    return np.select([risk > 0.8, risk > -0.8], ["high", "middle"], "low")


@pytest.fixture(scope="module")
def counts(data: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("scores")
    exchange = sl.Exchange.local(folder)
    owner = exchange.owner(sl.Account.generate())
    policy = sl.Policy(
        dimensions=["age", "bmi", "smokes", "plan"], aggregations=["count"], programs="any", min_group_size=1
    )
    asset = owner.publish(
        data, name="Patients", schema=SCHEMA, policy=policy, price=sl.Price.free(), uses_per_order=100
    ).asset
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    order = consumer.order(asset)

    def count(filter: sl.Filter) -> int:
        ticket = order.request(sl.select(sl.count()).filter(filter))
        return int(ticket.open(*owner.node.run(ticket.request))["count"][0])

    return count


def test_sums_of_columns_are_compared_exactly(data: pd.DataFrame, counts: Any) -> None:
    age, bmi, smokes = sl.col("age"), sl.col("bmi"), sl.col("smokes")
    whole = (10 * data["bmi"]).round().astype(int)
    for filter, expected in [
        (2 * age + bmi * 0.5 - 3 >= 60, 20 * data["age"] + 5 * whole / 10 >= 630),
        (age - bmi < 7, 10 * data["age"] - whole < 70),
        (5 - age > -12, data["age"] < 17),
        (-age + 30 * smokes <= 0, 30 * data["smokes"] <= data["age"]),
        (~(age + Decimal("0.1") * bmi > 30), 100 * data["age"] + whole <= 3000),
    ]:
        assert counts(filter) == int(expected.sum()), repr(filter)
    # Of the plan that is null, nothing is known.
    points = {"free": 30, "paid": 0}
    both = sl.col("plan").points(points) + age
    known = data["plan"].notna()
    high = data["plan"].map(points).fillna(0) + data["age"] > 40
    assert counts(both > 40) == int((known & high).sum())
    assert counts(~(both > 40)) == int((known & ~high).sum())


def test_a_linear_models_score_is_its_own(data: pd.DataFrame, labels: Any, counts: Any) -> None:
    fitted = LinearRegression().fit(data[FEATURES], data["age"] * 2 + data["bmi"] - 3 * data["smokes"])
    score = sl.decision_function(fitted)
    assert counts(score >= 55) == int((fitted.predict(data[FEATURES]).round(6) >= 55).sum())
    binary = LogisticRegression(max_iter=5000).fit(data[FEATURES], labels == "high")
    probabilities = binary.predict_proba(data[FEATURES])[:, 1]
    for bound in (0.1, 0.5, 0.77):
        assert np.abs(probabilities - bound).min() > 1e-7
        risk = sl.decision_function(binary, decimals=9)
        assert counts(risk.at_least_probability(bound)) == int((probabilities >= bound).sum())
    other = sl.decision_function(binary, label=False, decimals=9)
    assert counts(other.at_least_probability(0.9)) == int((1 - probabilities >= 0.9).sum())


def test_classifiers_predict_what_they_predict(data: pd.DataFrame, labels: Any, counts: Any) -> None:
    several = LogisticRegression(max_iter=5000).fit(data[FEATURES], labels)
    two = LogisticRegression(max_iter=5000).fit(data[FEATURES], labels == "low")
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(data[FEATURES], labels)
    for model in (several, two, tree):
        predicted = model.predict(data[FEATURES])
        for label in model.classes_:
            filter = sl.predicts(model, label, schema=SCHEMA, decimals=9)
            assert counts(filter) == int((predicted == label).sum()), (model, label)
    unnamed = DecisionTreeClassifier(max_depth=2, random_state=0).fit(data[FEATURES].to_numpy(float), labels)
    filter = sl.predicts(unnamed, "high", schema=SCHEMA, features=FEATURES)
    assert counts(filter) == int((unnamed.predict(data[FEATURES].to_numpy(float)) == "high").sum())


def test_what_is_no_score_is_refused(data: pd.DataFrame, labels: Any) -> None:
    age = sl.col("age")
    for bad in ("'a'", "True", "None", "sl.secret(3)"):
        with pytest.raises((TypeError, sl.errors.SealockError)):
            eval(f"2 * age + {bad}", {"age": age, "sl": sl})
    with pytest.raises(TypeError, match="join two"):
        2 * age == 4
    with pytest.raises(TypeError):
        2 * age > sl.secret(4)  # type: ignore[operator]
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(2 * age)
    assert repr(2 * age - sl.col("bmi")) == "Score(2 * age + -1 * bmi)"
    for bad_probability in (0, 1, -1, float("nan")):
        with pytest.raises(sl.errors.InvalidArgument, match="between 0 and 1"):
            (2 * age).at_least_probability(bad_probability)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(data[FEATURES], labels)
    with pytest.raises(sl.errors.InvalidArgument, match="no class 'none'"):
        sl.predicts(tree, "none", schema=SCHEMA)
    with pytest.raises(sl.errors.InvalidArgument, match="without names"):
        sl.predicts(DecisionTreeClassifier().fit(data[FEATURES].to_numpy(float), labels), "low", schema=SCHEMA)
    with pytest.raises(sl.errors.InvalidArgument, match="no classifier"):
        sl.predicts(DecisionTreeRegressor().fit(data[FEATURES], data["age"]), 3, schema=SCHEMA)
    with pytest.raises(sl.errors.InvalidArgument, match="of every row"):
        sl.predicts(DecisionTreeClassifier().fit(data[FEATURES], ["one"] * ROWS), "one", schema=SCHEMA)
    with pytest.raises(sl.errors.InvalidArgument, match="no linear model"):
        sl.decision_function(tree)
    with pytest.raises(sl.errors.UnknownColumn):
        sl.predicts(tree, "low", schema=SCHEMA, features=["age", "bmi", "height"])
    with pytest.raises(sl.errors.InvalidArgument, match="0 with 4 decimal places"):
        sl.decision_function(LinearRegression().fit(data[FEATURES], data["age"] * 1e-9))
