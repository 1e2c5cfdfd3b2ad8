"""RBM: the model's parameters, how they change, and its file."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import _given, _model_file, _random, _source, _validate, reference
from ._buffers import Buffers
from ._kernels import kernels
from ._law import Law
from ._parameters import Direction, Parameters, Update, moved_values

if TYPE_CHECKING:
    from .gradient import Gradient

__all__ = ["RBM", "load"]

_MOST_HIDDEN = 1 << 24  # units; sums over them must have room in int32
_PARAMETERS = ("weights", "visible_bias", "hidden_bias")


class RBM(Law):
    """A restricted Boltzmann machine with binary visible and hidden units.

    E(v, h) = -v'W h - b'v - c'h over v in {0,1}^V and h in {0,1}^H, with p(v, h) = exp(-E(v, h)) / Z
    (Smolensky 1986; Hinton 2002). W are the ``weights``, b the ``visible_bias``, c the ``hidden_bias``.

    Parameters
    ----------
    weights : array (V, H)
        Any real dtype; kept as float32.
    visible_bias : array (V,), optional
        Zeros by default.
    hidden_bias : array (H,), optional
        Zeros by default.

    Raises
    ------
    ValueError
        Where a shape does not fit, or a parameter is not finite or not below 1e30.
    TypeError
        Where an argument does not hold numbers.

    Notes
    -----
    The parameters are read-only: the kernels round them to integers. Change them by :meth:`step`, :meth:`add`
    or :meth:`set_parameters`. All energies are in nats.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> rbm = fr.RBM([[1.0, 0.0], [0.0, -1.0], [0.5, 0.5]])
    >>> rbm
    RBM(n_visible=3, n_hidden=2)
    >>> v = np.array([[1, 0, 1]])
    >>> rbm.energy(v, [[1, 0]])
    array([-1.5])
    >>> bool(np.isclose(rbm.free_energy(v), -np.log((1 + np.exp(1.5)) * (1 + np.exp(0.5)))).all())
    True
    """

    def __init__(
        self, weights: ArrayLike, visible_bias: ArrayLike | None = None, hidden_bias: ArrayLike | None = None
    ) -> None:
        if np.isscalar(weights) or weights is None:
            raise TypeError(
                "RBM takes weights (V, H); for a new model of your data use RBM.from_data(X, n_hidden=16), with the "
                "number of hidden units that you want"
            )
        self._buffers = Buffers()
        self._set(_validate.parameter(weights, "weights", (None, None)), visible_bias, hidden_bias)

    def _set(
        self, weights: np.ndarray, visible_bias: ArrayLike | None, hidden_bias: ArrayLike | None,
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        """Take over checked weights (copied if they are the caller's) and biases, in one assignment."""
        n_visible, n_hidden = weights.shape
        b = np.zeros(n_visible, np.float32) if visible_bias is None else visible_bias
        c = np.zeros(n_hidden, np.float32) if hidden_bias is None else hidden_bias
        b = _validate.parameter(b, "visible_bias", (n_visible,))
        c = _validate.parameter(c, "hidden_bias", (n_hidden,))
        if hasattr(self, "_parameters") and self._parameters.shape != weights.shape:  # chains rely on it
            raise ValueError(f"weights must keep their shape, {self._parameters.shape}, got {weights.shape}")
        self._parameters = Parameters.of(weights, b, c, self._buffers, n_threads)

    @classmethod
    def from_data(
        cls, X: ArrayLike | Iterable[ArrayLike], n_hidden: int, seed: int = 0, weight_scale: float = 0.01,
        sample_weight: ArrayLike | None = None,
    ) -> RBM:  # fmt: skip
        """A model to start training from: small random weights, visible biases that fit the data's means.

        W is very nearly N(0, weight_scale^2) (sums of uniforms, the same bits on any machine), b the logit of the means
        smoothed by one case of 1/2, c = 0 (Hinton 2012, "A practical guide to training RBMs", section 8).

        Parameters
        ----------
        X : array (n, V), data frame, sparse matrix or BitMatrix, or batches
            0 and 1, or fractions from 0 to 1. A memory-mapped array is read in parts. The model keeps the names of a
            data frame's columns (:attr:`visible_names`). An object whose iteration yields batches (n, V), as
            :func:`fastrbm.fit` takes it, is gone through once.
        n_hidden : int
            Number of hidden units H, at least 1.
        seed : int
            From 0 to 2^64 - 1.
        weight_scale : float
            Standard deviation of the initial weights.
        sample_weight : array (n,), optional
            Weights of the rows of an array X, not negative; as :func:`fastrbm.fit` takes them. The biases fit the
            weighted means. A total below the number of rows counts as that number.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
        >>> rbm.weights.shape, rbm.weights.dtype
        ((64, 16), dtype('float32'))
        """
        n_hidden = _validate.integer(n_hidden, "n_hidden", 1, _MOST_HIDDEN)
        seed = _validate.seed(seed)
        weight_scale = _validate.real(weight_scale, "weight_scale", 0.0)
        sums, n = _source.totals(X) if sample_weight is None else _source.weighted_totals(X, sample_weight)
        rbm = cls._from_totals(sums, n, n_hidden, seed, weight_scale)
        rbm._visible_names = _given.names_of(X)
        return rbm

    @classmethod
    def _from_totals(cls, sums: np.ndarray, n: float, n_hidden: int, seed: int, weight_scale: float = 0.01) -> RBM:
        """from_data, of the sums of the visible units over n cases."""
        means = (sums + 0.5) / (n + 1.0)
        logs = np.empty(2 * means.size)
        kernels.logs(np.concatenate((means, 1.0 - means)), logs)
        weights = _random.normal((means.size, n_hidden), seed, _random.WEIGHTS) * np.float32(weight_scale)
        return cls(weights, logs[: means.size] - logs[means.size :])

    # ------------------------------------------------------------ parameters

    @property
    def weights(self) -> np.ndarray:
        """W, float32 (V, H), read-only."""
        return self._parameters.weights

    @property
    def visible_bias(self) -> np.ndarray:
        """b, float32 (V,), read-only."""
        return self._parameters.visible_bias

    @property
    def hidden_bias(self) -> np.ndarray:
        """c, float32 (H,), read-only."""
        return self._parameters.hidden_bias

    def set_parameters(
        self, weights: ArrayLike | None = None, visible_bias: ArrayLike | None = None,
        hidden_bias: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        """Replace some or all parameters; shapes must stay as they are. Errors as for the constructor."""
        shape = self._parameters.shape
        self._set(
            self.weights if weights is None else _validate.parameter(weights, "weights", shape),
            self.visible_bias if visible_bias is None else visible_bias,
            self.hidden_bias if hidden_bias is None else hidden_bias,
        )

    def add(
        self, weights: ArrayLike, visible_bias: ArrayLike, hidden_bias: ArrayLike, rate: float = 1.0,
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        """theta <- theta + rate * change, for every parameter: computed in float64, rounded once to float32.

        Parameters
        ----------
        weights, visible_bias, hidden_bias : arrays (V, H), (V,), (H,)
            The change of each.
        rate : float
            A finite factor.

        Raises
        ------
        FloatingPointError
            When a parameter would no longer be finite (or below 1e30). It says which; the model stays as it was.
        """
        rate = _validate.real(rate, "rate")
        new = []
        for name, change in zip(_PARAMETERS, (weights, visible_bias, hidden_bias), strict=True):
            old = getattr(self, name)
            given = _validate.change(change, f"the change of {name}", old.shape)
            new.append(moved_values(old, given, rate, name))
        self._parameters = Parameters.of(new[0], new[1], new[2], self._buffers, n_threads)

    def step(self, gradient: Gradient, learning_rate: float, n_threads: int | None = None) -> None:
        """theta <- theta + learning_rate * gradient, the plain ascent of the log-likelihood.

        Raises FloatingPointError, and leaves the model as it was, when a parameter would not stay finite.

        Examples
        --------
        >>> import fastrbm as fr
        >>> X = fr.datasets.bars_and_stripes(2)
        >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=1)
        >>> rbm.step(fr.gradient.Exact()(rbm, X), learning_rate=0.1)
        """
        rate = _validate.real(learning_rate, "learning_rate")
        self._move(self._direction(gradient), rate, n_threads=n_threads)

    def _direction(self, gradient: Any) -> Update:
        """A gradient as an update reads it. Any object with the three arrays will do."""
        if isinstance(gradient, Update):
            if gradient.shape != self._parameters.shape:
                raise ValueError(f"gradient must be of {self}, got one of {gradient.shape} units")
            return gradient
        parts = []
        for name in _PARAMETERS:
            if not hasattr(gradient, name):
                raise TypeError(
                    f"gradient must have {', '.join(_PARAMETERS)}; a {type(gradient).__name__} has no {name}"
                )
            parts.append(_validate.change(getattr(gradient, name), f"gradient.{name}", getattr(self, name).shape))
        return Direction(reference.to_tiles(parts[0]), *parts[1:])

    def _move(
        self, direction: Update, rate: float, l2: float = 0.0, l1: float = 0.0, n_threads: int | None = None
    ) -> None:
        """theta <- theta + rate * direction, with decay of the weights; see kernels.ascend."""
        self._parameters = self._parameters.moved(direction, rate, l2, l1, self._buffers, n_threads)

    def _clip(self, max_norm: float, n_threads: int | None = None) -> None:
        """Scale the weights of hidden units down to a Euclidean norm of max_norm, where they are above it."""
        self._parameters = self._parameters.clipped(max_norm, self._buffers, n_threads)

    def copy(self) -> RBM:
        """An independent copy (which shares the read-only arrays)."""
        twin = object.__new__(type(self))
        twin._parameters, twin._visible_names = self._parameters, self._visible_names
        twin._buffers = Buffers()
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        arrays = np.array(self.weights), np.array(self.visible_bias), np.array(self.hidden_bias)
        return type(self), arrays, {"_visible_names": self._visible_names}

    def __repr__(self) -> str:
        return f"RBM(n_visible={self.n_visible}, n_hidden={self.n_hidden})"

    # ------------------------------------------------------------ files

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a file (.npz, a format number, no pickle): whole, or not at all.

        Its content goes to a temporary file beside it, which is renamed; where that cannot be, such as a file that
        Docker mounts, an existing file is written in place. A symbolic link stays, and what it leads to is written.

        Raises
        ------
        OSError
            When the file cannot be written, or is not a regular file.
        """
        _model_file.save(_validate.path(path), self)


def model(rbm: object) -> RBM:
    """rbm, if it is a model."""
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an RBM, not {type(rbm).__name__}")
    return rbm


def load(path: str | PathLike[str]) -> RBM:
    """Read a model that :meth:`RBM.save` wrote.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or not a model of this package.
    """
    parameters, names = _model_file.load(_validate.path(path))
    rbm = RBM(*parameters)
    rbm._visible_names = names
    return rbm
