"""Opening files that anyone may have written: regular files only, and every error names the file."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO, Any

import numpy as np

from . import validate

_LEAST_LIMIT = 1 << 26  # bytes: what a compressed file may always unpack to
_LARGEST_RATIO = 500  # of unpacked to packed bytes beyond that; deflate reaches 1,032, real data rarely 100
_CHUNK = 1 << 20
_REASONS: dict[type[Exception], str] = {
    RecursionError: "it is nested too deeply",
    UnicodeDecodeError: "it is not UTF-8 text",
    zipfile.BadZipFile: "its directory, its entries and their checksums do not fit together",
    zlib.error: "its compressed data are broken",
    gzip.BadGzipFile: "it is not what gzip writes",
    struct.error: "it ends too early",
    EOFError: "it ends too early",
}


def open_regular(path: str | PathLike[str], mode: str = "rb", **options: Any) -> IO[Any]:
    """Open a file for reading. A pipe or a device could block or never end: OSError."""
    try:
        return open(str(validate.path(path)), mode, opener=_regular, **options)
    except UnicodeError as error:  # what the system cannot encode
        raise ValueError(f"{shown(str(path))} is no name that a file can have") from error


def _regular(name: str, flags: int) -> int:
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # opening a pipe would wait for its writer
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # folders are refused by open itself
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is a pipe or a device; a regular file is required", name)
    return descriptor


@contextmanager
def refusing(path: str | PathLike[str], words: str = "is damaged") -> Iterator[None]:
    """Turn whatever a parser of another package raises into ValueError "path words (reason)".

    Errors of the system stay OSError, and get the file's name.
    """
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # of gzip, or of a place before the start that a damaged file names
            raise ValueError(f"{path} {words} ({_reason(error)})") from error
        raise type(error)(error.errno, error.strerror, str(path)) from error
    except Exception as error:  # zipfile alone raises ten kinds
        raise ValueError(f"{path} {words} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    if "integer string conversion" in str(error):
        return "it has a number of too many digits"
    return shown(str(error)) or type(error).__name__


def size_of(file: IO[Any]) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def largest_content(packed: int) -> int:
    """The most bytes that a file of this many compressed bytes may unpack to; what promises more is refused."""
    return max(_LEAST_LIMIT, _LARGEST_RATIO * packed)


def fill(file: Any, buffer: np.ndarray) -> int:
    """Read until the buffer (uint8) is full or the file ends; the number of bytes read.

    In pieces, so that memory is used as data arrive, not as a header promises.
    """
    done = 0
    while done < buffer.size:
        n = file.readinto(buffer[done : done + _CHUNK])
        if not n:
            break
        done += n
    return done


def shown(text: str, most: int = 120) -> str:
    """Text of a file as a message can show it: in one line, printable, not too long."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
