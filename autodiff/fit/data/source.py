"""The bytes of a table as blocks of text: files, standard input, compressed or not.

A source can be gone through again and again. A block ends at the end of a line; no
more than one block is in memory, and the raw bytes where they cannot be read twice.
"""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
from collections.abc import Iterator
from typing import IO, BinaryIO, NamedTuple

from autodiff.fit.errors import DataError, excerpt, suggestion

__all__ = ["Block", "Source"]

BLOCK_BYTES = 1 << 22
MAX_LINE_BYTES = 1 << 24  # a table with longer lines is no table

# What a file begins with, and what it then is.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}
_BINARY = {
    b"PK\x03\x04": "a spreadsheet or zip archive; save a sheet as CSV, or unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or use gzip",
    b"%PDF": "a PDF document; save the table as CSV",
    b"\x89PNG": "an image (PNG); save the table as CSV",
    b"\x89HDF": "an HDF5 file; save the table as CSV or Parquet",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; save it as CSV",
    b"\x93NUMPY": "a NumPy file; load it in Python and give it to autodiff.fit",
}
ARROW_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"FEA1": "feather"}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Block(NamedTuple):
    """Whole lines of text, and the number of the first, from 1."""

    text: str
    first_line: int


class Source:
    """Where a table comes from.

    Parameters
    ----------
    name : str
        What messages call it.
    path : str
        The file, where it can be opened again; empty if `raw` has it all.
    raw : bytes
        All of it, where it cannot.
    """

    def __init__(self, name: str, path: str = "", raw: bytes = b"") -> None:
        self.name = name
        self.path = path
        self.raw = raw

    @staticmethod
    def named(path: str) -> Source:
        """Return the source of a path; ``-`` is standard input."""
        if path == "-":
            return Source("standard input", raw=_standard_input())
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > BLOCK_BYTES:
                return Source(path, path=path)
            return Source(path, raw=_all_of(file, path))

    def open(self) -> BinaryIO:
        """Return its bytes as they are, from the beginning."""
        return _opened(self.path) if self.path else io.BytesIO(self.raw)

    def magic(self) -> bytes:
        """Return its first bytes."""
        with self.open() as file:
            return file.read(16)

    def arrow_kind(self) -> str:
        """Return ``parquet``, ``arrow`` or ``feather``; empty for a text."""
        start = self.magic()
        return next((k for m, k in ARROW_MAGIC.items() if start.startswith(m)), "")

    def blocks(self) -> Iterator[Block]:
        """Go through the text, decoded, lines ended by a line feed.

        Raises
        ------
        DataError
            If it is no text, or a line is longer than any table's.
        """
        with self.open() as raw:
            file = self._unpacked(raw)
            chunk = self._read(file)
            decoder, wide = _decoder(chunk)
            rest, line, n_read = "", 1, 0
            while True:
                if not wide and b"\0" in chunk:
                    at = n_read + chunk.index(0)
                    raise self._binary(f"binary data (a zero byte at {at})")
                n_read += len(chunk)
                text = rest + self._decode(decoder, chunk, line)
                if not chunk:
                    if text:
                        yield Block(_plain_newlines(text).rstrip("\n"), line)
                    return
                cut = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
                rest = text[cut:]
                if len(rest) > MAX_LINE_BYTES:
                    raise self._long_line(line)
                if cut:
                    whole = _plain_newlines(text[:cut])
                    yield Block(whole[:-1], line)
                    line += whole.count("\n")
                chunk = self._read(file)

    def _unpacked(self, raw: BinaryIO) -> IO[bytes]:
        start = raw.read(16)
        raw.seek(0)
        for mark, what in _BINARY.items():
            if start.startswith(mark):
                raise self._binary(what)
        for mark, module in _COMPRESSED.items():
            if start.startswith(mark):
                import importlib

                opened: IO[bytes] = importlib.import_module(module).open(raw)
                return opened
        return raw

    def _read(self, file: IO[bytes]) -> bytes:
        try:
            return file.read(BLOCK_BYTES)
        except Exception as error:  # each compression has exceptions of its own
            if isinstance(error, MemoryError):
                raise
            raise DataError(
                "D124", f"{self.name}: the compressed data are damaged; {error}"
            ) from None

    def _decode(
        self, decoder: codecs.IncrementalDecoder, chunk: bytes, line: int
    ) -> str:
        try:
            return decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            good = error.object[: error.start]
            at = line + good.count(b"\n")
            raise DataError(
                "D111",
                f"{self.name}, line {at}: not UTF-8 text (byte "
                f"{error.object[error.start : error.start + 1]!r}); save it as UTF-8 "
                "CSV, or convert it: iconv -f latin1 -t utf-8 FILE",
            ) from None

    def _binary(self, what: str) -> DataError:
        cure = "" if ";" in what else "; save the table as CSV in UTF-8"
        return DataError("D111", f"{self.name}: not a table of text but {what}{cure}")

    def _long_line(self, line: int) -> DataError:
        size = MAX_LINE_BYTES >> 20
        return DataError(
            "D118",
            f"{self.name}, line {line}: longer than {size} MB without an end; a table "
            "has a line for each row",
        )


def _decoder(start: bytes) -> tuple[codecs.IncrementalDecoder, bool]:
    """Return a decoder, and whether zero bytes are parts of its characters."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return codecs.getincrementaldecoder(encoding)(), True
    return codecs.getincrementaldecoder("utf-8-sig")(), False


def _plain_newlines(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _all_of(file: BinaryIO, name: str) -> bytes:
    """Return the rest of a stream; refuse early one that never ends a line."""
    parts: list[bytes] = []
    since_line = 0
    packed = False
    while chunk := file.read(1 << 20):
        if not parts:
            packed = chunk.startswith((*_COMPRESSED, *ARROW_MAGIC, *_BINARY))
        parts.append(chunk)
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        since_line = len(chunk) - end - 1 if end >= 0 else since_line + len(chunk)
        if since_line > MAX_LINE_BYTES and not packed:
            line = 1 + sum(part.count(b"\n") for part in parts)
            raise Source(name)._long_line(line)
    return b"".join(parts)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise DataError("D103", "standard input is closed; name a file")
    try:
        return _all_of(sys.stdin.buffer, "standard input")
    except OSError as error:
        raise DataError(
            "D103", f"cannot read standard input: {error.strerror}"
        ) from None


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")  # noqa: PTH123 - pathlib loads longer than this
    except IsADirectoryError:
        raise DataError("D102", f"{path} is a directory; give a file in it") from None
    except FileNotFoundError:
        raise DataError("D101", _no_such_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        cure = "; allow it with chmod +r" if isinstance(error, PermissionError) else ""
        raise DataError(
            "D103", f"cannot read {excerpt(path, 80)}: {reason}{cure}"
        ) from None


def _no_such_file(path: str) -> str:
    from pathlib import Path

    if "~" in path and any(mark in path for mark in "*/+ "):
        return (
            f"there is no file {excerpt(path, 80)}; the formula comes first, then the "
            "file"
        )
    wanted = Path(path)
    try:
        close = suggestion(wanted.name, [file.name for file in wanted.parent.iterdir()])
    except OSError:
        close = ""
    return f"there is no file {excerpt(path, 80)}{close or '; check the path'}"
