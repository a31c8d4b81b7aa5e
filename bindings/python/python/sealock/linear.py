"""Encrypted matrix products: an encrypted integer matrix times a clear one, exact, of any shape up to 2^22 in each direction.

One side has a matrix that nobody else may see, the other one has weights that it keeps. The first learns the product and no more
of the weights than the product says; the second learns sizes.

    from sealock import linear

    product = linear.Product(rows=2, inner=3, columns=2, weight_bits=8, entry_bits=8)  # both sides

    key = linear.SecretKey.generate()  # one side
    queries = product.encrypt(key, [[1, 2, 3], [-4, -5, -6]], context=b"job 7")

    answers = product.evaluate(queries, [[1, 10], [2, 20], [3, 30]], context=b"job 7")  # the other side

    product.decrypt(key, answers)  # the first side: [[14, 140], [-32, -320]]

`context` is what both sides know the request by, each from its own records: an answer is made for one context alone. Queries and
answers are bytes, one for each part that a large product is cut into; `join` makes one byte string of them, which is how C has
them, and `split` takes it apart. They carry no checksum: authenticate what carries them. What is hidden, and under which assumption: `docs/sealed-queries.md` of the repository. Needs NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ._sealock import LinearSecretKey as SecretKey
from ._sealock import Product as _Product
from ._sealock import linear_join, linear_split
from .errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Buffer

__all__ = ["Product", "SecretKey", "join", "split"]


class Product:
    """An encrypted matrix of `rows` × `inner` signed integers of `weight_bits` bits, times a clear one of `inner` × `columns` of
    `entry_bits` bits. Both sides make the same one.

    Raises `Encryption` if sizes and widths leave no room for an exact result.
    """

    __slots__ = ("_product",)

    def __init__(self, rows: int, inner: int, columns: int, *, weight_bits: int = 8, entry_bits: int = 8) -> None:
        self._product = _Product(rows, inner, columns, weight_bits=weight_bits, entry_bits=entry_bits)

    @property
    def rows(self) -> int:
        """Rows of the encrypted matrix."""
        return self._product.rows

    @property
    def inner(self) -> int:
        """Columns of the encrypted matrix, rows of the clear one."""
        return self._product.inner

    @property
    def columns(self) -> int:
        """Columns of the clear matrix."""
        return self._product.columns

    @property
    def weight_bits(self) -> int:
        """Signed width of the encrypted entries, in bits."""
        return self._product.weight_bits

    @property
    def entry_bits(self) -> int:
        """Signed width of the clear entries, in bits."""
        return self._product.entry_bits

    @property
    def product_bits(self) -> int:
        """Signed width that every entry of the product has room in, in bits."""
        return self._product.product_bits

    @property
    def query_bytes(self) -> int:
        """Length of all queries together."""
        return self._product.query_bytes

    @property
    def answer_bytes(self) -> int:
        """Length of all answers together."""
        return self._product.answer_bytes

    def encrypt(self, key: SecretKey, left: ArrayLike, *, context: Buffer) -> list[bytes]:
        """Encrypts the left matrix. Returns one query for each part of the product.

        Raises `InvalidArgument` for an array of another shape or not of integers, `Encryption` for the first one that is too wide.
        """
        return self._product._encrypt(key, _integers("left", left, (self.rows, self.inner)), context)

    def evaluate(self, queries: Iterable[Buffer], right: ArrayLike, *, context: Buffer) -> list[bytes]:
        """Multiplies encrypted rows with the right matrix. Returns one answer for each query.

        Raises as `encrypt`, and `Encryption` for queries of another product or context.
        """
        return self._product._evaluate(queries, _integers("right", right, (self.inner, self.columns)), context)

    def decrypt(self, key: SecretKey, answers: Iterable[Buffer]) -> NDArray[Any]:
        """Decrypts the product: 64-bit integers, or Python's where 64 bits could be too few.

        Raises `Encryption` for answers of another product. A wrong key, or an answer that was changed, gives wrong numbers.
        """
        halves = np.frombuffer(self._product._decrypt(key, answers), dtype=np.int64).reshape(self.rows, self.columns, 2)
        low, high = (halves[..., 0], halves[..., 1]) if np.little_endian else (halves[..., 1], halves[..., 0])
        if self.product_bits <= 64:
            return low.copy()
        whole: NDArray[Any] = high.astype(object) * 2**64 + low.view(np.uint64).astype(object)
        return whole

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and self._product == other._product

    def __hash__(self) -> int:
        return hash(self._product)

    def __repr__(self) -> str:
        return repr(self._product)


def join(parts: Iterable[Buffer]) -> bytes:
    """Puts queries, or answers, into one byte string."""
    return linear_join("parts", parts)


def split(joined: Buffer) -> list[bytes]:
    """Takes apart what `join`, or a program in C, made. Raises `Encryption` for bytes that end too early or go on."""
    return linear_split("joined", joined)


def _integers(what: str, data: ArrayLike, shape: tuple[int, int]) -> bytes:
    """The entries of an array as 64-bit integers, row by row."""
    array = np.asarray(data)
    if array.shape != shape:
        raise InvalidArgument(
            f"{what}: expected an array of shape {shape}, got {array.shape}",
            hint="pass the matrix that the product was declared for",
        )
    if array.dtype.kind not in "biu":
        raise InvalidArgument(
            f"{what}: expected integers, got an array of {array.dtype}", hint="scale and round real numbers first"
        )
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidArgument(f"{what}: {array.max()} is beyond 63 bits", hint="pass entries within the declared width")
    return np.ascontiguousarray(array, dtype=np.int64).tobytes()
