"""score: the log-likelihood of data, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, validate
from .._core.synonyms import keywords
from .._core.warn import warn
from ..ranks import shared
from ..sampling.model import enumerated_units, model
from ..sampling.path import Path
from ..sampling.points import MOST_STEPS
from ..states.missing import has_missing, known_parts
from .ais import ais, checked
from .bidirectional import bidirectional, limits
from .density import log_density
from .exact import all_gaussian, check_exact, exact
from .marginal import marginal
from .results import METHODS, Bidirectional, LogPartition, Score

if TYPE_CHECKING:
    from ..rbm import RBM

_SWEEPS = 100  # that fill in what is missing, for the starting states of reverse AIS
EXACT_UNITS = 20  # up to which method="auto" enumerates: a second or so


@keywords()
@shared
def score(
    rbm: RBM,
    X: ArrayLike,
    method: str = "auto",
    n_chains: int | None = None,
    n_betas: int | None = None,
    seed: int = 0,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    tolerance: float = 0.5,
    seconds: float | None = None,
    path: Path | None = None,
    sample_weight: ArrayLike | None = None,
    comm: Any = None,
) -> Score:
    """`log p(v) = -F(v) - log Z` of each example, and their mean with what is uncertain about it.

    Where visible units are real, it is the logarithm of a density, that of the data's own numbers: of columns
    `x = mean + scale z`, `log p(x) = log p(z) - sum_i log(scale_i)`, the sum over columns that are known. log Z, and F,
    are those of the units' values z.

    Parameters
    ----------
    rbm : RBM
    X : array (n, V) or BitMatrix, of 0 and 1
        At least one example. Where entries are missing (NaN, None, pandas.NA, masked, -1 in columns of categories), it
        is `log p(known)`, the sum over what is missing: see :func:`marginal`. With method "bidirectional" also the
        starting states of reverse AIS. `F(v)` takes the weights on the kernels' grid (:attr:`RBM.grid`), exact log Z
        takes them as they are: below 1e-5 nats for ordinary weights.
    method : "auto", "exact", "bidirectional" or "ais"
        "exact" enumerates the smaller layer, up to 25 units. "bidirectional" estimates log Z from both sides: see
        :func:`bidirectional`. "ais" estimates it from one side: on average its likelihood is too high, and it cannot
        say by how much. "auto" is exact up to 20 units, and where all units are Gaussian, else bidirectional.
    n_chains, n_betas : int, optional
        For one run of this size (100 chains and 10,000 betas where the other one is given) in place of as many as the
        tolerance requires. A path has its own steps: leave out n_betas.
    seed, progress, n_threads, comm
        As for :func:`ais`.
    tolerance : float
        In nats: what half of the interval that the uncertainty of log Z leaves should be.
    seconds : float, optional
        As for :func:`bidirectional`.
    path : Path, optional
        To anneal along, up to rbm: the path of a training's trajectory, which may be shorter than that of the
        temperatures.
    sample_weight : array (n,), optional
        Weights of the examples, not negative: the mean is sum_i w_i log p(v_i) / sum_i w_i. A weight of 2 is an example
        that is there twice, also for the mean's standard error, which goes by the total weight as the number of
        examples: weights must be counts, or what adds up to an effective number of examples, as
        :func:`fastrbm.datasets.sequence_weights` do. All examples may be starting states of reverse AIS.

    Returns
    -------
    Score
        Prints as one readable line.

    Warns
    -----
    UserWarning
        When both sides do not agree, a mode was missed, or the interval is wider than the tolerance asks for.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=10, seed=0)
    >>> print(fr.likelihood.score(rbm, X))
    mean log-likelihood -25.113 +- 0.092 (data) nats (1,797 examples, log Z exact)
    """
    validate.one_of(method, "method", METHODS)
    model(rbm)
    _, seed = checked(1 if n_chains is None else n_chains, seed, progress, n_threads)
    if n_betas is not None:
        n_betas = validate.integer(n_betas, "n_betas", 1, MOST_STEPS)
    if path is not None and not (isinstance(path, Path) and _same(path.rbm, rbm)):
        raise ValueError("path must be a Path whose last model is rbm (--path: that of the training of MODEL)")
    tolerance, seconds = limits(tolerance, seconds)
    if method == "exact":
        check_exact(rbm)
    rbm._check_names(X, "X")
    X = rbm._coded(X, "X")
    free, missing = None, None
    if has_missing(X, rbm.visible):
        free = -marginal(rbm, X, n_threads)
        missing = known_parts(X, rbm.visible, "X")[1]
        X = rbm.inpaint(X, _SWEEPS, seed, n_threads)
    bits = rbm._states(X, "X")
    if len(bits) == 0:
        raise ValueError("X must have at least one example")
    weight = None if sample_weight is None else validate.sample_weight(sample_weight, len(bits))
    free = rbm.free_energy(bits, n_threads) if free is None else free
    free = free - log_density(rbm, missing)
    smaller = enumerated_units(rbm)
    how: dict[str, Any] = {
        "n_chains": n_chains, "n_betas": n_betas, "seed": seed, "progress": progress, "n_threads": n_threads,
    }  # fmt: skip
    if method == "exact" or method == "auto" and (smaller <= EXACT_UNITS or all_gaussian(rbm)):
        z: LogPartition | Bidirectional = exact(rbm, progress, n_threads)
    elif method == "ais":
        how["n_chains"] = 100 if n_chains is None else n_chains
        z = ais(rbm, data=bits, **how) if path is None else ais(path, **how)
    else:
        z = bidirectional(rbm if path is None else path, bits, tolerance=tolerance, seconds=seconds, **how)
        if z.warning:
            warn(f"score: {z.warning}")
    per_example = -free - z.value
    # all three from one mean: where log Z is exact they are one number
    if weight is None:
        error = float(per_example.std(ddof=1)) / math.sqrt(len(bits)) if len(bits) > 1 else math.nan
        base, total = -float(np.mean(free)), None
    else:
        base, error, total = weighted_mean(-free, weight)
    return Score(per_example, base - z.value, error, base - z.upper, base - z.lower, z, total)


def weighted_mean(x: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """(mean, its standard error, total weight) of numbers with weights, as if each were there so many times; of a total
    of one or less the error is not known, NaN."""
    total = floatmath.total(weight)
    mean = floatmath.total(weight * x) / total
    squares = floatmath.total(weight * (x - mean) ** 2)
    return mean, math.sqrt(squares / (total - 1.0) / total) if total > 1.0 else math.nan, total


def _same(one: RBM, other: RBM) -> bool:
    """Whether two models are equal, which one read from a file is."""
    if (one.visible, one.hidden) != (other.visible, other.hidden):
        return False
    names = ("weights", "visible_bias", "hidden_bias")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
