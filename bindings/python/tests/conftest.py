"""One exchange on which everything was done once: what the tests look at without doing it again."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
import sealock as sl

HERE = Path(__file__).parent
PACKAGE = HERE.parent
REPOSITORY = PACKAGE.parent.parent

PLANS = ["free", "paid"]
ROWS = 240


def visits_table() -> pa.Table:
    """Two plans, three regions (one of them null), visits 0 to 9, costs with two decimal places."""
    return pa.table(
        {
            "plan": [PLANS[row % 2] for row in range(ROWS)],
            "region": [["north", "south", None][row % 3] for row in range(ROWS)],
            "visits": [row % 10 for row in range(ROWS)],
            "cost": [row % 7 + 0.25 for row in range(ROWS)],
        }
    )


def visits_schema() -> sl.Schema:
    return sl.Schema(
        [
            sl.Column.category("plan", PLANS, dimension=True),
            sl.Column.category("region", ["north", "south"], dimension=True, nullable=True),
            sl.Column.integer("visits", 0, 20, dimension=True, measure=True, bins=[0, 5, 10, 20]),
            sl.Column.decimal("cost", 2, 0, "99.99", measure=True),
        ]
    )


def visits_policy() -> sl.Policy:
    return sl.Policy(
        dimensions=["plan", "region", "visits"],
        measures=["visits", "cost"],
        aggregations=["count", "sum", "mean"],
        programs="any",
        min_group_size=5,
    )


@dataclass
class Market:
    """An owner with an asset, and a consumer with an order of it."""

    exchange: sl.Exchange
    token: str
    bank: sl.Account
    owner: sl.Owner
    published: sl.Published
    consumer: sl.Consumer
    order: sl.Order

    @property
    def asset(self) -> sl.Asset:
        return self.published.asset


def open_market(exchange: sl.Exchange) -> Market:
    bank = sl.Account.generate()
    token = exchange.deploy_token(bank, "Ocean", "OCEAN", 1_000)
    owner = exchange.owner(sl.Account.generate())
    published = owner.publish(
        visits_table(),
        name="Visits",
        schema=visits_schema(),
        policy=visits_policy(),
        price=sl.Price.fixed(token, "1.5"),
        uses_per_order=200,
        tags=["test"],
    )
    consumer = exchange.consumer(sl.Account.generate())
    exchange.mint(bank, token, consumer.address, 10)
    consumer.buy(published.asset)
    order = consumer.order(published.asset)
    for _ in range(2):
        other = exchange.consumer(sl.Account.generate())
        exchange.mint(bank, token, other.address, 2)
        other.buy(published.asset)
        other.order(published.asset)
    return Market(exchange, token, bank, owner, published, consumer, order)


@pytest.fixture(scope="session")
def market() -> Market:
    return open_market(sl.Exchange.in_memory())


@pytest.fixture(scope="session")
def query() -> sl.Query:
    return (
        sl.select(sl.mean("visits"), sl.sum("cost"), sl.count())
        .filter(sl.col("plan") == sl.secret("paid"))
        .group_by("region")
    )


@pytest.fixture(scope="session")
def ticket(market: Market, query: sl.Query) -> sl.JobTicket:
    return market.order.request(query)


@pytest.fixture(scope="session")
def released(market: Market, ticket: sl.JobTicket) -> sl.Released:
    return market.owner.node.run(ticket.request)


@pytest.fixture(scope="session")
def answer(ticket: sl.JobTicket, released: sl.Released) -> sl.Answer:
    return ticket.open(*released)


@pytest.fixture
def python() -> Callable[..., str]:
    """Runs Python code in a process of its own, and returns what it printed."""

    def run(code: str, *, timeout: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=timeout, cwd=HERE
        )
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
