"""Path: distributions from one of independent units up to that of a model, along which chains are annealed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, philox, threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import REAL_RANGE
from .._core.progress import Countdown
from .._core.segments import placed
from .._core.synonyms import keywords
from ..ranks import own_share, shared
from ..states.bits import BitMatrix, zeros
from . import gibbs
from .base_rate import data_bias, hot_bias, largest_bias
from .gibbs import chain_calls, independent_states
from .model import Model, checked_model, model
from .points import MOST_STEPS, even_points, given_points
from .resampling import Annealed, anneal, descendants, log_ratio, swap_rate

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Path"]

_STRETCHES = 50  # of a path, whose lengths are measured
_PILOT_STEPS = 8  # of each stretch
_NOTHING = 1e-9  # nats
_FEWEST = 0.1  # steps that a stretch gets, as a fraction of the mean


class Path:
    """Distributions from one of independent visible units up to the model's, which is their last.

    The first is the base-rate model, `p_0(v) ~ exp(r'v)`, with hidden units as they are at beta 0. Along the
    temperatures of one model it goes on by `exp(-beta E(v, h) + (1 - beta) r'v)`, with beta from 0 up to 1. Along the
    models that a training went through, its trajectory (Decelle, Furtlehner & Seoane 2021; Bereux et al. 2024), it goes
    so to the first of them, and from each to the next through models whose parameters are on the line between: these
    have the densities `p_k^(1 - s) p_(k+1)^s` of (v, h), up to a factor. Where a model has modes that no temperature
    joins, the models of its training still go from one to the next in small steps.

    The quadratic part of the energy of real units does not change with beta, so that there is a distribution at beta 0.
    Where hidden units are real and no visible ones, visible biases are multiplied by `beta^2` and weights and hidden
    biases by beta: `exp(-beta^2 E(v, h / beta) + (1 - beta^2) r'v)`. The cgf of a real unit grows with the square of
    its field; so modes of like weight in the model have like weights all along the path, which they do not where
    visible biases are multiplied by beta itself. Between two models the quadratic part is on the line, too.

    A point of the path is a number from 0 to the number of its models: up to 1 it is beta, of the first model; a point
    `k + s`, for k at least 1, is between model k and model `k + 1`, the first being model 1.

    Parameters
    ----------
    models : RBM or several
        Of the same units: the model of interest is the last one.
    n_steps : int, optional
        Steps, evenly spaced. By default 200 for one model; for several 20 up to the first, then one to each.
    points : array, optional
        The points themselves, from 0 up to the number of models, in place of n_steps. Whole numbers, where the models
        are, are put in where they are missing.
    base_bias : array (V,), optional
        r. By default, without data, `b + W E[h]` of the first model, with hidden units as they are at beta 0.
    data : array (n, columns) or BitMatrix, optional
        r is the bias of independent units that have these data's smoothed means.

    Attributes
    ----------
    models : tuple of RBM
    points : float64 (n_steps + 1,)
        Those up to 1 are float32 numbers.
    base_bias : float32 (V,)
    length : float or None
        Of a path that :meth:`adapted` made, its thermodynamic length as the pilot run saw it (Crooks 2007; Sivak &
        Crooks 2012): the log weight of a chain that is annealed along it in n steps has a variance of about
        `length^2 / n`.
    pilot : Annealed or None
        The pilot run of a path that :meth:`adapted` made.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> path = fr.sampling.Path(rbm, n_steps=4)
    >>> path.points.tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> path
    Path(RBM(n_visible=64, n_hidden=16), n_steps=4)
    """

    @keywords()
    def __init__(
        self, models: RBM | Sequence[RBM], n_steps: int | None = None, *, points: ArrayLike | None = None,
        base_bias: ArrayLike | None = None, data: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        self._models = _models(models)
        if n_steps is not None and points is not None:
            raise ValueError("n_steps and points are two ways to say the same: give one")
        self._points = (
            even_points(len(self._models), n_steps) if points is None else given_points(points, len(self._models))
        )
        self._points.flags.writeable = False
        first = self._models[0]
        if base_bias is not None and data is not None:
            raise ValueError("base_bias and data are two ways to say the same: give one")
        bias: ArrayLike
        if data is not None:
            bias = data_bias(first, data)
        else:
            bias = hot_bias(first) if base_bias is None else base_bias
        self._bias = validate.parameter(bias, "base_bias", (first.n_visible,)).copy()
        self._bias.flags.writeable = False
        if base_bias is not None:
            self._check_range()
        self.length: float | None = None
        self.pilot: Annealed | None = None

    def _check_range(self) -> None:
        """ValueError where means of real visible units of the base-rate model are beyond the grid of their values."""
        most = largest_bias(self._models[0].visible)
        over = np.abs(self._bias) >= most
        if over.any():
            unit = int(over.argmax())
            raise ValueError(
                f"base_bias[{unit}] is {self._bias[unit]:g}, where the unit's values end at {REAL_RANGE:g}: it must be "
                f"below {most[unit]:g} in size"
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From a pickle or a copy, whose arrays could be written."""
        self.__dict__.update(state)
        for array in (self._points, self._bias):
            array.flags.writeable = False

    @property
    def models(self) -> tuple[RBM, ...]:
        """From the first that is not independent units to the model of interest."""
        return self._models

    @property
    def rbm(self) -> RBM:
        """The model of interest, the last one."""
        return self._models[-1]

    @property
    def points(self) -> np.ndarray:
        """From 0 to the number of models, float64 (n_steps + 1,), read-only."""
        return self._points.view()

    @property
    def base_bias(self) -> np.ndarray:
        """r, float32 (V,), read-only."""
        return self._bias.view()

    @property
    def n_steps(self) -> int:
        """Steps from the base-rate model to the model of interest."""
        return len(self._points) - 1

    @property
    def log_base(self) -> float:
        """`log Z_0 = sum_j cgf_j(0) + sum_i cgf_i(r_i)`, in nats; of hidden units of two values,
        `H log 2 + sum_i cgf_i(r_i)`. Real units are as they are at beta 0."""
        terms = self._models[0].visible.with_beta(0.0).cgf(self._bias.astype(np.float64))
        return self.log_hidden_base + floatmath.total(terms)

    @property
    def log_hidden_base(self) -> float:
        """The hidden layer's part of log_base."""
        hidden = self._models[0].hidden
        if not hidden.real:
            return hidden.n * math.log(2.0)
        return floatmath.total(hidden.with_beta(0.0).cgf(np.zeros(hidden.n)))

    @property
    def _squares(self) -> bool:
        """Whether visible biases go with the squares of points up to 1."""
        return self._models[0].hidden.real and not self._models[0].visible.real

    def visible_beta(self, points: np.ndarray) -> np.ndarray:
        """What visible biases are multiplied by at points up to 1, float64."""
        return points * points if self._squares else points

    def with_points(self, points: ArrayLike) -> Path:
        """The same path at other points."""
        return Path(self._models, points=points, base_bias=self._bias)

    def model_at(self, point: float) -> RBM:
        """The model at a point: one of the models, or one whose parameters are on the line between two neighbors; below
        1, between the base-rate model, without weights, and the first of them."""
        point = validate.real(point, "point", 0.0, float(len(self._models)))
        below = int(point)
        if point == below and below > 0:
            return self._models[below - 1]
        s, next_one = point - below, self._models[min(below, len(self._models) - 1)]
        high = _wide(next_one)
        if below == 0:
            of_visible = float(self.visible_beta(np.array(s)))
            weights, c = s * high[0], s * high[2]
            b = (1.0 - of_visible) * self._bias.astype(np.float64) + of_visible * high[1]
            visible, hidden = next_one.visible.with_beta(s), next_one.hidden.with_beta(s)
        else:
            last = self._models[below - 1]
            low = _wide(last)
            weights = (1.0 - s) * low[0] + s * high[0]
            b, visible = last.visible.between(next_one.visible, low[1], high[1], s)
            c, hidden = last.hidden.between(next_one.hidden, low[2], high[2], s)
        parameters = (array.astype(np.float32) for array in (weights, b, c))
        return type(next_one)(*parameters, visible=visible, hidden=hidden)

    def base_states(
        self, n: int, seed: int, stream: int, n_threads: int | None = None, first_chain: int = 0
    ) -> BitMatrix:
        """n exact draws of v from the base-rate model, for chains first_chain, first_chain + 1, ..."""
        unit = self._models[0].visible.with_beta(0.0)
        return independent_states(unit, self._bias, n, seed, stream, n_threads, first_chain=first_chain)

    def move(
        self, visible: BitMatrix, first: int, last: int, seed: int, stream: int, first_sweep: int,
        n_threads: int | None = None, countdown: Countdown | None = None, first_chain: int = 0,
    ) -> np.ndarray:  # fmt: skip
        """Take chains from point number first to point number last, up or down, in place; the step after k others draws
        the numbers of sweep first_sweep + k.

        Returns the logarithms of their weights, float64 (n,): for each step from point a to point b, the log ratio of
        the unnormalized distributions of v, `log p*_b(v) - log p*_a(v)`, at the state before the step. A countdown gets
        chains times steps.
        """
        n, rbm = len(visible), self.rbm
        total, work = np.empty(n), 2 * rbm.n_visible * rbm.n_hidden * n * abs(last - first)
        with own_share(n, work, (visible.planes, 1), (total, 0)) as own:
            total[own] = self._moved(
                visible[own], first, last, seed, stream, first_sweep, n_threads, countdown, first_chain + own.start, n
            )
        return total

    def _moved(
        self, visible: BitMatrix, first: int, last: int, seed: int, stream: int, first_sweep: int,
        n_threads: int | None, countdown: Countdown | None, first_chain: int, of: int,
    ) -> np.ndarray:  # fmt: skip
        """move, of some chains; a countdown gets the steps of so many, all of which are as far."""
        points = self._points[first : last + 1] if last >= first else self._points[last : first + 1][::-1]
        total, n_steps = np.zeros(len(visible)), len(points) - 1
        # the kernel knows nothing of what the energy of visible units has beside biases and a quadratic part
        heated = 1.0 if self._models[0].visible.with_beta(0.0) == self._models[0].visible else -1.0
        done = 0
        while done < n_steps:
            if max(points[done], points[done + 1]) <= heated:
                stop = done + 1
                while stop < n_steps and points[stop + 1] <= heated:
                    stop += 1
                betas = np.ascontiguousarray(points[done : stop + 1], np.float32)
                total += self._heat(visible, betas, seed, stream, first_sweep + done, n_threads, countdown, done,
                                    first_chain, of)  # fmt: skip
                done = stop
            else:
                before = self.model_at(points[done])
                while done < n_steps and max(points[done], points[done + 1]) > heated:
                    after = self.model_at(points[done + 1])
                    total += self._between(visible, before, after, seed, stream, first_sweep + done, n_threads,
                                           first_chain)  # fmt: skip
                    before = after
                    done += 1
                    if countdown:
                        countdown.done(of * done)
        return total

    def _heat(
        self, visible: BitMatrix, betas: np.ndarray, seed: int, stream: int, first_sweep: int, n_threads: int | None,
        countdown: Countdown | None, done: int, first_chain: int, of: int,
    ) -> np.ndarray:  # fmt: skip
        """Steps along the temperatures of the first model, in calls short enough for Ctrl-C."""
        rbm = self._models[0]
        p, n, n_steps = rbm._parameters, len(visible), len(betas) - 1
        difference, visible_betas = p.wide_visible_bias - self._bias, self.visible_beta(betas.astype(np.float64))

        def at(first: int, count: int) -> np.ndarray:
            """r of steps; where s is the beta of weights, and s^2 that of b, r less s (b - r): the kernel makes
            s (b + W h) + (1 - s) (r - s (b - r)) of it."""
            if not self._squares:
                return placed(self._bias, p.to_visible.to)[None]
            s = betas[first + 1 : first + count + 1, None].astype(np.float64)
            each = (self._bias - s * difference).astype(np.float32)
            return np.array([placed(bias, p.to_visible.to) for bias in each])

        n_tiles = p.to_hidden.tiles_array.shape[0] + p.to_visible.tiles_array.shape[0]
        sizes, out = (rbm.n_visible, rbm.n_hidden), np.empty(n)
        for part, first, count, used in chain_calls(n, n_steps, sizes, workload.annealing(*sizes), n_threads):
            size = part.stop - part.start
            planes = visible.planes[:, part]
            if first == 0:
                hidden, weights = zeros(size, rbm.hidden), np.zeros((n_tiles, size))
            kernels.anneal(
                planes, hidden.planes, p.to_visible, p.to_hidden, at(first, count), difference,
                betas[first : first + count + 1], visible_betas[first : first + count + 1], seed, stream,
                first_sweep + first, first_chain + part.start, weights, *used,
            )  # fmt: skip
            if countdown:
                countdown.done(of * (n * done + part.start * n_steps + size * (first + count)) // n)
            if first + count == n_steps:
                out[part] = np.add.accumulate(weights, axis=0)[-1]
        return out

    def _between(
        self, visible: BitMatrix, before: RBM, after: RBM, seed: int, stream: int, sweep: int, n_threads: int | None,
        first_chain: int,
    ) -> np.ndarray:  # fmt: skip
        """A step from one model to the next: the weights, then a sweep."""
        weights = log_ratio(after, before, visible, n_threads)
        hidden = zeros(len(visible), after.hidden)
        gibbs.refresh(after._parameters, visible, hidden, seed, stream, sweep, first_chain, n_threads)
        return weights

    @shared
    def adapted(
        self, n_steps: int | None = None, seed: int = 0, n_chains: int = 256, n_threads: int | None = None, *,
        comm: Any = None,
    ) -> Path:  # fmt: skip
        """The same path with its points where they serve best, as two short pilot runs find them.

        A population of chains goes up the path in 50 stretches, resampled by weight after each. On a stretch of m steps
        the chains' log weights gain a variance `s^2`. With n steps in its place it would be about `s^2 m / n`. For a
        given number of steps, the sum over all stretches is least when each has steps in proportion to
        `sqrt(m s^2)`. It is then `length^2 / n_steps`, and length is the sum of the `sqrt(m s^2)` (the thermodynamic
        length; Sivak & Crooks 2012). A stretch gets at least a tenth of the mean number of steps.

        Parameters
        ----------
        n_steps : int, optional
            Of the result; by default as many as this path has.
        seed : int
            The same seed gives the same path.
        n_chains : int
            Of the pilot runs, at least 16.
        n_threads : int, optional
            No effect on the result.
        comm : communicator, optional
            Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
            docs' page On a cluster.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0, weight_scale=0.5)
        >>> path = fr.sampling.Path(rbm).adapted(n_steps=100)
        >>> path.n_steps, path.length > 0
        (100, True)
        """
        n_steps = self.n_steps if n_steps is None else validate.integer(n_steps, "n_steps", 1, MOST_STEPS)
        seed, n_chains = validate.seed(seed), validate.integer(n_chains, "n_chains", 16, philox.MOST_CHAINS)
        threads.resolve(n_threads)
        streams, path = (
            (philox.PILOT, philox.PILOT_RESAMPLE),
            Path(self._models, max(_STRETCHES, len(self._models)), base_bias=self._bias),
        )
        for first_chain in (0, n_chains):  # the second run draws other numbers
            path = path.with_steps(_PILOT_STEPS * _STRETCHES)
            visible = self.base_states(n_chains, seed, streams[0], n_threads, first_chain)
            run = anneal(path, visible, True, seed, streams, math.inf, _PILOT_STEPS, n_threads, None, first_chain)
            path = path.respaced(run.spreads, _PILOT_STEPS, n_steps if first_chain else _PILOT_STEPS * _STRETCHES)
        path.pilot = run
        return path

    @shared
    def thinned(
        self, rate: float = 0.3, seed: int = 0, n_chains: int = 256, n_threads: int | None = None, *,
        comm: Any = None,
    ) -> Path:  # fmt: skip
        """As few of the points as let neighbors exchange states at this rate, for :class:`fastrbm.TemperedChains`.

        A pilot run of population annealing visits all points. From the base-rate model up, the next one to stay is the
        last before the rate of exchange with the one that stayed last falls below the rate that is asked for. It is the
        mean of

            min(1, exp(F_k(v_k) + F_l(v_l) - F_k(v_l) - F_l(v_k)))

        over the states of both. Where even neighbors on this path swap less, both stay. What stays is the models of the
        new path, the first model too where there are temperatures below it; the model of interest is its last one, as
        before.

        Parameters
        ----------
        rate : float
            Above 0 and below 1.
        seed : int
            The same seed gives the same path.
        n_chains : int
            Of the pilot run, at least 16.
        n_threads : int, optional
            No effect on the result.
        comm : communicator, optional
            Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
            docs' page On a cluster.

        Examples
        --------
        >>> import fastrbm as fr
        >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0, weight_scale=1.0)
        >>> path = fr.sampling.Path(rbm, n_steps=100).thinned()
        >>> 1 < path.n_steps < 20
        True
        """
        rate = validate.below_one(validate.positive(rate, "rate"), "rate")
        seed, n_chains = validate.seed(seed), validate.integer(n_chains, "n_chains", 16, philox.MOST_CHAINS)
        threads.resolve(n_threads)
        models = (self.model_at(point) for point in self._points)
        stay, last, before = [0], None, None
        for k, (each, visible, _) in enumerate(population(models, n_chains, seed, philox.PILOT, n_threads)):
            now = each, visible.copy()
            if last is None or before is None:
                last = now
            elif swap_rate(each, last[0], now[1], last[1], n_threads) < rate and stay[-1] != k - 1:
                stay.append(k - 1)
                last = before
            before = now
        return self._of_points(self._points[[*stay, self.n_steps]])

    def _of_points(self, points: np.ndarray) -> Path:
        """A path of these points of this one, of which there is no model but those that are needed."""
        heat, later = points[points < 1.0], points[points > 1.0]
        models = [self.model_at(point) for point in later]
        if len(models) == 0 or len(heat) > 1 or 1.0 in points:
            models.insert(0, self._models[0])
        points = np.concatenate([heat, np.arange(1.0, len(models) + 1.0)])
        return Path(models, points=points, base_bias=self._bias)

    def save(self, file: str | PathLike[str]) -> None:
        """Write the path, all its models with it, to a file (.npz): whole, or not at all.

        :func:`fastrbm.load_path` reads it, and :func:`fastrbm.load` the model of interest alone.

        Raises
        ------
        OSError
            When the file cannot be written, or is not a regular file.
        ValueError
            When the models have real units that differ in more than a training changes, such as the gamma of hidden
            ones.
        """
        own, gammas = self.rbm.hidden.own, self.rbm.visible.gammas
        for each in self._models:
            hidden = each.hidden if own is None else each.hidden.with_own(own)
            visible = each.visible if gammas is None else each.visible.with_gammas(gammas)
            if (visible, hidden) != (self.rbm.visible, self.rbm.hidden):
                raise ValueError(
                    f"files of paths have, of what models may differ in beside weights and biases, delta, xi and the "
                    f"gamma of Gaussian visible units; these have {each.hidden!r} and {self.rbm.hidden!r}, "
                    f"{each.visible!r} and {self.rbm.visible!r}"
                )
        self.rbm._save_path(validate.path(file, "file"), self)

    def describe(self) -> str:
        """What tells the path from others: what its repr says, and a checksum of all parameters."""
        crc = zlib.crc32(self._bias.tobytes(), zlib.crc32(self._points.tobytes()))
        for each in self._models:
            for array in (each.weights, each.visible_bias, each.hidden_bias):
                crc = zlib.crc32(array.tobytes(), crc)
            for unit in (each.visible, each.hidden):
                crc = zlib.crc32(unit.sides().tobytes(), crc) if unit.real else crc
        return f"{self!r} ({crc:08x})"

    def with_steps(self, n_steps: int) -> Path:
        """The same path in another number of steps, as densely spaced at each place, relative to others, as before."""
        place = np.linspace(0.0, self.n_steps, validate.integer(n_steps, "n_steps", 1, MOST_STEPS) + 1)
        return self.with_points(np.interp(place, np.arange(self.n_steps + 1), self._points))

    def respaced(self, spreads: np.ndarray, every: int, n_steps: int) -> Path:
        """The path in n_steps steps whose points serve best, after a run along this one whose stretches of so many
        steps had these spreads: see :meth:`adapted`."""
        ends = self._points[np.minimum(np.arange(len(spreads) + 1) * every, self.n_steps)]
        length = floatmath.total(spreads)
        shares = np.maximum(spreads, _FEWEST * length / len(spreads))
        if not shares.max() > _NOTHING:  # a path that changes nothing but by rounding
            shares = np.diff(ends)
        total = np.concatenate([[0.0], np.add.accumulate(shares)])
        result = self.with_points(np.interp(np.linspace(0.0, total[-1], n_steps + 1), total, ends))
        result.length = length
        return result

    def __repr__(self) -> str:
        more = f", n_models={len(self._models)}" if len(self._models) > 1 else ""
        return f"Path({self.rbm!r}{more}, n_steps={self.n_steps})"


def population(
    models: Iterable[RBM], n: int, seed: int, stream: int, n_threads: int | None
) -> Iterator[tuple[RBM, BitMatrix, BitMatrix]]:
    """Each of several models, the first of which has independent units, with joint states of n chains: population
    annealing, in which all chains are chosen anew at each model. The states are changed later."""
    visible = hidden = before = None
    for k, each in enumerate(models):
        if visible is None or hidden is None or before is None:
            visible, hidden = zeros(n, each.visible), zeros(n, each.hidden)
        else:
            log_weights = log_ratio(each, before, visible, n_threads)
            # of the numbers of a sweep that no chain has
            chosen, _ = descendants(log_weights, seed, stream, philox.MOST_SWEEPS - 1 - k)
            visible.planes[:] = visible.planes[:, chosen]
        gibbs.refresh(each._parameters, visible, hidden, seed, stream, 1 + k, 0, n_threads)
        before = each
        yield each, visible, hidden


def path_of(given: RBM | Path, n_steps: int | None, base_bias: ArrayLike | None, name: str = "n_steps") -> Path:
    """A path as it is, or one of a model's temperatures."""
    if not isinstance(given, Path):
        return Path(model(given, "path"), n_steps, base_bias=base_bias)
    if n_steps is not None or base_bias is not None:
        raise ValueError(f"a Path has its own steps and base: leave out {name} and base_bias")
    return given


def _models(given: RBM | Sequence[RBM]) -> tuple[RBM, ...]:
    if isinstance(given, (Model, np.ndarray)) or not isinstance(given, Iterable):
        return (model(given, "models"),)
    several = tuple(given)
    if not several:
        raise ValueError("models must have at least one RBM")
    for each in several:
        checked_model(model(each, "models"), model(several[0], "models"))
    return several


def _wide(rbm: RBM) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parameters as float64."""
    weights, b, c = (array.astype(np.float64) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    return weights, b, c
