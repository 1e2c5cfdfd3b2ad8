"""Readers for data files: IDX (also .gz), .npy, .npz, .csv, chosen by the file's name."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import _validate

# IDX type codes (LeCun's MNIST page): big-endian numbers
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MIDDLES = {1.0: 0.5, 15.0: 8.0, 16.0: 8.0, 255.0: 128.0}  # of grey scales, by their end
_KINDS = ".npy, .npz, .csv, or IDX (its name ends in ubyte or .idx, with or without .gz)"


def load(path: str | PathLike[str], threshold: float | None = None, key: str | None = None) -> np.ndarray:
    """Read binary data from a file, by its extension: .npy, .npz, .csv, or IDX (plain or .gz).

    Parameters
    ----------
    path : path
        .npy or .npz: an array (n, ...); .csv: numbers separated by commas, one case a line, with or without a line of
        names; IDX: the format of MNIST's files.
    threshold : float, optional
        Values of at least this become 1, the others 0. By default, data of 0 and 1 stay as they are; grey values are
        cut at half of their scale, which the largest value tells: fractions of 1 at 0.5, 0 .. 15 and 0 .. 16 at 8,
        what goes beyond that, up to 255, at 128.
    key : str, optional
        Which array of an .npz that holds several.

    Returns
    -------
    uint8 (n, units) of 0 and 1; the dimensions after the first are flattened.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, of an unknown kind, empty, or its values cannot be binarised.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "grey.csv")
    ...     np.savetxt(path, [[0, 255], [130, 20]], fmt="%d", delimiter=",")
    ...     fr.datasets.load(path)
    array([[0, 1],
           [1, 0]], dtype=uint8)
    """
    return binarize(read(path, key), threshold, str(path))[0]


def load_fractions(path: str | PathLike[str], key: str | None = None) -> np.ndarray:
    """Read grey values from a file as fractions of their scale (1, 15, 16 or 255), which the largest value tells.

    Such data train with ``fit(draw=True)``, which takes them as probabilities. Files, key and errors as for
    :func:`load`.

    Returns
    -------
    float32 (n, units), from 0 to 1.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "grey.csv")
    ...     np.savetxt(path, [[0, 255], [51, 102]], fmt="%d", delimiter=",")
    ...     fr.datasets.load_fractions(path)
    array([[0. , 1. ],
           [0.2, 0.4]], dtype=float32)
    """
    return scaled(read(path, key), str(path))[0]


def read(path: str | PathLike[str], key: str | None = None) -> np.ndarray:
    """The numbers of a file as they are, (n, units)."""
    path = Path(path)
    array = _told(path, lambda: _read_any(path, key))
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{path} holds an array of shape {array.shape}; wanted is (cases, units)")
    return array.reshape(array.shape[0], -1)


def read_column(path: str | PathLike[str]) -> np.ndarray:
    """The numbers of a file, .npy or .csv, as one row of them."""
    path = Path(path)
    return _told(path, lambda: _read_any(path, None)).reshape(-1)


def map_rows(path: str | PathLike[str]) -> np.ndarray:
    """An .npy file (n, units) that stays on disk."""
    path = Path(path)
    array = _told(path, lambda: _read_npy(path, mmap_mode="r"))
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{path} holds an array of shape {array.shape}; wanted is (cases, units)")
    return array


def _told(path: Path, load: Callable[[], np.ndarray]) -> np.ndarray:
    """What load gives, with errors that name the file."""
    try:
        array = load()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, struct.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        objects = "Object arrays" in str(error) or "Python objects" in str(error) or "pickle" in str(error)
        reason = "holds Python objects, not numbers" if objects else f"is damaged: {error}"
        raise ValueError(f"{path} {reason}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds no numbers but {array.dtype}")
    return array


def _read_any(path: Path, key: str | None) -> np.ndarray:
    name = path.name.lower()
    stem = name[:-3] if name.endswith(".gz") else name
    if stem.endswith((".idx", "ubyte")):
        return _read_idx(path, gzip.open if name.endswith(".gz") else open)
    if name.endswith(".npy"):
        return _read_npy(path)
    if name.endswith(".npz"):
        return _read_npz(path, key)
    if name.endswith(".csv"):
        return _read_csv(path)
    raise ValueError(f"{path}: unknown kind of file; known are {_KINDS}")


def binarize(array: np.ndarray, threshold: float | None, name: str) -> tuple[np.ndarray, float | None]:
    """(uint8 of 0 and 1, the threshold that was used or None)."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} contains values that are missing or infinite")
    if threshold is None:
        if _validate._all_binary(array):
            return array.astype(np.uint8), None
        threshold = _middle(array, name)
    else:
        threshold = _validate.real(threshold, "threshold")
    return (array >= threshold).astype(np.uint8), threshold


def scaled(array: np.ndarray, name: str) -> tuple[np.ndarray, float]:
    """(grey values as fractions from 0 to 1, float32, the end of their scale, by which they were divided)."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} contains values that are missing or infinite")
    if _validate._all_binary(array):
        return array.astype(np.float32), 1.0
    top = _scale(array)
    if top is None:
        raise ValueError(
            f"{name} has values from {array.min():g} to {array.max():g}, of no scale known here: divide them by "
            "theirs, so that they are fractions from 0 to 1"
        )
    return array.astype(np.float32) / np.float32(top), top


def _scale(array: np.ndarray) -> float | None:
    """The largest value that this kind of grey values can have, if the largest one there is tells it."""
    low, high = float(array.min()), float(array.max())
    for top in _MIDDLES:
        # a largest value of 10, say, tells no scale
        if low >= 0 and (high == top or (high < top and top in (1.0, 255.0) and high > top / 16)):
            return top
    return None


def _middle(array: np.ndarray, name: str) -> float:
    low, high = float(array.min()), float(array.max())
    top = _scale(array)
    if top is not None and high >= _MIDDLES[top] > low:
        return _MIDDLES[top]
    raise ValueError(
        f"{name} has values from {low:g} to {high:g}, of no scale known here: say with threshold (--threshold) from "
        "which value on a unit is 1"
    )


def _read_idx(path: Path, opener: Callable[..., Any]) -> np.ndarray:
    with opener(path, "rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not 1 <= head[3] <= 8:
            raise ValueError(f"{path} is not an IDX file")
        shape = struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
        dtype = np.dtype(_IDX_TYPES[head[2]])
        # no more than the file holds is ever allocated, whatever its head claims
        content = file.read()
    wanted = dtype.itemsize
    for length in shape:
        wanted *= length
    if len(content) != wanted:
        raise ValueError(f"{path} is damaged: its head promises {wanted} bytes of data, it has {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape)


def _read_npy(path: Path, mmap_mode: Any = None) -> np.ndarray:
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError(f"{path} is not an .npy file")
    return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)


def _read_npz(path: Path, key: str | None) -> np.ndarray:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged, or not an .npz file")
    with np.load(path, allow_pickle=False) as archive:
        if key is None:
            if len(archive.files) != 1:
                raise ValueError(f"{path} holds {', '.join(archive.files) or 'nothing'}: choose one with key (--key)")
            key = archive.files[0]
        if key not in archive.files:
            raise ValueError(f"{path} has no array {key}; it has {', '.join(archive.files)}")
        return archive[key]


def _read_csv(path: Path) -> np.ndarray:
    with open(path, encoding="utf-8-sig") as file:
        first, second = file.readline().strip(), file.readline().strip()
    if not first:
        raise ValueError(f"{path} is empty, or its first line is")
    skip = int(_is_header(first, second))
    if skip and not second:
        raise ValueError(f"{path} has a line of names and no cases")
    try:
        return np.loadtxt(path, delimiter=",", skiprows=skip, ndmin=2, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}{_first_fault(path, skip) or f': {error}'}") from error


def _is_header(first: str, second: str) -> bool:
    """Names: as many as the next line has cells, no number among them, none empty, and numbers below."""
    names, cells = first.split(","), (second or first).split(",")
    named = all(name.strip() and not _is_number(name) for name in names)
    return named and len(names) == len(cells) and (not second or any(_is_number(cell) for cell in cells))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_fault(path: Path, skip: int) -> str:
    """Where a CSV file stops being a table of numbers, counted as an editor counts."""
    width = None
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            cells = line.strip().split(",")
            if number <= skip or cells == [""]:
                continue
            for column, cell in enumerate(cells, 1):
                if not _is_number(cell):
                    fault = f"{cell.strip()!r} is not a number" if cell.strip() else "it is empty"
                    return f", line {number}, column {column}: {fault} (wanted: numbers separated by commas)"
            if width is not None and len(cells) != width:
                return f", line {number}: it has {len(cells)} numbers, the lines before have {width}"
            width = len(cells)
    return ""
