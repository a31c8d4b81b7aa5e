"""What an owner does with keys and published assets: key stores, sharing, new epochs, the end of a key."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sealock as sl
from conftest import visits_schema, visits_table

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def exchange() -> sl.Exchange:
    return sl.Exchange.in_memory()


@pytest.fixture(scope="module")
def owner(exchange: sl.Exchange) -> sl.Owner:
    return exchange.owner(sl.Account.generate())


def publish(owner: sl.Owner, **keywords: Any) -> sl.Asset:
    policy = sl.Policy(dimensions=["plan"], aggregations=["count"], programs="any", allow_download=True)
    keywords = {"schema": visits_schema(), "policy": policy, "price": sl.Price.free(9), **keywords}
    return owner.publish(visits_table(), name="Visits", **keywords).asset


def read(download: sl.Download) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = pa.table(download.table(["plan", "visits"])).to_pydict()
    return table


def expected() -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = visits_table().select(["plan", "visits"]).to_pydict()
    return table


def test_the_data_is_shared_with_keys(exchange: sl.Exchange, owner: sl.Owner) -> None:
    alice, bob, eve = (sl.RecipientKey.generate() for _ in range(3))
    first = publish(owner, recipients=[alice.public])
    assert read(exchange.open_shared(first, alice)) == expected()
    with pytest.raises(sl.errors.WrongKey):
        exchange.open_shared(first, bob)
    shared = owner.share(first, {bob.public})
    assert (shared.data, shared.epoch, shared.dataset) == (first.data, 0, first.dataset)
    assert shared.roots[0] != first.roots[0] and shared.roots[1] == first.roots[1]
    for key in (alice, bob):
        assert read(exchange.open_shared(shared, key)) == expected()
    rewrapped = owner.rewrap(shared)
    assert read(owner.download(rewrapped)) == expected()
    # The next epoch is for those who are named anew.
    stages: list[str] = []
    new = owner.reencrypt(
        rewrapped, recipients=[bob.public], keep_previous=True, progress=lambda stage, *_: stages.append(stage)
    )
    assert (new.epoch, new.dataset) == (1, first.dataset) and new.data != first.data
    assert "store" in stages and "publish" in stages
    assert read(exchange.open_shared(new, bob)) == expected() == read(exchange.open_shared(rewrapped, alice))
    with pytest.raises(sl.errors.WrongKey):
        exchange.open_shared(new, alice)
    # Other data.
    fewer = visits_table().slice(0, 100)
    published = owner.update(new, fewer, recipients=[eve.public])
    assert published.asset.epoch == 2 and published.suppression.rows == 100 and published.sealed_bytes > 0
    assert len(exchange.open_shared(published.asset, eve).table()) == 100
    assert exchange.asset(first.nft) == published.asset
    for wrong in (fewer.select(["plan"]), fewer.rename_columns(["a", "b", "c", "d"])):
        with pytest.raises(sl.SealockError):
            owner.update(new, wrong)
    assert exchange.asset(first.nft) == published.asset


def test_another_owner_changes_nothing(exchange: sl.Exchange, owner: sl.Owner) -> None:
    asset, key = publish(owner), sl.RecipientKey.generate().public
    other = exchange.owner(sl.Account.generate())
    for refused in (
        lambda: other.share(asset, [key]),
        lambda: other.rewrap(asset),
        lambda: other.reencrypt(asset),
        lambda: other.update(asset, visits_table()),
    ):
        with pytest.raises(sl.errors.NotAuthorized):
            refused()
    for refused in (lambda: other.destroy_key(asset), lambda: other.download(asset)):
        with pytest.raises((sl.errors.NotFound, sl.errors.NotAuthorized)):
            refused()
    with pytest.raises(sl.errors.InvalidArgument):
        owner.share(asset, [sl.RecipientPublicKey.from_bytes(bytes(32))])
    anything: Any = owner
    for bad in (key, [b"x" * 32], "key", None, [sl.RecipientKey.generate()]):
        with pytest.raises(TypeError):
            anything.share(asset, bad)
    assert owner.share(asset, []) == asset == exchange.asset(asset.nft)
    assert owner.discard_unfinished() == 0


def test_a_key_is_destroyed_with_a_receipt(exchange: sl.Exchange, owner: sl.Owner) -> None:
    asset = publish(owner)
    new = owner.reencrypt(asset)
    assert owner.destruction_receipt(new, 0) is None
    old = owner.destroy_epoch(new, 0)
    assert (old.epoch, old.dataset, old.asset, old.owner) == (0, asset.dataset, asset.did, owner.address)
    assert owner.destroy_key(asset) == old, "the asset as it was then"
    assert read(owner.download(new)) == expected(), "the present epoch has its own key"
    receipt = owner.destroy_key(new)
    receipt.verify(owner.address)
    assert receipt.manifest == new.roots[0] and receipt.epoch == 1 and receipt.destroyed_at >= old.destroyed_at
    assert owner.destruction_receipt(new, 1) == receipt == owner.destroy_key(new)
    with pytest.raises(sl.errors.KeyDestroyed) as caught:
        owner.download(new)
    assert caught.value.code == 304
    with pytest.raises(sl.errors.KeyDestroyed):
        owner.reencrypt(new)
    # It is off sale, and its node refuses.
    assert exchange.asset(asset.nft).price is None
    with pytest.raises(sl.errors.NotForSale):
        exchange.consumer(sl.Account.generate()).buy(exchange.asset(asset.nft))
    # The receipt travels, and nobody else's name is on it.
    for again in (
        sl.DestructionReceipt.from_bytes(memoryview(receipt.to_bytes())),
        pickle.loads(pickle.dumps(receipt)),
        copy.deepcopy(receipt),
    ):
        assert again == receipt and hash(again) == hash(receipt) and repr(again) == repr(receipt)
    with pytest.raises(sl.errors.BadSignature):
        receipt.verify(sl.Account.generate().address)
    data = receipt.to_bytes()
    for bad in (b"", data[:-1], data + b"\0", data[:40] + bytes([data[40] ^ 1]) + data[41:], bytes(5000)):
        with pytest.raises(sl.SealockError):
            sl.DestructionReceipt.from_bytes(bad).verify(owner.address)
    for epoch, error in ((7, sl.errors.NotFound), (-1, sl.errors.InvalidArgument), ("0", TypeError)):
        with pytest.raises(error):
            owner.destroy_epoch(new, epoch)  # type: ignore[arg-type]


def test_a_recipients_key_is_its_secret() -> None:
    key = sl.RecipientKey.generate()
    again = sl.RecipientKey.from_secret_bytes(bytearray(key.expose_secret_bytes()))
    assert again == key and again.public == key.public and hash(again) == hash(key) and key != key.public
    assert key.expose_secret_bytes().hex() not in repr(key) and repr(key.expose_secret_bytes()) not in repr(key)
    public = key.public
    assert pickle.loads(pickle.dumps(public)) == public == sl.RecipientPublicKey.from_bytes(public.to_bytes())
    assert (
        len({public, again.public}) == 1
        and public.id in repr(public)
        and public.to_bytes() != key.expose_secret_bytes()
    )
    for how in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="RecipientKey can be neither pickled nor copied"):
            how(key)
    for make in (sl.RecipientKey.from_secret_bytes, sl.RecipientPublicKey.from_bytes):
        for bad in (b"", b"x" * 31, b"x" * 33):
            with pytest.raises(sl.errors.InvalidArgument):
                make(bad)
        with pytest.raises(TypeError):
            make("x" * 32)  # type: ignore[arg-type]


def test_an_owner_keeps_keys_under_a_passphrase(tmp_path: Path) -> None:
    path, account = tmp_path / "owner.age", sl.Account.generate()
    keys = sl.KeyStore.create(path, account, PASSPHRASE)
    assert keys.address == account.address and keys.path == path and keys.epochs == ()
    assert path.read_bytes().startswith(b"age-encryption.org/v1")
    exchange = sl.Exchange.local(tmp_path / "exchange")
    owner = exchange.owner(keys)
    assert owner.address == account.address
    # A second owner is refused, and the key store is none the worse for it.
    with pytest.raises(sl.errors.Locked):
        exchange.owner(keys)
    asset = publish(owner)
    (epoch,) = keys.epochs
    assert epoch == sl.Epoch(dataset=asset.dataset, epoch=0)
    with pytest.raises(sl.errors.Locked):
        sl.KeyStore.open(path, PASSPHRASE)
    del owner
    assert keys.epochs == (epoch,)
    keys.change_passphrase("another one")
    del keys
    with pytest.raises(sl.errors.WrongKey) as caught:
        sl.KeyStore.open(path, PASSPHRASE)
    assert PASSPHRASE not in str(caught.value)
    assert read(exchange.owner(sl.KeyStore.open(str(path), "another one")).download(asset)) == expected()


def test_key_stores_take_what_they_should(tmp_path: Path) -> None:
    account, path = sl.Account.generate(), tmp_path / "keys"
    anything: Any = sl.KeyStore
    for bad in (b"bytes", None, 5):
        with pytest.raises(TypeError, match="passphrase: expected a str"):
            anything.create(path, account, bad)
    for bad in ("", "sesame\ud800"):
        with pytest.raises(sl.errors.InvalidArgument) as caught:
            sl.KeyStore.create(path, account, bad)
        assert "sesame" not in str(caught.value) and caught.value.__cause__ is None
        assert caught.value.__context__ is None
    with pytest.raises(TypeError):
        anything.create(path, "account", PASSPHRASE)
    with pytest.raises(sl.errors.Io):
        sl.KeyStore.open(tmp_path / "absent", PASSPHRASE)
    path.write_bytes(b"no key store")
    with pytest.raises(sl.errors.InvalidArgument):
        sl.KeyStore.create(path, account, PASSPHRASE)
    for content in (b"no key store", b"", b"age-encryption.org/v1\n"):
        path.write_bytes(content)
        with pytest.raises(sl.SealockError):
            sl.KeyStore.open(path, PASSPHRASE)
    assert path.read_bytes() == b"age-encryption.org/v1\n"
    exchange: Any = sl.Exchange.in_memory()
    for wrong in (account.address, account.expose_secret_bytes(), None):
        with pytest.raises(TypeError, match="expected an Account or a KeyStore"):
            exchange.owner(wrong)
