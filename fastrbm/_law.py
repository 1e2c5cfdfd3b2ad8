"""What a model says of its units: energies, conditional laws, samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _gibbs, _given, _random, _threads, _validate, _work
from ._clamp import Clamp, Held
from ._grid import warn_if_coarse
from ._kernels import kernels
from ._parameters import Parameters
from ._starts import chain_ends
from .bits import BitMatrix

_SUMS = 1 << 22  # that are kept at a time: bounds the memory


class Law:
    """The part of RBM that reads its parameters."""

    _parameters: Parameters
    _visible_names: tuple[str, ...] | None = None

    @property
    def visible_names(self) -> tuple[str, ...] | None:
        """The names of the visible units, where the model was made from a data frame: its columns. A data frame that is
        passed later must have the same columns in the same order."""
        return self._visible_names

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
        """E(v, h) = -v'W h - b'v - c'h of each pair, in nats.

        Parameters
        ----------
        v : array (n, V) or BitMatrix, of 0 and 1
        h : array (n, H) or BitMatrix, of 0 and 1

        Returns
        -------
        float64 (n,). Weights enter on the kernels' grid (:attr:`grid`).
        """
        p = self._parameters
        visible, hidden = self._states(v, "v"), self._states(h, "h")
        n = len(visible)
        if n != len(hidden):
            raise ValueError(f"v and h must have as many cases as each other, got {n} and {len(hidden)}")
        result = self._bias_sums(visible, p.wide_visible_bias) + self._bias_sums(hidden, p.wide_hidden_bias)
        for part in _work.parts(n, _work.half_step(*p.shape), most=_SUMS // self.n_hidden):
            acc = np.empty((part.stop - part.start, self.n_hidden), np.int32)
            threads = _threads.resolve(n_threads, acc.size * self.n_visible)
            kernels.product(visible.planes[:, part], p.to_hidden.tiles_array, p.to_hidden.exponent, acc, threads)
            # int64 sums of int32 are exact
            pairs = np.einsum("ij,ij->i", acc, hidden[part].to_states(), dtype=np.int64)
            result[part] += pairs * 2.0**-p.to_hidden.exponent
        return -result

    def free_energy(self, v: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """F(v) = -b'v - sum_j softplus(c_j + (v'W)_j) = -log sum_h exp(-E(v, h)) of each case, in nats.

        log p(v) = -F(v) - log Z, so differences of F are log ratios of probabilities.

        Parameters
        ----------
        v : array (n, V) or BitMatrix, of 0 and 1

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
        p = self._parameters
        result = np.empty(len(bits))
        one = np.ones(1)
        for part in _work.parts(len(bits), _work.free_energy(*p.shape)):
            threads = _threads.resolve(n_threads, (part.stop - part.start) * self.n_visible * self.n_hidden)
            kernels.softplus_sums(bits.planes[:, part], p.to_hidden, one, result[part], threads)
        return -(result + self._bias_sums(bits, p.wide_visible_bias))

    @property
    def grid(self) -> tuple[float, float]:
        """The grids 2^-e to whose nearest points the kernels round the weights, for v -> h and for h -> v."""
        p = self._parameters
        return 2.0**-p.to_hidden.exponent, 2.0**-p.to_visible.exponent

    def _bias_sums(self, states: BitMatrix, wide_bias: np.ndarray) -> np.ndarray:
        out = np.empty(len(states))
        for part in _work.parts(len(states), _work.elements(states.n_units)):
            kernels.bias_sums(states.planes[:, part], wide_bias, out[part], 1)
        return out

    def _states(self, value: ArrayLike, name: str, fractions: bool = False) -> Any:
        """A user's states of the hidden layer (name "h") or of the visible one, whose columns may have names."""
        if name == "h":
            return _gibbs.states_given(value, self.n_hidden, name, fractions)
        self._check_names(value, name)
        return _gibbs.states_given(value, self.n_visible, name, fractions)

    def _check_names(self, value: object, name: str) -> None:
        _validate.check_names(_given.names_of(value), self.visible_names, name)

    # ------------------------------------------------------------ conditional laws

    def mean_hidden(self, v: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """P(h_j = 1 | v) = sigmoid(c_j + (v'W)_j), float32 (n, H); v (n, V) of 0 and 1, or fractions from 0 to 1."""
        return self._mean(self._parameters.to_hidden, self._states(v, "v", True), n_threads)

    def mean_visible(self, h: ArrayLike, n_threads: int | None = None) -> np.ndarray:
        """P(v_i = 1 | h) = sigmoid(b_i + (W h)_i), float32 (n, V); h (n, H) of 0 and 1, or fractions from 0 to 1."""
        return self._mean(self._parameters.to_visible, self._states(h, "h", True), n_threads)

    def _mean(self, layer: kernels.Layer, given: BitMatrix | np.ndarray, n_threads: int | None) -> np.ndarray:
        _threads.resolve(n_threads)  # fractions need none
        out = np.empty((given.shape[0], layer.n_units), np.float32)
        _gibbs.half_step(layer, given, probabilities=out, n_threads=n_threads)
        return out

    def sample_hidden(self, v: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """A draw of h from p(h | v) for each case, uint8 (n, H).

        The same seed gives the same draw: in a loop, pass a new seed each time (or use :class:`Chains`), or every pass
        repeats the same random numbers and the chains do not follow the model.
        """
        return self._draw(self._parameters.to_hidden, self._states(v, "v", True), seed, _random.HIDDEN, n_threads)

    def sample_visible(self, h: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """A draw of v from p(v | h) for each case, uint8 (n, V).

        The same seed gives the same draw: in a loop, pass a new seed each time, as for :meth:`sample_hidden`.
        """
        return self._draw(self._parameters.to_visible, self._states(h, "h", True), seed, _random.VISIBLE, n_threads)

    def _draw(
        self, layer: kernels.Layer, given: BitMatrix | np.ndarray, seed: int, kind: int, n_threads: int | None
    ) -> np.ndarray:
        out = BitMatrix.empty(given.shape[0], layer.n_units)
        seed = _validate.seed(seed)
        _threads.resolve(n_threads)
        _gibbs.half_step(layer, given, kind=kind, seed=seed, stream=_random.ONCE, out=out, n_threads=n_threads)
        return out.to_states()

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
    ) -> np.ndarray:
        """n samples of v, each the end of a Gibbs chain of its own; given some of the units, if any are clamped.

        Parameters
        ----------
        n : int
            Number of chains.
        n_sweeps : int
            Sweeps a chain.
        seed : int
            The same seed gives the same samples.
        start : array (n, V) or BitMatrix, optional
            Where the chains start, with method "gibbs".
        beta : float or array (n,)
            Inverse temperature: the chains sample exp(-beta E).
        n_threads : int, optional
            See :func:`fastrbm.show_config`. No effect on the samples.
        clamp : array (V,) or (n, V), optional
            0 and 1 where a visible unit is held, NaN where it is free: samples follow p(free units | held units).
        clamp_hidden : array (H,) or (n, H), optional
            The same for hidden units.
        method : "annealed", "gibbs" or None
            "annealed": the chains start at the ends of population annealing (:func:`population_annealing`, at most 200
            steps and no more than n_sweeps, with 256 chains or more), where every mode has its weight; the sweeps make
            chains of one family differ. "gibbs": they start at start, or at draws from the visible biases alone;
            samples then follow p(v) only when n_sweeps is long against the chains' mixing time, and a mode's weight may
            be that of the starts. None: "annealed" where start, beta and clamps are left as they are, else "gibbs".

        Returns
        -------
        uint8 (n, V)

        Warns
        -----
        UserWarning
            When the population is of few families, so that modes are weighed by chance.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[2.0], [2.0]], [-1.0, -1.0], [-1.0])
        >>> rbm.sample(5, n_sweeps=10, seed=3).shape
        (5, 2)
        >>> rbm.sample(5, n_sweeps=10, clamp=[1, float("nan")])[:, 0]
        array([1, 1, 1, 1, 1], dtype=uint8)
        """
        n = _validate.integer(n, "n", 0, _random.MOST_CHAINS)
        n_sweeps = _validate.integer(n_sweeps, "n_sweeps", 0, _random.MOST_SWEEPS)
        seed, betas = _validate.seed(seed), _validate.inverse_temperature(beta, n)
        held = Clamp.of(clamp, clamp_hidden, n, self._parameters.shape)
        plain = start is None and betas is None and held is None
        if method not in (None, "annealed", "gibbs"):
            raise ValueError(f"method must be 'annealed', 'gibbs' or None, got {method!r}")
        if method == "annealed" and not plain:
            raise ValueError("method 'annealed' takes no start, clamps or beta: use method='gibbs'")
        if plain and method != "gibbs" and n and n_sweeps:
            from .annealing import annealed_starts  # which needs models, too

            start = annealed_starts(self, n, n_sweeps, seed, n_threads)
        return chain_ends(self, n, n_sweeps, seed, _random.SAMPLE, start, betas, n_threads, held).to_states()

    def inpaint(self, X: ArrayLike, n_sweeps: int = 1000, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """Fill in what is missing: for each case a draw of its missing units given the others.

        Parameters
        ----------
        X : array (n, V)
            0 and 1, and NaN where a unit is missing (or masked, in a masked array).
        n_sweeps : int
            Sweeps of each case's chain, with the known units held. As for :meth:`sample`, draws follow
            p(missing | known) only when this is long against the mixing time.
        seed : int
            The same seed gives the same draw. The mean over several seeds estimates P(missing unit on | known).
        n_threads : int, optional
            No effect on the draw.

        Returns
        -------
        uint8 (n, V)

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM([[9.0], [9.0]], [-4.5, -4.5], [-9.0])  # two units that are nearly always alike
        >>> rbm.inpaint([[1, float("nan")], [0, float("nan")]], n_sweeps=100)
        array([[1, 1],
               [0, 0]], dtype=uint8)
        """
        n_sweeps, seed = _validate.integer(n_sweeps, "n_sweeps", 0, _random.MOST_SWEEPS), _validate.seed(seed)
        self._check_names(X, "X")
        array = _given.numbers(X, "X", missing=True)
        if array.ndim != 2:
            raise ValueError(f"X must have two dimensions, (cases, units), got shape {array.shape}")
        held = Clamp(Held.of(array, len(array), self.n_visible, "X"), None)
        return chain_ends(
            self, len(array), n_sweeps, seed, _random.INPAINT, n_threads=n_threads, clamp=held
        ).to_states()

    def reconstruct(self, v: ArrayLike, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """P(v = 1 | h), float32 (n, V), with h drawn from p(h | v) for each case: what one step there and back makes
        of it. v (n, V) of 0 and 1, or fractions from 0 to 1."""
        return self.mean_visible(self.sample_hidden(v, seed, n_threads), n_threads)
