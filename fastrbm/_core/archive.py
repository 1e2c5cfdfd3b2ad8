"""Arrays of .npy and .npz files, read without pickle and without trust.

A file is read only as far as its reader asks. Every size is known from headers before memory is taken: an array must
have exactly the bytes that its header promises, and an archive may not unpack to more than plausible data would.
"""

from __future__ import annotations

import math
import re
import zipfile
from os import PathLike
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np

from .reading import fill, largest_content, open_regular, refusing, shown, size_of

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 14
# The header is the text of a Python dictionary. A pattern reads it without an interpreter of Python.
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(?:(['"])([^'"]*)\1|\[)""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d\s,]*)\)""")
_NUMBERS_OR_TEXT = re.compile(r"[biufU]\d{1,9}")
_OTHERS = {"c": "complex numbers", "S": "bytes", "M": "dates", "m": "time spans", "V": "records"}
_LARGEST_SHAPE = 1 << 62  # bytes, with lengths of 0 taken as 1: what NumPy's indices can count


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Any  # "C" or "F"
    length: int  # of the header itself, in bytes

    @property
    def n_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)


class Archive:
    """An .npz file, open for reading; only what is asked for is read.

    Parameters
    ----------
    path : path
    foreign, damaged : str
        What messages say, after its name, of a file of another kind, and of one that cannot be read.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged; also from :meth:`read`. The message names the file.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        foreign: str = "is not an .npz file",
        damaged: str = "is damaged, or not an .npz file",
    ) -> None:
        self.path, self._damaged = path, damaged
        self._file = open_regular(path)
        try:
            self._left = largest_content(size_of(self._file))
            if self._file.read(2) != b"PK":  # of every .npz
                raise ValueError(f"{path} {foreign}")
            with refusing(path, damaged):
                self._zip = zipfile.ZipFile(self._file)
            self._entries: dict[str, zipfile.ZipInfo] = {}
            for entry in self._zip.infolist():
                if entry.filename.endswith(".npy"):
                    name = entry.filename[:-4]
                    if name in self._entries:
                        raise ValueError(f"{path} {damaged} (it holds {shown(name)} twice)")
                    self._entries[name] = entry
        except BaseException:
            self._file.close()
            raise

    @property
    def names(self) -> list[str]:
        """The names of its arrays."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str, most: int | None = None) -> np.ndarray:
        """One of its arrays; where it is known how large it can be, of at most so many bytes."""
        what = f"{self.path} {self._damaged}"
        entry = self._entries.get(name)
        if entry is None:
            raise ValueError(f"{what} (it lacks {shown(name)})")
        if entry.flag_bits & 1:
            raise ValueError(f"{what} ({shown(name)} is encrypted)")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{what} ({shown(name)} is compressed in a way that NumPy does not use)")
        if most is not None and entry.file_size > most + _LONGEST_HEADER:
            raise ValueError(f"{what} ({shown(name)} has {entry.file_size:,} bytes, and at most {most:,} make sense)")
        if entry.file_size > self._left:
            raise ValueError(
                f"{self.path} is refused: {shown(name)} would take {entry.file_size:,} bytes, more than data compress "
                "to; save it without compression (numpy.savez)"
            )
        self._left -= entry.file_size
        with refusing(self.path, self._damaged):
            stream = self._zip.open(entry)
        with stream:
            return _read_array(stream, entry.file_size, self.path, self._damaged, f"{shown(name)}: ")

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_npy(path: str | PathLike[str]) -> np.ndarray:
    """The array of an .npy file."""
    with open_regular(path) as file:
        _refuse_other_files(file, path)
        return _read_array(file, size_of(file), path, "is damaged", "")


def map_npy(path: str | PathLike[str]) -> np.ndarray:
    """The array of an .npy file, which stays on the disk."""
    with open_regular(path) as file:
        _refuse_other_files(file, path)
        header = _read_header(file, size_of(file), path, "is damaged", "")
        if header.n_bytes == 0:
            return np.empty(header.shape, header.dtype)
        with refusing(path):
            return np.memmap(file, header.dtype, "r", header.length, header.shape, header.order)


def _refuse_other_files(file: IO[bytes], path: str | PathLike[str]) -> None:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError(f"{path} is not an .npy file")
    file.seek(0)


def _read_array(file: Any, size: int, path: str | PathLike[str], words: str, name: str) -> np.ndarray:
    header = _read_header(file, size, path, words, name)
    raw = np.empty(header.n_bytes, np.uint8)
    with refusing(path, words):
        if fill(file, raw) != raw.size:
            raise ValueError(f"{name}it ends too early")
        if file.read(1):  # the end is also where zipfile compares its checksum
            raise ValueError(f"{name}it is longer than its header promises")
        if raw.size == 0:
            return np.empty(header.shape, header.dtype)
        if header.dtype.kind == "b":
            raw = (raw != 0).view(np.uint8)  # other writers store other bytes than 1
        if header.dtype.kind == "U" and raw.view(header.dtype.str[0] + "u4").max() > 0x10FFFF:
            raise ValueError(f"{name}it holds characters that do not exist")
        return raw.view(header.dtype).reshape(header.shape, order=header.order)


def _read_header(file: Any, size: int, path: str | PathLike[str], words: str, name: str) -> _Header:
    """The header of an array that, with it, has this many bytes; ValueError where they do not fit together."""

    def damaged(reason: str) -> ValueError:
        return ValueError(f"{path} {words} ({name}{reason})")

    with refusing(path, words):
        start = file.read(8)
    if start[:6] != _MAGIC:
        raise damaged("it is not an array in NumPy's format")
    if len(start) < 8 or start[6] not in (1, 2, 3):
        raise damaged("it is of an unknown version of NumPy's format")
    width = 2 if start[6] == 1 else 4
    with refusing(path, words):
        count = file.read(width)
        length = int.from_bytes(count, "little")
        text = file.read(length) if length <= _LONGEST_HEADER else b""
    if len(count) < width or length == 0 or len(text) < length:
        raise damaged("its header ends too early or is too long")
    head = text.decode("latin-1")
    descr, order, shape = _DESCR.search(head), _ORDER.search(head), _SHAPE.search(head)
    if not (descr and order and shape):
        raise damaged("its header cannot be read")
    kind = (descr[2] or "V").lstrip("<>|=")
    if kind[:1] == "O":
        raise ValueError(f"{path} holds Python objects, not numbers")
    if not _NUMBERS_OR_TEXT.fullmatch(kind):
        raise ValueError(f"{path} holds no numbers but {_OTHERS.get(kind[:1], 'what is unknown here')}")
    lengths = tuple(int(n) for n in shape[1].replace(",", " ").split())
    try:
        header = _Header(np.dtype(descr[2]), lengths, "F" if order[1] == "True" else "C", 8 + width + length)
    except TypeError:
        raise damaged("its header names a kind of number that does not exist") from None
    promised = math.prod(max(n, 1) for n in lengths) * max(header.dtype.itemsize, 1)
    if len(lengths) > 32 or promised >= _LARGEST_SHAPE:
        raise damaged("its header promises more than there can be")
    if header.n_bytes != size - header.length:
        raise damaged(f"its header promises {header.n_bytes:,} bytes of data, it has {size - header.length:,}")
    return header
