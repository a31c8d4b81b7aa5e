"""Typed use of the package, for mypy: nothing here runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import sealock as sl
from sealock import zk
from sealock.zk import semaphore


def everything(table: sl.Answer, folder: Path, account: sl.Account, token: str) -> Decimal:
    exchange: sl.Exchange = sl.Exchange.local(folder)
    owner: sl.Owner = exchange.owner(account)
    schema: sl.Schema = sl.Schema.infer(table).with_column(sl.Column.integer("visits", 0, 100, measure=True))
    published: sl.Published = owner.publish(
        table,
        name="Visits",
        schema=schema,
        policy={"dimensions": ["plan"], "aggregations": ["count", "mean"], "programs": "any", "expires": 2_000_000_000},
        price=sl.Price.fixed(token, Decimal("1.5")),
        valid_for=timedelta(days=1),
        progress=True,
    )
    policy = sl.Policy(programs=["00" * 32], expires=datetime.now(timezone.utc))
    consumer: sl.Consumer = exchange.consumer(account)
    transaction: str = consumer.buy(published.asset, count=2)
    query: sl.Query = (
        sl.select(sl.mean("visits"), sl.count())
        .filter((sl.col("plan") == sl.secret("free")) | ~sl.col("age").between(3, sl.secret(5)))
        .group_by("plan", "region")
    )
    estimate: sl.Estimate = published.asset.estimate(query)
    ticket: sl.JobTicket = consumer.order(published.asset).request(query, progress=lambda stage, done, total: None)
    result, receipt = owner.node.run(ticket.request.to_bytes())
    answer: sl.Answer = ticket.open(result, receipt)
    number: int = receipt.statement.number
    rows: list[dict[str, object]] = list(answer)
    print(policy, transaction, estimate.compute_time.total_seconds(), number, rows, published.suppression.rows)
    return exchange.balance_of(token, account.address)


class Bar:
    def on_step(self, step: sl.Step) -> None:
        print(step.stage, step.done, step.total, step.eta)


def data_itself(exchange: sl.Exchange, owner: sl.Owner, asset: sl.Asset, folder: Path) -> sl.DestructionReceipt | None:
    with sl.IpfsNode(folder, dht=True, block_timeout=timedelta(seconds=5)) as node:
        node.fetch(asset.roots[0], progress=Bar())
        shared: sl.Exchange = sl.Exchange.local(folder, store=node)
    daemon: sl.Store = sl.KuboDaemon("http://127.0.0.1:5001", token="secret", timeout=2.5)
    key = sl.RecipientKey.generate()
    new: sl.Asset = owner.reencrypt(owner.share(asset, [key.public]), keep_previous=True)
    download: sl.Download = shared.open_shared(new, key)
    length: int = download.write_to(folder / "table.parquet", progress=Bar())
    with download.reader() as file, open(folder / "asset.car", "wb") as car:
        print(file.read(4), exchange.export_car(asset, car).bytes, length, daemon.pins())
    roots: tuple[str, ...] = exchange.import_car(folder / "asset.car")
    keys: sl.KeyStore = sl.KeyStore.create(folder / "keys", sl.Account.generate(), "passphrase")
    print(roots, exchange.owner(keys).address, len(download.table(["plan"], range(10))))
    return owner.destruction_receipt(new, new.epoch)


async def waits(node: sl.Node, ticket: sl.JobTicket) -> sl.Answer:
    released: sl.Released = await node.submit(ticket.request)
    return ticket.open(*released)


def access(bundle: bytes, digest: str | None) -> tuple[zk.Statement, bytes]:
    key: zk.ProvingKey = zk.check_setup(zk.KeyBundle.from_bytes(bundle))
    if digest is not None:
        key = zk.ProvingKey.from_pinned_bytes(bundle, digest)
    secret = zk.IdentitySecret.generate()
    asset: int = zk.hash_to_field("example/v1/asset", [b"asset"])
    credential = zk.Credential(asset=asset, limit=3, expiry=datetime.now(timezone.utc))
    group = zk.LeanImt(key.depth)
    group.insert_many(range(1, 5))
    place: int = group.insert(credential.leaf(secret.commitment))
    root: int | None = group.root
    statement, proof = zk.prove(
        key,
        root=root or 0,
        message=zk.poseidon(1, 2),
        scope=5,
        now=1_900_000_000,
        secret=secret,
        credential=credential,
        use_index=0,
        membership=group.proof(place),
    )
    owner: zk.Keys = zk.setup(key.depth)
    zk.verify(owner.verifying_key, statement, proof)
    return statement, proof.to_evm_calldata(statement)


def semaphores(file: bytes, digest: str, path: zk.MerkleProof) -> str:
    key: semaphore.ProvingKey = semaphore.ProvingKey.from_pinned_zkey(file, digest)
    message, scope = semaphore.Signal.text("yes"), semaphore.Signal.integer(5)
    identity: semaphore.Identity = semaphore.Identity.from_private_key(b"private")
    proof = semaphore.prove(key, identity=identity, membership=path, message=message, scope=scope)
    semaphore.verify(key.verifying_key, semaphore.Proof.from_json(proof.to_json()))
    points, public = proof.to_snarkjs()
    return points + public + str(int(proof.message)) + str(proof.nullifier)


def far_away(owner: sl.Owner, folder: Path, query: sl.Query) -> sl.Answer:
    with sl.serve(owner, listen="127.0.0.1:0", workers=2, shutdown_grace=timedelta(seconds=5)) as server:
        exchange: sl.Exchange = sl.Exchange.connect(server.url, folder, patience=60, timeout=timedelta(seconds=5))
        far: sl.RemoteNode | None = exchange.node
        node: sl.Node | sl.RemoteNode = owner.node if far is None else far
        order: sl.Order = exchange.consumer(sl.Account.generate()).order(exchange.assets()[0])
        ticket = order.request(query)
        if far is not None:
            status: sl.JobStatus = far.send(ticket.request)
            names: list[str] = [entry.nft for entry in far.assets()]
            print(status.state == "queued", status.kept_until, names, far.info.result_retention.days)
        print(server.queue.waiting, server.admin_url, server.wait(1.5))
        return ticket.open(*node.submit(ticket.request, progress=True).result())
