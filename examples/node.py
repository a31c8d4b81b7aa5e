"""Owner and consumer as two processes: an insurer serves its node, and a researcher has nothing but its address.

Data: the RAND Health Insurance Experiment (see examples/data/README.md).

Needs: pip install ./bindings/python pyarrow
"""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import sealock as sl
from story import DATA, HEALTH, plain_answer, read_records, schema


def insurer(folder: Path, researcher: Connection) -> None:
    """Publishes its records, and serves them until it is told to stop."""
    owner = sl.Exchange.local(folder).owner(sl.Account.generate())
    policy = sl.Policy(
        dimensions=["health", "cost_share", "chronic"],
        measures=["visits"],
        aggregations=["count", "mean"],
        programs="any",
        min_group_size=5,
    )
    records = read_records(DATA)
    owner.publish(records, name="Health insurance", schema=schema(), policy=policy, price=sl.Price.free())
    with sl.serve(owner) as server:
        researcher.send(server.url)
        researcher.recv()
    print(f"The insurer has answered {len(owner.node.receipts())} job. It saw the question without its literals.")


def main(folder: Path) -> None:
    # Threads and files do not survive a fork: the insurer is a process of its own from the start.
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=insurer, args=(folder / "insurer", theirs))
    process.start()
    url = ours.recv()
    print(f"The insurer serves its node at {url}")

    exchange = sl.Exchange.connect(url, folder / "researcher")
    assert exchange.node is not None
    (asset,) = exchange.assets()
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    query = (
        sl.select(sl.mean("visits"), sl.count())
        .filter(sl.col("cost_share").is_in(sl.secret(["25-50%", "95-100%"])) & (sl.col("chronic") >= sl.secret(10)))
        .group_by("health")
    )
    ticket = consumer.order(asset).request(query)
    # Sent and on record. Whatever happens to either process now, the same request finds its job.
    exchange.node.send(ticket.request)
    answer = ticket.open(*exchange.node.run(ticket.request))
    print(answer)
    plain = plain_answer(read_records(DATA))
    assert answer["count"] == [plain[health][1] for health in HEALTH]
    assert answer["mean(visits)"] == [plain[health][0] / plain[health][1] for health in HEALTH]
    print("The answer is the plaintext answer.")
    ours.send("thank you")
    process.join()


if __name__ == "__main__":
    # With one order, everybody knows whose question it is: the library warns, and the example has no more.
    logging.getLogger("sealock").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="sealock-node-") as directory:
        main(Path(directory))
