"""Access proofs by themselves: owner, consumer and ledger, and what each of them must not get past the others."""

from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
import sealock as sl
from conftest import REPOSITORY
from peers import Peer
from sealock import zk
from sealock.errors import (
    InvalidArgument,
    InvalidProof,
    Malformed,
    NotAMember,
    NotFound,
    OrderExpired,
    TooLarge,
    UnsupportedVersion,
    UseLimitReached,
)

VECTORS = REPOSITORY / "zk/tests/vectors"
DEPTH = 4
NOW = 1_900_000_000
P = zk.FIELD_ORDER
#: What is no scalar, and what it is refused with.
NO_SCALARS: list[tuple[Any, type[Exception]]] = [(number, InvalidArgument) for number in (-1, P, 2**300, 10**5000)]
NO_SCALARS += [(wrong, TypeError) for wrong in (1.0, True, "1", b"1", None, [1], np.float64(1))]
anything: Any = zk


@pytest.fixture(scope="module")
def keys() -> zk.Keys:
    return zk.setup(DEPTH)


@pytest.fixture(scope="module")
def key(keys: zk.Keys) -> zk.ProvingKey:
    """The consumer's, who has checked it."""
    return zk.check_setup(zk.KeyBundle.from_bytes(keys.bundle.to_bytes()))


class Order:
    """An order of three uses in a group of nine, and what its consumer asks for."""

    def __init__(self) -> None:
        self.secret = zk.IdentitySecret.generate()
        self.credential = zk.Credential(asset=zk.hash_to_field("test/v1", [b"asset"]), limit=3, expiry=NOW + 60)
        self.group = zk.LeanImt()
        self.group.insert_many(range(10, 18))
        self.place = self.group.insert(self.credential.leaf(self.secret.commitment))

    def ask(self, **changes: Any) -> dict[str, Any]:
        asked = {
            "root": self.group.root,
            "message": zk.hash_to_field("test/v1", [b"message"]),
            "scope": zk.hash_to_field("test/v1", [b"scope"]),
            "now": NOW,
            "secret": self.secret,
            "credential": self.credential,
            "use_index": 2,
            "membership": self.group.proof(self.place),
        }
        return asked | changes


@pytest.fixture(scope="module")
def order() -> Order:
    return Order()


@pytest.fixture(scope="module")
def proved(key: zk.ProvingKey, order: Order) -> tuple[zk.Statement, zk.Proof]:
    return zk.prove(key, **order.ask())


def changed(statement: zk.Statement, **changes: int) -> zk.Statement:
    fields = {name: getattr(statement, name) for name in ("root", "nullifier", "message", "scope", "now")}
    return zk.Statement(**(fields | changes))


def test_a_consumer_proves_and_the_owner_verifies(
    keys: zk.Keys, order: Order, proved: tuple[zk.Statement, zk.Proof]
) -> None:
    statement, proof = proved
    zk.verify(keys.verifying_key, statement, proof)
    asked = order.ask()
    assert all(getattr(statement, name) == asked[name] for name in ("root", "message", "scope", "now"))
    assert statement.nullifier == order.secret.nullifier(asked["scope"], 2)
    assert statement.nullifier != order.secret.nullifier(asked["scope"], 1)
    # What travels.
    assert (len(statement.to_bytes()), len(proof.to_bytes())) == (137, 129)
    received = zk.Statement.from_bytes(bytearray(statement.to_bytes()))
    assert received == statement and hash(received) == hash(statement)
    key = zk.VerifyingKey.from_bytes(memoryview(keys.verifying_key.to_bytes()))
    zk.verify(key, received, zk.Proof.from_bytes(proof.to_bytes()))


def test_times_are_datetimes_or_seconds(key: zk.ProvingKey) -> None:
    moment = datetime.fromtimestamp(NOW, timezone.utc)
    credential = zk.Credential(asset=1, limit=1, expiry=moment)
    assert credential == zk.Credential(asset=1, limit=1, expiry=NOW) and credential.expiry == NOW
    order = Order()
    statement, _ = zk.prove(key, **order.ask(now=moment))
    assert statement.now == NOW
    with pytest.raises(InvalidArgument, match="time zone"):
        zk.prove(key, **order.ask(now=datetime(2030, 1, 1)))
    for wrong in (1.5, "now", None):
        with pytest.raises(TypeError):
            zk.prove(key, **order.ask(now=wrong))


def test_every_part_of_the_statement_is_bound(keys: zk.Keys, proved: tuple[zk.Statement, zk.Proof]) -> None:
    statement, proof = proved
    for name in ("root", "nullifier", "message", "scope", "now"):
        for value in (0, 1):
            with pytest.raises(InvalidProof) as caught:
                zk.verify(keys.verifying_key, changed(statement, **{name: value}), proof)
            assert (str(caught.value), caught.value.code) == ("rejected", 604), "the sender learns nothing"
    with pytest.raises(InvalidProof):
        zk.verify(zk.setup(DEPTH).verifying_key, statement, proof)


def test_what_the_order_does_not_grant_is_not_proved(key: zk.ProvingKey, order: Order) -> None:
    other = Order()
    deep = zk.LeanImt()
    deep.insert_many(range(1, 2**DEPTH + 2))
    for changes, error in (
        ({"use_index": 3}, UseLimitReached),
        ({"use_index": 2**64 - 1}, UseLimitReached),
        ({"now": NOW + 61}, OrderExpired),
        ({"secret": other.secret}, NotAMember),
        ({"credential": zk.Credential(asset=order.credential.asset, limit=4, expiry=NOW + 60)}, NotAMember),
        ({"membership": order.group.proof(0)}, NotAMember),
        ({"membership": other.group.proof(8)}, NotAMember),
        ({"root": other.group.root}, NotAMember),
        ({"membership": deep.proof(3)}, InvalidProof),
    ):
        with pytest.raises(error) as caught:
            zk.prove(key, **order.ask(**changes))
        assert str(int.from_bytes(order.secret.expose_secret_bytes(), "big")) not in str(caught.value)
    # The last moment, and the last use.
    zk.prove(key, **order.ask(now=NOW + 60))


def test_what_prove_and_verify_take(
    keys: zk.Keys, key: zk.ProvingKey, order: Order, proved: tuple[zk.Statement, zk.Proof]
) -> None:
    wrong: Any
    error: type[Exception]
    for name in ("root", "message", "scope"):
        for wrong, error in NO_SCALARS:
            with pytest.raises(error, match=name):
                zk.prove(key, **order.ask(**{name: wrong}))
    for wrong, error in ((-1, InvalidArgument), (2**64, InvalidArgument), (1.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="use_index"):
            zk.prove(key, **order.ask(use_index=wrong))
    for name, kind in (("secret", "IdentitySecret"), ("credential", "Credential"), ("membership", "MerkleProof")):
        for wrong in (None, 5, b"x" * 32, order):
            with pytest.raises(TypeError, match=kind):
                zk.prove(key, **order.ask(**{name: wrong}))
    for wrong in (keys.bundle, keys.verifying_key, keys.bundle.to_bytes()):
        with pytest.raises(TypeError, match="ProvingKey"):
            zk.prove(wrong, **order.ask())
    with pytest.raises(TypeError):
        anything.prove(key, *order.ask().values())
    statement, proof = proved
    for arguments in ((key, statement, proof), (keys.verifying_key, proof, statement), (keys.verifying_key, statement)):
        with pytest.raises(TypeError):
            anything.verify(*arguments)


def test_numbers_are_never_reduced() -> None:
    assert P == 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
    assert zk.poseidon(P - 1) != zk.poseidon(0)
    for wrong, error in NO_SCALARS:
        for call in (
            zk.poseidon,
            lambda number: zk.poseidon(1, number),
            lambda number: zk.MerkleProof(leaf=number, index=0, siblings=[]),
            lambda number: zk.MerkleProof(leaf=1, index=0, siblings=[1, number]),
            lambda number: zk.Credential(asset=number, limit=1, expiry=1),
            lambda number: zk.Credential(asset=1, limit=1, expiry=1).leaf(number),
            lambda number: zk.IdentitySecret.generate().nullifier(number, 0),
            lambda number: zk.Statement(root=1, nullifier=number, message=1, scope=1, now=1),
            lambda number: zk.LeanImt().insert(number),
            lambda number: zk.LeanImt().insert_many([1, number]),
            lambda number: zk.LeanImt().index_of(number),
        ):
            with pytest.raises(error) as caught:
                call(wrong)
            if error is InvalidArgument:
                assert f"from 0 to p - 1, where p = {P}, got" in str(caught.value) and len(str(caught.value)) < 300
                assert "FIELD_ORDER" in getattr(caught.value, "hint")

    class Number:
        def __index__(self) -> int:
            return 7

    class Lies(int):
        def to_bytes(self, *_: Any, **__: Any) -> bytes:
            return b"\xff" * 32

    for seven in (np.int64(7), np.uint8(7), Number(), Lies(7)):
        assert anything.poseidon(seven) == zk.poseidon(7)


def test_poseidon_equals_circomlibjs() -> None:
    cases = json.loads((VECTORS / "poseidon.json").read_text())["cases"]
    assert len(cases) == 24
    for case in cases:
        assert zk.poseidon(*(int(number, 16) for number in case["inputs"])) == int(case["hash"], 16)
    for inputs in ((), (1, 2, 3, 4)):
        with pytest.raises(InvalidArgument, match="one, two or three"):
            zk.poseidon(*inputs)


def test_bytes_are_hashed_to_the_field_as_documented() -> None:
    expected = 0x1D4BB0878830D07DB8E25F6D3FDDA71CC243AAF94EB1373104D9C71AADDC35F6
    assert zk.hash_to_field("sealock/v1/test", [b"ab", memoryview(b"c")]) == expected
    assert zk.hash_to_field("sealock/v1/test", [b"a", b"bc"]) != expected
    for domain, parts in ((b"d", []), ("d", b"ab"), ("d", ["ab"]), ("d", None), ("d", [5])):
        with pytest.raises(TypeError):
            anything.hash_to_field(domain, parts)


def test_groups_equal_zk_kits() -> None:
    trees = json.loads((VECTORS / "lean_imt.json").read_text())["trees"]
    assert len(trees) == 18
    grown = zk.LeanImt()
    assert (grown.root, grown.depth, len(grown), grown.leaves()) == (None, 0, 0, [])
    for tree in trees:
        size, root = tree["size"], int(tree["root"], 16)
        grown.insert_many(range(len(grown) + 1, size + 1))
        assert (grown.root, grown.depth, len(grown)) == (root, tree["depth"], size)
        for expected in tree["proofs"]:
            path = grown.proof(expected["at"])
            siblings = tuple(int(sibling, 16) for sibling in expected["siblings"])
            assert (path.leaf, path.index, path.siblings) == (expected["at"] + 1, expected["index"], siblings)
            assert path.root == root
            again = zk.MerkleProof(leaf=path.leaf, index=path.index, siblings=list(path.siblings))
            assert again == path and hash(again) == hash(path) and again.root == root
    assert grown.leaves() == list(range(1, len(grown) + 1)) and grown.index_of(5) == 4


def test_a_removed_leaf_leaves_its_place() -> None:
    group = zk.LeanImt()
    group.insert_many([11, 12, 13, 14, 15])
    before = group.root
    group.remove(1)
    assert group.leaves() == [11, 0, 13, 14, 15] and len(group) == 5 and group.index_of(12) is None
    assert group.root != before and group.proof(0).siblings[0] == 0
    for index in (1, 5, 2**40):
        for refused in (group.remove, group.proof):
            with pytest.raises(NotFound):
                refused(index)
    # Who keeps the leaves has the group again.
    again = zk.LeanImt()
    again.restore(group.leaves())
    assert again.root == group.root and again.proof(4) == group.proof(4)
    assert group.insert(12) == 5


def test_refused_leaves_change_nothing() -> None:
    group = zk.LeanImt(2)
    group.insert_many(iter([5, 6]))
    root = group.root
    for call, error in (
        (lambda: group.insert(0), InvalidArgument),
        (lambda: group.insert(6), InvalidArgument),
        (lambda: group.insert_many([7, 7]), InvalidArgument),
        (lambda: group.insert_many([7, 0]), InvalidArgument),
        (lambda: group.insert_many([7, P]), InvalidArgument),
        (lambda: group.insert_many([7, 8, 9]), TooLarge),
        (lambda: group.restore([0, 0, 0]), TooLarge),
        (lambda: group.restore([5]), InvalidArgument),
        (lambda: group.remove(-1), InvalidArgument),
        (lambda: anything.LeanImt.insert_many(group, "78"), TypeError),
        (lambda: anything.LeanImt.insert_many(group, 7), TypeError),
        (lambda: anything.LeanImt.insert_many(group, {7: 8}), TypeError),
        (lambda: anything.LeanImt.proof(group, 1.0), TypeError),
    ):
        with pytest.raises(error):
            call()
    assert (group.root, group.leaves()) == (root, [5, 6])
    group.insert_many(np.array([7, 8]))
    with pytest.raises(TooLarge):
        group.insert(9)
    for depth, error in ((0, InvalidArgument), (zk.MAX_DEPTH + 1, InvalidArgument), (-1, InvalidArgument)):
        with pytest.raises(error):
            zk.LeanImt(depth)
    with pytest.raises(TypeError):
        anything.LeanImt("4")


def test_threads_share_a_group() -> None:
    group = zk.LeanImt()
    with ThreadPoolExecutor(4) as threads:
        places = list(threads.map(group.insert, range(1, 201)))
        assert sorted(places) == list(range(200))
        assert all(threads.map(lambda place: group.proof(place).root == group.root, places))
    assert [group.index_of(leaf) for leaf in range(1, 201)] == places


def test_a_group_that_hides_nobody_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    group = zk.LeanImt()
    group.insert_many(range(1, zk.SMALLEST_ANONYMOUS_GROUP))
    group.proof(0)
    assert [record.name for record in caplog.records] == ["sealock.zk.tree"]
    caplog.clear()
    group.insert(100)
    group.proof(0)
    assert not caplog.records


def test_snarkjs_accepts_the_proof_and_no_other_statement(keys: zk.Keys, proved: tuple[zk.Statement, zk.Proof]) -> None:
    statement, proof = proved
    exported = json.loads(keys.verifying_key.to_snarkjs())
    public, points = json.loads(statement.to_snarkjs()), json.loads(proof.to_snarkjs())
    fields = [statement.root, statement.nullifier, statement.message, statement.scope, statement.now]
    assert public == [str(field) for field in fields]
    with Peer("snarkjs.mjs") as snarkjs:
        assert snarkjs.ask("verify", key=exported, public=public, proof=points) == {"accepted": True}
        for place in range(5):
            other = [*public[:place], "1", *public[place + 1 :]]
            assert snarkjs.ask("verify", key=exported, public=other, proof=points) == {"accepted": False}


def test_the_contract_accepts_the_proof_and_no_other_statement(
    keys: zk.Keys, proved: tuple[zk.Statement, zk.Proof]
) -> None:
    statement, proof = proved
    data = proof.to_evm_calldata(statement)
    assert len(data) == 4 + 13 * 32 and data[:4] == bytes.fromhex("34baeab9")
    words = [int.from_bytes(data[place : place + 32], "big") for place in range(4 + 8 * 32, len(data), 32)]
    assert words == [int(number) for number in json.loads(statement.to_snarkjs())]
    with Peer("evm.mjs") as evm:
        source = keys.verifying_key.to_solidity("AccessVerifier")
        contract = evm.ask("deploy", source=source, name="AccessVerifier")["address"]

        def accepts(data: bytes) -> bool:
            return bool(int(evm.ask("call", to=contract, data=f"0x{data.hex()}")["output"], 16))

        assert accepts(data)
        assert not accepts(proof.to_evm_calldata(changed(statement, nullifier=1)))
        # The nullifier plus p: a second use, if it were reduced.
        twice = (statement.nullifier + P).to_bytes(32, "big")
        assert not accepts(data[: 4 + 9 * 32] + twice + data[4 + 10 * 32 :])
    for name in ("", "1st", "a b", "a{}", "é", "a" * 65):
        with pytest.raises(InvalidArgument, match="a contract's name"):
            keys.verifying_key.to_solidity(name)
    with pytest.raises(TypeError):
        anything.VerifyingKey.to_solidity(keys.verifying_key, None)


def test_bytes_of_earlier_releases_are_read() -> None:
    stored = json.loads((VECTORS / "v1.json").read_text())
    key = zk.VerifyingKey.from_bytes(bytes.fromhex(stored["verifying_key"]))
    statement = zk.Statement.from_bytes(bytes.fromhex(stored["statement"]))
    zk.verify(key, statement, zk.Proof.from_bytes(bytes.fromhex(stored["proof"])))


def test_bytes_that_are_no_statement_or_proof_are_refused(keys: zk.Keys, proved: tuple[zk.Statement, zk.Proof]) -> None:
    statement, proof = proved
    for read, whole in (
        (zk.Statement.from_bytes, statement.to_bytes()),
        (zk.Proof.from_bytes, proof.to_bytes()),
        (zk.VerifyingKey.from_bytes, keys.verifying_key.to_bytes()),
    ):
        for bad in (b"", whole[:-1], whole + b"\0", whole[:1] + b"\xff" * (len(whole) - 1)):
            with pytest.raises(Malformed):
                read(bad)
        with pytest.raises(UnsupportedVersion):
            read(b"\x09" + whole[1:])
        for wrong in ("text", None, 5, statement):
            with pytest.raises(TypeError):
                read(wrong)  # type: ignore[arg-type]
    # One bit flipped anywhere is refused on reading, or does not verify.
    whole = proof.to_bytes()
    for at in range(len(whole)):
        with pytest.raises((Malformed, UnsupportedVersion, InvalidProof)):
            other = zk.Proof.from_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            zk.verify(keys.verifying_key, statement, other)


def test_a_nullifier_plus_p_is_refused(proved: tuple[zk.Statement, zk.Proof]) -> None:
    statement, _ = proved
    whole = statement.to_bytes()
    twice = whole[:33] + (statement.nullifier + P).to_bytes(32, "big") + whole[65:]
    with pytest.raises(Malformed, match="below the order"):
        zk.Statement.from_bytes(twice)


def test_a_secret_is_what_it_exposes_and_shows_nothing() -> None:
    secret = zk.IdentitySecret.generate()
    exposed = secret.expose_secret_bytes()
    again = zk.IdentitySecret.from_secret_bytes(bytearray(exposed))
    assert again == secret and hash(again) == hash(secret) and secret != zk.IdentitySecret.generate()
    assert secret.commitment == again.commitment == zk.poseidon(int.from_bytes(exposed, "big")) and secret != exposed
    assert secret.nullifier(5, 6) == zk.poseidon(5, int.from_bytes(exposed, "big"), 6)
    assert repr(secret) == str(secret) == f"{secret}" == "IdentitySecret(_)"
    for bad, error in (
        (b"", InvalidArgument),
        (exposed[:-1], InvalidArgument),
        (exposed + b"\0", InvalidArgument),
        (bytes(32), Malformed),
        (P.to_bytes(32, "big"), Malformed),
        (b"\xfe" * 32, Malformed),
        ("x" * 32, TypeError),
        (int.from_bytes(exposed, "big"), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error) as caught:
            anything.IdentitySecret.from_secret_bytes(bad)
        assert "fe" * 8 not in str(caught.value) and str(int.from_bytes(b"\xfe" * 32, "big")) not in str(caught.value)


def test_what_is_private_is_not_shown(order: Order) -> None:
    path = order.group.proof(order.place)
    assert repr(path) == f"MerkleProof({len(path.siblings)} levels)"
    assert repr(order.group) == "LeanImt(len=9, depth=4)"
    for thing in (order.secret, path, order.group):
        assert str(order.secret.commitment) not in repr(thing) and f"{path.leaf:x}" not in repr(thing)


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_secrets_and_checked_keys_are_neither_pickled_nor_copied(how: Any, key: zk.ProvingKey, order: Order) -> None:
    for thing in (order.secret, key, order.group):
        with pytest.raises(TypeError, match=f"{type(thing).__name__} can be neither pickled nor copied: "):
            how(thing)


def test_data_pickles(keys: zk.Keys, order: Order, proved: tuple[zk.Statement, zk.Proof]) -> None:
    statement, proof = proved
    things = [keys.bundle, keys.verifying_key, order.credential, order.group.proof(3), statement]
    for thing in things:
        for again in (pickle.loads(pickle.dumps(thing)), copy.copy(thing), copy.deepcopy(thing)):
            assert type(again) is type(thing) and again == thing and hash(again) == hash(thing)
            assert repr(again) == repr(thing) and again is not thing
        assert thing != object()
    again = pickle.loads(pickle.dumps(proof))
    assert again.to_bytes() == proof.to_bytes() and again != proof, "a proof's bytes identify nothing"
    with pytest.raises(AttributeError):
        statement.now = 5  # type: ignore[misc]
    assert sl.zk is zk
