"""What exporters, callbacks, handlers and processes do that they should not."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sealock as sl
from conftest import Market, visits_policy, visits_schema, visits_table
from sealock.errors import Malformed


class Exports:
    """Exports whatever Arrow stream it was given."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("bad", [b"caf\xc3", b"\xff\xfe\xfd\xfc"])
def test_text_that_is_not_utf8_is_refused_and_not_shown(bad: bytes, tmp_path: Path) -> None:
    text = pa.array([b"paid", bad] * 20).view(pa.string())
    pq.write_table(pa.table({"plan": text}), tmp_path / "bad.parquet")
    with pytest.raises(Malformed, match="[Uu][Tt][Ff]"):
        sl.Schema.infer(pq.read_table(tmp_path / "bad.parquet"))


def test_a_dictionary_key_out_of_range_is_refused() -> None:
    keys = pa.array([0, 5_000_000] * 20, pa.int32())
    plan = pa.DictionaryArray.from_arrays(keys, pa.array(["free", "paid"]), safe=False)
    with pytest.raises(Malformed):
        sl.Schema.infer(pa.table({"plan": plan}))


def test_a_stream_that_breaks_its_promise_is_refused(market: Market, capfd: pytest.CaptureFixture[str]) -> None:
    table = visits_table()
    other = pa.record_batch({"x": [1]})
    # An exporter that announces one schema and hands over batches of another.
    lying = pa.RecordBatchReader.from_batches(table.schema, iter([other]))
    with pytest.raises(sl.SealockError) as caught:
        sl.Schema.infer(Exports(lying))
    assert not isinstance(caught.value, sl.errors.Internal)
    assert not capfd.readouterr().err


def test_the_row_labels_of_a_filtered_frame_stay_at_home(market: Market) -> None:
    frame = visits_table().to_pandas()
    frame = frame[frame["visits"] > 2].sort_values("cost")
    assert [column.name for column in sl.Schema.infer(frame).columns] == list(frame.columns)
    keywords: Any = dict(name="Filtered", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free())
    assert market.owner.publish(frame, **keywords).suppression.rows == len(frame)


def test_missing_values_that_protect_a_group_are_counted(market: Market) -> None:
    frame = pd.DataFrame({"k": ["x"] * 50 + ["y"] * 50, "v": [None] + [1] * 99}).astype({"v": "Int64"})
    schema = sl.Schema(
        [
            sl.Column.category("k", ["x", "y"], dimension=True),
            sl.Column.integer("v", 0, 1, measure=True, nullable=True),
        ]
    )
    policy = sl.Policy(dimensions=["k"], measures=["v"], aggregations=["sum"], programs="any", min_group_size=5)
    published = market.owner.publish(frame, name="Nulls", schema=schema, policy=policy, price=sl.Price.free())
    # One value is missing in group x: to show the sum beside the count would tell of one person.
    assert published.suppression.suppressed_rows == 0 and published.suppression.suppressed_values == 49


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_callback_raises_too_late_does_not_lose_the_result(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    before = len(market.exchange.assets())
    keywords: Any = dict(name="Late", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free())

    def fail_at(wanted: tuple[str, int]) -> Callable[..., None]:
        def progress(stage: str, done: int, total: int | None) -> None:
            if (stage, done) == wanted:
                raise LookupError(stage)

        return progress

    with pytest.raises(LookupError, match="store"):
        market.owner.publish(visits_table(), progress=fail_at(("store", 0)), **keywords)
    assert len(market.exchange.assets()) == before and not raised
    published = market.owner.publish(visits_table(), progress=fail_at(("publish", 4)), **keywords)
    assert published.asset in market.exchange.assets() and len(market.exchange.assets()) == before + 1
    assert isinstance(raised[0].exc_value, LookupError)


def test_a_logging_handler_may_look_at_the_ticket_that_is_renewed(market: Market, query: sl.Query) -> None:
    exchange = market.exchange
    lonely = market.owner.publish(
        visits_table(), name="Lonely", schema=visits_schema(), policy=visits_policy(), price=sl.Price.free()
    ).asset
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(lonely)
    ticket = consumer.order(lonely).request(query)
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.name)
            assert ticket.request.job == ticket.job

    handler, logger = Handler(), logging.getLogger("sealock")
    logger.addHandler(handler)
    try:
        ticket.renew()
    finally:
        logger.removeHandler(handler)
    assert seen and all(name == "sealock" or name.startswith("sealock.") for name in seen)


def test_the_interpreter_can_end_while_threads_work(python: Callable[..., str]) -> None:
    code = """
        import logging, threading, time
        import sealock as sl
        logging.basicConfig(level=logging.DEBUG, stream=open("/dev/null", "w"))
        exchange = sl.Exchange.in_memory()
        node = exchange.owner(sl.Account.generate()).node
        def work():
            while True:
                try:
                    node.run(b"xx")
                except sl.SealockError:
                    pass
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        print("end")
    """
    for _ in range(3):
        assert python(code) == "end\n"


def test_a_job_is_not_waited_for_in_a_forked_process(python: Callable[..., str]) -> None:
    out = python(
        """
        import os, warnings
        import sealock as sl
        warnings.simplefilter("ignore")
        node = sl.Exchange.in_memory().owner(sl.Account.generate()).node
        job = node.submit(b"x")
        job.exception()
        if (child := os.fork()) == 0:
            for wait in (job.result, lambda: node.submit(b"x")):
                try:
                    wait()
                except sl.errors.Locked as error:
                    print("spawn" in error.hint, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert out == "True\nTrue\n"
