"""From fitted estimators to scores and filters. NumPy is imported only when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from ._sealock import Column, Filter, Schema, Score, col
from .errors import InvalidArgument

#: A leaf of a tree: for each feature on the way to it, the greatest value that goes no further and the greatest that may come.
_Leaf = dict[int, tuple[int | Decimal | None, int | Decimal | None]]


def decision_function(
    estimator: Any, *, features: Sequence[str] | None = None, decimals: int = 4, label: Any = None
) -> Score:
    """The score of a fitted linear model of scikit-learn's, over the columns that its features are named after.

    Coefficients and intercept are rounded to so many decimal places: rows whose scores are that near to a bound may be on the
    other side of it. Of `LogisticRegression` it is the log-odds: see `Score.at_least_probability`. Of several classes it is that of
    `label`.

    Raises `InvalidArgument` for what is no linear model or has several targets, or for a label that there is not.
    """
    names, coefficients, intercepts = _linear(estimator, features)
    row = 0
    if len(coefficients) > 1:
        row = _class(estimator, label)
    elif label is not None and _class(estimator, label) == 0:
        coefficients, intercepts = -coefficients, -intercepts
    return _score(names, coefficients[row], intercepts[row], decimals)


def predicts(
    estimator: Any, label: Any, *, schema: Schema, features: Sequence[str] | None = None, decimals: int = 4
) -> Filter:
    """The rows for which a fitted classifier of scikit-learn's predicts `label`: a linear one, or a `DecisionTreeClassifier`.

    `schema` is the asset's, in which the features are dimensions. A tree is followed exactly as the estimator does. Of linear
    classifiers, coefficients are rounded to so many decimal places. A filter has at most 256 comparisons: limit the depth of trees.

    Raises `InvalidArgument` for other estimators, features that are no numeric columns, and labels that there are not.
    """
    if getattr(estimator, "tree_", None) is not None:
        return _tree(estimator, label, schema, features)
    names, coefficients, intercepts = _linear(estimator, features)
    for name in names:
        schema.column(name)
    chosen = _class(estimator, label)
    if len(coefficients) == 1:
        score = _score(names, coefficients[0], intercepts[0], decimals)
        return score > 0 if chosen == 1 else score <= 0
    # The first of equal scores wins.
    better: list[Filter] = []
    for other in range(len(coefficients)):
        if other != chosen:
            ahead = _score(
                names, coefficients[chosen] - coefficients[other], intercepts[chosen] - intercepts[other], decimals
            )
            better.append(ahead >= 0 if chosen < other else ahead > 0)
    return reduce(and_, better)


def _linear(estimator: Any, features: Sequence[str] | None) -> tuple[list[str], Any, Any]:
    import numpy as np

    name = type(estimator).__name__
    try:
        coefficients, intercepts = estimator.coef_, estimator.intercept_
    except AttributeError as error:
        raise InvalidArgument(
            f"{name} has no {error.name or 'coef_ and intercept_'}: it is no linear model, or was not fitted",
            hint="fit a linear model or a DecisionTreeClassifier; of a pipeline, pass the last step",
        ) from error
    coefficients = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    intercepts = np.broadcast_to(np.asarray(intercepts, dtype=np.float64), (len(coefficients),))
    if len(coefficients) > 1 and getattr(estimator, "classes_", None) is None:
        raise InvalidArgument(f"{name} has {len(coefficients)} targets", hint="fit one model for each target")
    return _names(estimator, features, coefficients.shape[1]), coefficients, intercepts


def _names(estimator: Any, features: Sequence[str] | None, count: int) -> list[str]:
    fitted = getattr(estimator, "feature_names_in_", None) if features is None else features
    if fitted is None:
        raise InvalidArgument(
            f"{type(estimator).__name__} was fitted without names of features",
            hint="pass features=[...], the columns that they are, in order",
        )
    names = [str(name) for name in fitted]
    if len(names) != count:
        raise InvalidArgument(
            f"features: expected {count} names, got {len(names)}", hint="name every feature, in order"
        )
    return names


def _class(estimator: Any, label: Any) -> int:
    classes = list(getattr(estimator, "classes_", []))
    if label not in classes:
        raise InvalidArgument(
            f"label: {type(estimator).__name__} has no class {label!r}",
            hint=f"its classes are {', '.join(repr(getattr(one, 'item', lambda one=one: one)()) for one in classes)}",
        )
    return classes.index(label)


def _score(names: list[str], coefficients: Any, intercept: float, decimals: int) -> Score:
    def rounded(number: float) -> Decimal:
        exact = Decimal(float(number))
        if not exact.is_finite():
            raise InvalidArgument(f"a coefficient is {number}", hint="fit the model again, on finite numbers")
        return round(exact, decimals)

    terms = [col(name) * rounded(weight) for name, weight in zip(names, coefficients, strict=True) if rounded(weight)]
    if not terms:
        raise InvalidArgument(
            f"all coefficients are 0 with {decimals} decimal places", hint="keep more of them: decimals=8"
        )
    return reduce(lambda score, term: score + term, terms) + rounded(intercept)


def _tree(estimator: Any, label: Any, schema: Schema, features: Sequence[str] | None) -> Filter:
    import numpy as np

    tree = estimator.tree_
    if getattr(estimator, "classes_", None) is None or tree.n_outputs != 1:
        raise InvalidArgument(
            f"{type(estimator).__name__} is no classifier with one target",
            hint="fit a DecisionTreeClassifier: of a regressor, ask for the rows of a range of predictions",
        )
    names, chosen = _names(estimator, features, tree.n_features), _class(estimator, label)

    def column(feature: int) -> Column:
        found = schema.column(names[feature])
        if found.kind not in ("integer", "decimal", "boolean"):
            raise InvalidArgument(
                f"feature {found.name!r} is a column of kind {found.kind}", hint="fit the tree on numbers and booleans"
            )
        return found

    def greatest(feature: int, threshold: float) -> int | Decimal:
        """The greatest value of the column that goes to the left: the estimator compares single-precision numbers."""
        unit = Decimal(1).scaleb(-(column(feature).scale or 0))
        value = (Decimal(threshold) / unit).to_integral_value(rounding="ROUND_FLOOR") * unit
        while float(np.float32(float(value + unit))) <= threshold:
            value += unit
        while float(np.float32(float(value))) > threshold:
            value -= unit
        return value if column(feature).scale else int(value)

    def leaves(node: int, way: _Leaf) -> Iterator[_Leaf]:
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left == right:
            if int(np.argmax(tree.value[node][0])) == chosen:
                yield way
            return
        feature = int(tree.feature[node])
        bound, (low, high) = greatest(feature, float(tree.threshold[node])), way.get(feature, (None, None))
        yield from leaves(left, {**way, feature: (low, bound if high is None else min(high, bound))})
        yield from leaves(right, {**way, feature: (bound if low is None else max(low, bound), high)})

    def conditions(leaf: _Leaf) -> list[Filter]:
        found: list[Filter] = []
        for feature, (low, high) in sorted(leaf.items()):
            name = col(names[feature])
            if column(feature).kind == "boolean":
                found += [name == False] if high is not None and high < 1 else []  # noqa: E712
                found += [name == True] if low is not None and low >= 0 else []  # noqa: E712
                continue
            found += [name > low] if low is not None else []
            found += [name <= high] if high is not None else []
        return found

    ways = [conditions(leaf) for leaf in leaves(0, {})]
    if not ways or any(not way for way in ways):
        which, hint = ("every row", "ask without a filter") if ways else ("no row", "there is nothing to ask")
        raise InvalidArgument(f"the tree predicts {label!r} of {which}", hint=hint)
    return reduce(or_, [reduce(and_, way) for way in ways])
