"""The matrix product of Zama's concrete-ml-extensions, with its calls, computed by Sealock.

    from sealock.compat import concrete_ml_extensions as fhext

    params = fhext.MatmulCryptoParameters.deserialize(fhext.default_params())
    private_key, compression_key = fhext.create_private_key(params)
    encrypted = fhext.encrypt_matrix(pkey=private_key, crypto_params=params, data=a)
    result = fhext.matrix_multiplication(encrypted_matrix=encrypted, data=b, compression_key=compression_key)
    product = fhext.decrypt_matrix(result, private_key, params, num_valid_glwe_values_in_last_ciphertext=b.shape[1])

What differs: the product is exact; entries may be negative; each result is re-randomised and flooded, so that whoever decrypts
learns the product and not the clear matrix; there is no compression key, and what stands for one is empty; serialised
objects are Sealock's own. The other package need not be installed.

`default_params()` are JSON: `weight_bits` and `entry_bits`, the signed widths of encrypted and clear entries.
"""

from __future__ import annotations

import json
import secrets
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import linear
from ..errors import InvalidArgument, Malformed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CompressedResultEncryptedMatrix",
    "CpuCompressionKey",
    "EncryptedMatrix",
    "MatmulCryptoParameters",
    "PrivateKey",
    "cpu_create_private_key",
    "cpu_matrix_multiplication",
    "create_private_key",
    "decrypt_matrix",
    "default_params",
    "deserialize_compression_key",
    "encrypt_matrix",
    "is_cuda_available",
    "is_cuda_enabled",
    "matrix_multiplication",
]

#: Clear columns that are multiplied together. It is fixed, as rows are encrypted before anybody knows how many there will be.
BLOCK = 64
_HEADER = struct.Struct("<4sBBBxIIQ16sI")
_LENGTH = struct.Struct("<Q")
_MAGIC = {"encrypted matrix": b"SLm1", "result": b"SLr1"}


class MatmulCryptoParameters:
    """Widths of the entries, in bits with sign: 9 for the encrypted ones, 16 for the clear ones unless declared otherwise."""

    __slots__ = ("entry_bits", "weight_bits")

    def __init__(self, *, weight_bits: int = 9, entry_bits: int = 16) -> None:
        self.weight_bits = weight_bits
        self.entry_bits = entry_bits

    def serialize(self) -> str:
        return json.dumps({"weight_bits": self.weight_bits, "entry_bits": self.entry_bits})

    @staticmethod
    def deserialize(content: str) -> MatmulCryptoParameters:
        """Reads parameters. Those of the other package are other numbers, and are refused."""
        try:
            fields = json.loads(content)
        except (TypeError, ValueError) as error:
            raise Malformed(f"crypto parameters: {error}", hint="pass what default_params() returned") from None
        widths = fields if isinstance(fields, dict) else {}
        if set(widths) != {"weight_bits", "entry_bits"} or not all(type(bits) is int for bits in widths.values()):
            raise Malformed(
                "crypto parameters: expected the integers weight_bits and entry_bits",
                hint="pass what default_params() of this module returned",
            )
        return MatmulCryptoParameters(**widths)


def default_params() -> str:
    """The default parameters, as JSON."""
    return MatmulCryptoParameters().serialize()


class PrivateKey:
    """The key of whoever encrypts. Serialised, it is the secret itself."""

    __slots__ = ("_key",)

    def __init__(self, key: linear.SecretKey) -> None:
        self._key = key

    def serialize(self) -> bytes:
        return self._key.expose_secret_bytes()

    @staticmethod
    def deserialize(content: bytes) -> PrivateKey:
        return PrivateKey(linear.SecretKey.from_secret_bytes(content))


class CpuCompressionKey:
    """Empty: answers are small without a key."""

    __slots__ = ()

    def serialize(self) -> bytes:
        return b""

    @staticmethod
    def deserialize(content: bytes) -> CpuCompressionKey:
        if content:
            raise Malformed("compression key: expected no bytes", hint="pass what serialize() of this module returned")
        return CpuCompressionKey()


class _Parts:
    """Encrypted parts, and what they are of."""

    __slots__ = ("columns", "parts", "product", "salt", "signed")
    _what: str

    def __init__(self, product: linear.Product, columns: int, signed: bool, salt: bytes, parts: list[bytes]) -> None:
        self.product, self.columns, self.signed, self.salt, self.parts = product, columns, signed, salt, parts

    def serialize(self) -> bytes:
        product = self.product
        header = _HEADER.pack(
            _MAGIC[self._what],
            product.weight_bits,
            product.entry_bits,
            self.signed,
            product.rows,
            product.inner,
            self.columns,
            self.salt,
            len(self.parts),
        )
        return header + b"".join(_LENGTH.pack(len(part)) + part for part in self.parts)

    @classmethod
    def _read(cls, content: bytes) -> tuple[linear.Product, int, bool, bytes, list[bytes]]:
        def malformed(why: str) -> Malformed:
            return Malformed(f"{cls._what}: {why}", hint="pass what serialize() of this module returned")

        content = bytes(content)
        if len(content) < _HEADER.size:
            raise malformed(f"expected at least {_HEADER.size} bytes, got {len(content)}")
        magic, weight_bits, entry_bits, signed, rows, inner, columns, salt, count = _HEADER.unpack_from(content)
        if magic != _MAGIC[cls._what] or signed > 1:
            raise malformed("the bytes are of another kind")
        parts, at = [], _HEADER.size
        for _ in range(count):
            if len(content) - at < _LENGTH.size:
                raise malformed("the bytes end too early")
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            if len(content) - at < length:
                raise malformed("the bytes end too early")
            parts.append(content[at : at + length])
            at += length
        if at != len(content):
            raise malformed(f"{len(content) - at} bytes too many")
        if not parts:
            raise malformed("there is nothing in it")
        product = linear.Product(rows, inner, BLOCK, weight_bits=weight_bits, entry_bits=entry_bits)
        return product, columns, bool(signed), salt, parts


class EncryptedMatrix(_Parts):
    """An encrypted matrix."""

    __slots__ = ()
    _what = "encrypted matrix"

    @staticmethod
    def deserialize(content: bytes) -> EncryptedMatrix:
        return EncryptedMatrix(*EncryptedMatrix._read(content))


class CompressedResultEncryptedMatrix(_Parts):
    """An encrypted product."""

    __slots__ = ()
    _what = "result"

    @staticmethod
    def deserialize(content: bytes) -> CompressedResultEncryptedMatrix:
        return CompressedResultEncryptedMatrix(*CompressedResultEncryptedMatrix._read(content))


def create_private_key(crypto_params: MatmulCryptoParameters) -> tuple[PrivateKey, CpuCompressionKey]:
    """A fresh key, and what stands for a compression key."""
    _params(crypto_params)
    return PrivateKey(linear.SecretKey.generate()), CpuCompressionKey()


cpu_create_private_key = create_private_key


def encrypt_matrix(pkey: PrivateKey, crypto_params: MatmulCryptoParameters, data: ArrayLike) -> EncryptedMatrix:
    """Encrypts a two-dimensional array of integers.

    Raises `Encryption` for an entry beyond `weight_bits`.
    """
    array = _matrix(data)
    widths = _params(crypto_params)
    product = linear.Product(
        array.shape[0], array.shape[1], BLOCK, weight_bits=widths.weight_bits, entry_bits=widths.entry_bits
    )
    salt = secrets.token_bytes(16)
    queries = product.encrypt(pkey._key, array, context=salt)
    return EncryptedMatrix(product, 0, array.dtype.kind == "i", salt, queries)


def matrix_multiplication(
    encrypted_matrix: EncryptedMatrix, data: ArrayLike, compression_key: CpuCompressionKey
) -> CompressedResultEncryptedMatrix:
    """Multiplies an encrypted matrix with a clear two-dimensional array of integers.

    Raises `Encryption` for an entry beyond `entry_bits`.
    """
    if not isinstance(compression_key, CpuCompressionKey):
        raise InvalidArgument(
            f"compression_key: expected one of this module, got {type(compression_key).__name__}",
            hint="pass what create_private_key() returned",
        )
    array, product = _matrix(data), encrypted_matrix.product
    if array.shape[0] != product.inner:
        raise InvalidArgument(
            f"data: expected {product.inner} rows, got {array.shape[0]}",
            hint="the clear matrix has as many rows as the encrypted one has columns",
        )
    answers: list[bytes] = []
    for first in range(0, array.shape[1], BLOCK):
        block = array[:, first : first + BLOCK]
        padded = np.zeros((product.inner, BLOCK), dtype=array.dtype)
        padded[:, : block.shape[1]] = block
        answers += product.evaluate(encrypted_matrix.parts, padded, context=encrypted_matrix.salt)
    signed = encrypted_matrix.signed or array.dtype.kind == "i"
    return CompressedResultEncryptedMatrix(product, array.shape[1], signed, encrypted_matrix.salt, answers)


cpu_matrix_multiplication = matrix_multiplication


def decrypt_matrix(
    compressed_matrix: CompressedResultEncryptedMatrix,
    private_key: PrivateKey,
    crypto_params: MatmulCryptoParameters,
    num_valid_glwe_values_in_last_ciphertext: int | None = None,
) -> NDArray[Any]:
    """Decrypts a product: signed integers if one of the factors was of such, else unsigned ones.

    The result knows its own size; `num_valid_glwe_values_in_last_ciphertext` is looked at no more than its type.
    """
    _params(crypto_params)
    result, product = compressed_matrix, compressed_matrix.product
    blocks = -(-result.columns // BLOCK)
    each = len(result.parts) // max(blocks, 1)
    if blocks == 0 or each * blocks != len(result.parts):
        raise Malformed(f"result: {len(result.parts)} parts for {result.columns} columns", hint="compute it again")
    opened = [
        product.decrypt(private_key._key, result.parts[block * each : (block + 1) * each]) for block in range(blocks)
    ]
    whole = np.hstack(opened)[:, : result.columns]
    return whole if result.signed or whole.dtype == object else whole.astype(np.uint64)


def deserialize_compression_key(data: bytes) -> CpuCompressionKey:
    """What stands for a compression key, from its bytes."""
    return CpuCompressionKey.deserialize(data)


def is_cuda_available() -> bool:
    """No: products are computed on the processor."""
    return False


def is_cuda_enabled() -> bool:
    """No: products are computed on the processor."""
    return False


def _params(params: MatmulCryptoParameters) -> MatmulCryptoParameters:
    if not isinstance(params, MatmulCryptoParameters):
        raise InvalidArgument(
            f"crypto_params: expected MatmulCryptoParameters of this module, got {type(params).__name__}",
            hint="pass MatmulCryptoParameters.deserialize(default_params())",
        )
    return params


def _matrix(data: ArrayLike) -> NDArray[Any]:
    array = np.asarray(data)
    if array.ndim != 2 or 0 in array.shape:
        raise InvalidArgument(
            f"data: expected a two-dimensional array, got one of shape {array.shape}",
            hint="pass one row for each vector",
        )
    if array.dtype.kind not in "biu":
        raise InvalidArgument(
            f"data: expected integers, got an array of {array.dtype}", hint="quantise real numbers first"
        )
    return array
