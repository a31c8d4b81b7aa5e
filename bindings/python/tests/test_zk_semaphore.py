"""Semaphore: identities, groups and proofs exchanged with `@semaphore-protocol/*`, under the ceremony's keys."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from peers import ARTIFACTS, Peer
from sealock import zk
from sealock.errors import InvalidArgument, InvalidProof, Malformed, NotAMember, TooLarge, UnsupportedVersion
from sealock.zk import semaphore
from sealock.zk.semaphore import Identity, Proof, ProvingKey, Signal, VerifyingKey

DEPTH = 4
#: Made by `@semaphore-protocol/identity` 4.14.3.
SECRET1 = 16299344919386221215891795842760535109963979041869959495006792688400189595595
anything: Any = semaphore


@pytest.fixture(scope="module")
def zkey() -> bytes:
    return (ARTIFACTS / f"semaphore-{DEPTH}.zkey").read_bytes()


@pytest.fixture(scope="module")
def key(zkey: bytes) -> ProvingKey:
    return ProvingKey.from_zkey(zkey)


@pytest.fixture(scope="module")
def verifying_json() -> str:
    return (ARTIFACTS / f"semaphore-{DEPTH}.json").read_text()


@pytest.fixture(scope="module")
def theirs() -> Iterator[Peer]:
    with Peer("semaphore.mjs") as peer:
        yield peer


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity.from_private_key("secret1")


@pytest.fixture(scope="module")
def group(identity: Identity) -> zk.LeanImt:
    group = zk.LeanImt()
    group.insert_many([1000, 1001, 1002, 1003, identity.commitment, 1005, 1006])
    return group


@pytest.fixture(scope="module")
def proof(key: ProvingKey, identity: Identity, group: zk.LeanImt) -> Proof:
    return semaphore.prove(
        key,
        identity=identity,
        membership=group.proof(4),
        message=Signal.text("yes"),
        scope=Signal.text("the ballot"),
    )


def test_the_identity_of_secret1_is_theirs(identity: Identity) -> None:
    assert identity.commitment == SECRET1 == zk.poseidon(*identity.public_key)
    assert identity.public_key == (
        1605110777369358003592451216951047395243900693607537288243428907199269064475,
        2178985202549593304286459641813460741159924908759281009612083053658647037911,
    )
    assert identity.export() == "c2VjcmV0MQ==" and identity.expose_private_key() == b"secret1"
    for again in (Identity.import_("c2VjcmV0MQ=="), Identity.from_private_key(bytearray(b"secret1"))):
        assert again == identity and hash(again) == hash(identity) and again.commitment == SECRET1
    assert Identity.from_private_key("sécret").expose_private_key() == "sécret".encode()


def test_identities_equal_theirs(theirs: Peer) -> None:
    fresh = Identity.generate()
    assert len(fresh.expose_private_key()) == 32 and fresh != Identity.generate()
    for identity in (fresh, Identity.from_private_key(b""), Identity.from_private_key(bytes(range(200)))):
        private_key = identity.expose_private_key()
        expected = theirs.ask("identity", key={"hex": private_key.hex()})
        assert str(identity.commitment) == expected["commitment"]
        assert [str(coordinate) for coordinate in identity.public_key] == expected["public"]
        assert identity.export() == expected["exported"] == base64.b64encode(private_key).decode()


def test_an_identity_shows_nothing() -> None:
    identity = Identity.from_private_key("sesame-4711")
    assert repr(identity) == str(identity) == "Identity(_)"
    for how in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Identity can be neither pickled nor copied: "):
            how(identity)
    for text in ("sesame-4711", "sesame=", "c2VzYW1lLTQ3MTE", "sesame\ud800"):
        with pytest.raises((Malformed, InvalidArgument)) as caught:
            Identity.import_(text)
        assert "sesame" not in str(caught.value) and "c2Vz" not in str(caught.value)
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    with pytest.raises(InvalidArgument) as refused:
        Identity.from_private_key("sesame\ud800")
    assert "sesame" not in str(refused.value) and refused.value.__context__ is None
    for wrong in (None, 5, identity):
        with pytest.raises(TypeError):
            anything.Identity.from_private_key(wrong)
    with pytest.raises(TypeError):
        anything.Identity.import_(b"c2VjcmV0MQ==")


def test_groups_equal_theirs(theirs: Peer, group: zk.LeanImt) -> None:
    members = [str(leaf) for leaf in group.leaves()]
    assert theirs.ask("group", members=members) == {"root": str(group.root), "depth": group.depth}
    path = theirs.ask("path", members=members, at=4, removed=[2, 5])
    removed = zk.LeanImt()
    removed.restore(group.leaves())
    for place in (2, 5):
        removed.remove(place)
    ours = removed.proof(4)
    assert path == {
        "root": str(removed.root),
        "leaf": str(ours.leaf),
        "index": ours.index,
        "siblings": [str(sibling) for sibling in ours.siblings],
    }


def test_a_proof_is_accepted_by_their_library_and_by_snarkjs(
    key: ProvingKey, proof: Proof, group: zk.LeanImt, theirs: Peer, verifying_json: str
) -> None:
    semaphore.verify(key.verifying_key, proof)
    assert (proof.depth, proof.root, proof.message, proof.scope) == (
        DEPTH,
        group.root,
        Signal.text("yes"),
        Signal.text("the ballot"),
    )
    assert theirs.ask("verify", proof=json.loads(proof.to_json())) == {"accepted": True}
    points, public = map(json.loads, proof.to_snarkjs())
    fields = [proof.root, proof.nullifier, proof.message.hash(), proof.scope.hash()]
    assert public == [str(field) for field in fields]
    with Peer("snarkjs.mjs") as snarkjs:
        asked = {"key": json.loads(verifying_json), "proof": points}
        assert snarkjs.ask("verify", public=public, **asked) == {"accepted": True}
        assert snarkjs.ask("verify", public=[*public[:3], "1"], **asked) == {"accepted": False}


def test_their_proof_is_accepted_here(
    key: ProvingKey, identity: Identity, group: zk.LeanImt, theirs: Peer, verifying_json: str
) -> None:
    members = [str(leaf) for leaf in group.leaves()]
    made = theirs.ask("prove", key="secret1", members=members, message=42, scope="a scope", depth=DEPTH)["proof"]
    proof = Proof.from_json(json.dumps(made))
    assert (proof.message, proof.scope, proof.root) == (Signal.integer(42), Signal.text("a scope"), group.root)
    for verifying_key in (key.verifying_key, VerifyingKey.from_snarkjs(DEPTH, verifying_json)):
        semaphore.verify(verifying_key, proof)
    assert json.loads(proof.to_json()) == made
    # Ours of the same use, by a path of theirs, has their nullifier.
    path = theirs.ask("path", members=members, at=4)
    membership = zk.MerkleProof(leaf=int(path["leaf"]), index=path["index"], siblings=map(int, path["siblings"]))
    own = semaphore.prove(
        key, identity=identity, membership=membership, message=Signal.text("other"), scope=proof.scope
    )
    assert own.nullifier == proof.nullifier and own.root == proof.root


def test_semaphores_contract_accepts_the_proof(proof: Proof) -> None:
    data = proof.to_evm_calldata()
    assert len(data) == 4 + 13 * 32 and data[:4] == bytes.fromhex("a23f0199")
    with Peer("evm.mjs") as evm:
        contract = evm.ask("semaphore")["address"]
        for sent, accepted in ((data, 1), (data[:-33] + bytes([data[-33] ^ 1]) + data[-32:], 0)):
            assert int(evm.ask("call", to=contract, data=f"0x{sent.hex()}")["output"], 16) == accepted


def test_keys_of_the_ceremony_are_read_and_pinned(zkey: bytes, key: ProvingKey, verifying_json: str) -> None:
    digest = hashlib.sha256(zkey).hexdigest()
    pinned = ProvingKey.from_pinned_zkey(zkey, digest)
    expected = VerifyingKey.from_snarkjs(DEPTH, verifying_json)
    assert pinned.depth == key.depth == expected.depth == DEPTH
    assert pinned.verifying_key == key.verifying_key == expected
    assert hash(pinned.verifying_key) == hash(expected)
    assert json.loads(expected.to_snarkjs()).items() <= json.loads(verifying_json).items()
    assert repr(key) == f"ProvingKey(depth={DEPTH})" and repr(expected) == f"VerifyingKey(depth={DEPTH})"
    again = pickle.loads(pickle.dumps(expected))
    assert again == expected and again is not expected
    with pytest.raises(TypeError, match="ProvingKey can be neither pickled nor copied"):
        pickle.dumps(key)
    with pytest.raises(Malformed, match="pinned is"):
        ProvingKey.from_pinned_zkey(zkey, "0" * 64)
    with pytest.raises(InvalidArgument, match="64 hex digits"):
        ProvingKey.from_pinned_zkey(zkey, "0")


def test_files_that_are_no_keys_are_refused(zkey: bytes, verifying_json: str) -> None:
    middle = len(zkey) // 2
    flipped = zkey[:middle] + bytes([zkey[middle] ^ 1]) + zkey[middle + 1 :]
    file: Any
    error: type[Exception]
    for file, error in (
        (b"", Malformed),
        (zkey[:-1], Malformed),
        (zkey + b"\0", Malformed),
        (flipped, Malformed),
        (b"zkey\x02\0\0\0" + zkey[8:], UnsupportedVersion),
        (bytes((16 << 20) + 1), TooLarge),
        ("text", TypeError),
    ):
        with pytest.raises(error):
            ProvingKey.from_zkey(file)
    parsed = json.loads(verifying_json)
    for depth, text, error in (
        (0, verifying_json, Malformed),
        (semaphore.MAX_DEPTH + 1, verifying_json, Malformed),
        (-1, verifying_json, InvalidArgument),
        (DEPTH, "{", Malformed),
        (DEPTH, "[]", Malformed),
        (DEPTH, json.dumps(parsed | {"nPublic": 5}), Malformed),
        (DEPTH, json.dumps(parsed | {"vk_delta_2": parsed["vk_gamma_2"]}), Malformed),
        (DEPTH, " " * (65 << 10), TooLarge),
        (DEPTH, None, TypeError),
        ("4", verifying_json, TypeError),
    ):
        with pytest.raises(error):
            anything.VerifyingKey.from_snarkjs(depth, text)


def test_another_statement_is_rejected(key: ProvingKey, proof: Proof) -> None:
    made = json.loads(proof.to_json())
    for changes in (
        {"merkleTreeRoot": "1"},
        {"merkleTreeRoot": "0"},
        {"nullifier": "1"},
        {"message": "1"},
        {"scope": "1"},
        {"merkleTreeDepth": DEPTH + 1},
    ):
        with pytest.raises(InvalidProof, match="^rejected$"):
            semaphore.verify(key.verifying_key, Proof.from_json(json.dumps(made | changes)))
    other = (ARTIFACTS / f"semaphore-{DEPTH + 1}.json").read_text()
    with pytest.raises(InvalidProof):
        semaphore.verify(VerifyingKey.from_snarkjs(DEPTH + 1, other), proof)


def test_json_that_is_no_proof_is_refused(proof: Proof) -> None:
    made = json.loads(proof.to_json())
    again = pickle.loads(pickle.dumps(proof))
    assert again.to_json() == proof.to_json() and again != proof, "a proof's points identify nothing"
    for changes in (
        {"nullifier": str(proof.nullifier + zk.FIELD_ORDER)},
        {"nullifier": hex(proof.nullifier)},
        {"nullifier": proof.nullifier},
        {"merkleTreeDepth": 0},
        {"merkleTreeDepth": 33},
        {"message": str(2**256)},
        {"points": made["points"][:7]},
        {"points": ["1", "1", *made["points"][2:]]},
    ):
        with pytest.raises(Malformed):
            Proof.from_json(json.dumps(made | changes))
    for text, error in (("", Malformed), ("{}", Malformed), (" " * (65 << 10), TooLarge), (b"{}", TypeError)):
        with pytest.raises(error):
            anything.Proof.from_json(text)


def test_who_is_no_member_is_told_so(key: ProvingKey, identity: Identity, group: zk.LeanImt) -> None:
    said = {"message": Signal.text("yes"), "scope": Signal.text("the ballot")}
    path = group.proof(4)
    deep = zk.MerkleProof(leaf=path.leaf, index=0, siblings=[1] * (DEPTH + 1))
    for who, membership, error in (
        (Identity.generate(), path, NotAMember),
        (identity, group.proof(0), NotAMember),
        (identity, deep, InvalidProof),
    ):
        with pytest.raises(error):
            semaphore.prove(key, identity=who, membership=membership, **said)
    for changes in ({"message": "yes"}, {"scope": 5}, {"identity": "secret1"}, {"membership": 4}):
        with pytest.raises(TypeError):
            anything.prove(key, **({"identity": identity, "membership": path} | said | changes))
    keys: Any = zk.setup(1)
    with pytest.raises(TypeError, match="ProvingKey"):
        semaphore.prove(keys.proving_key, identity=identity, membership=path, **said)


def test_signals_say_what_is_meant() -> None:
    text, number, raw = Signal.text("42"), Signal.integer(42), Signal.from_bytes(bytes(31) + b"*")
    assert number == raw != text and hash(number) == hash(raw)
    assert int(text) == int.from_bytes(b"42".ljust(32, b"\0"), "big") and text.to_bytes() == b"42".ljust(32, b"\0")
    assert int(Signal.integer(2**256 - 1)) == 2**256 - 1
    assert repr(number) == f"Signal(0x{42:064x})" and number.hash() < 2**248
    for signal in (text, number):
        for again in (pickle.loads(pickle.dumps(signal)), copy.copy(signal)):
            assert again == signal
    make: Any
    for make, bad, error in (
        (Signal.text, "x" * 32, InvalidArgument),
        (Signal.text, "é" * 16, InvalidArgument),
        (Signal.text, 42, TypeError),
        (Signal.text, b"42", TypeError),
        (Signal.integer, -1, InvalidArgument),
        (Signal.integer, 2**256, InvalidArgument),
        (Signal.integer, "42", TypeError),
        (Signal.integer, True, TypeError),
        (Signal.from_bytes, b"42", InvalidArgument),
        (Signal.from_bytes, bytes(33), InvalidArgument),
        (Signal.from_bytes, "x" * 32, TypeError),
    ):
        with pytest.raises(error):
            make(bad)
