"""Answers out: exact in Python, Arrow for the others, a table for people, a plot."""

from __future__ import annotations

import pickle
import sys
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sealock as sl
from conftest import Market, visits_table


def expected() -> list[dict[str, Any]]:
    table = visits_table().filter(pc.field("plan") == "paid")
    rows = []
    for region in ("north", "south", None):
        field = pc.field("region")
        part = table.filter(field.is_null() if region is None else field == region)
        cost = Decimal(pc.sum(part["cost"]).as_py()).quantize(Decimal("0.01"))
        rows.append(
            {"region": region, "mean(visits)": pc.mean(part["visits"]).as_py(), "sum(cost)": cost, "count": len(part)}
        )
    return rows


def test_an_answer_is_the_plain_answer(answer: sl.Answer) -> None:
    assert list(answer) == expected()
    assert answer.columns == ("region", "mean(visits)", "sum(cost)", "count") and len(answer) == 3
    assert answer.to_dict() == {name: [row[name] for row in expected()] for name in answer.columns}
    kinds = {name: {type(cell) for cell in answer[name]} for name in answer.columns}
    assert kinds == {"region": {str, type(None)}, "mean(visits)": {float}, "sum(cost)": {Decimal}, "count": {int}}


def test_every_library_takes_an_answer(answer: sl.Answer) -> None:
    table = pa.table(answer)  # type: ignore[call-overload, unused-ignore]
    assert table.to_pylist() == expected()
    assert pa.schema(answer) == table.schema
    assert pa.record_batch(answer).to_pylist() == expected()
    assert pl.DataFrame(answer).rows(named=True) == expected()
    for frame in (pd.DataFrame(answer), pd.DataFrame.from_arrow(answer)):  # type: ignore[call-overload, attr-defined, unused-ignore]
        assert list(frame.columns) == list(answer.columns)
        assert frame["count"].tolist() == answer["count"] and frame["sum(cost)"].tolist() == answer["sum(cost)"]


def test_a_requested_schema_is_granted_where_it_can_be(answer: sl.Answer) -> None:
    wanted = pa.schema(answer).set(3, pa.field("count", pa.int32(), nullable=False))
    assert pa.RecordBatchReader.from_stream(answer, schema=wanted).read_all()["count"].type == pa.int32()


def test_an_answer_is_shown_as_a_table(answer: sl.Answer) -> None:
    assert repr(answer).splitlines()[1] == "| region | mean(visits) | sum(cost) | count |"
    html = answer._repr_html_()
    assert "<th>mean(visits)</th>" in html and html.count("<tr>") == 4
    assert "<td>north</td>" in html


def test_html_is_escaped(market: Market) -> None:
    evil = "<script>alert('&')</script>"
    schema = sl.Schema([sl.Column.category("plan", [evil, "b"], dimension=True)])
    policy = sl.Policy(dimensions=["plan"], aggregations=["count"], programs="any", min_group_size=1)
    table = pa.table({"plan": [evil, "b"]})
    asset = market.owner.publish(table, name="Evil", schema=schema, policy=policy, price=sl.Price.free()).asset
    consumer = market.exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    ticket = consumer.order(asset).request(sl.select(sl.count()).group_by("plan"))
    html = ticket.open(*market.owner.node.run(ticket.request))._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in html


def test_an_answer_pickles(answer: sl.Answer) -> None:
    again = pickle.loads(pickle.dumps(answer))
    assert again == answer and hash(again) == hash(answer) and list(again) == list(answer)


def test_an_unknown_column_is_said(answer: sl.Answer) -> None:
    with pytest.raises(LookupError, match=r"mean\(visits\)"):
        answer["mean(visit)"]
    with pytest.raises(TypeError):
        answer[0]  # type: ignore[index]


def test_a_grouped_answer_is_plotted(answer: sl.Answer) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    assert answer.plot(ax=ax, y="count") is ax
    assert [bar.get_height() for bar in ax.patches] == answer["count"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["north", "south", "null"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("region", "count")
    for kind in ("barh", "line"):
        assert answer.plot(y="mean(visits)", kind=kind).get_title() == ""  # type: ignore[arg-type]
    pyplot.close("all")


def test_what_cannot_be_plotted_is_said(answer: sl.Answer, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(sl.errors.InvalidArgument, match="several"):
        answer.plot()
    with pytest.raises(sl.errors.InvalidArgument, match="region"):
        answer.plot(y="region")
    with pytest.raises(sl.errors.InvalidArgument, match="pie"):
        answer.plot(y="count", kind="pie")  # type: ignore[arg-type]
    ticket = market.order.request(sl.select(sl.count()))
    with pytest.raises(sl.errors.InvalidArgument, match="not grouped"):
        ticket.open(*market.owner.node.run(ticket.request)).plot()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sealock\[plot\]"):
        answer.plot(y="count")
