"""The gradient of the log-likelihood of labels given the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import threads, validate
from .._core.describe import Described
from .._core.layout import FIXED_BITS
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import Moments
from ..sampling.columns import LabelColumn
from ..sampling.model import model
from ..states.bits import BitMatrix
from .base import Gradient
from .labels import of_labels

if TYPE_CHECKING:
    from ..rbm import RBM


def column_number(value: Any, name: str) -> int:
    """The number of a column, which may count from the last."""
    return validate.integer(value, name, -(1 << 40), 1 << 40)


class Discriminative(Described):
    """The exact gradient of the mean of `log p(y | x)`, y being one column of the data, the label, and x all the others
    (Larochelle & Bengio 2008).

    With `s_j(x, a) = E[h_j | x, y = a]` and `p_a = p(y = a | x)`, of an example

        d/dW_ij = x_i (s_j(x, y) - sum_a p_a s_j(x, a)),    d/dU_aj = ([a = y] - p_a) s_j(x, a),
        d/dc_j = s_j(x, y) - sum_a p_a s_j(x, a),           d/dd_a = [a = y] - p_a,

    U and d being the label's rows of the weights and its biases; the biases of all other visible units have none. It is
    a difference of two phases, as of any gradient, and can be centered: `h ~ p(h | x, y)`, and `(y, h) ~ p(y, h | x)`.
    There are no chains. The model learns to tell labels, not what data look like: samples and likelihoods of it mean
    nothing. See :class:`Hybrid`.

    As moments are, s is rounded to multiples of `2^-22` and sums are exact: the same bits on any machine.

    Parameters
    ----------
    column : int
        The label's column; -1: the last one. A categorical site, or a unit of two values.

    Notes
    -----
    X may hold examples without a label: in the column of a site -1, NaN, or one more than its largest category.
    They count for nothing, and the mean is over the others. A batch in which no example has one changes nothing.

    There is no noise of chains in it, so that Adam, which adapts to the size of each component, is a good optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(3)
    >>> bars = X.reshape(-1, 3, 3).all(axis=2).any(axis=1)
    >>> V = np.column_stack([X, bars])
    >>> rbm = fr.RBM.from_data(V, n_hidden=16, visible=[fr.units.Bernoulli(9), fr.units.Categorical(1, 2)])
    >>> history = fr.fit(rbm, V, fr.gradient.Discriminative(), fr.optim.Adam(0.05), epochs=300)
    >>> found = fr.likelihood.label_probabilities(rbm, X).argmax(axis=1)
    >>> bool((found == bars).all())
    True
    """

    takes_absent, generative = True, False
    column = Setting(column_number)

    @keywords()
    def __init__(self, column: int = -1) -> None:
        self.column = column

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        threads.resolve(n_threads)
        label = LabelColumn(model(rbm).visible, self.column)
        states = label.read(rbm, X, labels=True)
        return discriminative(rbm, label, states, sample_weight, n_threads)

    def encode(self, rbm: RBM, X: Any, drawn: bool = False) -> Any:
        """Data of a user as a BitMatrix of the model's visible layer, absent labels among them: what
        :func:`fastrbm.fit` makes of X before it cuts it into batches. Fractions are left as they are; where states are
        to be drawn from those of a layer of segments, they are what fit draws from."""
        return encoded(rbm, X, self.column, drawn)

    def get_state(self) -> dict[str, Any]:
        """Nothing: each call stands alone."""
        return {}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Nothing to set."""

    def __repr__(self) -> str:
        return f"Discriminative(column={self.column})"


def discriminative(
    rbm: RBM, label: LabelColumn, states: Any, sample_weight: ArrayLike | None, n_threads: int | None
) -> Gradient:
    """The gradient, of states of the layer as LabelColumn.read gives them."""
    n = states.shape[0]
    if n == 0:
        raise ValueError("X must have at least one example")
    if rbm.hidden.real:  # whether or not any example has a label
        raise ValueError(
            f"the gradient of log p(label | rest) needs hidden units of two values, and these are {rbm.hidden!r}"
        )
    weight = None if sample_weight is None else validate.sample_weight(sample_weight, n)
    labels = label.labels(states)
    known = labels >= 0 if weight is None else (labels >= 0) & (weight > 0)
    if not bool(known.any()):
        same = Moments.of_data(rbm, given(rbm, states), sample_weight, n_threads)
        return Gradient(same, same, n_threads)
    if not bool(known.all()):
        states, labels, weight = states[known], labels[known], None if weight is None else weight[known]
    scale = 1.0
    if weight is not None:
        scale = 2.0 ** math.frexp(weight.max())[1]
        weight = np.rint(weight / scale * (1 << FIXED_BITS))
    return Gradient(*of_labels(rbm, label, states, labels, weight, scale, n_threads), n_threads)


def given(rbm: RBM, states: Any) -> Any:
    """States of the layer as estimators take them from anybody: fractions of on as numbers between the units'
    values."""
    return states if isinstance(states, BitMatrix) else rbm.visible.values(states)


def encoded(rbm: RBM, X: Any, column: int, drawn: bool = False) -> Any:
    """X as a BitMatrix, or, where it holds fractions, as it is; Fractions where states are drawn from segments."""
    label = LabelColumn(model(rbm).visible, column)
    if drawn and rbm.visible.layout is not None:
        return label.fractions(X)
    states = label.read(rbm, X, labels=True)
    return states if isinstance(states, BitMatrix) else X
