"""Private inference: models of scikit-learn's, published, and vectors that their owner never sees."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sealock as sl
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier

Pairs = list[tuple[float, float]]


def ends(data: Any) -> Pairs:
    """What the tests declare. An owner declares what the features may be, and not what its own data were."""
    return list(zip(np.floor(data.min(axis=0)).tolist(), np.ceil(data.max(axis=0)).tolist(), strict=True))


@dataclass
class Clinic:
    """An owner with a model, and a consumer with an order of it."""

    exchange: sl.Exchange
    owner: sl.Owner
    order: sl.Order
    fitted: Any
    model: sl.Model
    data: Any

    def ask(self, data: Any, **how: Any) -> sl.Prediction:
        ticket = self.order.infer(data, **how)
        return ticket.open(*self.owner.node.run(ticket.request))


def publish(owner: sl.Owner, model: sl.Model, vectors: int = 32, **how: Any) -> sl.Asset:
    policy = sl.Policy(allow_inference=vectors)
    return owner.publish_model(model, name="A model", policy=policy, price=sl.Price.free(), **how).asset


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    fitted = LogisticRegression(max_iter=10_000).fit(data, target)
    model = sl.Model.from_sklearn(fitted, ranges=ends(data))
    consumer = exchange.consumer(sl.Account.generate())
    asset = publish(owner, model, uses_per_order=50)
    consumer.buy(asset)
    return Clinic(exchange, owner, consumer.order(asset), fitted, model, data)


def test_the_breast_cancer_model_predicts_as_scikit_learn_does(clinic: Clinic) -> None:
    data = clinic.data[:32]
    prediction = clinic.ask(data)
    assert len(prediction) == 32 and repr(prediction) == "Prediction(logistic, 32 vectors)"
    assert prediction == clinic.model.predict(data) and hash(prediction) == hash(clinic.model.predict(data))
    (bound,) = clinic.model.error_bound
    decision = clinic.fitted.decision_function(data)
    assert prediction.scores.shape == decision.shape and prediction.scores.dtype == np.float64
    assert np.abs(prediction.scores - decision).max() <= bound < 0.2
    assert np.abs(prediction.probabilities - clinic.fitted.predict_proba(data)).max() <= bound / 4
    sure = np.abs(decision) > bound
    assert sure.sum() > 25
    assert (prediction.labels[sure] == clinic.fitted.predict(data)[sure]).all()
    exact = [score for (score,) in prediction.exact]
    assert all(isinstance(score, int) for score in exact)
    np.testing.assert_allclose(prediction.scores, [score / 10**prediction.scale for score in exact], rtol=1e-15)


def test_the_bound_holds_for_all_data_in_the_clear(clinic: Clinic) -> None:
    prediction = clinic.model.predict(clinic.data)
    assert np.abs(prediction.scores - clinic.fitted.decision_function(clinic.data)).max() <= clinic.model.error_bound[0]
    assert (prediction.labels == clinic.fitted.predict(clinic.data)).mean() > 0.99


@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(), Lasso(0.1), LinearRegression(fit_intercept=False)])
def test_regressors_predict_within_the_bound(clinic: Clinic, estimator: Any) -> None:
    data, target = load_diabetes(return_X_y=True)
    model = sl.Model.from_sklearn(estimator.fit(data, target), ranges=[(-1, 1)] * 10, feature_bits=20)
    assert model.kind == "linear" and model.outputs == ("y",)
    asset = publish(clinic.owner, model)
    consumer = clinic.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    ticket = consumer.order(asset).infer(data[:5])
    prediction = ticket.open(*clinic.owner.node.run(ticket.request))
    assert prediction == model.predict(data[:5])
    every = model.predict(data).scores
    assert np.abs(every - estimator.predict(data)).max() <= model.error_bound[0] < 0.05
    for what in ("labels", "probabilities"):
        with pytest.raises(sl.errors.InvalidArgument, match="a linear model has no classes"):
            getattr(prediction, what)


def test_several_targets_and_several_classes(clinic: Clinic) -> None:
    data, target = load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[target]
    fitted = LogisticRegression(max_iter=1000).fit(data, words)
    model = sl.Model.from_sklearn(fitted, ranges=[(0, 10)] * 4, features=["a", "b", "c", "d"], decimals=1)
    assert model.kind == "multinomial" and model.outputs == ("setosa", "versicolor", "virginica")
    assert [column.name for column in model.features.columns] == ["a", "b", "c", "d"]
    asset = publish(clinic.owner, model)
    consumer = clinic.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    ticket = consumer.order(asset).infer(data[45:55])
    prediction = ticket.open(*clinic.owner.node.run(ticket.request))
    # The data has one decimal place, so that coefficients alone are rounded.
    assert np.abs(prediction.scores - fitted.decision_function(data[45:55])).max() < 1e-5
    assert (prediction.labels == words[45:55]).all() and prediction.labels.dtype.kind == "U"
    np.testing.assert_allclose(prediction.probabilities, fitted.predict_proba(data[45:55]), atol=1e-5)
    both = LinearRegression().fit(data[:, :2], data[:, 2:])
    model = sl.Model.from_sklearn(both, ranges={"x0": (0, 10), "x1": (0, "9.5")})
    assert model.outputs == ("y0", "y1") and model.predict(data[:3, :2]).scores.shape == (3, 2)


def test_an_asset_shows_what_is_public_and_nothing_else(clinic: Clinic) -> None:
    asset = clinic.order.asset
    assert asset.model == clinic.model.info and asset.model is not None
    assert asset.model.kind == "logistic" and asset.model.outputs == (0, 1) and asset.model.coefficient_bits == 32
    assert [column.name for column in asset.schema.columns] == list(clinic.data.columns)
    assert asset.policy.allow_inference == 32 and sl.Policy().allow_inference is None
    assert sl.Asset.from_bytes(asset.to_bytes()).model == asset.model
    assert pickle.loads(pickle.dumps(asset.model)) == asset.model
    for coefficient in clinic.fitted.coef_[0][:5]:
        assert str(coefficient)[:6].encode() not in asset.to_bytes()


def test_frames_are_taken_by_name_and_arrays_by_place(clinic: Clinic) -> None:
    frame = clinic.data[:2]
    expected = clinic.model.predict(frame)
    assert clinic.model.predict(frame[list(reversed(frame.columns))]) == expected
    assert clinic.model.predict(frame.to_numpy()) == expected
    assert clinic.model.predict(frame.to_numpy().tolist()) == expected
    assert clinic.model.predict(np.asfortranarray(frame.to_numpy())) == expected
    assert len(clinic.model.predict(frame.to_numpy()[0])) == 1
    with pytest.raises(sl.errors.UnknownColumn, match="'mean radius'"):
        clinic.model.predict(frame.drop(columns="mean radius"))
    for shape in [(2, 29), (0, 30), (1, 2, 30), (31,)]:
        with pytest.raises(sl.errors.InvalidArgument):
            clinic.order.infer(np.zeros(shape))
    with pytest.raises(ValueError):
        clinic.model.predict(pd.DataFrame({name: ["x"] for name in frame.columns}))


def test_what_is_out_of_range_is_named_or_clipped(clinic: Clinic) -> None:
    data = clinic.data[:2].to_numpy().copy()
    data[1, 0] = 1e6
    with pytest.raises(
        sl.errors.OutOfDomain, match='vector 1: "mean radius" is 1000000, expected a number from'
    ) as caught:
        clinic.order.infer(data)
    assert "clip" in (caught.value.hint or "")
    top = data.copy()
    top[1, 0] = float(clinic.model.features.columns[0].max)  # type: ignore[arg-type]
    assert clinic.ask(data, clip=True) == clinic.model.predict(top)
    data[1, 0] = np.nan
    for clip in (False, True):
        with pytest.raises(sl.errors.OutOfDomain):
            clinic.order.infer(data, clip=clip)


def test_limits_are_those_of_the_policy_and_kinds_are_kept_apart(clinic: Clinic, market: Any) -> None:
    with pytest.raises(sl.errors.PolicyDenied, match="33 vectors were asked of one job, at most 32"):
        clinic.order.infer(clinic.data[:33])
    with pytest.raises(sl.errors.InvalidProgram, match="the asset is a model"):
        clinic.order.request(sl.select(sl.count()))
    with pytest.raises(sl.errors.InvalidProgram, match="is a table"):
        market.order.infer([[1.0]])
    with pytest.raises(sl.errors.InvalidArgument, match="allow inference"):
        policy = sl.Policy(aggregations=["count"], programs="any")
        clinic.owner.publish_model(clinic.model, name="A model", policy=policy, price=sl.Price.free())


def test_one_vector_more_than_features_tells_the_model() -> None:
    """What the manual says plainly; see `one_vector_more_than_features_tells_the_model_and_the_quotas_stop_before`."""
    schema = sl.Schema([sl.Column.integer("a", 0, 9), sl.Column.integer("b", 0, 9)])
    model = sl.Model.linear(schema, [[3.0, -5.0]], [7.0], targets=["y"])
    origin, a, b = model.predict([[0, 0], [1, 0], [0, 1]]).scores
    assert (origin, a - origin, b - origin) == (7, 3, -5)


def test_a_model_is_replaced(clinic: Clinic) -> None:
    schema = sl.Schema([sl.Column.integer("a", 0, 9)])
    one, two = (sl.Model.linear(schema, [[weight]], [0.0], targets=["y"]) for weight in (1.0, 2.0))
    asset = publish(clinic.owner, one)
    asset = clinic.owner.update_model(asset, two).asset
    assert asset.epoch == 1
    consumer = clinic.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    ticket = consumer.order(asset).infer([[3]])
    released = clinic.owner.node.run(ticket.request)
    (kept,) = consumer.inference_tickets()
    assert consumer.tickets() == [] and kept.job == ticket.job
    assert kept.open(*released).scores.tolist() == [6.0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x, y: LogisticRegression(), "was not fitted"),
        (lambda x, y: OneVsRestClassifier(LogisticRegression()).fit(x, y), "no linear model"),
        (lambda x, y: PoissonRegressor().fit(x, y), "predict of PoissonRegressor is not what its scores say"),
        (lambda x, y: SGDClassifier(loss="modified_huber").fit(x, y > 0), "predict_proba of SGDClassifier is not what"),
        (lambda x, y: SGDClassifier(loss="log_loss").fit(x, y), "predict_proba of SGDClassifier is not the softmax"),
        (lambda x, y: RidgeClassifier().fit(x, y > 0), "RidgeClassifier has no predict_proba"),
        (lambda x, y: SoftmaxOfNothing(), "predict_proba of SoftmaxOfNothing is not the softmax of its scores"),
    ],
)
def test_estimators_that_make_something_else_of_their_scores_are_refused(
    make: Callable[[Any, Any], Any], says: str
) -> None:
    x, y = load_iris(return_X_y=True)
    with pytest.raises(sl.errors.InvalidArgument, match=says) as caught:
        sl.Model.from_sklearn(make(x, y), ranges=[(0, 10)] * 4)
    assert caught.value.hint


class SoftmaxOfNothing:
    """Has scikit-learn's attributes, and probabilities by one class against the rest."""

    coef_ = np.eye(3, 4)
    intercept_ = np.zeros(3)
    classes_ = np.array([0, 1, 2])

    def predict_proba(self, x: Any) -> Any:
        alone = 1 / (1 + np.exp(-(x @ self.coef_.T)))
        return alone / alone.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("ranges", "how", "says"),
    [
        ([(0, 1)], {}, "ranges: expected 2, got 1"),
        ([(0, "many"), (0, 1)], {}, "has 'many' for an end"),
        ([(0, 1e300), (0, 1)], {"decimals": 9}, "too many digits for 9 decimal places"),
        ({"x0": (0, 1)}, {}, "there is none for 'x1'"),
        ([(0, 1), (0, float("inf"))], {}, "'x1' is from 0 to Infinity"),
        ([(0, 1), (1, 0)], {}, "the range is empty"),
        ([(0, 1), (0, 1)], {"features": ["a"]}, "features: expected 2 names, got 1"),
        ([(0, 1), (0, 1)], {"bits": 63}, "63 bits"),
        ([(0, 1), (0, 1)], {"bits": 8, "scale": 9}, "does not fit 8 signed bits"),
        ([(0, 1), (0, 1)], {"decimals": 17}, "declare"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(ranges: Any, how: dict[str, Any], says: str) -> None:
    fitted = LinearRegression().fit([[0, 0], [0, 1], [1, 0]], [1, 2, 3])
    with pytest.raises(sl.SealockError, match=says) as caught:
        sl.Model.from_sklearn(fitted, ranges=ranges, **how)
    assert caught.value.hint or says in str(caught.value)


def test_models_are_kept_as_bytes_and_neither_pickled_nor_shown(clinic: Clinic) -> None:
    model = clinic.model
    assert sl.Model.from_bytes(model.to_bytes()) == model and hash(sl.Model.from_bytes(model.to_bytes())) == hash(model)
    assert repr(model) == "Model(logistic, 30 features, 2 outputs)"
    ticket = clinic.order.infer(clinic.data[:1])
    for guarded in (model, ticket, model.predict(clinic.data[:1])):
        for how in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="can be neither pickled nor copied"):
                how(guarded)
    for cut in range(0, 200, 7):
        with pytest.raises(sl.SealockError):
            sl.Model.from_bytes(model.to_bytes()[:cut])


def test_an_estimate_is_what_the_request_and_the_result_turn_out_to_be(clinic: Clinic) -> None:
    asset = clinic.order.asset
    features = clinic.data.shape[1]
    for count in [1, 20]:
        estimate = asset.estimate_inference(count)
        ticket = clinic.order.infer(clinic.data.iloc[:count])
        result, _ = clinic.owner.node.run(ticket.request)
        assert estimate.request_bytes == len(ticket.request.to_bytes())
        assert estimate.result_bytes == len(result.to_bytes())
        assert (estimate.groups, estimate.numbers) == (count, 1)
        assert estimate.hidden_cells == count * (features + 1)
        assert estimate.compute_time.total_seconds() > 0 and estimate.epsilon is None and estimate.errors == ()
    for count, error in [(0, sl.errors.InvalidProgram), (33, sl.errors.PolicyDenied), (-1, sl.errors.InvalidArgument)]:
        with pytest.raises(error):
            asset.estimate_inference(count)
    with pytest.raises(TypeError):
        asset.estimate_inference("1")  # type: ignore[arg-type]
