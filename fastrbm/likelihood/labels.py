"""The distribution of a label given all the other units, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads
from ..sampling.columns import LabelColumn
from ..sampling.labels import log_label_probabilities
from ..sampling.model import model

if TYPE_CHECKING:
    from ..rbm import RBM


def label_probabilities(
    rbm: RBM, X: ArrayLike, column: int = -1, n_threads: int | None = None, *, log: bool = False
) -> np.ndarray:
    """`p(y | x)` of each example: y is one column of the data, a categorical site or a unit of two values, x the
    others.

    `p(y = a | x)` is proportional to

        exp(d_a + sum_j cgf(c_j + (x'W)_j + U_aj)),

    with the label's bias d and its rows U of the weights (Larochelle & Bengio 2008). cgf(f) is softplus(f) for hidden
    units of 0 and 1, `log(2 cosh f)` for spins. It needs no log Z. The product `x'W` is computed once an example, and
    each label costs a multiplication and an addition for each hidden unit. The fields of x are on the kernels' grid
    (:attr:`RBM.grid`), those of the label are not.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or (n, columns - 1), data frame, or BitMatrix
        With the label's column, which counts for nothing (it may hold -1 or NaN), or without it. Numbers between the
        values of units are taken as they are, in place of values.
    column : int
        The label's column; -1: the last one.
    log : bool
        `log p(y | x)`, in nats, which does not vanish.

    Returns
    -------
    float64 (n, states), rows sum to 1, in the order of the codes (of a unit: its lower value, its higher one). The same
    bits on any machine.

    Raises
    ------
    ValueError
        When there is no such column, or X does not fit the others.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> visible = [fr.units.Bernoulli(2), fr.units.Categorical(1, 3)]
    >>> rbm = fr.RBM(np.zeros((5, 4)), visible_bias=[0, 0, 0, 0, np.log(2)], visible=visible)
    >>> fr.likelihood.label_probabilities(rbm, [[0, 1], [1, 1]]).round(3)
    array([[0.25, 0.25, 0.5 ],
           [0.25, 0.25, 0.5 ]])
    """
    threads.resolve(n_threads)
    label = LabelColumn(model(rbm).visible, column)
    log_p = log_label_probabilities(rbm, label, label.read(rbm, X, labels=False), n_threads)
    return log_p if log else floatmath.exp(np.maximum(log_p, -708.0))
