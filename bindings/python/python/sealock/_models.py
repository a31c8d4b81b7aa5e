"""From arrays and scikit-learn's attributes to models, and back. Imported, with NumPy, only when a model is used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from ._sealock import Column, Model, Schema
from .errors import InvalidArgument, UnknownColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Most decimal places of a feature.
MOST_DECIMALS = 18
#: How far an estimator's own predictions may be from those of its scores, relative to 1 or to the prediction.
TOLERANCE = 1e-6
#: At how many vectors within the ranges they are compared.
PROBES = 16


def doubles(data: Any) -> bytes:
    """The numbers of an array, row after row."""
    toarray = getattr(data, "toarray", None)
    return np.ascontiguousarray(toarray() if toarray is not None else data, dtype=np.float64).tobytes()


def vectors(data: Any, names: Sequence[str]) -> bytes:
    """The numbers of feature vectors, the features in the order of `names`."""
    columns = getattr(data, "columns", None)
    if columns is not None and all(isinstance(column, str) for column in columns):
        missing = [name for name in names if name not in list(columns)]
        if missing:
            raise UnknownColumn(
                f"the data has no column {missing[0]!r}, which is a feature of the model",
                hint="name the columns as the model's features, or pass an array in their order",
            )
        data = np.column_stack([np.asarray(data[name], dtype=np.float64) for name in names])
    array = np.ascontiguousarray(data, dtype=np.float64)
    if array.ndim == 1:
        array = array.reshape(1, -1)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise InvalidArgument(
            f"expected vectors of {len(names)} features, got an array of shape {array.shape}",
            hint="pass one row for each vector, with the features in the model's order",
        )
    return array.tobytes()


def array(numbers: bytes, columns: int) -> NDArray[np.float64]:
    """An array of doubles, with rows of so many columns, or flat for 0."""
    flat = np.frombuffer(numbers, dtype=np.float64).copy()
    return flat.reshape(-1, columns) if columns else flat


def labels(classes: list[Any]) -> NDArray[Any]:
    """The classes as an array, of the type that NumPy gives them."""
    return np.array(classes)


def from_sklearn(
    estimator: Any,
    ranges: Any,
    features: Any,
    decimals: Any,
    feature_bits: int,
    bits: int | None,
    scale: int | None,
) -> Model:
    """See `Model.from_sklearn`."""
    name = type(estimator).__name__
    try:
        coefficients, intercepts = estimator.coef_, estimator.intercept_
    except AttributeError as error:
        raise InvalidArgument(
            f"{name} has no {error.name or 'coef_ and intercept_'}: it is no linear model, or was not fitted",
            hint="fit it; of a pipeline, pass the last step, and scale the features before",
        ) from error
    toarray = getattr(coefficients, "toarray", None)
    coefficients = np.asarray(toarray() if toarray is not None else coefficients, dtype=np.float64)
    flat = coefficients.ndim == 1
    coefficients = np.atleast_2d(coefficients)
    intercepts = np.atleast_1d(np.asarray(intercepts, dtype=np.float64))
    if intercepts.shape != (len(coefficients),):
        # Without an intercept, scikit-learn has a single zero.
        intercepts = np.broadcast_to(intercepts, (len(coefficients),)).copy()
    schema = _schema(ranges, _names(estimator, features, coefficients.shape[1]), decimals, feature_bits)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        targets = ["y"] if flat else [f"y{target}" for target in range(len(coefficients))]
        model = Model.linear(schema, coefficients, intercepts, targets=targets, bits=bits, scale=scale)
    elif len(classes) == 2 and len(coefficients) == 1:
        model = Model.logistic(
            schema, coefficients[0], float(intercepts[0]), classes=list(classes), bits=bits, scale=scale
        )
    else:
        model = Model.multinomial(schema, coefficients, intercepts, classes=list(classes), bits=bits, scale=scale)
    _check(estimator, name, model.kind, schema, coefficients, intercepts)
    return model


def _names(estimator: Any, features: Any, count: int) -> list[str]:
    if features is None:
        fitted = getattr(estimator, "feature_names_in_", None)
        return [f"x{feature}" for feature in range(count)] if fitted is None else [str(name) for name in fitted]
    names = [str(name) for name in features]
    if len(names) != count:
        raise InvalidArgument(
            f"features: expected {count} names, got {len(names)}", hint="name every feature, in order"
        )
    return names


def _schema(ranges: Any, names: list[str], decimals: Any, feature_bits: int) -> Schema:
    if isinstance(ranges, Schema):
        if len(ranges.columns) != len(names):
            raise InvalidArgument(
                f"ranges: expected {len(names)} columns, got {len(ranges.columns)}",
                hint="declare every feature, in order",
            )
        return ranges
    if isinstance(ranges, Mapping):
        missing = [name for name in names if name not in ranges]
        if missing:
            raise InvalidArgument(f"ranges: there is none for {missing[0]!r}", hint="declare one for every feature")
        ranges = [ranges[name] for name in names]
    if len(ranges) != len(names):
        raise InvalidArgument(f"ranges: expected {len(names)}, got {len(ranges)}", hint="declare one for every feature")
    columns = []
    for name, (first, last) in zip(names, ranges, strict=True):
        low, high = _decimal(name, first), _decimal(name, last)
        if not (low.is_finite() and high.is_finite()):
            raise InvalidArgument(f"ranges: {name!r} is from {low} to {high}", hint="a range has two finite ends")
        places = decimals.get(name) if isinstance(decimals, Mapping) else decimals
        if places is None:
            largest, most = max(abs(low), abs(high)), Decimal(2 ** (feature_bits - 1) - 1)
            fitting = (places for places in range(MOST_DECIMALS, 0, -1) if largest.scaleb(places) <= most)
            places = next(fitting, 0)
        unit = Decimal(1).scaleb(-places)
        try:
            low, high = low.quantize(unit, rounding=ROUND_FLOOR), high.quantize(unit, rounding=ROUND_CEILING)
        except InvalidOperation:
            raise InvalidArgument(
                f"ranges: {name!r} is from {first} to {last}, which has too many digits for {places} decimal places",
                hint="scale the feature, or declare fewer decimal places",
            ) from None
        columns.append(Column.decimal(name, places, low, high))
    return Schema(columns)


def _decimal(name: str, end: object) -> Decimal:
    try:
        return Decimal(str(end))
    except InvalidOperation:
        raise InvalidArgument(f"ranges: {name!r} has {end!r} for an end", hint="an end is a number") from None


def _check(
    estimator: Any,
    name: str,
    kind: str,
    schema: Schema,
    coefficients: NDArray[np.float64],
    intercepts: NDArray[np.float64],
) -> None:
    """That the estimator predicts what its scores say: at vectors within the ranges, and where scores are small."""
    low, high = np.array([_ends(column) for column in schema.columns]).T
    within = low + (high - low) * np.random.default_rng(0).random((PROBES, len(low)))
    points = [within]
    for row, intercept in zip(coefficients, intercepts, strict=True):
        length = row @ row
        if length > 0:
            points += [within[0] + (score - within[0] @ row - intercept) / length * row for score in (-1.5, 0.5, 2.0)]
    probes = np.vstack(points)
    scores = probes @ coefficients.T + intercepts
    if kind == "linear":
        method, expected = "predict", scores
    else:
        method = "predict_proba"
        both = np.hstack([np.zeros_like(scores), scores]) if kind == "logistic" else scores
        parts = np.exp(both - both.max(axis=1, keepdims=True))
        expected = parts / parts.sum(axis=1, keepdims=True)
    predict = getattr(estimator, method, None)
    if predict is None:
        raise InvalidArgument(f"{name} has no {method}", hint="pass an estimator that has probabilities")
    with warnings.catch_warnings():
        # It may have been fitted with the names of a DataFrame.
        warnings.simplefilter("ignore", UserWarning)
        got = np.asarray(predict(probes), dtype=np.float64).reshape(expected.shape)
    if not np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE):
        what = "the softmax of its scores" if kind == "multinomial" else "what its scores say"
        raise InvalidArgument(
            f"{method} of {name} is not {what}",
            hint="regressors are to predict their scores, classifiers by the logistic function or, jointly for all classes, "
            "the softmax: for instance LogisticRegression with its solver lbfgs",
        )


def _ends(column: Column) -> tuple[float, float]:
    if column.min is None or column.max is None:
        return 0.0, 1.0
    return float(column.min), float(column.max)
