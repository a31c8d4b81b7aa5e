"""The data of a download as a file."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from ._sealock import _Reader


class SealedFile(io.RawIOBase):
    """The Parquet of a `Download`, read at any place: only what is read is fetched and decrypted.

    For libraries that take a binary file: `pyarrow.parquet.ParquetFile(download.reader())` then reads the footer and the
    columns that are asked for. Reads are cut into chunks of 16 KiB; for many small ones, wrap it in `io.BufferedReader`.
    """

    def __init__(self, reader: _Reader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def chunks_opened(self) -> int:
        """How many chunks of 16 KiB have been fetched and decrypted so far."""
        return self._reader.chunks_opened

    def readable(self) -> bool:
        """Whether it can be read."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """Whether it can be read at any place."""
        self._check_open()
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Sets where the next read begins. Beyond the end there is nothing to read."""
        self._check_open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"whence: expected 0, 1 or 2, got {whence!r}")
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError(f"seek to {position}, which is before the beginning")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the buffer, as far as the file goes."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        if self._position >= self._size or not len(view):
            return 0
        read = self._reader.read_at(self._position, len(view))
        view[: len(read)] = read
        self._position += len(read)
        return len(read)

    def readall(self) -> bytes:
        """All that is left."""
        self._check_open()
        read = self._reader.read_at(self._position, self._size) if self._position < self._size else b""
        self._position += len(read)
        return read

    def write(self, data: ReadableBuffer, /) -> NoReturn:
        """Nothing is written to it."""
        raise io.UnsupportedOperation("not writable")

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def __repr__(self) -> str:
        return f"SealedFile({self._size} bytes{', closed' if self.closed else ''})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("SealedFile can be neither pickled nor copied: it holds the key of the data")
