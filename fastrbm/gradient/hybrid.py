"""The hybrid gradient: of the likelihood of labels given the rest, and of all units together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, threads, validate
from .._core.describe import Described, describe
from .._core.direction import Update
from .._core.layout import from_tiles
from .._core.settings import Setting, once
from .._core.synonyms import keywords
from ..sampling.columns import LabelColumn
from ..sampling.labels import drawn_labels, log_label_probabilities
from ..sampling.model import model
from .base import Gradient
from .discriminative import column_number, discriminative, encoded, given
from .pcd import PCD

if TYPE_CHECKING:
    from ..rbm import RBM

_PARTS = ("weights", "visible_bias", "hidden_bias")
_STATE = "generative_"  # before the names of what the generative estimator keeps


class Hybrid(Described):
    """The gradient of the mean of `log p(y | x) + alpha log p(x, y)`: :class:`Discriminative` plus alpha times an
    estimate of the generative gradient (Larochelle & Bengio 2008, section 5).

    A little of the generative gradient keeps a model that learns to tell labels from overfitting, and makes it one
    that can be sampled: given a label, too (``RBM.sample(clamp=...)``). It is also what examples without a label are
    for: they add to the second mean `log p(x)`, their label being drawn from `p(y | x)`, exactly, at each call. So the
    generative estimator sees complete examples, and its gradient has the right expectation. (Both means are over the
    examples of the call that they are of.)

    Parameters
    ----------
    generative : estimator, optional
        Of the gradient of `log p(x, y)`: by default ``gradient.PCD()``. Any other of this module, or one of your own.
    alpha : float
        Its weight, from 0 up.
    column : int
        The label's column; -1: the last one. Absent labels are as for :class:`Discriminative`.
    seed : int
        Of the labels that are drawn.

    Attributes
    ----------
    chains : Chains or None
        Those of the generative estimator.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(3)
    >>> bars = X.reshape(-1, 3, 3).all(axis=2).any(axis=1)
    >>> V = np.column_stack([X, bars]).astype(float)
    >>> V[::4, -1] = np.nan  # a quarter of the labels is unknown
    >>> visible = [fr.units.Bernoulli(9), fr.units.Categorical(1, 2)]
    >>> rbm = fr.RBM.from_data(V, n_hidden=16, weight_scale=0.3, visible=visible, seed=0)
    >>> history = fr.fit(rbm, V, fr.gradient.Hybrid(alpha=0.1), fr.optim.SGD(0.5), epochs=1000)
    >>> found = fr.likelihood.label_probabilities(rbm, X).argmax(axis=1)
    >>> bool((found == bars).mean() > 0.8)
    True
    """

    alpha = Setting(validate.real, 0.0)
    column = Setting(column_number)
    seed = Setting(validate.seed)

    @keywords()
    def __init__(self, generative: Any = None, alpha: float = 0.01, column: int = -1, seed: int = 0) -> None:
        self.alpha, self.column, self.seed = alpha, column, seed
        generative = PCD() if generative is None else generative
        if isinstance(generative, type) or not callable(generative):
            raise TypeError(f"generative must be an estimator such as gradient.PCD(), not {generative!r}")
        self.generative = generative
        self._calls = 0

    @property
    def chains(self) -> Any:
        return getattr(self.generative, "chains", None)

    @property
    def takes_absent(self) -> bool:
        """Whether the generative estimator knows of sites that examples do not have; labels may be absent anyway."""
        return bool(getattr(self.generative, "takes_absent", False))

    def scale_next(self, scale: float) -> None:
        """What the generative estimator learns of the weight of a batch."""
        if hasattr(self.generative, "scale_next"):
            self.generative.scale_next(scale)

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Any:
        threads.resolve(n_threads)
        label = LabelColumn(model(rbm).visible, self.column)
        states = label.read(rbm, X, labels=True)
        first = discriminative(rbm, label, states, sample_weight, n_threads)
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        second = self.generative(
            rbm, given(rbm, self._complete(rbm, label, states, n_threads)), n_threads=n_threads, **more
        )
        if isinstance(second, Gradient):
            return GradientSum([(first, 1.0), (second, self.alpha)])
        return _ArraySum(first, second, self.alpha)

    def encode(self, rbm: RBM, X: Any, drawn: bool = False) -> Any:
        """As for :class:`Discriminative`."""
        return encoded(rbm, X, self.column, drawn)

    def _complete(self, rbm: RBM, label: LabelColumn, states: Any, n_threads: int | None) -> Any:
        """The states, with a draw from p(y | x) where there is no label."""
        labels = label.labels(states)
        absent = np.flatnonzero(labels < 0)
        call, self._calls = self._calls, self._calls + 1
        if absent.size == 0:
            return states
        # by the place in the batch: the same draws, whichever of the others have labels
        words = philox.words(-(-len(labels) // 4) * 4, self.seed, philox.LABELS, call % (1 << 32))[absent]
        log_p = log_label_probabilities(rbm, label, states[absent], n_threads)
        labels[absent] = drawn_labels(log_p, (words + 0.5) * 2.0**-32)
        return label.with_labels(states, labels)

    def describe(self) -> str:
        """All settings, those of the generative estimator too."""
        inner = describe(self.generative, "generative")
        return f"{type(self).__name__}({inner}, alpha={self.alpha!r}, column={self.column}, seed={self.seed})"

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: how far the random numbers are used up, and the state of the generative
        estimator."""
        for method in ("get_state", "set_state"):
            if not callable(getattr(self.generative, method, None)):
                raise TypeError(f"generative must have {method} to be kept in checkpoints; {self.generative!r} has not")
        state = self.generative.get_state()
        return {"calls": self._calls} | {_STATE + name: value for name, value in state.items()}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on, with this model, from a state that get_state gave."""
        calls = saved.count(state, "calls") if state else 0
        inner = {name[len(_STATE) :]: value for name, value in state.items() if name.startswith(_STATE)}
        self.generative.set_state(inner, rbm)
        self._calls = calls

    def __repr__(self) -> str:
        return f"Hybrid({self.generative!r}, alpha={self.alpha!r}, column={self.column}, seed={self.seed})"


class GradientSum(Gradient):
    """A sum of gradients of one model, each times a number: their weights' parts add up in float32, as an update reads
    them. positive and negative are phases of the first one."""

    def __init__(self, terms: Sequence[tuple[Gradient, float]]) -> None:
        self._terms = list(terms)
        self._first = self._terms[0][0]
        self._phases, self._n_threads, self._offsets = self._first._phases, self._first._n_threads, None
        self._shape, self._scale = self._first.shape, self._first.scale

    def centered(self, visible_offset: np.ndarray, hidden_offset: np.ndarray) -> Gradient:
        return GradientSum([(term.centered(visible_offset, hidden_offset), factor) for term, factor in self._terms])

    def _keeps_parts(self, method: str) -> bool:
        return all(term._keeps_parts(method) for term, _ in self._terms)

    def scaled(self, factor: float) -> Gradient:
        return GradientSum([(term.scaled(factor), own) for term, own in self._terms])

    @once
    def tiles(self) -> np.ndarray:
        total = np.array(self._first.tiles)
        for term, factor in self._terms[1:]:
            total += np.float32(factor) * term.tiles
        return total

    @once
    def _weights(self) -> np.ndarray:
        weights = np.ascontiguousarray(from_tiles(self.tiles, *self.shape))
        weights.flags.writeable = False
        return weights

    @once
    def _biases(self) -> tuple[np.ndarray, np.ndarray]:
        visible, hidden = (sum(factor * b for b, factor in self._of(name)) for name in _PARTS[1:])
        assert not isinstance(visible, int) and not isinstance(hidden, int)  # no sum is empty: there is a first term
        visible.flags.writeable = hidden.flags.writeable = False
        return visible, hidden

    def _of(self, name: str) -> list[tuple[np.ndarray, float]]:
        return [(getattr(term, name), factor) for term, factor in self._terms]

    decays = False

    @property
    def plain_biases(self) -> tuple[np.ndarray, np.ndarray]:
        visible, hidden = zip(*(term.plain_biases for term, _ in self._terms), strict=True)
        factors = [factor for _, factor in self._terms]
        return tuple(sum(f * b for f, b in zip(factors, each, strict=True)) for each in (visible, hidden))

    @property
    def offsets(self) -> tuple[np.ndarray, np.ndarray] | None:  # type: ignore[override]
        return self._first.offsets

    def ascend(self, weights: np.ndarray, *arguments: Any) -> tuple[int, float, float]:
        return Update.ascend(self, weights, *arguments)

    @property
    def work(self) -> int:
        return 0

    def __repr__(self) -> str:
        return " + ".join(f"{factor:g} {term!r}" for term, factor in self._terms)


class _ArraySum:
    """The three arrays of a gradient and of a user's object times a number."""

    def __init__(self, first: Gradient, second: Any, factor: float) -> None:
        self.weights, self.visible_bias, self.hidden_bias = (
            getattr(first, name) + factor * np.asarray(getattr(second, name), np.float64) for name in _PARTS
        )
