"""What people pass where numbers are asked for: arrays, data frames, sparse matrices and tensors become plain numbers.

No other library is imported for this: objects are known by what they can do, and by the module of their type.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

_BLOCK = 1 << 23  # numbers of a sparse matrix that are made dense at a time
_LABELS = "; labels are read from data frames, of one row frame.iloc[[0]]"


def numbers(value: Any, name: str, missing: bool = False, sparse: bool = False) -> Any:
    """value as an array of real numbers, of any shape; as a CSR matrix where it is sparse, if sparse ones are welcome.

    What is missing (None, pandas.NA, masked) becomes NaN if missing is welcome, and is an error otherwise; NaN itself
    passes. TypeError or ValueError name the argument, and of a data frame the column.
    """
    if is_sparse(value):
        if not sparse:
            raise TypeError(f"{name} must be a dense array, not a sparse matrix: use {name}.toarray()")
        return _csr(value, name)
    if is_frame(value):
        return _of_frame(value, name, missing)
    array = plain(value, name)
    if isinstance(array, np.ma.MaskedArray):
        array = _unmasked(array, name, missing)
    if array.dtype.kind == "O":
        array = _of_objects(array, name, missing)
    if array.dtype.kind not in "biuf":
        file = "; of a file's name, fastrbm.datasets.load makes an array"
        cure = (file if array.ndim == 0 else _LABELS) if array.dtype.kind in "US" else ""
        raise TypeError(f"{name} must be an array of numbers, not of dtype {array.dtype}{cure}")
    return true_is_one(array)


def names_of(value: Any) -> tuple[str, ...] | None:
    """The names of the columns of a data frame; None where they are not all text, and for anything else."""
    if not is_frame(value) or is_lazy(value):
        return None
    names = tuple(value.columns)
    return names if all(isinstance(name, str) for name in names) else None


def index(value: Any) -> int | None:
    """value as an int, None if it is none. NumPy's integers are some, and so are arrays () of one; True is none."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def kind(value: Any) -> str:
    """What a value is, for a message."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return "None" if value is None else "a bool"
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def shown(value: Any) -> str:
    """A value for a message, of bounded length."""
    if isinstance(value, int) and value.bit_length() > 128:  # Python refuses to print the longest
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def variable(name: str) -> str:
    """What code in a message may call an argument: "a batch of X" is no variable."""
    return name if name.isidentifier() else "x"


def is_sparse(value: Any) -> bool:
    """Whether this is a sparse matrix, of SciPy or made like one."""
    return hasattr(value, "tocsr") and hasattr(value, "shape")


def dense_blocks(csr: Any) -> Iterator[tuple[slice, np.ndarray]]:
    """(slice, dense rows) of a CSR matrix, some rows at a time."""
    step = max(1, _BLOCK // max(1, csr.shape[1]))
    for start in range(0, csr.shape[0], step):
        rows = slice(start, min(start + step, csr.shape[0]))
        yield rows, csr[rows].toarray()


def plain(value: Any, name: str) -> np.ndarray:
    """Whatever NumPy makes an array of, of any dtype, with errors that name the argument. A masked array stays one."""
    if isinstance(value, np.ndarray):
        return value if isinstance(value, np.ma.MaskedArray) else _of_usual_dtype(np.asarray(value))
    if isinstance(value, (list, tuple)) and any(getattr(part, "ndim", 0) >= 2 for part in value[:2]):
        raise TypeError(
            f"{name} must be one array (n, units), not a {type(value).__name__} of {len(value)} arrays: of a pair "
            "(x, y) give x alone, and join arrays by numpy.concatenate"
        )
    if getattr(getattr(value, "device", None), "type", "") == "meta":
        raise TypeError(f"{name} is a tensor without numbers, on the device 'meta'")
    known = isinstance(value, (list, tuple, Real)) or hasattr(value, "__array__") or hasattr(value, "__len__")
    try:
        value = readable(value)
        if not known and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        array = _of_usual_dtype(np.asarray(value))
    except Exception as error:  # NumPy's own words do not say which argument it is
        raise TypeError(f"{name} cannot be read as an array of numbers: {_first_line(error)}") from error
    if array.dtype.kind == "O" and array.ndim == 1 and isinstance(value, (list, tuple)):  # by NumPy below 1.24
        if any(isinstance(part, (list, tuple)) for part in value):
            raise TypeError(f"{name} cannot be read as an array of numbers: its rows are of several lengths")
    if array.dtype.kind == "O" and array.ndim == 0:
        cure = (
            f": of columns make a data frame, pandas.DataFrame({variable(name)})" if isinstance(value, Mapping) else ""
        )
        raise TypeError(f"{name} must be an array of numbers, not {type(value).__name__}{cure}")
    return array


def is_tensor(value: Any) -> bool:
    """Whether this is an array of another library than NumPy."""
    return hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray)


def readable(value: Any) -> Any:
    """A tensor of PyTorch, or a list of some, as NumPy reads it: not one that is part of a graph, or a view that is
    only marked as negative, or of a dtype that NumPy has not. All else as it is."""
    if isinstance(value, (list, tuple)):
        return [readable(part) for part in value] if value and _is_torch(value[0]) else value
    if not _is_torch(value):
        return value
    value = value.detach()
    value = value.resolve_neg() if hasattr(value, "resolve_neg") else value
    return value.float() if any(kind in str(value.dtype) for kind in ("bfloat16", "float8")) else value


def _is_torch(value: Any) -> bool:
    return hasattr(value, "detach") and hasattr(value, "requires_grad")


def _of_usual_dtype(array: np.ndarray) -> np.ndarray:
    """Numbers of a dtype that another library adds to NumPy's, such as bfloat16 of JAX, as float32."""
    kind = array.dtype
    added = kind.kind == "V" and kind.itemsize <= 2 and kind.type is not np.void
    return array.astype(np.float32) if added else array


def batch_of(given: Any) -> Any:
    """A batch of a loader: where that is a list of one array, as of PyTorch's TensorDataset, the array."""
    alone = isinstance(given, (list, tuple)) and len(given) == 1 and getattr(given[0], "ndim", 0) >= 2
    return given[0] if alone else given


def _first_line(error: Exception) -> str:
    if "inhomogeneous" in str(error) or "NestedTensor" in str(error):
        return "its rows are of several lengths"
    return (str(error).splitlines() or [type(error).__name__])[0]


def true_is_one(array: np.ndarray) -> np.ndarray:
    """Booleans may have other bytes than 0 and 1, and arithmetic would take those for their values."""
    if array.dtype != np.bool_ or array.view(np.uint8).max(initial=0) <= 1:
        return array
    return array.view(np.uint8) != 0


def _unmasked(array: np.ma.MaskedArray, name: str, missing: bool) -> np.ndarray:
    mask = np.ma.getmaskarray(array)
    if not mask.any():
        return np.asarray(array.data)
    if not missing:
        raise ValueError(
            f"{name} has masked values, the first at {name}[{_where(mask)}]: leave such rows out, or fill them in "
            "(RBM.inpaint)"
        )
    return np.ma.filled(array.astype(np.float64), np.nan)


def _where(mask: np.ndarray) -> str:
    """The index of the first that is set, as text."""
    first = np.unravel_index(int(np.argmax(mask.reshape(-1))), mask.shape)
    return ", ".join(str(int(i)) for i in first)


# ------------------------------------------------------------ arrays of objects


def _of_objects(array: np.ndarray, name: str, missing: bool) -> np.ndarray:
    """Numbers and booleans in an array of objects, as float64."""
    flat = array.reshape(-1).tolist()
    gone = {kind for kind in set(map(type, flat)) if kind is type(None) or kind.__name__ in ("NAType", "NaTType")}
    bad = [kind for kind in set(map(type, flat)) - gone if not issubclass(kind, (Real, Decimal, np.bool_))]
    if bad:
        place = next(k for k, x in enumerate(flat) if type(x) is bad[0])
        where = ", ".join(str(int(i)) for i in np.unravel_index(place, array.shape))
        is_bad = f"{name}[{where}] is {flat[place]!r}, of type {bad[0].__name__}"
        raise TypeError(f"{name} must hold numbers; {is_bad}{_LABELS}")
    if gone and not missing:
        lost = np.array([type(x) in gone for x in flat]).reshape(array.shape)
        raise ValueError(
            f"{name} has missing values, the first at {name}[{_where(lost)}]: leave such rows out, or fill them in "
            "(RBM.inpaint)"
        )
    try:
        plain = [np.nan if type(x) in gone else float(x) for x in flat]
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large for float64") from None
    return np.array(plain, np.float64).reshape(array.shape)


# ------------------------------------------------------------ sparse matrices


def _csr(value: Any, name: str) -> Any:
    """As CSR with each entry once; what the user passed stays as it is."""
    if len(value.shape) != 2:
        raise ValueError(f"{name} must have two dimensions, (examples, units), got shape {tuple(value.shape)}")
    _check_indices(value, name)
    if getattr(value, "dtype", np.dtype(float)).kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, not {value.dtype}")
    try:
        csr = value.tocsr()
    except (IndexError, ValueError, OverflowError) as error:  # of SciPy, which looks at the places of dictionaries
        raise _damaged(value, name) from error
    if getattr(csr, "format", "") != "csr":
        raise TypeError(f"{name} must be a sparse matrix of SciPy or an array of numbers, not {kind(value)}")
    if csr is not value:
        _check_indices(csr, name)  # of lists, which say nothing of it before
    if csr.dtype == np.bool_:  # of entries that are there twice, the sum would be taken
        csr = csr.copy()
        csr.data = true_is_one(csr.data)
    if not getattr(csr, "has_canonical_format", True):
        csr = csr.copy() if csr is value else csr
        csr.sum_duplicates()
    return csr


def _check_indices(value: Any, name: str) -> None:
    """Raise where the arrays of a sparse matrix do not fit together: SciPy reads and writes where they say."""
    n_rows, n_columns = value.shape
    kind, good = getattr(value, "format", ""), True
    if kind in ("csr", "csc", "bsr"):
        height, width = value.data.shape[1:] if kind == "bsr" else (1, 1)
        starts, inner = value.indptr, value.indices
        n_outer, n_inner = (n_columns, n_rows) if kind == "csc" else (n_rows // height, n_columns // width)
        good = starts.shape == (n_outer + 1,) and inner.ndim == 1 and value.data.ndim == (3 if kind == "bsr" else 1)
        good = good and starts.dtype.kind == "i" and starts[0] == 0 and starts[-1] <= len(value.data) == len(inner)
        good = good and not bool((starts[1:] < starts[:-1]).any()) and _inside(inner[: starts[-1]], n_inner)
    elif kind == "coo":
        good = value.row.shape == value.col.shape == value.data.shape == (len(value.data),)
        good = good and _inside(value.row, n_rows) and _inside(value.col, n_columns)
    elif kind == "dia":
        good = value.data.ndim == 2 and value.offsets.shape == value.data.shape[:1]
        good = good and _inside(np.abs(value.offsets), max(n_rows, n_columns) + 1)
    elif kind == "lil":
        lengths = [list(map(len, lists)) for lists in (value.rows, value.data)]
        good = lengths[0] == lengths[1] and len(lengths[0]) == n_rows
    if not good:
        raise _damaged(value, name)


def _damaged(value: Any, name: str) -> ValueError:
    words = "its entries and their places do not fit its shape"
    return ValueError(f"{name} is a damaged sparse matrix: {words}, {tuple(value.shape)}")


def _inside(indices: np.ndarray, n: int) -> bool:
    return indices.dtype.kind in "iu" and (not len(indices) or bool(indices.min() >= 0 and indices.max() < n))


# ------------------------------------------------------------ data frames


def is_frame(value: Any) -> bool:
    """Whether this is a data frame of pandas or polars."""
    # of its type: to ask a LazyFrame itself would make it work
    return library(value) in ("pandas", "polars") and hasattr(type(value), "columns") and hasattr(type(value), "dtypes")


def is_lazy(frame: Any) -> bool:
    """Whether a frame is one of polars that has no rows yet."""
    return library(frame) == "polars" and not hasattr(frame, "get_columns")


def library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _of_frame(frame: Any, name: str, missing: bool) -> np.ndarray:
    """A data frame as an array: booleans and categories of two values as 0 and 1."""
    if is_lazy(frame):
        raise TypeError(f"{name} is a polars LazyFrame: use {name}.collect()")
    labels = list(frame.columns)
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and isinstance(kind := kinds.pop(), np.dtype) and kind.kind in "biu":  # of pandas, as it lies
        return true_is_one(frame.to_numpy())
    columns: list[np.ndarray] = []
    for k, label in enumerate(labels):
        where = f"column {label!r} of {name}"
        if library(frame) == "polars":
            columns.append(of_polars(frame.get_columns()[k], where))
        else:
            columns.append(_pandas_column(frame.iloc[:, k], where))
        if not missing and columns[-1].dtype.kind == "f" and np.isnan(columns[-1]).any():
            row = int(np.argmax(np.isnan(columns[-1])))
            raise ValueError(
                f"{where} has missing values, the first in row {row} (counted from 0): leave such rows out, or fill "
                "them in (RBM.inpaint)"
            )
    if not columns:
        return np.zeros((len(frame), 0), np.uint8)
    small = all(column.dtype.kind in "bu" and column.dtype.itemsize == 1 for column in columns)
    return np.stack(columns, axis=1).astype(np.uint8 if small else np.result_type(*columns), copy=False)


def _pandas_column(series: Any, where: str) -> np.ndarray:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return _of_codes(series.cat.codes.to_numpy(), list(dtype.categories), where)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return true_is_one(series.to_numpy())
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return _of_objects(series.to_numpy(dtype=object), where, missing=True)
    if getattr(dtype, "kind", "") not in tuple("biuf"):
        raise _not_numbers(where, dtype)
    if not hasattr(dtype, "na_value") or not series.isna().any():
        return np.asarray(series.to_numpy(np.uint8 if dtype.kind == "b" else np.float64))
    return series.to_numpy(np.float64, na_value=np.nan)


def of_polars(series: Any, where: str) -> np.ndarray:
    polars: Any = sys.modules["polars"]
    dtype = series.dtype
    if dtype == polars.Object:
        return _of_objects(np.array(series.to_list(), object), where, missing=True)
    if hasattr(polars, "Enum") and dtype == polars.Enum:
        codes = series.to_physical().cast(polars.Int64).fill_null(-1).to_numpy()
        return _of_codes(codes, dtype.categories.to_list(), where)
    if dtype == polars.Boolean:
        kind = polars.Float64 if series.null_count() else polars.UInt8
        return series.cast(kind).to_numpy()
    if not dtype.is_numeric():
        raise _not_numbers(where, dtype)
    wide = series.null_count() or str(dtype).endswith("128")  # NumPy has no such integers
    return (series.cast(polars.Float64) if wide else series).to_numpy()


def _of_codes(codes: np.ndarray, categories: list, where: str) -> np.ndarray:
    """A category of two values as 0 and 1, in the order of its categories; as its values, where those are 0 and 1."""
    known = all(isinstance(x, (Real, np.bool_)) and x in (0, 1) for x in categories)
    if not known and len(categories) != 2:
        raise ValueError(
            f"{where} has {len(categories)} categories where numbers are required; of a data frame with categories "
            "RBM.from_data makes a model that takes them, without the argument visible"
        )
    values = np.array([float(x) for x in categories] if known else [0.0, 1.0])
    out = np.where(codes < 0, np.nan, values[np.maximum(codes, 0)] if len(values) else np.nan)
    return out if np.isnan(out).any() else out.astype(np.uint8)


def _not_numbers(where: str, dtype: object) -> TypeError:
    return TypeError(
        f"{where} holds {dtype}, not numbers: leave it out, or make it columns of 0 and 1 (get_dummies); of a data "
        "frame with text RBM.from_data makes a model that takes it, without the argument visible"
    )
