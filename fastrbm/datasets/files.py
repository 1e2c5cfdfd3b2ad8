"""Readers for data files: IDX (also .gz), .npy, .npz, .csv, .tsv, chosen by the file's name."""

from __future__ import annotations

import gzip
import math
import struct
from os import PathLike

import numpy as np

from .._core import validate
from .._core.archive import Archive, map_npy, read_npy
from .._core.reading import fill, largest_content, open_regular, refusing, shown, size_of
from .csv import read_csv
from .scales import UNPACK, binarize, scaled
from .table import Table

# IDX type codes (LeCun's MNIST page): big-endian numbers
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PACKED = ("bits", "packed")  # names that people give to numpy.packbits(...) in an .npz
_SPARSE = {"data", "shape", "format"}  # what scipy.sparse.save_npz writes, whatever the format
TABLES = (".csv", ".tsv")
_CURES = {
    (".tab", ".txt", ".dat", ".data"): ": a table of text is read if its name ends in .csv or .tsv",
    (".csv.gz", ".npy.gz", ".tsv.gz"): ": unpack it (gunzip)",
    (".xlsx", ".xls", ".ods", ".parquet", ".feather", ".pkl", ".pickle"): ": save it as .csv, by pandas say",
}
_KINDS = ".npy, .npz, .csv, .tsv, or IDX (its name ends in ubyte or .idx, with or without .gz)"


def load(path: str | PathLike[str], threshold: float | None = None, key: str | None = None) -> np.ndarray:
    """Read binary data from a file, by its extension: .npy, .npz, .csv, .tsv, or IDX (plain or .gz).

    Parameters
    ----------
    path : path
        A regular file. .npy or .npz: an array (n, ...). .csv, .tsv: numbers, one example a line, separated by
        commas, semicolons or tabs; True and False are 1 and 0; the first line may be names. It is taken for names where
        it has words, where it counts the columns (0, 1, 2 ..., as pandas does), and where its numbers are unlike those
        of all other lines. IDX: the format of MNIST's files.
    threshold : float, optional
        Values of at least this become 1, the others 0. By default, data of 0 and 1 stay as they are; real values are
        cut at half of their scale, which the largest value tells: fractions of 1 at 0.5, 0 .. 15 and 0 .. 16 at 8,
        what goes from 128 to 255 at 128.
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
        When it is damaged, of an unknown kind, empty, or its values cannot be binarized: some are missing, or one
        column is of another scale than most, as an identifier or a weight in kg. The message says where.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "gray.csv")
    ...     np.savetxt(path, [[0, 255], [130, 20]], fmt="%d", delimiter=",")
    ...     fr.datasets.load(path)
    array([[0, 1],
           [1, 0]], dtype=uint8)
    """
    return binarize(read_table(path, key), threshold, str(path))[0]


def load_fractions(path: str | PathLike[str], key: str | None = None, scale: float | None = None) -> np.ndarray:
    """Read real values from a file as fractions of their scale.

    Such data train with ``fit(dynamic_binarization=True)``, which takes them as probabilities. Files, key and errors as
    for :func:`load`.

    Parameters
    ----------
    scale : float, optional
        The largest value that there could be: 100 for percents. By default, fractions stay as they are, and of scales
        that end at 15, 16 or 255 the largest value tells which; ValueError for others.

    Returns
    -------
    float32 (n, units), from 0 to 1.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "gray.csv")
    ...     np.savetxt(path, [[0, 255], [51, 102]], fmt="%d", delimiter=",")
    ...     fr.datasets.load_fractions(path)
    array([[0. , 1. ],
           [0.2, 0.4]], dtype=float32)
    """
    return scaled(read_table(path, key), str(path), scale)[0]


def read_table(path: str | PathLike[str], key: str | None = None) -> Table:
    """The numbers of a file as they are, (n, units), and the names of its columns, where it has them."""
    table = _read_any(path, key)
    array = table.array
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{path} holds an array of shape {array.shape}; it must be (examples, units)")
    return table._replace(array=array.reshape(array.shape[0], -1))


def read_column(path: str | PathLike[str]) -> np.ndarray:
    """The numbers of a file, such as .npy or .csv, as one row of them."""
    array = _read_any(path, None).array
    if array.size != max(array.shape, default=1):
        raise ValueError(f"{path} holds an array of shape {array.shape}; it must be one column")
    return array.reshape(-1)


def map_rows(path: str | PathLike[str]) -> np.ndarray:
    """An .npy file (n, units) that stays on disk."""
    array = _numbers(map_npy(path), path)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{path} holds an array of shape {array.shape}; it must be (examples, units)")
    return array


def _numbers(array: np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds no numbers but text")
    return array


def _read_any(path: str | PathLike[str], key: str | None) -> Table:
    name = validate.path(path).name.lower()
    stem = name[:-3] if name.endswith(".gz") else name
    if stem.endswith((".idx", "ubyte")):
        return Table(_read_idx(path, name.endswith(".gz")))
    if name.endswith(".npy"):
        return Table(_numbers(read_npy(path), path))
    if name.endswith(".npz"):
        return Table(_numbers(_read_npz(path, key), path))
    if name.endswith(TABLES):
        return read_csv(path)
    cure = next((cure for ends, cure in _CURES.items() if name.endswith(ends)), "")
    raise ValueError(f"{path}: unknown kind of file; known are {_KINDS}{cure}")


def _read_idx(path: str | PathLike[str], packed: bool) -> np.ndarray:
    with open_regular(path) as raw:
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        with refusing(path):
            head = file.read(4)
            known = len(head) == 4 and head[:2] == b"\0\0" and head[2] in _IDX_TYPES and 1 <= head[3] <= 8
            lengths = file.read(4 * head[3]) if known else b""
        if not known:
            raise ValueError(f"{path} is not an IDX file")
        with refusing(path):
            shape = struct.unpack(f">{head[3]}I", lengths)
        dtype = np.dtype(_IDX_TYPES[head[2]])
        promised = dtype.itemsize * math.prod(shape)
        there = size_of(raw) - 4 - len(lengths)
        promise = f"{path} is damaged: its head promises {promised} bytes of data, it has"
        if not packed and there != promised:
            raise ValueError(f"{promise} {there}")
        if packed and promised > largest_content(size_of(raw)):
            raise ValueError(f"{promise} {there} packed ones, too few for it: if it is sound, unpack it (gunzip)")
        content = np.empty(promised, np.uint8)
        with refusing(path):
            there = fill(file, content)
            more = file.read(1)
    if there != promised or more:
        raise ValueError(f"{promise} {'more' if more else there}")
    with refusing(path):
        return content.view(dtype).reshape(shape)


def _read_npz(path: str | PathLike[str], key: str | None) -> np.ndarray:
    with Archive(path) as archive:
        names = archive.names
        if key is None and "fastrbm_format" in names:
            raise ValueError(f"{path} is a fastrbm model, not data")
        if not names:
            raise ValueError(f"{path} holds no arrays")
        listed = shown(", ".join(names))
        if key is None and _SPARSE <= set(names):
            raise ValueError(
                f"{path} holds a sparse matrix of SciPy's: in Python, scipy.sparse.load_npz reads it, and "
                "RBM.from_data and fit take it; as a file, save matrix.toarray() by numpy.save"
            )
        if key is None and len(names) != 1:
            raise ValueError(f"{path} holds {listed}: choose one with key (--key)")
        key = names[0] if key is None else key
        if key not in archive:
            raise ValueError(f"{path} has no array {key}; it has {listed}")
        array = archive.read(key)
    if key in _PACKED and array.dtype == np.uint8 and array.size and array.max() > 1:
        raise ValueError(f"{path} holds packed bits, by their name {key}: {UNPACK}")
    return array
