"""Categorical units: sites of several categories (Potts units, softmax units)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .._core import arrays, floatmath, validate
from .unit import Unit

MOST_STATES = 255  # a state is a byte, of which one value says that the site is absent


class Categorical(Unit):
    """Sites each of which is in one of several categories: amino acids, genotypes, answers, labels.

    A site's category a adds its own bias and its own row of weights to the energy: E has `-g_a - sum_j W_aj h_j`, and
    `P(a)` is proportional to `exp(field_a)`. So weights and biases have a row for each site and category, site by
    site: row ``offsets[i] + a``. With two categories this is a Bernoulli unit of weights `W_1 - W_0`.

    Data hold a code from 0 to q - 1 for each site; rows of ones and zeros, one for each category, will do too.

    Parameters
    ----------
    n_sites : int
        How many sites.
    n_states : int or sequence of int
        Categories, from 1 to 255: of each site, or one number for every site. They are said, not counted in the data: a
        category that the data lack is one all the same.

    Attributes
    ----------
    n : int
        Units: categories of all sites.
    sizes : tuple of int
        Categories of each site.
    offsets : int64 (n_sites,)
        The first unit of each site.

    Examples
    --------
    >>> import fastrbm as fr
    >>> visible = fr.units.Categorical(2, 3)
    >>> rbm = fr.RBM([[1.0], [0.0], [-1.0], [2.0], [0.0], [0.0]], visible=visible)
    >>> rbm.energy([[0, 0], [2, 1]], [[1], [1]])
    array([-3.,  1.])
    >>> rbm.sample(4, seed=1).shape
    (4, 2)
    """

    name, off, step, dtype = "categorical", 0.0, 1.0, np.uint8
    sizes: tuple[int, ...]
    offsets: np.ndarray

    def __init__(self, n_sites: int, n_states: int | Sequence[int]) -> None:
        n_sites = validate.integer(n_sites, "n_sites", 1, 1 << 32)
        if isinstance(n_states, (str, bytes)):
            raise TypeError(f"n_states must be an integer, or one for each site, not {arrays.kind(n_states)}")
        given: list[Any]  # each is checked below
        if np.ndim(n_states):
            given = list(n_states) if isinstance(n_states, Sequence) else arrays.numbers(n_states, "n_states").tolist()
            if len(given) != n_sites:
                raise ValueError(f"n_states must be of {n_sites} sites, got {len(given)}")
        else:
            given = [n_states] * n_sites
        sizes = tuple(validate.integer(size, "n_states", 1, MOST_STATES) for size in given)
        object.__setattr__(self, "sizes", sizes)
        offsets = np.concatenate(([0], np.add.accumulate(sizes)))
        offsets.flags.writeable = False
        object.__setattr__(self, "offsets", offsets[:-1])
        super().__init__(int(offsets[-1]))

    @property
    def n_sites(self) -> int:
        """How many sites."""
        return len(self.sizes)

    @property
    def n_states(self) -> int | tuple[int, ...]:
        """Categories: of every site, where it is one number for all, else of each."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else self.sizes

    @property
    def n_columns(self) -> int:
        return len(self.sizes)

    @property
    def layout(self) -> tuple[tuple[str, Any], ...]:
        return ((self.name, self.sizes),)

    @property
    def numbers(self) -> str:  # type: ignore[override]
        return f"codes from 0 to {max(self.sizes) - 1}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Categorical) and self.sizes == other.sizes

    def __hash__(self) -> int:
        return hash((Categorical, self.sizes))

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        if array.shape[1] == self.n and self.n != self.n_columns:
            return self._of_one_hot(array, fractions)
        if array.dtype.kind == "b":
            array = array.view(np.uint8)
        if not bool(self._is_code(array).all()):
            return None
        return np.ascontiguousarray(np.rint(array) if array.dtype.kind == "f" else array, np.uint8)

    def _is_code(self, array: np.ndarray) -> np.ndarray:
        inside = (array > -0.5) & (array < np.array(self.sizes) - 0.5)
        if array.dtype.kind != "f":
            return inside
        with np.errstate(invalid="ignore"):
            return inside & (np.abs(array - np.rint(array)) <= validate.rounding(array.dtype))

    def _of_one_hot(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        """Rows of one number for each unit: codes where each site has a one, else probabilities that sum to 1."""
        bits = validate.bits_or_fractions(array, fractions)
        if bits is None:
            return None
        sums = np.add.reduceat(bits, self.offsets, axis=1, dtype=np.float64)
        if bits.dtype != np.uint8:
            return bits if bool((np.abs(sums - 1.0) <= 1e-3).all()) else None
        if not bool((sums == 1).all()):
            return None
        codes = np.empty((len(bits), self.n_sites), np.uint8)
        for site, (first, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            codes[:, site] = bits[:, first : first + size].argmax(axis=1)
        return codes

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        if places is not None:
            return (
                f"{name} must be dense where it holds codes of categories, or have a column for each category; of "
                "ratings, what is not stored being absent, CodeMatrix.from_sparse makes codes"
            )
        if array.shape[1] == self.n and self.n != self.n_columns:
            return (
                f"{name} has a column for each of {self.n} categories, so each row must have a single 1 among those of "
                "each site, and zeros"
            )
        first = int(np.argmin(self._is_code(array).reshape(-1)))
        row, column = divmod(first, array.shape[1])
        at, bad = (
            f"{name}[{row if rows is None else rows[row]}, {first_column + column}]",
            float(array.reshape(-1)[first]),
        )
        if np.isnan(bad):
            return f"{name} contains NaN, the first at {at}: leave such rows out, or fill them in (RBM.inpaint)"
        return (
            f"{name} must hold codes from 0 to {self.sizes[column] - 1} in column {first_column + column}; {at} is "
            f"{bad:g}"
        )

    def values(self, parts: np.ndarray) -> np.ndarray:
        return parts

    def units_on(self, parts: np.ndarray) -> np.ndarray:
        site, code = _of_units(self.sizes)
        return (parts.take(site, axis=1) == code).view(np.uint8)  # none of a site that is absent

    def part(self, columns: np.ndarray) -> Categorical:
        return Categorical(int(columns.sum()), [size for size, own in zip(self.sizes, columns, strict=True) if own])

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """`log sum_a exp(field_a)` of each site, (..., n_sites)."""
        field = np.asarray(field, np.float64)
        out = np.empty((*field.shape[:-1], self.n_sites))
        for site, (first, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            own = field[..., first : first + size]
            top = own.max(axis=-1)
            terms = floatmath.exp(np.maximum(own - top[..., None], -708.0))
            # one after the other: the same bits on any machine
            out[..., site] = top + floatmath.log(np.add.accumulate(terms, axis=-1)[..., -1])
        return out

    def mean_of(self, field: np.ndarray) -> np.ndarray:
        out = np.empty(field.shape)
        for first, size in zip(self.offsets, self.sizes, strict=True):
            own = field[..., first : first + size]
            weight = np.exp(own - own.max(axis=-1, keepdims=True))
            out[..., first : first + size] = weight / weight.sum(axis=-1, keepdims=True)
        return out

    def hardened(self, fractions: np.ndarray) -> np.ndarray:
        columns = [
            fractions[:, a : a + q].argmax(axis=1).astype(np.uint8)
            for a, q in zip(self.offsets, self.sizes, strict=True)
        ]
        return np.stack(columns, axis=1)

    def drawn(self, fractions: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        out = np.empty(numbers.shape, np.uint8)
        for site, (first, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            # one after the other: the same bits on any machine
            ends = np.add.accumulate(fractions[:, first : first + size], axis=1, dtype=np.float64)
            out[:, site] = (ends[:, :-1] <= (numbers[:, site] * ends[:, -1])[:, None]).sum(axis=1)
        return out

    @property
    def n_states_of_columns(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def units_of_columns(self) -> tuple[int, ...]:
        return self.sizes

    def bias_of(self, sums: np.ndarray, n: float | np.ndarray, log: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """log p of each category, smoothed by one example that is in all categories of a site alike, less its mean over
        the site's categories (the zero-sum gauge)."""
        sizes = np.repeat(self.sizes, self.sizes)
        return self.zero_sum(log((sums + 1.0 / sizes) / (n + 1.0)))[0]

    def zero_sum(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out, off = np.array(field, np.float64), np.zeros(field.shape[1:])
        for first, size in zip(self.offsets, self.sizes, strict=True):
            mean = np.add.accumulate(out[first : first + size], axis=0)[-1] / size
            out[first : first + size] -= mean
            off += mean
        return out, off

    def describe(self) -> dict[str, Any]:
        states = self.n_states if isinstance(self.n_states, int) else list(self.n_states)
        return {"type": self.name, "n": self.n, "n_sites": self.n_sites, "n_states": states}

    def __reduce__(self) -> tuple[Any, ...]:
        return Categorical, (self.n_sites, self.n_states)

    def __repr__(self) -> str:
        return f"Categorical({self.n_sites}, {self.n_states!r})"


@lru_cache(maxsize=64)
def _of_units(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The site of each unit, intp, and its category, uint8."""
    return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size, dtype=np.uint8) for size in sizes])
