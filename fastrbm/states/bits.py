"""The states of many chains, as the kernels hold them: one bit a unit (BitMatrix); of layers of segments (CodeMatrix)
also one byte a categorical site, three bytes a real unit."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import REAL_BITS
from .._core.segments import segments_of
from .planes import integers, limits, places, put_integers

if TYPE_CHECKING:
    from ..units.unit import Unit

__all__ = ["BitMatrix", "CodeMatrix"]

_MOST = 1 << 40  # examples, or units


class BitMatrix:
    """States of n examples with U binary units each, one bit a unit: 32 times smaller than float32.

    ``planes`` is uint8 of shape (ceil(U/8), n): bit k of ``planes[b, i]`` is unit 8 b + k of example i. The unused bits
    of the last byte are zero. Everything in fastrbm that takes states takes a BitMatrix as well as an array.

    Both attributes stay as they are; what planes holds may be changed in place.

    Parameters
    ----------
    planes : uint8 array (ceil(n_units/8), n)
        Kept, not copied. Its rows may be strided, each row is contiguous.
    n_units : int
        Units per example.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm import BitMatrix
    >>> x = np.array([[1, 0, 1], [0, 0, 1]], np.uint8)
    >>> bits = BitMatrix.from_states(x)
    >>> bits.shape
    (2, 3)
    >>> bits.planes
    array([[5, 4]], dtype=uint8)
    >>> bits.to_states()
    array([[1, 0, 1],
           [0, 0, 1]], dtype=uint8)
    """

    __slots__ = ("_n_units", "_planes")

    def __init__(self, planes: np.ndarray, n_units: int) -> None:
        n_units = validate.integer(n_units, "n_units", 1, _MOST)
        planes = _checked(planes, -(-n_units // 8), f"{n_units} units")
        if n_units % 8 and planes.size and int(planes[-1].max()) >> (n_units % 8):
            raise ValueError(f"planes has bits set past unit {n_units - 1}")
        self._planes, self._n_units = planes, n_units

    @classmethod
    def empty(cls, n: int, n_units: int) -> BitMatrix:
        """All-zero states of n examples."""
        n, n_units = validate.integer(n, "n", 0, _MOST), validate.integer(n_units, "n_units", 1, _MOST)
        try:
            planes = np.zeros((-(-n_units // 8), n), np.uint8)
        except (MemoryError, ValueError):  # ValueError: not even an address for each byte
            raise MemoryError(f"no memory for the states of {n:,} examples of {n_units:,} units") from None
        return cls(planes, n_units)

    @classmethod
    def from_states(cls, states: ArrayLike, n_threads: int | None = None) -> BitMatrix:
        """Pack states (n, U) of 0 and 1: an array of any dtype, a data frame, or a sparse matrix, which is made dense
        some rows at a time."""
        if isinstance(states, BitMatrix):
            return states
        return cls.of(validate.states(states, None, "states"), "states", n_threads)

    @classmethod
    def of(cls, states: Any, name: str, n_threads: int | None = None) -> BitMatrix:
        """Pack checked states, uint8 (n, U) of 0 and 1, dense or CSR; name is what an error calls them."""
        if states.shape[1] == 0:
            raise ValueError(f"{name} must have at least one unit, got shape {states.shape}")
        bits = cls.empty(*states.shape)
        blocks = arrays.dense_blocks(states) if arrays.is_sparse(states) else [(slice(0, len(bits)), states)]
        used = threads.resolve(n_threads, bits.n_units * len(bits))
        for rows, block in blocks:
            planes = bits._planes[:, rows]
            for part in workload.parts(len(block), workload.elements(bits.n_units)):
                kernels.pack(block[part], planes[:, part], used)
        return bits

    def to_states(self, n_threads: int | None = None) -> np.ndarray:
        """Unpack to uint8 (n, U) of 0 and 1."""
        states = np.empty(self.shape, np.uint8)
        used = threads.resolve(n_threads, states.size)
        for part in workload.parts(len(states), workload.elements(self.n_units)):
            kernels.unpack(self._planes[:, part], states[part], used)
        return states

    def to_units(self) -> np.ndarray:
        """Which units are on, uint8 (n, U)."""
        return self.to_states()

    def to_values(self) -> np.ndarray:
        """What each unit is, float64 (n, U): which are on, and the values of real units."""
        return self.to_units().astype(np.float64)

    def weighted_sums(self, weight: np.ndarray) -> np.ndarray:
        """`sum_i weight_i v_i` over the units, float64 (U,), of whole numbers (n,): exact where they sum to below
        `2^53`."""
        return weight.astype(np.float64) @ self.to_states().astype(np.float64)

    @property
    def segments(self) -> kernels.Segments | None:
        """What the kernels must know of the units' types; None: nothing."""
        return None

    @classmethod
    def _of_good(cls, planes: np.ndarray, unit: Unit) -> BitMatrix:
        """Of planes that are known to be good."""
        states = object.__new__(cls)
        states._planes, states._n_units = _by_rows(planes), unit.n
        return states

    def _like(self, planes: np.ndarray) -> BitMatrix:
        """Other examples of the same units."""
        states = object.__new__(BitMatrix)
        states._planes, states._n_units = _by_rows(planes), self._n_units
        return states

    @property
    def planes(self) -> np.ndarray:
        """The states, uint8 (ceil(n_units/8), n): a view at each access, whose own shape is nobody else's."""
        return self._planes.view()

    n_units = property(attrgetter("_n_units"), doc="Units per example.")  # in C: it is asked for at every turn

    @property
    def shape(self) -> tuple[int, int]:
        """(examples, units)."""
        return self._planes.shape[1], self._n_units

    def __len__(self) -> int:
        return self._planes.shape[1]

    def __getitem__(self, examples: slice | np.ndarray) -> BitMatrix:
        """Some of the examples: a slice (a view where its step is 1), an array of indices or of booleans."""
        if isinstance(examples, (int, np.integer)):
            raise TypeError("index a BitMatrix with a slice or an array; for one example use bits[i : i + 1]")
        try:
            planes = self._planes[:, examples]
        except (IndexError, TypeError, ValueError, RuntimeError):
            raise self._no_examples(examples) from None
        if planes.ndim != 2:
            raise self._no_examples(examples)
        return self._like(planes)

    def _no_examples(self, examples: object) -> IndexError:
        n = len(self)
        return IndexError(
            f"examples must be a slice, an array of integers from {-n} to {n - 1}, or of {n} booleans, got "
            f"{validate.shown(examples)}"
        )

    def copy(self) -> BitMatrix:
        """An independent copy."""
        return self._like(self._planes.copy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        states = self.to_states()
        return states if dtype is None else states.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._planes, self._n_units)

    def __repr__(self) -> str:
        return f"BitMatrix of {len(self)} examples x {self.n_units} units"


def _checked(planes: Any, n_rows: int, units: str) -> np.ndarray:
    """Planes of so many rows for such units, whatever was passed; each row is contiguous."""
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.ndim != 2:
        raise TypeError("planes must be a uint8 array of two dimensions, (rows, examples)")
    if isinstance(planes, np.ma.MaskedArray):
        raise TypeError("planes must be an array without a mask")
    if planes.shape[0] != n_rows:
        raise ValueError(f"planes must have {n_rows} rows for {units}, got {planes.shape[0]}")
    return _by_rows(planes).view(np.ndarray)


def _by_rows(planes: np.ndarray) -> np.ndarray:
    """Planes whose rows are contiguous, a copy where these are not."""
    return np.ascontiguousarray(planes) if planes.shape[1] > 1 and planes.strides[1] != 1 else planes


def _restored(planes: np.ndarray, n_units: int) -> BitMatrix:
    """What a pickle holds; chains write in their states, which may come back read-only, as from a memory map."""
    return BitMatrix(planes if planes.flags.writeable else np.array(planes), n_units)


class CodeMatrix(BitMatrix):
    """States of n examples of a layer that has categorical sites or real-valued units.

    ``planes`` is uint8 (rows, n): the categories of a site in a row of their own, units of two values 8 to a row as in
    a BitMatrix, segment by segment. A site in category q, one more than there are, is absent: it counts for nothing. A
    real unit has three rows, the bytes of a signed whole number, the lowest first; its value is `2^-12` times that.
    Whatever takes the model's states takes a CodeMatrix too.

    Parameters
    ----------
    planes : uint8 array (rows, n)
        Kept, not copied.
    unit : description
        The layer, as ``rbm.visible``.

    Examples
    --------
    >>> import fastrbm as fr
    >>> visible = fr.units.Categorical(3, 4)
    >>> rbm = fr.RBM.from_data([[0, 3, 1], [2, 2, 0]], n_hidden=2, visible=visible)
    >>> chains = fr.Chains(rbm, 5)
    >>> chains.visible_bits
    CodeMatrix of 5 examples x [Categorical(3, 4)]
    """

    __slots__ = ("_unit",)

    def __init__(self, planes: np.ndarray, unit: Unit) -> None:
        _check_coded(unit)
        most = limits(unit.layout)
        planes = _checked(planes, len(most), repr(unit))
        if planes.size and bool((planes.max(axis=1) > most).any()):
            row = int(np.argmax(planes.max(axis=1) > most))
            raise ValueError(f"planes must hold at most {most[row]} in row {row}, got {planes[row].max()}")
        self._planes, self._n_units, self._unit = planes, unit.n, unit

    @classmethod
    def zeros(cls, n: int, unit: Unit) -> CodeMatrix:
        """n examples with all sites in category 0, all units off and real ones 0."""
        n = validate.integer(n, "n", 0, _MOST)
        _check_coded(unit)
        try:
            planes = np.zeros((len(limits(unit.layout)), n), np.uint8)
        except (MemoryError, ValueError):
            raise MemoryError(f"no memory for the states of {n:,} examples of {unit.n:,} units") from None
        return cls._of_good(planes, unit)

    @classmethod
    def from_sparse(cls, X: Any, unit: Unit, first: int = 1) -> CodeMatrix:
        """Categories from a sparse matrix, in which what is not stored is absent: films that a user did not rate.

        Parameters
        ----------
        X : sparse matrix (n, sites), of any SciPy format
            Whole numbers, from first up. Sparse matrices do not store 0, so that categories usually count from 1, as
            stars do; halves of stars are doubled first. What is stored twice adds up, as everywhere in SciPy.
        unit : units.Categorical
        first : int
            The number of the first category, whose code is 0.

        Returns
        -------
        CodeMatrix
            For ``RBM.from_data`` and ``fit(missing="absent")``: a byte an entry, stored or not, and no array of numbers
            on the way. Its codes, and those of samples, count from 0.

        Raises
        ------
        TypeError, ValueError
            When X is not sparse, is of another width, or a stored entry is no category.

        Examples
        --------
        >>> import fastrbm as fr
        >>> from scipy import sparse
        >>> stars = sparse.csr_matrix([[5, 0, 1], [0, 2, 0]])
        >>> ratings = fr.CodeMatrix.from_sparse(stars, fr.units.Categorical(3, 5))
        >>> ratings.to_states()  # 5: absent
        array([[4, 5, 0],
               [5, 1, 5]], dtype=uint8)
        >>> rbm = fr.RBM.from_data(ratings, n_hidden=2)
        >>> history = fr.fit(rbm, ratings, missing="absent", epochs=10)
        """
        if not arrays.is_sparse(X):
            raise TypeError(f"X must be a sparse matrix, not {arrays.kind(X)}: fit takes dense codes, NaN where absent")
        first = validate.integer(first, "first", -(1 << 31), 1 << 31)
        csr = arrays.numbers(X, "X", sparse=True)
        _check_coded(unit)
        n, sizes = csr.shape[0], np.array(unit.n_states_of_columns)
        if not all(segment.layout and not segment.real for segment in unit.segments) or csr.shape[1] != len(sizes):
            raise ValueError(f"unit must be Categorical({csr.shape[1]}, n_states), as X is wide, not {unit!r}")
        examples, sites = np.repeat(np.arange(n), np.diff(csr.indptr)), csr.indices
        codes = csr.data.astype(np.float64) - first
        bad = ~((codes == np.rint(codes)) & (codes >= 0) & (codes < sizes[sites]))
        if bool(bad.any()):
            k = int(np.argmax(bad))
            zero = " and stored, not absent (X.eliminate_zeros())" if csr.data[k] == 0 and first == 1 else ""
            raise ValueError(
                f"X[{examples[k]}, {sites[k]}] is {csr.data[k]:g}{zero}; categories are whole numbers from {first} to "
                f"{first + sizes[sites[k]] - 1}"
            )
        planes = np.repeat(sizes.astype(np.uint8)[:, None], n, axis=1)
        planes[sites, examples] = codes
        return cls._of_good(planes, unit)

    @classmethod
    def _of_good(cls, planes: np.ndarray, unit: Unit) -> CodeMatrix:
        states = object.__new__(cls)
        states._planes, states._n_units, states._unit = _by_rows(planes), unit.n, unit
        return states

    @classmethod
    def packed(cls, parts: np.ndarray, unit: Unit) -> CodeMatrix:
        """Of (n, columns): codes of sites, and which units are on; of real units the whole numbers; uint8, or int32
        where there are any real ones."""
        states = cls.zeros(len(parts), unit)
        for segment, rows, columns in places(unit):
            own = parts[:, columns]
            if segment.real:
                put_integers(own.T, states._planes[rows])
            elif segment.layout:
                states._planes[rows] = own.T
            else:
                states._planes[rows] = BitMatrix.of(np.ascontiguousarray(own, np.uint8), "states")._planes
        return states

    def to_states(self, n_threads: int | None = None) -> np.ndarray:
        """(n, columns): codes of sites, which units are on, and the whole numbers of real units; uint8, or int32 where
        there are any real ones."""
        parts = []
        for segment, rows, _ in places(self._unit):
            planes = self._planes[rows]
            if segment.real:
                parts.append(integers(planes).T)
            elif segment.layout:
                parts.append(planes.T)
            else:
                parts.append(BitMatrix._of_good(planes, segment).to_states(n_threads))
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def to_units(self) -> np.ndarray:
        return self._unit.units_on(self.to_states())

    def to_values(self) -> np.ndarray:
        return self.to_grid() * 2.0**-REAL_BITS if self.segments.real else super().to_values()

    def to_grid(self) -> np.ndarray:
        """What each unit is, in the steps of real values, float64 whole numbers (n, U): 4,096 of a unit that is on."""
        out, unit = np.empty(self.shape), 0
        for segment, rows, _ in places(self._unit):
            planes, own = self._planes[rows], out[:, unit : unit + segment.n]
            if segment.real:
                own[...] = integers(planes).T
            else:
                states = planes.T if segment.layout else BitMatrix._of_good(planes, segment).to_states()
                np.multiply(segment.units_on(states), float(1 << REAL_BITS), out=own)
            unit += segment.n
        return out

    def squares(self) -> np.ndarray:
        """The sums of the squares of real units, in steps of their values, int64 (U,); 0 of others."""
        out, unit = np.zeros(self._n_units, np.int64), 0
        for segment, rows, _ in places(self._unit):
            if segment.real:
                whole = integers(self._planes[rows]).astype(np.int64)
                np.einsum("ij,ij->i", whole, whole, out=out[unit : unit + segment.n])
            unit += segment.n
        return out

    def weighted_sums(self, weight: np.ndarray) -> np.ndarray:
        weight, sums = weight.astype(np.float64), []
        for segment, rows, _ in places(self._unit):
            planes = self._planes[rows]
            if segment.layout:
                sizes = segment.n_states_of_columns
                sums += [np.bincount(row, weight, n + 1)[:n] for row, n in zip(planes, sizes, strict=True)]
            else:
                sums.append(BitMatrix._of_good(planes, segment).weighted_sums(weight))
        return np.concatenate(sums)

    @property
    def unit(self) -> Unit:
        """The layer's description."""
        return self._unit

    @property
    def segments(self) -> kernels.Segments:
        layout = self._unit.layout
        assert layout is not None  # states of other layers are plain BitMatrix
        return segments_of(layout)

    def _like(self, planes: np.ndarray) -> CodeMatrix:
        return self._of_good(planes, self._unit)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        states = self._unit.values(self.to_states())
        return states if dtype is None else states.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored_codes, (self._planes, self._unit)

    def __repr__(self) -> str:
        return f"CodeMatrix of {len(self)} examples x {list(self._unit.segments)!r}"


def _check_coded(unit: Any) -> None:
    """TypeError where unit does not describe a layer whose states have more than bits."""
    if not isinstance(getattr(unit, "layout", None), tuple):
        raise TypeError(f"unit must describe categorical sites or real units, as rbm.visible may, not {unit!r:.60}")


def _restored_codes(planes: np.ndarray, unit: Unit) -> CodeMatrix:
    return CodeMatrix(planes if planes.flags.writeable else np.array(planes), unit)


def zeros(n: int, unit: Unit) -> BitMatrix:
    """States of n examples of a layer, all of them zero, to be written."""
    return BitMatrix.empty(n, unit.n) if unit.layout is None else CodeMatrix.zeros(n, unit)


def parts_dtype(unit: Unit) -> type[np.generic]:
    """Of states as Unit.parts gives them, where they are not fractions."""
    return np.int32 if unit.real else np.uint8


def packed(parts: np.ndarray, unit: Unit, name: str = "states") -> BitMatrix:
    """States of a layer, of what Unit.parts gives where it is not fractions."""
    return BitMatrix.of(parts, name) if unit.layout is None else CodeMatrix.packed(parts, unit)


def of_planes(planes: np.ndarray, unit: Unit) -> BitMatrix:
    """States of a layer from its planes."""
    return BitMatrix(planes, unit.n) if unit.layout is None else CodeMatrix(planes, unit)


def of_good_planes(planes: np.ndarray, unit: Unit) -> BitMatrix:
    """States of a layer from planes that were made of states of it: these are not looked at again."""
    return (BitMatrix if unit.layout is None else CodeMatrix)._of_good(planes, unit)
