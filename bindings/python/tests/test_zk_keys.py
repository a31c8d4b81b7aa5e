"""Keys of owners whom nobody trusts: what is checked, what is pinned, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sealock import zk
from sealock.errors import InvalidArgument, Malformed, UnsafeKey, UnsupportedVersion

DEPTH = 4
#: The field of the curve's coordinates.
Q = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
#: Places in a bundle: version and depth, then alpha_g1 (64 bytes), beta_g2, gamma_g2 and delta_g2 (128 each), then the points
#: of the inputs (64 each).
ALPHA_G1 = 2
GAMMA_G2 = ALPHA_G1 + 64 + 128
DELTA_G2 = GAMMA_G2 + 128
INPUTS = DELTA_G2 + 128
A_QUERY = INPUTS + 6 * 64 + 2 * 64
anything: Any = zk


@pytest.fixture(scope="module")
def bundle() -> bytes:
    return zk.setup(DEPTH).bundle.to_bytes()


def swapped(bundle: bytes, one: int, other: int, length: int) -> bytes:
    out = bytearray(bundle)
    out[one : one + length], out[other : other + length] = bundle[other : other + length], bundle[one : one + length]
    return bytes(out)


def negated(bundle: bytes, at: int) -> bytes:
    """The point of 64 bytes with the opposite sign: as valid as before."""
    y = int.from_bytes(bundle[at + 32 : at + 64], "little") & ~(3 << 254)
    other = Q - y
    # The top bit says which of the two it is.
    flagged = other | (other > Q // 2) << 255
    return bundle[: at + 32] + flagged.to_bytes(32, "little") + bundle[at + 64 :]


def test_keys_of_several_depths_are_made_checked_and_loaded_again() -> None:
    for depth in (1, 3):
        keys = zk.setup(depth)
        made, proving_key, verifying_key = keys
        assert (made, proving_key, verifying_key) == (keys.bundle, keys.proving_key, keys.verifying_key)
        published = made.to_bytes()
        assert made.digest == hashlib.sha256(published).hexdigest()
        received = zk.KeyBundle.from_bytes(published)
        assert received == made and hash(received) == hash(made)
        checked = zk.check_setup(received)
        assert checked.verifying_key == verifying_key == proving_key.verifying_key
        assert {checked.depth, made.depth, verifying_key.depth, proving_key.depth} == {depth}
        assert checked.digest == made.digest == proving_key.digest
        loaded = zk.ProvingKey.from_pinned_bytes(memoryview(published), checked.digest)
        assert (loaded.digest, loaded.verifying_key) == (checked.digest, verifying_key)
        assert verifying_key.digest == hashlib.sha256(verifying_key.to_bytes()).hexdigest()
        assert repr(checked) == f"ProvingKey(depth={depth}, digest={made.digest})"
        assert repr(made) == f"KeyBundle(depth={depth}, digest={made.digest})"
        assert repr(verifying_key) == f"VerifyingKey(depth={depth}, digest={verifying_key.digest})"


def test_depths_that_no_circuit_has() -> None:
    for depth in (0, zk.MAX_DEPTH + 1, -1, 2**64):
        with pytest.raises(InvalidArgument):
            zk.setup(depth)
    for wrong in ("4", 4.0, True, None):
        with pytest.raises(TypeError, match="depth: expected an int"):
            anything.setup(wrong)


def test_another_bundle_than_the_pinned_one_is_not_loaded(bundle: bytes) -> None:
    noted = zk.check_setup(zk.KeyBundle.from_bytes(bundle)).digest
    exchanged = zk.setup(DEPTH).bundle
    with pytest.raises(Malformed, match=f"has digest {exchanged.digest}, pinned is {noted}"):
        zk.ProvingKey.from_pinned_bytes(exchanged.to_bytes(), noted)
    with pytest.raises(Malformed):
        zk.ProvingKey.from_pinned_bytes(bundle[:-1] + bytes([bundle[-1] ^ 1]), noted)
    for digest in ("", "0" * 63, "xyz", noted + "00"):
        with pytest.raises(InvalidArgument, match="64 hex digits"):
            zk.ProvingKey.from_pinned_bytes(bundle, digest)
    for wrong in (bytes.fromhex(noted), None, 5):
        with pytest.raises(TypeError):
            anything.ProvingKey.from_pinned_bytes(bundle, wrong)


def test_bytes_that_are_no_bundle_are_refused(bundle: bytes) -> None:
    for bad in (
        b"",
        bundle[:1],
        bundle[:-1],
        bundle + b"\0",
        bundle[:1] + b"\0" + bundle[2:],
        b"\x02\xff" + bundle[2:],
    ):
        with pytest.raises(Malformed):
            zk.KeyBundle.from_bytes(bad)
    with pytest.raises(UnsupportedVersion):
        zk.KeyBundle.from_bytes(b"\x01" + bundle[1:])
    for wrong in ("text", None, 5):
        with pytest.raises(TypeError):
            anything.KeyBundle.from_bytes(wrong)
    for no_bundle in (bundle, None, zk.setup(1).verifying_key):
        with pytest.raises(TypeError, match="KeyBundle"):
            anything.check_setup(no_bundle)


def test_a_flipped_byte_is_refused(bundle: bytes) -> None:
    # Nearly every one takes a point off its curve.
    for at in range(2, len(bundle), len(bundle) // 40):
        flipped = bundle[:at] + bytes([bundle[at] ^ 0x10]) + bundle[at + 1 :]
        with pytest.raises((Malformed, UnsafeKey)):
            zk.check_setup(zk.KeyBundle.from_bytes(flipped))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda b: swapped(b, INPUTS + 3 * 64, INPUTS + 4 * 64, 64), "gamma_abc_g1"),
        (lambda b: swapped(b, A_QUERY + 64, A_QUERY + 128, 64), "a_query"),
        (lambda b: swapped(b, GAMMA_G2, DELTA_G2, 128), "delta_g2"),
        (lambda b: b[:DELTA_G2] + b[GAMMA_G2:DELTA_G2] + b[INPUTS:], "gamma_g2 equals delta_g2"),
        (lambda b: swapped(b, len(b) - 128, len(b) - 256, 128), "powers_g2"),
        (lambda b: negated(b, ALPHA_G1), "alpha_g1"),
        (lambda b: negated(b, INPUTS), "gamma_abc_g1"),
    ],
    ids=[
        "inputs swapped",
        "a swapped",
        "gamma and delta swapped",
        "gamma is delta",
        "powers",
        "alpha",
        "input negated",
    ],
)
def test_a_key_of_valid_points_that_is_not_what_the_circuit_says_is_unsafe(
    bundle: bytes, change: Any, named: str
) -> None:
    built = zk.KeyBundle.from_bytes(change(bundle))  # every point is on its curve
    with pytest.raises(UnsafeKey, match=named) as caught:
        zk.check_setup(built)
    assert caught.value.code == 607 and "the owner's key is not to be used" in str(caught.value)
    assert caught.value.hint is not None and "tell orders apart" in caught.value.hint


def test_an_unchecked_key_makes_no_wrong_proof(bundle: bytes) -> None:
    """Who takes the digest from the owner, instead of its own notes, has an unchecked key. Its proofs stay at home."""
    built = swapped(bundle, INPUTS + 3 * 64, INPUTS + 4 * 64, 64)
    unchecked = zk.ProvingKey.from_pinned_bytes(built, hashlib.sha256(built).hexdigest())
    secret, credential = zk.IdentitySecret.generate(), zk.Credential(asset=1, limit=1, expiry=2)
    group = zk.LeanImt()
    group.insert_many([1, 2, 3])
    place = group.insert(credential.leaf(secret.commitment))
    with pytest.raises(UnsafeKey, match="do not verify"):
        zk.prove(
            unchecked,
            root=group.root or 0,
            message=1,
            scope=2,
            now=1,
            secret=secret,
            credential=credential,
            use_index=0,
            membership=group.proof(place),
        )
