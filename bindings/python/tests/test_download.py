"""The data itself, for whoever may decrypt it: bought, as a table, as a file, column by column."""

from __future__ import annotations

import io
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sealock as sl
from conftest import Market

ROWS = 200_000


def numbers() -> pa.Table:
    """Columns that no compression makes small."""
    random = np.random.default_rng(7)
    names = ("one", "two", "three")
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in names])
    return pa.table({name: random.integers(0, 2**40, ROWS) for name in names}, schema=schema)


@dataclass
class Shop:
    exchange: sl.Exchange
    owner: sl.Owner
    asset: sl.Asset
    consumer: sl.Consumer
    order: sl.DownloadOrder
    ticket: sl.DownloadTicket
    released: sl.Released
    download: sl.Download


@pytest.fixture(scope="module")
def shop() -> Shop:
    exchange = sl.Exchange.in_memory()
    owner = exchange.owner(sl.Account.generate())
    asset = owner.publish(
        numbers(),
        name="Numbers",
        schema=sl.Schema([sl.Column.integer(name, 0, 2**40) for name in ("one", "two", "three")]),
        policy={"allow_download": True},
        price=sl.Price.free(9),
        uses_per_order=20,
    ).asset
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset, 1)
    order = consumer.order_download(asset)
    ticket = order.request()
    released = owner.node.run(ticket.request.to_bytes())
    return Shop(exchange, owner, asset, consumer, order, ticket, released, ticket.open(*released))


def test_a_buyer_gets_the_table(shop: Shop) -> None:
    table = shop.download.table()
    assert pa.table(table).equals(numbers()) and len(table) == ROWS
    assert table.columns == ("one", "two", "three") and table.schema == shop.asset.schema
    assert pl.DataFrame(table).height == len(pa.table(table).to_pandas()) == ROWS
    assert "one" in repr(table) and str(ROWS) in repr(table)
    assert table == shop.owner.download(shop.asset).table()
    assert shop.download.asset == shop.asset and shop.download.manifest == shop.asset.roots[0]
    receipt = shop.released.receipt
    receipt.verify(shop.owner.address)
    assert receipt.statement.data == shop.asset.data
    assert shop.asset.policy.allow_download and '"download":true' in shop.asset.policy.to_json()
    assert pickle.loads(pickle.dumps(shop.asset.policy)) == shop.asset.policy


def test_the_table_is_written_to_paths_and_files(shop: Shop, tmp_path: Path) -> None:
    steps: list[sl.Step] = []

    class Watch:
        def on_step(self, step: sl.Step) -> None:
            steps.append(step)

    path = tmp_path / "table.parquet"
    path.write_text("what was there before")
    assert shop.download.write_to(path, progress=Watch()) == shop.download.size == path.stat().st_size
    assert pq.read_table(path).equals(numbers()) and list(tmp_path.iterdir()) == [path]
    assert steps[-1].stage == "open" and steps[-1].done == steps[-1].total
    memory = io.BytesIO()
    shop.download.write_to(memory)
    assert memory.getvalue() == path.read_bytes()
    with open(tmp_path / "raw", "wb", buffering=0) as raw:
        shop.download.write_to(raw)
    assert (tmp_path / "raw").read_bytes() == path.read_bytes()

    class Parts:
        """No file of Python's own: its `write` says nothing."""

        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.parts.append(data)

    parts = Parts()
    shop.download.write_to(parts)
    assert b"".join(parts.parts) == path.read_bytes()


class Counted(io.BufferedIOBase):
    """Counts the bytes that are read through it."""

    def __init__(self, file: sl.SealedFile) -> None:
        self._file, self.read_bytes = file, 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(-1 if size is None else size)
        assert data is not None
        self.read_bytes += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def test_a_column_is_read_alone(shop: Shop) -> None:
    file = shop.download.reader()
    counted = Counted(file)
    parquet = pq.ParquetFile(counted)
    footer = counted.read_bytes
    assert parquet.read(columns=["two"]).equals(numbers().select(["two"]))
    size, chunk = shop.download.size, 16 << 10
    column = sum(
        parquet.metadata.row_group(group).column(1).total_compressed_size
        for group in range(parquet.metadata.num_row_groups)
    )
    print(f"{counted.read_bytes} of {size} bytes read for one column of {column}, {footer} of them for the footer")
    assert column > 20 * chunk and column < 0.4 * size
    assert counted.read_bytes <= footer + column + chunk and footer < 0.2 * size
    # And so it was with what was decrypted.
    assert file.chunks_opened * chunk < 0.6 * size
    assert pq.ParquetFile(file).read().equals(numbers())


def test_columns_and_rows_are_read_alone(shop: Shop) -> None:
    some = shop.download.table(["three", "one"], range(10, 20))
    assert pa.table(some).equals(numbers().select(["one", "three"]).slice(10, 10)), "in the schema's order"
    assert len(shop.download.table(rows=range(5, 5))) == 0 and len(shop.download.table(["two"])) == ROWS
    with pytest.raises(sl.errors.UnknownColumn):
        shop.download.table(["four"])
    for bad in (range(0, ROWS + 1), range(0, 10, 2), range(-3, 2)):
        with pytest.raises(sl.errors.InvalidArgument):
            shop.download.table(rows=bad)
    download: Any = shop.download
    for keywords in ({"columns": "one"}, {"columns": [1]}, {"rows": (0, 5)}, {"rows": 5}):
        with pytest.raises(TypeError):
            download.table(**keywords)


def test_it_is_a_file(shop: Shop) -> None:
    whole = io.BytesIO()
    shop.download.write_to(whole)
    data = whole.getvalue()
    file = shop.download.reader()
    assert file.size == len(data) and file.readable() and file.seekable() and not file.writable()
    assert file.read(4) == b"PAR1" and file.tell() == 4
    assert file.seek(-4, io.SEEK_END) == len(data) - 4 and file.read(100) == b"PAR1" and file.read(1) == b""
    assert file.seek(100_000) == 100_000 and file.read(50_000) == data[100_000:150_000]
    assert file.seek(-50_000, io.SEEK_CUR) == 100_000 and file.readall() == data[100_000:]
    assert file.seek(10 * len(data)) and file.read(5) == b"" and file.readinto(bytearray(5)) == 0
    buffered = io.BufferedReader(file)
    buffered.seek(17)
    assert buffered.read(3) == data[17:20]
    for bad in (-1, -(10**30)):
        with pytest.raises(ValueError):
            file.seek(bad)
    with pytest.raises(ValueError):
        file.seek(0, 9)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(file)
    file.close()
    for use in (file.tell, file.read, file.readall, lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "closed" in repr(file)


def test_threads_read_one_file_at_once(shop: Shop) -> None:
    whole = io.BytesIO()
    shop.download.write_to(whole)
    data, file, wrong = whole.getvalue(), shop.download.reader(), []
    reader = file._reader

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(20):
            at = int(random.integers(0, len(data)))
            if reader.read_at(at, 1000) != data[at : at + 1000]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_a_file_does_wrong_is_said(shop: Shop, tmp_path: Path) -> None:
    class Full(io.RawIOBase):
        def write(self, data: object) -> int:
            raise LookupError("the disk is full")

    class Boasts:
        def write(self, data: bytes) -> int:
            return len(data) + 1

    class Waits(io.RawIOBase):
        def write(self, data: object) -> None:
            return None

    for target, error in ((Full(), LookupError), (Boasts(), ValueError), (Waits(), BlockingIOError)):
        with pytest.raises(error):
            shop.download.write_to(target)
    with pytest.raises(TypeError):
        shop.download.write_to(io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="target: expected a path, or a binary file"):
        shop.download.write_to(5)  # type: ignore[arg-type]
    for place in (tmp_path, tmp_path / "absent" / "table", "/dev/full"):
        with pytest.raises(sl.errors.Io):
            shop.download.write_to(place)
    # What was there stays, and nothing is left, when a call is cancelled.
    path = tmp_path / "kept"
    path.write_text("kept")

    def stop(stage: str, done: int, total: int | None) -> None:
        raise LookupError(stage)

    with pytest.raises(LookupError, match="open"):
        shop.download.write_to(path, progress=stop)
    assert path.read_text() == "kept" and list(tmp_path.iterdir()) == [path]


def test_orders_and_tickets_of_downloads_are_their_own(shop: Shop) -> None:
    assert shop.consumer.orders(shop.asset) == [] and shop.consumer.tickets() == []
    (found,) = shop.consumer.download_orders(shop.asset)
    assert (found.index, found.uses, found.asset) == (shop.order.index, 20, shop.asset)
    assert found.uses_left == shop.order.uses_left and found.expires == shop.order.expires
    kept = next(ticket for ticket in shop.consumer.download_tickets() if ticket.job == shop.ticket.job)
    assert kept.open(*shop.released).size == shop.download.size
    stages: list[str] = []
    other = found.request(progress=lambda stage, done, total: stages.append(stage))
    assert "prove" in stages
    before = other.request
    other.renew()
    assert other.request != before and other.job == before.job
    for thing in (shop.order, shop.ticket, shop.download):
        assert type(thing).__name__.startswith("Download") and "Download" in repr(thing)
        with pytest.raises(TypeError, match="can be neither pickled nor copied"):
            pickle.dumps(thing)
    # Another's result, and a use that was spent.
    released = shop.owner.node.submit(other.request).result(30)
    assert other.open(*released).table(["one"], range(1)) == shop.download.table(["one"], range(1))
    with pytest.raises(sl.errors.InvalidArgument, match="of job"):
        shop.ticket.open(*released)
    assert shop.owner.node.run(other) == released
    with pytest.raises(sl.errors.Rejected):
        shop.owner.node.run(found.request_use(0).request)
    assert shop.owner.node.refusals()[-1].kind == "NullifierSpent"
    with pytest.raises(TypeError):
        found.request_use("0")  # type: ignore[arg-type]
    shop.consumer.forget(other.job)
    assert other.job not in [ticket.job for ticket in shop.consumer.download_tickets()]


def test_what_the_policy_does_not_allow_is_not_sold(market: Market, shop: Shop) -> None:
    assert not market.asset.policy.allow_download
    for refused in (market.consumer.order_download, market.consumer.download_orders):
        with pytest.raises(sl.errors.PolicyDenied):
            refused(market.asset)
    with pytest.raises(sl.errors.PolicyDenied):
        shop.consumer.order(shop.asset)
    with pytest.raises(TypeError):
        sl.Policy(allow_download="yes")  # type: ignore[arg-type]
