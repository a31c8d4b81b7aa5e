"""Encrypted matrix products, and the calls of concrete-ml-extensions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sealock import errors, linear
from sealock.compat import concrete_ml_extensions as compat

CONTEXT = b"a job"


def matrix(rng: np.random.Generator, rows: int, columns: int, bits: int) -> NDArray[np.int64]:
    return rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (rows, columns), endpoint=False)


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "bits"), [(1, 1, 1, 8), (3, 5, 7, 8), (40, 30, 3, 12), (2, 2049, 5, 8)]
)
def test_products_are_exact(rows: int, inner: int, columns: int, bits: int) -> None:
    rng = np.random.default_rng(rows)
    left, right = matrix(rng, rows, inner, bits), matrix(rng, inner, columns, bits)
    product = linear.Product(rows, inner, columns, weight_bits=bits, entry_bits=bits)
    key = linear.SecretKey.generate()
    queries = product.encrypt(key, left, context=CONTEXT)
    assert sum(map(len, queries)) == product.query_bytes
    answers = product.evaluate(queries, right, context=CONTEXT)
    assert sum(map(len, answers)) == product.answer_bytes
    opened = product.decrypt(key, answers)
    assert opened.dtype == np.int64
    assert (opened == left @ right).all()
    assert np.abs(opened).max() < 2 ** (product.product_bits - 1)
    again = linear.SecretKey.from_secret_bytes(key.expose_secret_bytes())
    assert (product.decrypt(again, answers) == opened).all()
    other = product.decrypt(linear.SecretKey.generate(), answers)
    assert not (other == opened).all()


def test_parts_travel_as_one_byte_string() -> None:
    # One query for each part: this product is too large for one.
    product = linear.Product(1, 1, 3_000_000)
    key = linear.SecretKey.generate()
    queries = product.encrypt(key, np.ones((1, 1), dtype=int), context=CONTEXT)
    assert len(queries) > 1
    joined = linear.join(queries)
    assert linear.split(joined) == linear.split(memoryview(joined)) == queries
    assert linear.split(linear.join([])) == []
    for bad in [b"", joined[:-1], joined + b"\0", b"\2" + joined[1:]]:
        with pytest.raises(errors.Encryption):
            linear.split(bad)
    with pytest.raises(TypeError):
        linear.join([1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        linear.split("text")  # type: ignore[arg-type]


def test_wide_products_are_exact_beyond_64_bits() -> None:
    left, right = [[2**15 - 1, -(2**15)]], [[2**61, -(2**60)], [2**61 + 1, 3]]
    product = linear.Product(1, 2, 2, weight_bits=16, entry_bits=63)
    key = linear.SecretKey.generate()
    answers = product.evaluate(product.encrypt(key, left, context=CONTEXT), right, context=CONTEXT)
    expected = np.array(left, dtype=object) @ np.array(right, dtype=object)
    opened = product.decrypt(key, answers)
    assert opened.dtype == object
    assert opened.tolist() == expected.tolist()


def test_what_does_not_fit_is_refused_by_name() -> None:
    product = linear.Product(2, 3, 2)
    key = linear.SecretKey.generate()
    good = [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(errors.InvalidArgument, match=r"left: expected an array of shape \(2, 3\), got \(3, 2\)"):
        product.encrypt(key, np.ones((3, 2), dtype=int), context=CONTEXT)
    with pytest.raises(errors.InvalidArgument, match="left: expected integers, got an array of float64"):
        product.encrypt(key, np.ones((2, 3)), context=CONTEXT)
    with pytest.raises(errors.InvalidArgument, match="beyond 63 bits"):
        product.encrypt(key, np.full((2, 3), 2**63, dtype=np.uint64), context=CONTEXT)
    with pytest.raises(errors.Encryption, match="8"):
        product.encrypt(key, [[1, 2, 128], [4, 5, 6]], context=CONTEXT)
    queries = product.encrypt(key, good, context=CONTEXT)
    right = [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(errors.Encryption):
        product.evaluate(queries, right, context=b"another job")
    with pytest.raises(errors.Encryption):
        linear.Product(2, 3, 2, weight_bits=7).evaluate(queries, right, context=CONTEXT)
    with pytest.raises(errors.Encryption):
        product.evaluate([queries[0][:-1]], right, context=CONTEXT)
    with pytest.raises(errors.Encryption):
        product.evaluate([], right, context=CONTEXT)
    answers = product.evaluate(queries, right, context=CONTEXT)
    with pytest.raises(errors.Encryption):
        product.decrypt(key, [answers[0] + b"\0"])
    with pytest.raises(errors.Encryption):
        linear.Product(1, 2048, 1, weight_bits=32, entry_bits=8)
    for sizes in [(0, 1, 1), (1, 0, 1), (1, 1, 0)]:
        with pytest.raises(errors.Encryption):
            linear.Product(*sizes)
    with pytest.raises(errors.InvalidArgument, match="secret: expected 32 bytes, got 31"):
        linear.SecretKey.from_secret_bytes(bytes(31))
    assert "SecretKey(…)" == repr(key)


def call(fhext: ModuleType, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The calls as code for concrete-ml-extensions makes them, serialising whatever it can."""
    params = fhext.MatmulCryptoParameters.deserialize(fhext.default_params())
    private_key, compression_key = fhext.create_private_key(params)
    encrypted = fhext.encrypt_matrix(pkey=private_key, crypto_params=params, data=a)
    encrypted = fhext.EncryptedMatrix.deserialize(encrypted.serialize())
    compression_key = fhext.deserialize_compression_key(compression_key.serialize())
    result = fhext.matrix_multiplication(encrypted_matrix=encrypted, data=b, compression_key=compression_key)
    result = fhext.CompressedResultEncryptedMatrix.deserialize(result.serialize())
    private_key = fhext.PrivateKey.deserialize(private_key.serialize())
    opened = fhext.decrypt_matrix(
        compressed_matrix=result,
        private_key=private_key,
        crypto_params=params,
        num_valid_glwe_values_in_last_ciphertext=b.shape[1],
    )
    return np.asarray(opened)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 64, 10), (3, 300, 70)])
def test_code_for_concrete_ml_extensions_switches_by_its_import(rows: int, inner: int, columns: int) -> None:
    theirs = pytest.importorskip("concrete_ml_extensions")
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 128, size).astype(np.uint64) for size in [(rows, inner), (inner, columns)])
    exact = a @ b
    ours, approximate = call(compat, a, b), call(theirs, a, b)
    assert ours.dtype == approximate.dtype and ours.shape == approximate.shape
    assert (ours == exact).all()
    assert np.abs(approximate.astype(np.int64) - exact.astype(np.int64)).max() < 256, "the same job, approximately"


def test_the_adapter_takes_signed_entries_and_refuses_what_is_not_its_own() -> None:
    rng = np.random.default_rng(8)
    a, b = matrix(rng, 2, 20, 9), matrix(rng, 20, 65, 16)
    opened = call(compat, a, b)
    assert opened.dtype == np.int64
    assert (opened == a @ b).all()
    params = compat.MatmulCryptoParameters(weight_bits=4, entry_bits=4)
    key, empty = compat.create_private_key(params)
    encrypted = compat.encrypt_matrix(key, params, [[1, 2], [3, 4]])
    with pytest.raises(errors.Encryption):
        compat.encrypt_matrix(key, params, [[8, 2]])
    with pytest.raises(errors.InvalidArgument, match="expected 2 rows, got 3"):
        compat.matrix_multiplication(encrypted, [[1], [2], [3]], empty)
    with pytest.raises(errors.InvalidArgument, match="two-dimensional"):
        compat.encrypt_matrix(key, params, [1, 2])
    with pytest.raises(errors.Malformed, match="weight_bits"):
        compat.MatmulCryptoParameters.deserialize('{"polynomial_size": 2048}')
    whole = encrypted.serialize()
    for bad in [b"", whole[:-1], whole + b"\0", b"SLr1" + whole[4:]]:
        with pytest.raises(errors.Malformed):
            compat.EncryptedMatrix.deserialize(bad)
