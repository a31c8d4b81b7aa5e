"""The whole story once, on real data: an insurer publishes, researchers buy and order, and one of them asks a question
that the insurer cannot read and gets an answer that nobody else can.

Data: the RAND Health Insurance Experiment (see examples/data/README.md).

Needs: pip install ./bindings/python pyarrow
"""

from __future__ import annotations

import logging
import tempfile
import time
from datetime import timedelta
from math import exp
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sealock as sl

DATA = Path(__file__).parent / "data" / "randhie.parquet"
HEALTH = ["excellent", "good", "fair", "poor"]
COST_SHARE = ["free", "25-50%", "95-100%"]


def story(folder: Path) -> None:
    clock = Steps()
    records = read_records(DATA)

    clock.step("An exchange opens: a ledger, and an IPFS node on loopback.")
    desk = sl.IpfsNode(folder / "desk")
    exchange = sl.Exchange.local(folder, store=desk)
    market = sl.Account.generate()
    ocean = exchange.deploy_token(market, "Ocean", "OCEAN", cap=1_000_000)
    account = sl.Account.generate()
    insurer = exchange.owner(account)
    clock.done("the insurer makes the key that access proofs are made with; its secret part is forgotten")

    clock.step("The insurer publishes its table: encrypts it, stores it, mints a data NFT and datatokens.")
    published = insurer.publish(
        records,
        name="RAND Health Insurance Experiment",
        schema=schema(),
        policy=sl.Policy(
            dimensions=["health", "cost_share", "chronic"],
            measures=["visits"],
            aggregations=["count", "mean"],
            programs="any",
            min_group_size=5,
            purpose="public health research",
        ),
        price=sl.Price.fixed(ocean, 2),
        uses_per_order=3,
        valid_for=timedelta(days=30),
        description="Outpatient visits per person and year, with health, cost sharing and chronic diseases.",
        author="RAND Corporation",
        license="public domain",
        tags=["health", "insurance"],
    )
    asset = published.asset
    clock.done(
        f"{records.num_rows} rows, {published.sealed_bytes} bytes in the store, as ciphertext",
        asset.did,
        f"groups smaller than 5: {published.suppression.suppressed_rows} rows withheld",
        "the store learns sizes; the ledger learns who published, the columns, the price and the policy",
    )

    clock.step(
        "The insurer's compute node, another node of the network, fetches the asset over QUIC. The first one stops."
    )
    rack = sl.IpfsNode(folder / "rack")
    rack.connect(next(address for address in desk.addresses if "quic" in address))
    fetched: dict[str, int] = {}
    for root in asset.roots:

        def count(stage: str, done: int, total: int | None, root: str = root) -> None:
            fetched[root] = done

        rack.fetch(root, progress=count)
        rack.pin(root)
    del insurer, exchange
    desk.close()
    exchange = sl.Exchange.local(folder, store=rack)
    insurer = exchange.owner(account)
    clock.done(
        f"{sum(fetched.values())} bytes, each block checked against its CID",
        "peers learn CIDs and sizes",
    )

    clock.step("Four researchers buy a datatoken each and order. Each order carries a commitment to a fresh secret.")
    orders = []
    for _ in range(4):
        consumer = exchange.consumer(sl.Account.generate())
        exchange.mint(market, ocean, consumer.address, 2)
        consumer.buy(asset)
        orders.append(consumer.order(asset))
    clock.done("the ledger learns who paid, and when")

    clock.step(
        "One of them asks: mean and count of visits by health, of people whose cost sharing and chronic diseases are secret."
    )
    order = orders[2]
    query = (
        sl.select(sl.mean("visits"), sl.count())
        .filter(sl.col("cost_share").is_in(sl.secret(["25-50%", "95-100%"])) & (sl.col("chronic") >= sl.secret(10)))
        .group_by("health")
    )
    ticket = order.request(query)
    request = ticket.request.to_bytes()
    clock.done(
        f"the request has {len(request)} bytes: the program without its literals, the encrypted literals, the proof",
        "the proof says that one of the four orders is used, not which",
    )

    clock.step("The insurer's node admits the job, computes and releases.")
    node = insurer.node
    result, receipt = node.run(request)
    clock.done(
        f"the sealed result has {len(result.to_bytes())} bytes",
        "the node learns the program's shape; not who asked, not the literals, not the answer",
    )

    clock.step("The researcher checks the receipt and opens the answer.")
    answer = ticket.open(result, receipt)
    clock.done()
    print(f"{answer}\n")
    print("   computed on the plaintext, without any of this:")
    expected = plain_answer(records)
    for health, (visits, people) in expected.items():
        print(f"   {health:<10} mean {visits / people:.6f}  count {people}")
    got = {row["health"]: (row["mean(visits)"], row["count"]) for row in answer}
    if got != {health: (visits / people, people) for health, (visits, people) in expected.items()}:
        raise AssertionError("the answer differs from the plaintext answer")
    print("   The answer is the plaintext answer.\n")

    clock.step("A job that the policy does not allow: the total of visits by cost sharing.")
    greedy = sl.select(sl.sum("visits")).group_by("cost_share")
    try:
        order.request(greedy)
        raise AssertionError("the consumer's own check lets it through")
    except sl.errors.PolicyDenied as local:
        print(f"   the researcher's own check, before anything is spent: {local}")
    forced = order.request_without_policy_check(greedy)
    try:
        node.run(forced.request)
        raise AssertionError("the node lets it through")
    except sl.errors.Rejected as refused:
        print(f"   the node, to one who skips the check: {refused}")
    last = node.refusals()[-1]
    print(f"   the insurer's log: {last.reason}")
    clock.done("the use was not spent: a refused request costs nothing")
    if last.kind != "PolicyDenied":
        raise AssertionError("the refusal is not the policy's")

    clock.step("A replay: the use that paid for the first question is to pay for a second.")
    second = sl.select(sl.count()).filter(sl.col("chronic") < sl.secret(5))
    replay = order.request_use(second, 0)
    try:
        node.run(replay.request)
        raise AssertionError("the node lets the replay through")
    except sl.errors.Rejected as refused:
        print(f"   the node: {refused}")
    last = node.refusals()[-1]
    print(f"   the insurer's log: {last.reason}")
    if last.kind != "NullifierSpent":
        raise AssertionError("the refusal is not the nullifier's")
    if node.run(ticket.request).result != result:
        raise AssertionError("the same request again does not give the same result")
    clock.done("the first request again, as after a lost connection, gives the same result and costs nothing")

    receipts = node.receipts()
    sl.verify_chain(insurer.address, receipts)
    print(f"The insurer's {len(receipts)} receipt(s) verify. Done.")


def schema() -> sl.Schema:
    """The columns that the insurer publishes."""
    return sl.Schema(
        [
            sl.Column.category("health", HEALTH, dimension=True, description="self-rated health at the start"),
            sl.Column.category(
                "cost_share", COST_SHARE, dimension=True, description="share of the bill that the insured pays"
            ),
            sl.Column.decimal(
                "chronic", 6, 0, 60, dimension=True, bins=[0, 5, 10, 15, 60], description="index of chronic diseases"
            ),
            sl.Column.integer("visits", 0, 100, measure=True, description="outpatient visits to a physician in a year"),
        ]
    )


def read_records(path: Path) -> pa.Table:
    """The experiment's records, one per person and year, in the clear: the insurer's own. Turns the file's dummy variables
    and logarithms back into categories."""
    raw = pq.read_table(path).to_pydict()

    def health(good: float, fair: float, poor: float) -> str:
        return HEALTH[1] if good > 0.5 else HEALTH[2] if fair > 0.5 else HEALTH[3] if poor > 0.5 else HEALTH[0]

    def cost_share(logarithm: float) -> str:
        # ln(1 + coinsurance in percent): 0, 25 or 50, 95 or 100.
        percent = exp(logarithm) - 1
        return COST_SHARE[0] if percent < 10 else COST_SHARE[1] if percent < 70 else COST_SHARE[2]

    return pa.table(
        {
            "health": [health(*dummies) for dummies in zip(raw["hlthg"], raw["hlthf"], raw["hlthp"])],
            "cost_share": [cost_share(logarithm) for logarithm in raw["lncoins"]],
            "chronic": raw["disea"],
            "visits": raw["mdvis"],
        }
    )


def plain_answer(records: pa.Table) -> dict[str, tuple[int, int]]:
    """Sum of visits and number of records by health, straight from the rows."""
    sums = {health: (0, 0) for health in HEALTH}
    for row in records.to_pylist():
        if row["cost_share"] != "free" and row["chronic"] >= 10:
            visits, people = sums[row["health"]]
            sums[row["health"]] = (visits + row["visits"], people + 1)
    return sums


class Steps:
    """Numbers the steps and times them."""

    def __init__(self) -> None:
        self._number = 0
        self._start = time.perf_counter()

    def step(self, what: str) -> None:
        self._number += 1
        print(f"{self._number}. {what}")
        self._start = time.perf_counter()

    def done(self, *notes: str) -> None:
        elapsed = time.perf_counter() - self._start
        for note in notes:
            print(f"   {note}")
        print(f"   {elapsed:.2f} s\n")


if __name__ == "__main__":
    # The node logs what it refuses as warnings, which Python would show here; the story shows them itself.
    logging.getLogger("sealock").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="sealock-story-") as directory:
        story(Path(directory))
