"""The Monte Carlo gradient, exactly as the textbook formula writes it: for watching it converge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, validate
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import Moments
from ..sampling import gibbs
from ..sampling.model import model
from ..sampling.starts import start_chains
from ..states.bits import BitMatrix, zeros
from .base import Gradient, refuse_absent

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit


class MonteCarloGradient(Gradient):
    """A gradient with its standard errors, component by component.

    Attributes
    ----------
    weights_error : float64 (V, H)
    visible_bias_error : float64 (V,)
    hidden_bias_error : float64 (H,)
        Of the Monte Carlo noise of both phases together; the data are taken as given.
    """

    def __init__(self, positive: Moments, negative: Moments, errors: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        super().__init__(positive, negative)
        self.weights_error, self.visible_bias_error, self.hidden_bias_error = errors


class MonteCarlo(Described):
    """The gradient by plain Monte Carlo: two means over samples.

        -1/N sum_n dE(v, h_n)/dtheta + 1/M sum_m dE(v_m, h_m)/dtheta

    The samples are `h_n ~ p(h | v)` and `(v_m, h_m) ~ p(v, h)`.
    Binary samples stand on both sides, where the other estimators of this module put `E[h | v]`: those have a smaller
    variance at less cost (docs/theory.md, section 6). For teaching and for tests; arrays of n H and M (V + H)
    numbers.

    Parameters
    ----------
    n_hidden_samples : int
        N, samples of h for each example.
    n_joint_samples : int
        M, samples of (v, h), each the end of a Gibbs chain of its own.
    n_sweeps : int
        Sweeps of each chain; long against the mixing time, or the negative phase is biased.
    seed : int
        Each call goes on to new random numbers.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=3, seed=0)
    >>> g = fr.gradient.MonteCarlo(n_hidden_samples=100, n_joint_samples=10_000)(rbm, X)
    >>> exact = fr.gradient.Exact()(rbm, X)
    >>> bool((abs(g.weights - exact.weights) < 5 * g.weights_error).all())
    True
    """

    n_hidden_samples = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    n_joint_samples = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_sweeps = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    seed = Setting(validate.seed)

    @keywords()
    def __init__(
        self, n_hidden_samples: int = 1, n_joint_samples: int = 512, n_sweeps: int = 100, seed: int = 0
    ) -> None:
        self.n_hidden_samples, self.n_joint_samples = n_hidden_samples, n_joint_samples
        self.n_sweeps, self.seed = n_sweeps, seed
        self._next_sweep = 0

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> MonteCarloGradient:
        if sample_weight is not None:
            raise ValueError("MonteCarlo takes no sample_weight: it is the plain formula")
        refuse_absent(X, self)
        bits = model(rbm)._states(X, "X")
        if len(bits) == 0:
            raise ValueError("X must have at least one example")
        gibbs.check_capacity(self._next_sweep, self.n_hidden_samples + 1 + self.n_sweeps)
        positive, positive_variances = self._positive(rbm, bits, n_threads)
        negative, negative_variances = self._negative(rbm, n_threads)
        errors = [np.sqrt(a + b) for a, b in zip(positive_variances, negative_variances, strict=True)]
        return MonteCarloGradient(positive, negative, (errors[0], errors[1], errors[2]))

    def _positive(
        self, rbm: RBM, bits: BitMatrix, n_threads: int | None
    ) -> tuple[Moments, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        n, N = len(bits), self.n_hidden_samples
        v, hidden = rbm.visible.unit_values(bits.to_states()), np.zeros((n, rbm.n_hidden))
        out, halves = zeros(n, rbm.hidden), np.zeros((4, rbm.n_hidden))
        for _ in range(N):
            gibbs.half_step(
                rbm._parameters.to_hidden, bits, kind=philox.HIDDEN, seed=self.seed, stream=philox.MONTE_CARLO,
                sweep=self._next_sweep, out=out, n_threads=n_threads,
            )  # fmt: skip
            self._next_sweep += 1
            drawn = rbm.hidden.values(out.to_states())
            hidden += drawn
            halves += _halves(drawn)
        own = rbm.hidden.own_gradient(halves / N) if rbm.hidden.trained else None
        moments = Moments(v.T @ hidden / N, v.sum(axis=0), hidden.sum(axis=0) / N, float(n), own)
        # given v, the h_n are independent: the variance of their mean is that of one by N
        if rbm.hidden.real:
            mean, second = rbm.hidden.moments_of(v @ rbm.weights.astype(np.float64) + rbm.hidden_bias)
            spread = (second - mean * mean) / N
        else:  # (s - low) (high - s), for the true s
            s, low = rbm.mean_hidden(bits).astype(np.float64), rbm.hidden.off
            spread = (s - low) * (low + rbm.hidden.step - s) / N
        return moments, (np.square(v).T @ spread / n**2, np.zeros(rbm.n_visible), spread.sum(axis=0) / n**2)

    def _negative(self, rbm: RBM, n_threads: int | None) -> tuple[Moments, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        M = self.n_joint_samples
        visible, hidden = start_chains(rbm, M, self.seed, philox.MONTE_CARLO, None, n_threads, self._next_sweep)
        self._next_sweep += 1
        gibbs.sweep(
            rbm._parameters, visible, hidden, self.n_sweeps, seed=self.seed, stream=philox.MONTE_CARLO,
            first_sweep=self._next_sweep, n_threads=n_threads,
        )  # fmt: skip
        self._next_sweep += self.n_sweeps
        v, h = (unit.unit_values(states.to_states()) for unit, states in ((rbm.visible, visible), (rbm.hidden, hidden)))
        own = rbm.hidden.own_gradient(_halves(h)) if rbm.hidden.trained else None
        moments = Moments(v.T @ h, v.sum(axis=0), h.sum(axis=0), float(M), own)
        ends = [_ends(unit, values) for unit, values in ((rbm.visible, v), (rbm.hidden, h))]
        pairs = np.multiply.outer(*ends)
        return moments, (
            _variance(moments.weight_sum, np.square(v).T @ np.square(h), np.array([pairs.min(), pairs.max()]), M),
            _variance(moments.visible_sum, np.square(v).sum(axis=0), ends[0], M),
            _variance(moments.hidden_sum, np.square(h).sum(axis=0), ends[1], M),
        )

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: how far the random numbers are used up."""
        return {"next_sweep": self._next_sweep}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on from a state that get_state gave."""
        self._next_sweep = saved.count(state, "next_sweep", philox.MOST_SWEEPS)

    def __repr__(self) -> str:
        return (
            f"MonteCarlo(n_hidden_samples={self.n_hidden_samples}, n_joint_samples={self.n_joint_samples}, "
            f"n_sweeps={self.n_sweeps}, seed={self.seed})"
        )


def _halves(h: np.ndarray) -> np.ndarray:
    """The sums over samples (n, H) of max(h, 0), min(h, 0) and their squares, (4, H)."""
    parts = np.maximum(h, 0.0), np.minimum(h, 0.0)
    return np.stack([*(part.sum(axis=0) for part in parts), *(np.square(part).sum(axis=0) for part in parts)])


def _ends(unit: Unit, values: np.ndarray) -> np.ndarray:
    """Of the range of a unit's values; of real ones, of what was seen."""
    if unit.real:
        return np.array([values.min(), values.max()])
    return np.array([np.min(unit.off), np.max(unit.off + unit.step)])


def _variance(sums: np.ndarray, squares: np.ndarray, ends: np.ndarray, n: int) -> np.ndarray:
    """Of means of n independent numbers, from their sums and those of their squares, as if both ends of their range had
    been seen once more."""
    mean = (sums + ends.sum()) / (n + 2)
    return np.maximum((squares + np.square(ends).sum()) / (n + 2) - mean * mean, 0.0) / n
