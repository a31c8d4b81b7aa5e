"""DataFrames in: every library, no copies, and what is wrong with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sealock as sl
from conftest import Market, visits_policy, visits_schema, visits_table

TABLE = visits_table()
SCHEMA = """plan: one of "free", "paid", dimension
region: one of "north", "south", dimension, nullable
visits: a whole number from 0 to 9, measure
cost: a number from 0.25 to 6.25 with at most 2 decimal places, measure"""

FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: TABLE.to_pandas(),
    "pandas on arrow": lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda: pl.DataFrame(TABLE),
    "pyarrow table": lambda: TABLE,
    "pyarrow batch": lambda: TABLE.combine_chunks().to_batches()[0],
    "pyarrow chunks": lambda: pa.concat_tables([TABLE.slice(0, 100), TABLE.slice(100)]),
    "pyarrow reader": lambda: TABLE.to_reader(max_chunksize=50),
    "pyarrow struct array": lambda: TABLE.to_struct_array().combine_chunks(),
    "pyarrow dictionaries": lambda: TABLE.set_column(0, "plan", TABLE["plan"].dictionary_encode()),
    "pandas categories": lambda: TABLE.to_pandas().astype({"plan": "category"}),
    "duckdb": lambda: duckdb.from_arrow(TABLE),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_library_gives_the_same_schema(frame: Callable[[], Any]) -> None:
    assert repr(sl.Schema.infer(frame())) == f"Schema of 4 columns:\n{SCHEMA}"


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_library_can_be_published(market: Market, frame: Callable[[], Any]) -> None:
    published = market.owner.publish(
        frame(), name="A frame", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free()
    )
    assert published.suppression == market.published.suppression
    assert published.asset.schema == visits_schema()


def test_an_inferred_schema_is_warned_of(market: Market) -> None:
    keywords = dict(dimensions=["plan"], measures=["visits"], aggregations=["mean"], programs="any")
    before = len(market.exchange.assets())
    with pytest.warns(sl.InferredSchemaWarning, match="public|published and quotes") as caught:
        published = market.owner.publish(TABLE, name="Inferred", policy=keywords, price=sl.Price.free())  # type: ignore[arg-type]
    assert caught[0].filename == __file__
    assert published.asset.schema == sl.Schema.infer(TABLE)
    with warnings.catch_warnings(), pytest.raises(sl.InferredSchemaWarning):
        warnings.simplefilter("error")
        market.owner.publish(TABLE, name="Not again", policy=keywords, price=sl.Price.free())  # type: ignore[arg-type]
    assert len(market.exchange.assets()) == before + 1


def test_fixed_width_columns_are_not_copied(python: Callable[..., str]) -> None:
    out = python(
        """
        import numpy as np, pyarrow as pa
        import sealock as sl

        rows = 8_000_000
        table = pa.table({f"c{i}": np.arange(i, rows + i) for i in range(4)})
        sl.Schema.infer(table.slice(0, 1000))  # whatever the first call needs

        # Not ru_maxrss, which starts at what the process that started this one has used.
        def peak():
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

        def growth(call):
            before = peak()
            kept = call()
            return (peak() - before) / table.nbytes

        print(growth(lambda: sl.Schema.infer(table)))
        # Two, since what was freed before the first is used again.
        print(growth(lambda: [column.to_numpy().copy() for _ in range(2) for column in table.columns]))
        """
    )
    inferred, copied = map(float, out.split())
    print(f"peak memory grew by {inferred:.3f} of the table's size; by {copied:.3f} for two copies")
    assert inferred < 0.1 and copied > 0.5


def test_a_published_table_is_a_snapshot(market: Market) -> None:
    frame = TABLE.to_pandas()
    keywords: Any = dict(name="Snapshot", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free())
    asset = market.owner.publish(frame, **keywords).asset
    frame["visits"] = 0
    consumer = market.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    ticket = consumer.order(asset).request(sl.select(sl.sum("visits")))
    assert ticket.open(*market.owner.node.run(ticket.request))["sum(visits)"] == [Decimal(1080)]


class Broken:
    """A stream that fails on the way, in Python."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from TABLE.to_batches()
            raise OSError("the cable was pulled")

        reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
        return reader.__arrow_c_stream__(requested_schema)


class Raises:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise KeyError("no stream today")


class Lies:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return "not a capsule"


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (None, TypeError, "__arrow_c_stream__"),
        ({"a": [1]}, TypeError, "dict"),
        ([1, 2], TypeError, "list"),
        ("a.csv", TypeError, "str"),
        (pl.DataFrame(TABLE).lazy(), TypeError, "collect"),
        (pl.Series([1, 2]), sl.errors.InvalidArgument, "Arrow"),
        (pa.array([1, 2]), sl.errors.InvalidArgument, "Arrow"),
        (Raises(), KeyError, "no stream today"),
        (Lies(), TypeError, "."),
        (Broken(), sl.errors.InvalidArgument, "the cable was pulled"),
        (pa.table({}), sl.errors.InvalidArgument, "columns"),
        (TABLE.slice(0, 0), sl.errors.InvalidArgument, "no value"),
        (pa.table({"x": [float("nan")]}), sl.errors.InvalidArgument, "NaN"),
        (pa.table({"x": [float("inf")]}), sl.errors.InvalidArgument, "infinite"),
        (pa.table({"x": [1 / 3]}), sl.errors.InvalidArgument, "decimal places"),
        (pa.table({"x": pa.array([None], pa.int64())}), sl.errors.InvalidArgument, "no value"),
        (pa.table({"x": [b"bytes"]}), sl.errors.UnsupportedType, "Binary"),
        (pa.table({"x": [pd.Timestamp(0)]}), sl.errors.UnsupportedType, "Timestamp"),
        (pa.table({"x": [[1]]}), sl.errors.UnsupportedType, "List"),
        (pa.table({"x": pa.array([2**64 - 1], pa.uint64())}), sl.errors.InvalidArgument, "64 bits"),
        (pa.table([[1], [2]], names=["x", "x"]), sl.errors.InvalidArgument, "used twice"),
        (pa.table({"": [1]}), sl.errors.InvalidArgument, "name"),
        (pa.table({"x": ["a\0b"]}), sl.errors.InvalidArgument, "control characters"),
        (pa.table({"id": [f"person {i}" for i in range(100)]}), sl.errors.InvalidArgument, "identifiers"),
    ],
)
def test_what_is_no_table_is_said(frame: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sl.Schema.infer(frame)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: t.drop_columns(["cost"]), sl.errors.SchemaMismatch, "cost"),
        (lambda t: t.append_column("extra", t["cost"]), sl.errors.SchemaMismatch, "extra"),
        (lambda t: t.rename_columns(["plan", "region", "visit", "cost"]), sl.errors.SchemaMismatch, "visit"),
        (lambda t: t.set_column(0, "plan", [["gold"] * t.num_rows]), sl.errors.OutOfDomain, "row 0"),
        (lambda t: t.set_column(0, "plan", [[1] * t.num_rows]), sl.errors.SchemaMismatch, "plan"),
        (lambda t: t.set_column(2, "visits", [[21] * t.num_rows]), sl.errors.OutOfDomain, "21"),
        (lambda t: t.set_column(2, "visits", [["x"] * t.num_rows]), sl.errors.SchemaMismatch, "text"),
        (lambda t: t.set_column(3, "cost", [[0.125] * t.num_rows]), sl.errors.OutOfDomain, "0.125"),
        (lambda t: t.set_column(3, "cost", [[float("nan")] * t.num_rows]), sl.errors.OutOfDomain, "NaN"),
        (lambda t: t.set_column(3, "cost", [[None] * t.num_rows]), sl.errors.SchemaMismatch, "null"),
        (lambda t: t.slice(0, 0), sl.errors.InvalidArgument, "all 0 rows"),
        (lambda t: t.slice(0, 3), sl.errors.InvalidArgument, "all 3 rows"),
    ],
)
def test_what_does_not_fit_the_schema_is_said(
    market: Market, change: Callable[[pa.Table], pa.Table], error: type[Exception], words: str
) -> None:
    before = len(market.exchange.assets())
    with pytest.raises(error, match=words):
        market.owner.publish(
            change(TABLE), name="Bad table", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free()
        )
    assert len(market.exchange.assets()) == before
