"""RBM: the model's parameters and how they change; energies, conditional distributions, samples; its file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._core import arrays as _given
from ._core import (
    chains_file,
    floatmath,
    frames,
    layout,
    model_file,
    path_file,
    philox,
    record,
    threads,
    validate,
)
from ._core.direction import Direction, Update
from ._core.dispatch import kernels
from ._core.display import facts, titled
from ._core.frame_columns import has_categories
from ._core.grid import warn_if_coarse
from ._core.parameters import Parameters, moved_values
from ._core.progress import Countdown
from ._core.synonyms import keywords
from ._core.warn import warn
from .ranks import own_share, shared
from .sampling import gibbs, inpainting
from .sampling.annealing import annealed_starts
from .sampling.clamp import Clamp, clamped_columns, drawn_given, exactly
from .sampling.energies import energies, free_energies
from .sampling.model import Model, check_beta
from .sampling.path import Path
from .sampling.starts import chain_ends
from .sampling.tempered_samples import tempered_samples
from .states import totals
from .states.bits import BitMatrix, CodeMatrix, zeros
from .states.missing import known_parts
from .units.layer import LayerLike, counted, is_open, layer, named, of_columns, of_table, reader
from .units.real import GRID
from .units.unit import Unit

if TYPE_CHECKING:
    from .gradient import Gradient

MOST_HIDDEN = 1 << 24  # units; sums over them must have room in int32
_PARAMETERS = ("weights", "visible_bias", "hidden_bias")
_FROM_DATA = (
    "for a new model of your data use RBM.from_data(X, n_hidden=16), with the number of hidden units that you want"
)
# what the parameters are called elsewhere: Python's own errors would not say what they are here
_ELSEWHERE = {"W": "weights", "w": "weights", "components_": "weights"} | {
    name: "visible_bias" for name in ("b", "vbias", "v_bias", "bv", "intercept_visible_")
} | {name: "hidden_bias" for name in ("c", "hbias", "h_bias", "bh", "intercept_hidden_")}  # fmt: skip
_NAMES = 8  # of columns, that are shown


class RBM(Model):
    """A restricted Boltzmann machine: a distribution of visible units v and hidden units h by their energy.

        E(v, h) = -v'W h - b'v - c'h,    p(v, h) = exp(-E(v, h)) / Z

    (Smolensky 1986; Hinton 2002). W are the ``weights``, b the ``visible_bias``, c the ``hidden_bias``, and `v'` is v
    as a row. The units of either layer are 0 and 1 (Bernoulli units), or -1 and 1 (spins). Visible units may also be
    sites of several categories, each category a unit that is 1 where the site is in it. Or they are several segments of
    different types side by side: see :mod:`fastrbm.units`. Data and samples have a column for each unit of two values,
    and one for each site, which holds the number of its category.

    Parameters
    ----------
    weights : array (V, H)
        Any real dtype; kept as float32.
    visible_bias : array (V,), optional
        Zeros by default.
    hidden_bias : array (H,), optional
        Zeros by default.
    visible, hidden : str or description
        The unit type of the layer: "bernoulli", "spin", or a description such as ``units.Spin(V)``. Visible also
        ``units.Categorical(n_sites, n_states)``, or a list of descriptions, its segments: ``[units.Bernoulli(784),
        units.Categorical(1, 10)]``.

    Raises
    ------
    ValueError
        Where a shape does not fit, or a parameter is not finite or not below 1e30. Where both layers have real units
        and the model cannot be normalized: the largest singular value of `W_ij / sqrt(gamma_i gamma_j)` must be below
        1, of DReLU units with the smaller gamma of both sides (with ReLU and DReLU units this is sufficient, not
        necessary).
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

    _parameters: Parameters
    _has_absent = False  # whether it learned from data with absent sites, of which no category is on
    _visible_names: tuple[str, ...] | None = None
    _visible_categories: tuple[tuple[frames.Label, ...] | None, ...] | None = None
    _trained: tuple[Parameters, str] | None = None  # what a training ended with, and its record

    @keywords(n_visible=_FROM_DATA, n_hidden=_FROM_DATA)
    def __init__(
        self, weights: ArrayLike, visible_bias: ArrayLike | None = None, hidden_bias: ArrayLike | None = None, *,
        visible: LayerLike = "bernoulli", hidden: LayerLike = "bernoulli",
    ) -> None:  # fmt: skip
        if np.isscalar(weights) or weights is None:
            raise TypeError(f"RBM takes weights (V, H); {_FROM_DATA}")
        checked = validate.parameter(weights, "weights", (None, None))
        units = layer(visible, checked.shape[0], "visible"), layer(hidden, checked.shape[1], "hidden")
        if units[1].layout is not None and not (units[1].real and len(units[1].segments) == 1):
            raise ValueError(
                f"hidden must be of one type, 'bernoulli', 'spin', 'gaussian', 'relu' or 'drelu', not {units[1]!r}"
            )
        self._set(checked, visible_bias, hidden_bias, units)

    def _set(
        self, weights: np.ndarray, visible_bias: ArrayLike | None, hidden_bias: ArrayLike | None,
        units: tuple[Unit, Unit],
    ) -> None:  # fmt: skip
        """Take over checked weights (copied if they are the caller's) and biases, in one assignment."""
        n_visible, n_hidden = weights.shape
        b = np.zeros(n_visible, np.float32) if visible_bias is None else visible_bias
        c = np.zeros(n_hidden, np.float32) if hidden_bias is None else hidden_bias
        b = validate.parameter(b, "visible_bias", (n_visible,))
        c = validate.parameter(c, "hidden_bias", (n_hidden,))
        if hasattr(self, "_parameters"):  # chains rely on it
            if self._parameters.shape != weights.shape:
                raise ValueError(f"weights must keep their shape, {self._parameters.shape}, got {weights.shape}")
            for name, old, new in zip(("visible", "hidden"), self._parameters.units, units, strict=True):
                if new.plain != old.plain:
                    raise ValueError(f"{name} must stay units of the same type, {old.plain!r}, got {new.plain!r}")
        try:
            parameters = Parameters.of(weights, b, c, units)
            parameters.check()
        except FloatingPointError as error:  # which says that a step went too far
            raise ValueError(str(error)) from None
        self._parameters = parameters

    @classmethod
    @keywords()
    def from_data(
        cls, X: ArrayLike | Iterable[ArrayLike], n_hidden: int, seed: int = 0, weight_scale: float | None = None,
        sample_weight: ArrayLike | None = None, *, visible: LayerLike | None = None, hidden: LayerLike = "bernoulli",
        names: Sequence[str] | None = None, categories: Mapping[Any, Sequence[Any]] | Sequence[Any] | None = None,
    ) -> RBM:  # fmt: skip
        """A model to start training from: small random weights, visible biases that fit the data's means.

        W is very nearly `N(0, weight_scale^2)` (sums of uniforms, the same bits on any machine), b the bias of a unit
        by itself that has the mean of the data (for 0 and 1: its logit), smoothed by one example half-way between the
        two values, `c = 0` (Hinton 2012, "A practical guide to training RBMs", section 8).

        Columns of Gaussian units are standardized: the units hold `(x - mean) / scale`, with the mean and the standard
        deviation of all of X, and the model takes and gives x. A column that is constant has scale 1. The sums go row
        by row, from the first known number of each column on: the same bits however X is cut into batches.

        Parameters
        ----------
        X : array (n, V), data frame, table of categories, sparse matrix or BitMatrix, or batches
            0 and 1, or fractions from 0 to 1; of spins -1 and 1, or numbers from -1 to 1. A memory-mapped array is read
            in parts. Missing entries (NaN, None, pandas.NA, masked, -1 in columns of categories) are left out of the
            means. The model keeps the names of a data frame's columns (:attr:`visible_names`). An object whose
            iteration yields batches (n, V), as :func:`fastrbm.fit` takes it, is gone through once; twice where columns
            are standardized. Of real units any numbers.
        n_hidden : int
            Number of hidden units H, at least 1.
        seed : int
            From 0 to `2^64 - 1`.
        weight_scale : float, optional
            Standard deviation of the initial weights. By default 0.01; of real hidden units `sqrt(0.1 / columns)`,
            which gives their inputs a variance of about 0.1 (Tubiana, Cocco & Monasson 2019), at most
            `0.3 / (sqrt(V) + sqrt(H))` where visible units are real, too, so that the model can be normalized.
        sample_weight : array (n,), optional
            Weights of the rows of an array X, not negative; as :func:`fastrbm.fit` takes them. The biases fit the
            weighted means. A total below the number of rows counts as that number.
        visible, hidden : str or description
            The unit types, as for the constructor. "categorical": as many categories in every column of X as its
            largest code says; where one may be missing from X, say how many: ``units.Categorical(n_sites, n_states)``.
            "gaussian": real numbers, standardized; likewise segments ``units.Gaussian(n)`` whose mean and scale are not
            given.
            By default units of 0 and 1; of a data frame whose columns hold text, categories or other whole numbers than
            0 and 1, units that fit them (:func:`fastrbm.datasets.describe_frame`), Gaussian ones for real numbers
            beside text, whose categories the model keeps (:attr:`visible_categories`).
        names : sequence of str, optional
            Of the columns of an array (:attr:`visible_names`); a data frame has its own.
        categories : sequence with the labels of each column, or mapping from columns to labels, optional
            What the codes of an array stand for (:attr:`visible_categories`): labels in the order of the codes, as many
            as there are. Columns are named, or numbered from 0. A column of which nothing is said, or None, has its
            codes for labels.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
        >>> rbm.weights.shape, rbm.weights.dtype
        ((64, 16), dtype('float32'))
        """
        n_hidden = validate.integer(n_hidden, "n_hidden", 1, MOST_HIDDEN)
        seed = validate.seed(seed)
        if weight_scale is not None:
            weight_scale = validate.real(weight_scale, "weight_scale", 0.0, validate.LARGEST / 100.0)
        own, labels = _given.names_of(X), None
        coded = visible is None and _given.is_frame(X) and has_categories(X)
        table = frames.describe_frame(X, name="X") if coded else X
        if isinstance(table, frames.CodedTable):
            described, codes, own, labels = of_table(table)
            visible, X = described if visible is None else visible, frames.nan_where_missing(codes)
        if isinstance(X, CodeMatrix) and (visible is None or is_open(visible)):
            visible = X.unit
        visible = "bernoulli" if visible is None else counted(visible, X)
        if is_open(visible):
            visible = of_columns(visible, *totals.column_moments(X, sample_weight))
        unit = reader(visible, "visible")
        sums, n = totals.totals(X, unit) if sample_weight is None else totals.weighted_totals(X, sample_weight, unit)
        units = layer(visible, sums.size, "visible"), layer(hidden, n_hidden, "hidden")
        if names is not None or categories is not None:
            if own is not None or labels is not None:
                raise ValueError("names and categories are for arrays: these columns have names")
            own, labels = named(units[0], names, categories)
        rbm = cls._from_totals(sums, n, units, seed, weight_scale)
        rbm._visible_names, rbm._visible_categories = own, labels
        return rbm

    @classmethod
    def _from_totals(
        cls, sums: np.ndarray, n: float | np.ndarray, units: tuple[Unit, Unit], seed: int,
        weight_scale: float | None = None,
    ) -> RBM:  # fmt: skip
        """from_data, of how many of n examples (one number, or one a unit) each visible unit is on in."""
        if weight_scale is None:
            weight_scale = _weight_scale(*units)
        bias = units[0].bias_of(sums, n, floatmath.log)
        weights = philox.normal((sums.size, units[1].n), seed, philox.WEIGHTS) * np.float32(weight_scale)
        return cls(units[0].zero_sum(weights)[0], bias, visible=units[0], hidden=units[1])

    def _bias_of(self, states: BitMatrix | np.ndarray) -> np.ndarray:
        """The bias, float32 (V,), of the base-rate model of checked states: of visible units as they are at beta 0."""
        unit = self.visible.with_beta(0.0)
        # fractions are read as the units' numbers
        sums, n = totals.totals(states if isinstance(states, BitMatrix) else self.visible.values(states), unit)
        return unit.bias_of(sums, n, floatmath.log).astype(np.float32)

    if not TYPE_CHECKING:  # or any attribute would pass a type checker

        def __getattr__(self, name: str) -> Any:
            meant = f": its {_ELSEWHERE[name]}?" if name in _ELSEWHERE else ""
            raise AttributeError(f"an RBM has no attribute {name}{meant}")

        def __setattr__(self, name: str, value: Any) -> None:
            own = getattr(type(self), name, None)
            if name in _ELSEWHERE or name in _PARAMETERS:
                raise AttributeError(
                    f"{name} of an RBM cannot be assigned: use set_parameters({_ELSEWHERE.get(name, name)}=...)"
                )
            if isinstance(own, property) and own.fset is None:
                raise AttributeError(f"{name} of an RBM cannot be assigned: make another model")
            object.__setattr__(self, name, value)

    # ------------------------------------------------------------ parameters

    @property
    def weights(self) -> np.ndarray:
        """W, float32 (V, H), read-only."""
        return self._parameters.weights.view()

    @property
    def visible_bias(self) -> np.ndarray:
        """b, float32 (V,), read-only."""
        return self._parameters.visible_bias.view()

    @property
    def hidden_bias(self) -> np.ndarray:
        """c, float32 (H,), read-only."""
        return self._parameters.hidden_bias.view()

    def set_parameters(
        self, weights: ArrayLike | None = None, visible_bias: ArrayLike | None = None,
        hidden_bias: ArrayLike | None = None, *, visible: Unit | None = None, hidden: Unit | None = None,
    ) -> None:  # fmt: skip
        """Replace some or all parameters; shapes and unit types must stay as they are. Errors as for the constructor.

        visible and hidden are descriptions, such as ``units.DReLU(H, delta=...)``: they have the parameters of real
        units' own energy.
        """
        shape, units = self._parameters.shape, []
        for name, old, new in (("visible", self.visible, visible), ("hidden", self.hidden, hidden)):
            if new is not None and (not isinstance(new, Unit) or new.plain != old.plain):
                raise ValueError(f"{name} must describe units like {old.plain!r}, got {validate.shown(new)}")
            units.append(old if new is None else new)
        self._set(
            self.weights if weights is None else validate.parameter(weights, "weights", shape),
            self.visible_bias if visible_bias is None else visible_bias,
            self.hidden_bias if hidden_bias is None else hidden_bias,
            (units[0], units[1]),
        )

    def add(
        self, weights: ArrayLike, visible_bias: ArrayLike, hidden_bias: ArrayLike, rate: float = 1.0,
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        """Add to every parameter, `theta <- theta + rate * change`: in float64, rounded once to float32.

        Parameters
        ----------
        weights, visible_bias, hidden_bias : arrays (V, H), (V,), (H,)
            The change of each.
        rate : float
            A finite factor.

        Raises
        ------
        FloatingPointError
            When a parameter would no longer be finite (or below 1e30). It says which; the model stays as it was. Also
            when both layers have real units and the model could no longer be normalized, and when means of real
            visible units would leave the range of real values.
        """
        rate = validate.real(rate, "rate")
        new = []
        for name, change in zip(_PARAMETERS, (weights, visible_bias, hidden_bias), strict=True):
            old = getattr(self, name)
            given = validate.change(change, f"the change of {name}", old.shape)
            new.append(moved_values(old, given, rate, name))
        units = self._parameters.units
        self._take(Parameters.of(new[0], new[1], new[2], units, n_threads))

    def step(self, gradient: Gradient, learning_rate: float, n_threads: int | None = None) -> None:
        """A step of plain ascent of the log-likelihood, `theta <- theta + learning_rate * gradient`.

        Raises FloatingPointError, and leaves the model as it was, when a parameter would not stay finite, or when both
        layers have real units and the model could no longer be normalized.

        Examples
        --------
        >>> import fastrbm as fr
        >>> X = fr.datasets.bars_and_stripes(2)
        >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=1)
        >>> rbm.step(fr.gradient.Exact()(rbm, X), learning_rate=0.1)
        """
        rate = validate.real(learning_rate, "learning_rate")
        self._move(self._direction(gradient), rate, n_threads=n_threads)

    def _direction(self, gradient: Any) -> Update:
        """A gradient as an update reads it. Any object with the three arrays will do."""
        if isinstance(gradient, Update) and not gradient.has_own_parts:
            if gradient.shape != self._parameters.shape:
                raise ValueError(f"gradient must be of {self}, got one of {gradient.shape} units")
            return gradient
        parts = []
        for name in _PARAMETERS:
            if not hasattr(gradient, name):
                raise TypeError(
                    f"gradient must have {', '.join(_PARAMETERS)}; a {type(gradient).__name__} has no {name}"
                )
            parts.append(validate.change(getattr(gradient, name), f"gradient.{name}", getattr(self, name).shape))
        own = getattr(gradient, "own", None)
        if own is not None and self.hidden.own is not None:
            own = validate.change(own, "gradient.own", self.hidden.own.shape)
        return Direction(layout.to_tiles(parts[0]), parts[1], parts[2], own)

    def _move(
        self, direction: Update, rate: float, l2: float = 0.0, l1: float = 0.0, n_threads: int | None = None
    ) -> None:
        """theta <- theta + rate * direction, with decay of the weights; see kernels.ascend."""
        self._take(self._parameters.moved(direction, rate, l2, l1, n_threads))

    def _take(self, parameters: Parameters) -> None:
        """Go on with the parameters that a step led to; FloatingPointError, and no change, where they are no model's
        that can be had."""
        parameters.check(step=True)
        self._parameters = parameters

    def zero_sum(self, n_threads: int | None = None) -> None:
        """Go to the zero-sum gauge: the weights of a categorical site to each hidden unit sum to zero over the site's
        categories, and so do its biases.

        A number added to all of them changes no probability, as long as it is taken off the hidden units' biases: one
        category is always on. Of this family of models weights are only comparable between sites and models in one
        gauge. Centered gradients keep it, and so do optimizers of this package. A model of two values per unit stays as
        it is. Of examples with absent sites, in which no category is on, it changes the probabilities: a training on
        such data does not go to this gauge by itself.

        Examples
        --------
        >>> import numpy as np
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[3.0], [1.0], [0.0], [2.0]], visible=fr.units.Categorical(2, 2))
        >>> p = np.exp(fr.likelihood.score(rbm, [[0, 1]]).per_example)
        >>> rbm.zero_sum()
        >>> rbm.weights.ravel().tolist(), rbm.hidden_bias.tolist()
        ([1.0, -1.0, -1.0, 1.0], [3.0])
        >>> bool(np.isclose(np.exp(fr.likelihood.score(rbm, [[0, 1]]).per_example), p).all())
        True
        """
        self._parameters = self._parameters.zero_summed(n_threads)

    def copy(self) -> RBM:
        """An independent copy (which shares the read-only arrays)."""
        other = object.__new__(type(self))
        other._parameters, other._visible_names = self._parameters, self._visible_names
        other._visible_categories, other._has_absent = self._visible_categories, self._has_absent
        other._trained = self._trained
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        arrays = np.array(self.weights), np.array(self.visible_bias), np.array(self.hidden_bias)
        names = {"_visible_names": self._visible_names, "_visible_categories": self._visible_categories}
        return _rebuilt, (type(self), *arrays, *self._parameters.units, self._record), names

    def __repr__(self) -> str:
        kinds = [
            f", {side}={unit.name!r}" if unit.layout is None else f", {side}={unit.plain!r}"
            for side, unit in (("visible", self.visible), ("hidden", self.hidden))
            if unit.shifted or unit.layout
        ]
        return f"RBM(n_visible={self.n_visible}, n_hidden={self.n_hidden}{''.join(kinds)})"

    def _repr_html_(self) -> str:
        names, size = self.visible_names, self.n_visible * self.n_hidden
        columns = ", ".join(names[:_NAMES]) + (", ..." if len(names) > _NAMES else "") if names else ""
        rows = {"visible units": f"{self.visible!r}", "columns": columns, "hidden units": f"{self.hidden!r}"}
        if self._parameters.division is None:
            rows["weights"] = f"{size:,}, root mean square {self._parameters.norm / math.sqrt(size):.3g}"
        return titled(type(self).__name__, facts({name: words for name, words in rows.items() if words}))

    @property
    def visible(self) -> Unit:
        """The visible layer's units."""
        return self._parameters.units[0]

    @property
    def hidden(self) -> Unit:
        """The hidden layer's units."""
        return self._parameters.units[1]

    @property
    def visible_names(self) -> tuple[str, ...] | None:
        """The names of the columns of the data, where the model was made from a data frame. A data frame that is passed
        later must have the same columns in the same order."""
        return self._visible_names

    @property
    def visible_categories(self) -> tuple[tuple[str | int | float | bool, ...] | None, ...] | None:
        """What the codes of each column stand for, where the model was made from a table of categories: the labels in
        the order of their codes, None of a column of real numbers."""
        return self._visible_categories

    @property
    def training_record(self) -> Mapping[str, Any] | None:
        """How, on what and by which version these parameters were trained: a read-only mapping of plain values, which
        :func:`fastrbm.fit` makes and model files keep. None where nothing is known of it.

        It belongs to the parameters as the training left them: whatever changes them, such as :meth:`step` or
        :meth:`set_parameters`, ends it, and another training puts its own in its place. A copy has it, too. It holds no
        date and no times, so that the same training makes the same file.

        ``fastrbm``: the version. ``data``, ``validation``: their sizes and checksums; ``data_name``,
        ``validation_name``: what ``fastrbm train`` was given. ``gradient``, ``optimizer``, ``centered``, ``averaging``,
        ``trajectory``, ``callbacks``, ``learn_variance``, ``batch_size``, ``seed``: the settings. ``epochs``,
        ``updates``: how many were done. ``ended``: "complete", "early" (by a callback) or "broken off". ``last``: the
        last row of the history. ``verdict``: what the end of the training shows. What does not apply is left out.

        Examples
        --------
        >>> import fastrbm as fr
        >>> X = fr.datasets.bars_and_stripes(3)
        >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
        >>> history = fr.fit(rbm, X, epochs=5)
        >>> rbm.training_record["data"], rbm.training_record["updates"], rbm.training_record["ended"]
        ('14 examples of 9 units, checksum 3f61b586', 5, 'complete')
        >>> rbm.set_parameters(hidden_bias=[0.0, 0.0, 0.0, 0.0])
        >>> rbm.training_record is None
        True
        """
        return None if self._record is None else record.read_only(self._record)

    @property
    def _record(self) -> str | None:
        """The text of the record, where it is that of these parameters."""
        return self._trained[1] if self._trained is not None and self._trained[0] is self._parameters else None

    def _keep_record(self, values: Mapping[str, Any]) -> None:
        self._trained = self._parameters, record.as_text(values)

    def to_frame(self, values: ArrayLike, like: Any = None) -> Any:
        """Samples, or other states, as a table of the data's own categories under its columns' names.

        Parameters
        ----------
        values : array (n, columns)
            As :meth:`sample` and :meth:`inpaint` return them.
        like : data frame or dict, optional
            A frame with the same columns, whose library and types the result has. A dict: of lists. By default a
            pandas.DataFrame.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[0.0]] * 4, visible=[fr.units.Categorical(1, 3), fr.units.Bernoulli(1)])
        >>> rbm.to_frame([[2, 1], [0, 0]], like={})
        {0: [2, 0], 1: [1, 0]}
        """
        known = self.visible_categories or (None,) * self.visible.n_columns
        return frames.to_frame(values, self.visible_names, known, like)

    def _clamp(self, value: Any) -> Any:
        """A clamp as an array: of a dict of columns and values, those; all else as it is."""
        if not isinstance(value, Mapping):
            self._check_names(value, "clamp")
            return self._coded(_given.readable(value), "clamp")
        return clamped_columns(value, self.visible.n_columns, self.visible_names or (), self.visible_categories)

    def _coded(self, value: Any, name: str) -> Any:
        """A user's data frame in the codes of the model's categories, if it has any; of a table that was described its
        codes; all else as it is."""
        if isinstance(value, frames.CodedTable):
            return frames.nan_where_missing(value.codes)
        if self._visible_categories is None or not _given.is_frame(value):
            return value
        codes = frames.encode_frame(value, self.visible_names, self._visible_categories, name)
        return frames.nan_where_missing(codes)

    @property
    def n_visible(self) -> int:
        """V, the number of visible units."""
        return self._parameters.shape[0]

    @property
    def n_hidden(self) -> int:
        """H, the number of hidden units."""
        return self._parameters.shape[1]

    # ------------------------------------------------------------ energies

    def energy(self, v: ArrayLike, h: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """The energy of each pair of v and h, in nats.

            E(v, h) = -v'W h - b'v - c'h

        Real units add their own energies, `gamma z^2 / 2` of Gaussian ones. What is passed are the data's numbers, mean
        + scale z; the formula has z.

        Parameters
        ----------
        v : array (n, columns) or BitMatrix, of the units' values; of a site the number of its category
        h : array (n, H) or BitMatrix, likewise

        Returns
        -------
        float64 (n,). Weights enter on the kernels' grid (:attr:`grid`).
        """
        visible, hidden = self._states(v, "v"), self._states(h, "h")
        n = len(visible)
        if n != len(hidden):
            raise ValueError(f"v and h must have as many examples as each other, got {n} and {len(hidden)}")
        result = np.empty(n)
        with own_share(n, n * self.n_visible * self.n_hidden, (result, 0)) as own:
            result[own] = energies(self, visible[own], hidden[own], n_threads)
        return result

    def free_energy(self, v: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """The free energy of each example, in nats: the energy of v with the hidden units summed out.

            F(v) = -log sum_h exp(-E(v, h)) = -b'v - sum_j cgf(c_j + (v'W)_j)

        `cgf(x)` is `softplus(x) = log(1 + exp(x))` of hidden units of 0 and 1, and `log(2 cosh x)` of spins; of real
        units it is the log of an integral. `log p(v) = -F(v) - log Z`, so differences of F are log ratios of
        probabilities. Of real visible units F also has their own energies, and `exp(-F) / Z` is the density of their
        values z (of data in units of their own: see :func:`fastrbm.likelihood.score`).

        Parameters
        ----------
        v : array (n, columns) or BitMatrix, of the units' values; of a site the number of its category

        Returns
        -------
        float64 (n,), the same bits on any machine. Weights enter on the kernels' grid (:attr:`grid`); where that makes
        a difference of more than 1e-3 nats, a warning says so, once for a set of parameters.
        """
        bits = self._states(v, "v")
        result = self._free_energy(bits, n_threads)
        warn_if_coarse(self._parameters, bits, result)
        return result

    def _free_energy(self, bits: BitMatrix, n_threads: int | None = None) -> np.ndarray:
        n = len(bits)
        result = np.empty(n)
        with own_share(n, n * self.n_visible * self.n_hidden, (result, 0)) as own:
            result[own] = free_energies(self, bits[own], n_threads)
        return result

    @property
    def grid(self) -> tuple[float, float]:
        """The grids `2^-e` to whose nearest points the kernels round the weights, for `v -> h` and for `h -> v`."""
        p = self._parameters
        return 2.0**-p.to_hidden.exponent, 2.0**-p.to_visible.exponent

    def _states(self, value: ArrayLike, name: str, fractions: bool = False) -> Any:
        """A user's states of the hidden layer (name "h") or of the visible one, whose columns may have names."""
        if name == "h":
            return gibbs.states_given(value, self.n_hidden, name, fractions, unit=self.hidden)
        self._check_names(value, name)
        return gibbs.states_given(self._coded(value, name), self.n_visible, name, fractions, unit=self.visible)

    def _check_names(self, value: object, name: str) -> None:
        validate.check_names(_given.names_of(value), self.visible_names, name)

    # ------------------------------------------------------------ conditional distributions

    def mean_hidden(self, v: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """The means of the hidden units given v, `E[h | v]`: float32 (n, H).

        The field of unit j is `f_j = c_j + (v'W)_j`. Of units of 0 and 1 the mean is `P(h_j = 1 | v) = sigmoid(f_j)`,
        of spins `tanh(f_j)`, of Gaussian units `f_j / gamma_j`.

        v (n, V) holds the units' values, or numbers between them.
        """
        return self.hidden.mean(self._mean(self._parameters.to_hidden, self._states(v, "v", True), n_threads))

    def mean_visible(self, h: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """The means of the visible units given h, `E[v | h]`: float32 (n, V), float64 where there are real units.

        The field of unit i is `f_i = b_i + (W h)_i`. Of units of 0 and 1 the mean is `P(v_i = 1 | h) = sigmoid(f_i)`,
        of spins `tanh(f_i)`. Of a site it is the probabilities of the categories, in proportion to `exp(f_i)`. Of
        Gaussian units it is `mean + scale f_i / gamma_i`, in the data's units.

        h (n, H) holds the units' values, or numbers between them.
        """
        means = self._mean(self._parameters.to_visible, self._states(h, "h", True), n_threads)
        return self.visible.mean(means.astype(np.float64) if self.visible.real else means)

    def _mean(self, layer: kernels.Layer, given: BitMatrix | np.ndarray, n_threads: int | None) -> np.ndarray:
        threads.resolve(n_threads)  # fractions need none
        out = np.empty((given.shape[0], layer.n_units), np.float32)
        gibbs.half_step(layer, given, probabilities=out, n_threads=n_threads)
        return out

    def sample_hidden(self, v: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """A draw of h from `p(h | v)` for each example, (n, H): uint8 of 0 and 1, int8 of -1 and 1, or float64 of real
        units.

        The same seed gives the same draw: in a loop, pass a new seed each time (or use :class:`Chains`), or every pass
        repeats the same random numbers and the chains do not follow the model.
        """
        given = self._states(v, "v", True)
        drawn = self._draw(self._parameters.to_hidden, self.hidden, given, seed, philox.HIDDEN, n_threads)
        values = self.hidden.values(drawn)
        if self._parameters.may_saturate:
            self._warn_of_range(values)
        return values

    def _warn_of_range(self, hidden: np.ndarray) -> None:
        """Warn where values or means of real hidden units, (n, H), are at the end of what a state can hold."""
        most = np.abs(hidden).max(axis=0, initial=0.0)
        if most.size and most.max() >= layout.REAL_LARGEST * GRID:
            unit = int(most.argmax())
            warn(
                f"hidden unit {unit} is at the end of the range of real values, {layout.REAL_RANGE:g}, where states "
                "are cut off, so that these are not the model's: with W l, theta l, gamma l^2 in the place of its W, "
                "theta and gamma the model is the same, and the unit's values are 1 / l of these"
            )

    def sample_visible(self, h: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """A draw of v from `p(v | h)` for each example, (n, columns): uint8 of 0 and 1 and of categories, int8 of -1
        and 1, or float64, in the data's units, where there are real units.

        The same seed gives the same draw: in a loop, pass a new seed each time, as for :meth:`sample_hidden`.
        """
        given = self._states(h, "h", True)
        drawn = self._draw(self._parameters.to_visible, self.visible, given, seed, philox.VISIBLE, n_threads)
        return self.visible.values(drawn)

    def _draw(
        self, layer: kernels.Layer, unit: Unit, given: BitMatrix | np.ndarray, seed: int, kind: int,
        n_threads: int | None,
    ) -> np.ndarray:  # fmt: skip
        out = zeros(given.shape[0], unit)
        seed = validate.seed(seed)
        threads.resolve(n_threads)
        gibbs.half_step(layer, given, kind=kind, seed=seed, stream=philox.ONCE, out=out, n_threads=n_threads)
        return out.to_states()

    @keywords()
    @shared
    def sample(
        self,
        n: int,
        n_sweeps: int = 1000,
        seed: int = 0,
        start: ArrayLike | None = None,
        beta: ArrayLike = 1.0,
        n_threads: int | None = None,
        clamp: ArrayLike | None = None,
        clamp_hidden: ArrayLike | None = None,
        method: str | None = None,
        *,
        progress: bool = False,
        comm: Any = None,
    ) -> np.ndarray:
        """n samples of v; given some of the units, if any are clamped.

        Parameters
        ----------
        n : int
            Number of samples.
        n_sweeps : int
            Sweeps a chain.
        seed : int
            The same seed gives the same samples.
        start : array (n, columns) or BitMatrix, optional
            Where the chains start, with method "gibbs".
        beta : float or array (n,)
            Inverse temperature: the samples follow `exp(-beta E)`. The quadratic part of the energy of real units does
            not scale: they follow the model whose weights and fields (biases, and delta of DReLU units) are multiplied
            by beta.
        n_threads : int, optional
            See :func:`fastrbm.show_config`. No effect on the samples.
        clamp : array (columns,) or (n, columns), or dict, optional
            A unit's value, or a site's code, where it is clamped, NaN where it is free: samples follow
            `p(free units | clamped units)`, and clamped columns come back as they were given. A dict has what is
            clamped alone: the value or label of columns, by name or number.
        clamp_hidden : array (H,) or (n, H), optional
            The same for hidden units.
        method : "annealed", "tempered", "gibbs" or None
            "annealed": population annealing gives states in which every mode has its weight
            (:func:`population_annealing`). Each sample is the end of a Gibbs chain of n_sweeps sweeps from one of
            them. The population has n chains, at least 512, takes 200 steps, at most n_sweeps, and starts at the modes
            that 512 short chains find. Where that leaves few families, a second one has twice the chains and twice the
            steps. All samples have one clamp and one beta.
            "tempered": samples of :class:`TemperedChains`. These do as many sweeps, at all temperatures together, as n
            chains of n_sweeps sweeps. A pilot run of about 300,000 sweeps of one chain chooses the temperatures. Each
            chain at beta 1 gives several samples, one for each temperature, from the second half of its sweeps. Samples
            of one chain depend on each other.
            "gibbs": each sample is the end of a Gibbs chain that starts at start, or at a draw from the visible biases
            alone; samples then follow `p(v)` only when n_sweeps is long against the chains' mixing time, and a mode's
            weight may be that of the starts. It takes clamps and beta of each sample, and clamped hidden units.
            None: "annealed" where it takes what is given, else "gibbs".
        progress : bool
            Show lines on standard error.
        comm : communicator, optional
            Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
            docs' page On a cluster.

        Returns
        -------
        uint8 (n, columns) of 0 and 1 and of categories, or int8 of -1 and 1; int16 where a layer has spins and
        categories; float64, in the data's units, where it has real units

        Warns
        -----
        UserWarning
            When the population is of few families, or tempered chains made few round trips, so that modes are weighed
            by chance.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[2.0], [2.0]], [-1.0, -1.0], [-1.0])
        >>> rbm.sample(5, n_sweeps=10, seed=3).shape
        (5, 2)
        >>> rbm.sample(5, n_sweeps=10, clamp=[1, float("nan")])[:, 0]
        array([1, 1, 1, 1, 1], dtype=uint8)
        """
        n = validate.integer(n, "n", 0, philox.MOST_CHAINS)
        n_sweeps = validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS)
        seed, beta, clamp = validate.seed(seed), _given.readable(beta), self._clamp(clamp)
        betas = validate.inverse_temperature(beta, n)
        check_beta(self, betas)
        clamped = Clamp.of(clamp, clamp_hidden, n, self._parameters.units)
        if method is not None:
            validate.one_of(method, "method", ("annealed", "tempered", "gibbs"))
        validate.flag(progress, "progress")
        threads.resolve(n_threads)
        same = clamp_hidden is None and np.ndim(beta) == 0 and (clamp is None or np.ndim(clamp) == 1)
        if method in ("annealed", "tempered") and not (same and start is None):
            raise ValueError(
                f"method {method!r} takes no start, no clamped hidden units, and one clamp and beta for all samples: "
                "use method='gibbs'"
            )
        ends: BitMatrix | None = None
        if same and start is None and method != "gibbs" and n and n_sweeps:
            drawn = partial(tempered_samples if method == "tempered" else annealed_starts, progress=progress)
            ends = drawn_given(drawn, self, clamp, float(beta), n, n_sweeps, seed, n_threads)  # type: ignore[arg-type]
            start = ends
        if method != "tempered" or ends is None:
            how = seed, philox.SAMPLE, start, betas, n_threads, clamped
            ends = chain_ends(self, n, n_sweeps, *how, progress=progress)
        if self._parameters.may_saturate:
            self._warn_of_range(self.mean_hidden(ends, n_threads))
        return exactly(clamp, "clamp", self.visible.values(ends.to_states()), self.visible)

    @keywords()
    @shared
    def inpaint(
        self, X: ArrayLike, n_sweeps: int = 1000, seed: int = 0, n_threads: int | None = None, *,
        n_draws: int | None = None, probabilities: bool = False, most_probable: bool = False, progress: bool = False,
        comm: Any = None,
    ) -> np.ndarray:  # fmt: skip
        """Fill in what is missing: for each example draws of its missing units given the others, or what is most
        probable.

        A draw shows what could be there; as a guess it is a poor one. Where a value must be right as often as possible,
        take ``most_probable=True`` (of new bundled digits without half of their pixels a draw is right 0.82 of the
        time, the most probable value by 30 draws 0.87); where the uncertainty counts, several draws, or the
        probabilities.

        Parameters
        ----------
        X : array (n, columns) or data frame
            The units' values, and NaN, None or pandas.NA where one is missing (or masked, in a masked array); in
            columns of categories -1 will do. Real numbers that are known come back as they are. A data frame's labels
            become the codes of the model's categories, which :meth:`to_frame` turns into labels again:
            ``rbm.to_frame(rbm.inpaint(frame), like=frame)``.
        n_sweeps : int
            Sweeps of each chain, with the known units clamped. As for :meth:`sample`, draws follow `p(missing | known)`
            only when this is long against the mixing time.
        seed : int
            The same seed gives the same draws.
        n_threads : int, optional
            No effect on the draws.
        n_draws : int, optional
            Independent draws, each the end of a chain of its own: by default 1, and 30 for what is an average over
            them. Draws of a smaller number are the first of a larger one.
        probabilities : bool
            Return `P(unit on | known)`, the mean of `P(unit on | h)` over the draws of h; of real units
            `E[value | known]`.
        most_probable : bool
            Fill in the value, or category, of the largest of these probabilities: of each missing entry by itself. Of
            real units, the mean.
        progress : bool
            Show how far it is, as :meth:`sample` does.
        comm : communicator, optional
            Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
            docs' page On a cluster.

        Returns
        -------
        array (n, columns), as :meth:`sample` returns them
            With n_draws above 1, (n_draws, n, columns). With probabilities, float64 (n, V), one for each unit
            (category), 0 or 1 where the entry is known; of real units the values, or their means, in the data's units.
            With most_probable, (n, columns).

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[9.0], [9.0]], [-4.5, -4.5], [-9.0])  # two units that are nearly always alike
        >>> X = [[1, float("nan")], [0, float("nan")]]
        >>> rbm.inpaint(X, n_sweeps=100)
        array([[1, 1],
               [0, 0]], dtype=uint8)
        >>> rbm.inpaint(X, n_sweeps=100, probabilities=True).round(1)
        array([[1., 1.],
               [0., 0.]])
        """
        n_sweeps, seed = validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS), validate.seed(seed)
        averaged = validate.flag(probabilities, "probabilities") | validate.flag(most_probable, "most_probable")
        if probabilities and most_probable:
            raise ValueError("probabilities and most_probable are two different results: choose one")
        validate.flag(progress, "progress")
        self._check_names(X, "X")
        X = self._coded(X, "X")
        parts, missing = known_parts(X, self.visible, "X")
        most = philox.MOST_CHAINS // max(1, len(parts))
        drawn = (inpainting.MANY if averaged else 1) if n_draws is None else n_draws
        drawn = validate.integer(drawn, "n_draws", 1, most)
        with Countdown("inpainting", drawn * len(parts) * n_sweeps, progress) as countdown:
            how = self, parts, missing, n_sweeps, drawn, seed, n_threads, countdown
            if not averaged:
                draws = [
                    exactly(X, "X", self.visible.values(visible.to_states()), self.visible)
                    for visible, _ in inpainting.completions(*how)
                ]
                return draws[0] if drawn == 1 else np.stack(draws)
            means = inpainting.probabilities(*how)
        if probabilities:
            return exactly(X, "X", self.visible.expected(means), self.visible)
        most_likely = np.where(missing, self.visible.hardened(means), parts)
        return exactly(X, "X", self.visible.values(most_likely), self.visible)

    def reconstruct(self, v: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """`E[v | h]`, float32 (n, V), in the data's units, with h drawn from `p(h | v)` for each example: what one step
        there and back makes of it. v (n, V) holds the units' values, or numbers between them."""
        return self.mean_visible(self.sample_hidden(v, seed, n_threads), n_threads)

    # ------------------------------------------------------------ files

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a file (.npz, a format number, no pickle): whole, or not at all.

        The file holds the parameters, the unit types, names and categories of columns, and :attr:`training_record`.

        Its content goes to a temporary file beside it, which is renamed; where that cannot be, such as a file that
        Docker mounts, an existing file is written in place. A symbolic link stays, and what it leads to is written.

        Raises
        ------
        OSError
            When the file cannot be written, or is not a regular file.
        """
        model_file.save(validate.path(path), self)

    def _save_path(self, file: PathLike[str], path: Path) -> None:
        """Write a path that ends here: sampling/ stands below models and their files."""
        path_file.save(file, path)

    def _save_chains(self, file: PathLike[str], state: dict[str, Any]) -> None:
        """Write chains of this model, likewise."""
        chains_file.save(file, self, state)


def _weight_scale(visible: Unit, hidden: Unit) -> float:
    """The standard deviation of initial weights. Times sqrt(V) + sqrt(H) it is about their largest singular value,
    which must be below 1 between real units."""
    if not hidden.real:
        return 0.01
    scale = math.sqrt(0.1 / visible.n_columns)
    return min(scale, 0.3 / (math.sqrt(visible.n) + math.sqrt(hidden.n))) if visible.real else scale


def _rebuilt(
    kind: type[RBM], weights: Any, visible_bias: Any, hidden_bias: Any, visible: Unit, hidden: Unit,
    record: str | None = None,
) -> RBM:  # fmt: skip
    """What a pickle holds."""
    rbm = kind(weights, visible_bias, hidden_bias, visible=visible, hidden=hidden)
    if record is not None:
        rbm._trained = rbm._parameters, record
    return rbm
