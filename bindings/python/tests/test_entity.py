"""Groups of people, not of rows."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
import sealock as sl
from sealock.errors import InvalidArgument


def test_min_group_size_counts_the_people_that_the_policy_names() -> None:
    schema = sl.Schema(
        [
            sl.Column.category("plan", ["free", "full"], dimension=True),
            sl.Column.integer("visits", 0, 50, measure=True),
            sl.Column.text("who", entity=True),
        ]
    )
    rows = [("full", 3, "ann")] * 12 + [("free", 1, f"person {i}") for i in range(12)]
    plan, visits, who = zip(*rows, strict=True)
    table = pa.table({"plan": plan, "visits": visits, "who": who})
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    policy = sl.Policy(
        dimensions=["plan"],
        measures=["visits"],
        aggregations=["sum"],
        programs="any",
        min_group_size=5,
        entity="who",
    )
    assert policy.entity == "who" and pickle.loads(pickle.dumps(policy)) == policy
    assert sl.Policy().entity is None
    published = owner.publish(table, name="visits", schema=schema, policy=policy, price=sl.Price.free())
    assert published.suppression.suppressed_rows == 12


def test_an_entity_is_declared_as_one() -> None:
    assert sl.Column.text("who", entity=True).entity and sl.Column.text("who").kind == "text"
    assert sl.Column.integer("who", 0, 9, entity=True).entity
    with pytest.raises(InvalidArgument, match="in every row"):
        sl.Column.text("who", entity=True, nullable=True)
    with pytest.raises(InvalidArgument, match="no dimension or measure"):
        sl.Column.integer("who", 0, 9, entity=True, dimension=True)
