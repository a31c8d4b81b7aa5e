"""The story on Ocean Protocol's contracts: the ledger is one argument."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sealock as sl
from conftest import REPOSITORY, ROWS, visits_policy, visits_schema, visits_table
from peers import OCEAN, Peer

CRYPTO = {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"},
    "ciphertext": "1fe8f65c848681c423cf03530086a853e65bcfc67675aa862527b72e95646095",
    "kdf": "scrypt",
    "kdfparams": {"dklen": 32, "n": 16384, "p": 1, "r": 8, "salt": "ab" * 32},
    "mac": "782db9f20eee39aa8b126dcbf7edde1a6799089d23c07ae57d9f24e71c088dba",
}
KEY_FILE = {"id": "11111111-1111-4111-9111-111111111111", "version": 3, "crypto": CRYPTO}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer("chain.mjs", folder=OCEAN, arguments=(tmp_path_factory.mktemp("chain") / "peer",)) as chain:
        yield chain


def account(chain: Peer, ocean: int = 0) -> sl.Account:
    made = sl.Account.generate()
    chain.ask("fund", to=made.address, ether="10", ocean=str(ocean))
    return made


def connect(chain: Peer, **options: Any) -> sl.OceanLedger:
    return sl.OceanLedger(chain.ready["url"], chain.ready["addresses"], **options)


def test_the_story_runs_on_oceans_contracts(chain: Peer, tmp_path: Path) -> None:
    ledger = connect(chain, chain_id=8996, finality=0, cache=tmp_path / "ocean.redb", timeout=10, patience=60)
    assert (ledger.chain_id, ledger.ocean) == (8996, chain.ready["ocean"])
    exchange = sl.Exchange.local(tmp_path / "exchange", ledger=ledger)
    assert ledger.address in repr(exchange)
    selling = account(chain)
    owner = exchange.owner(selling)
    asset = owner.publish(
        visits_table(),
        name="Visits",
        schema=visits_schema(),
        policy=visits_policy(),
        price=sl.Price.fixed(chain.ready["ocean"], 2),
    ).asset
    assert [found.did for found in exchange.assets()] == [asset.did]

    buying = account(chain, ocean=5)
    consumer = exchange.consumer(buying)
    transaction = consumer.buy(asset)
    assert 50_000 < ledger.gas_used(transaction) < 500_000
    # Two for the datatoken, and 0.1 % of that for Ocean's community.
    assert exchange.balance_of(chain.ready["ocean"], buying.address) == Decimal("2.998")
    order = consumer.order(asset)
    ticket = order.request(sl.select(sl.count()).filter(sl.col("plan") == sl.secret("paid")))
    result, receipt = owner.node.run(ticket.request)
    assert ticket.open(result, receipt)["count"] == [ROWS // 2]

    # What was sold lies in Ocean's exchange until somebody asks for it.
    assert exchange.balance_of(chain.ready["ocean"], owner.address) == 0
    assert exchange.collect(buying, asset.datatoken) == 2
    assert exchange.balance_of(chain.ready["ocean"], owner.address) == 2

    # Another process, another store: it finds the asset, and nobody there signs offers of orders.
    elsewhere = sl.Exchange.in_memory(ledger=connect(chain))
    found = elsewhere.asset(asset.nft)
    assert found.did == asset.did
    other = elsewhere.consumer(account(chain, ocean=5))
    other.buy(found)
    with pytest.raises(sl.errors.Unreachable) as refused:
        other.order(found)
    assert refused.value.hint and owner.address in str(refused.value)
    # The owner signs one from afar: bytes, by whatever way.
    offer = owner.offer(asset, other.address, other.commitment(found))
    with pytest.raises(sl.errors.SealockError):
        other.order(found, offer=offer[:-1])
    other.order(found, offer=offer)
    assert len(other.orders(found)) == 1
    with pytest.raises(sl.errors.InvalidArgument, match="32 bytes"):
        owner.offer(asset, other.address, b"short")
    # The folder is this ledger's.
    with pytest.raises(sl.errors.InvalidArgument, match="another ledger"):
        sl.Exchange.local(tmp_path / "exchange")


def test_what_is_wrong_is_named(chain: Peer, tmp_path: Path) -> None:
    url, addresses = chain.ready["url"], chain.ready["addresses"]
    file = tmp_path / "address.json"
    file.write_text(json.dumps(addresses))
    assert sl.OceanLedger(url, file).chain_id == 8996
    with pytest.raises(sl.errors.InvalidArgument, match="chain 8996, expected chain 137"):
        sl.OceanLedger(url, addresses, chain_id=137)
    with pytest.raises(sl.errors.InvalidArgument, match="the node is of chain 8996"):
        sl.OceanLedger(url, {})
    with pytest.raises(sl.errors.InvalidArgument, match="the text of one"):
        sl.OceanLedger(url, json.dumps(addresses))
    moved = json.loads(json.dumps(addresses))
    moved["development"]["Dispenser"] = "0x" + "12" * 20
    with pytest.raises(sl.errors.UnknownToken, match="Dispenser"):
        sl.OceanLedger(url, moved)
    with pytest.raises(sl.errors.InvalidArgument, match="finality"):
        sl.OceanLedger(url, addresses, finality="soon")  # type: ignore[arg-type]
    with pytest.raises(sl.errors.Unreachable):
        sl.OceanLedger("http://127.0.0.1:1", addresses)
    with pytest.raises(FileNotFoundError, match="none.json"):
        sl.OceanLedger(url, tmp_path / "none.json")
    with pytest.raises(TypeError, match="addresses"):
        sl.OceanLedger(url, 7)  # type: ignore[arg-type]
    ledger = connect(chain)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(ledger)
    with pytest.raises(sl.errors.InvalidArgument, match="64 hex digits"):
        ledger.gas_used("0x12")
    with pytest.raises(sl.errors.NotFound):
        ledger.gas_used("12" * 32)
    with pytest.raises(sl.errors.InsufficientBalance, match="gas"):
        poor = sl.Account.generate()
        sl.Exchange.in_memory(ledger=ledger).deploy_token(poor, "Coin", "COIN", 10)


def test_the_guide_says_what_works(chain: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (REPOSITORY / "docs/ocean.md").read_text()
    snippet = guide.split("```python\n")[1].split("```")[0]
    assert "http://127.0.0.1:8545" in snippet
    (tmp_path / "address.json").write_text(json.dumps(chain.ready["addresses"]))
    (tmp_path / "key.json").write_text(json.dumps(KEY_FILE))
    monkeypatch.chdir(tmp_path)
    exec(snippet.replace("http://127.0.0.1:8545", chain.ready["url"]).replace('"password"', '"testpassword"'), {})


def test_accounts_come_from_key_files(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(KEY_FILE))
    found = sl.Account.from_keystore(file, "testpassword")
    assert found.address == "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"
    with pytest.raises(sl.errors.InvalidArgument, match="password is wrong"):
        sl.Account.from_keystore(file, "another")
    file.write_text("{}")
    with pytest.raises(sl.errors.InvalidArgument, match="version 3"):
        sl.Account.from_keystore(file, "testpassword")
    with pytest.raises(FileNotFoundError):
        sl.Account.from_keystore(tmp_path / "none", "testpassword")
