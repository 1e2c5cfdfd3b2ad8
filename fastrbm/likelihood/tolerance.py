"""log Z to a tolerance: populations annealed up and down along an adapted path, until both sides agree closely."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import floatmath, philox
from .._core.progress import Countdown
from ..ranks import current
from ..sampling.annealing import population_annealing
from ..sampling.base_rate import bounded, data_bias
from ..sampling.modes import mode_biases
from ..sampling.path import Path
from ..sampling.resampling import Annealed, anneal, descendants, normalized
from ..sampling.starts import chain_ends
from ..states.bits import BitMatrix, of_planes
from .bennett import acceptance_ratio
from .bounds import fields_of_single, hidden_masses, log_sum, lower_bound
from .results import Bidirectional, LogPartition
from .weights import MARKOV, mean_weight, width

if TYPE_CHECKING:
    from ..rbm import RBM

MOST_WORK = 1 << 25  # chains times steps, over all rounds
_MOST_CONNECTIONS = 1 << 45  # of them all: fewer chains and steps of models beyond 1,024 x 1,024
_CHAINS, _FEWEST_STEPS, _MOST_STEPS = 512, 500, 8000  # of the first round
_SMALL = 1 << 12  # connections, up to which the first round has more of both, which cost little then
_SMALL_CHAINS, _SMALL_STEPS = 1024, 2000
_LEAST_GROWTH, _MOST_GROWTH = 1.5, 6.0
_START_SWEEPS = 1000  # of chains that stand for data
_LOOKS = 100  # at the weights, along a path
_BELOW = 0.1  # of the chains: the effective sample size at which they are resampled (bench/NOTES.md)
_ENOUGH = 10.0  # families, from which their number says how far the estimate may be off
_OTHER = 4  # times fewer chains go up from the other base
_MODES, _MODE_CHAINS, _MODE_STEPS = 8, 64, 100  # single hidden units whose modes are looked at
_LOOKED_AT, _UNLIKE = 1000, 2.0  # of them, and how unlike those that are chosen are
_MATTERS = 4.0  # nats below log Z, from which a mode changes it by 0.02
_GRID = 1e-3  # nats that free energies on the kernels' grid may be off by
_FAR = 3.0  # nats, by which pilot runs differ by chance
_FEW = 5.0  # chains that end in a mode, below which it counts as missed
_CLOSE = 0.05  # nats: what a mode of 5 % of the weight adds, and no population can exclude


@dataclass(frozen=True)
class _Side:
    """One estimate of log Z by a population, and how far it may be off either way.

    each: estimates of single chains, of a population that was never resampled."""

    value: float
    error: float  # standard error
    families: float
    up: bool
    each: np.ndarray | None

    @classmethod
    def of(cls, path: Path, run: Annealed, up: bool) -> _Side:
        sign = 1.0 if up else -1.0
        # few families do not say how far the estimate may be off
        error = run.error if run.families >= _ENOUGH else math.inf
        each = None if run.resampled else sign * run.log_weights
        return cls(path.log_base + sign * run.log_ratio, error, run.families, up, each)

    @property
    def lower(self) -> float:
        return self.value - (min(width(self.error), MARKOV) if self.up else width(self.error))

    @property
    def upper(self) -> float:
        return self.value + (width(self.error) if self.up else min(width(self.error), MARKOV))

    def partition(self, method: str) -> LogPartition:
        return LogPartition(self.value, self.lower, self.upper, method, self.families, self.each, self.error)


def to_tolerance(
    given: RBM | Path, data: BitMatrix | None, tolerance: float, seconds: float | None, seed: int, n_sweeps: int,
    progress: bool, n_threads: int | None,
) -> Bidirectional:  # fmt: skip
    """log Z from both sides, in rounds of more and more steps, until half of the interval is below the tolerance, or
    the time, or the work that it may do, is spent."""
    started, rbm = time.perf_counter(), given.rbm if isinstance(given, Path) else given
    small = not rbm.hidden.real and rbm.n_visible * rbm.n_hidden <= _SMALL  # draws of real units cost 30 times as much
    n, fewest = (_SMALL_CHAINS, _SMALL_STEPS) if small else (_CHAINS, _FEWEST_STEPS)
    starts = _starts(rbm, data, n // 2, n_sweeps, seed, n_threads)
    modes = _modes(rbm, seed, n_threads)
    main, other = _paths(given, starts if data is None else data, modes, seed, n_threads)
    # twice as many steps as leave the log weight of a chain a variance of 1, by the pilot run
    n_steps = max(fewest, min(int(2.0 * (main.length or 0.0) ** 2), _MOST_STEPS), len(main.models))
    mixture = _mixture(rbm, seed, n_threads)
    bound = lower_bound(rbm, starts if data is None else data, n_threads) - _GRID
    most = min(MOST_WORK, _MOST_CONNECTIONS // (rbm.n_visible * rbm.n_hidden))
    spent, missed, first_chain = 0, modes, 0
    while True:
        main, other = main.with_steps(n_steps), None if other is None else other.with_steps(n_steps)
        sides, spreads = _run(main, other, starts, n, first_chain, seed, progress, n_threads)
        missed = _missed(missed, main, sides["forward"].value, n, first_chain, seed, n_threads)
        sides["mixture"] = mixture
        result = _judged(sides, modes, missed, bound, main, n)
        spent += 2 * n * main.n_steps
        half = (result.upper - result.lower) / 2
        if result.agree and half <= tolerance:
            return result
        enough = 1.2 * (half / tolerance) * (half / tolerance) if result.agree else _MOST_GROWTH
        growth = min(max(enough, _LEAST_GROWTH), _MOST_GROWTH, (most - spent) / (2 * n * main.n_steps))
        late = seconds is not None and current().first(time.perf_counter() - started > seconds)
        if late or growth < _LEAST_GROWTH:
            return result.ended(tolerance, "the time" if late else "the work that it may do")
        main = main.respaced(spreads, _every(main), main.n_steps)
        n_steps = int(main.n_steps * growth)
        first_chain += n  # a round draws other numbers than those that chose its points


def _every(path: Path) -> int:
    return max(1, path.n_steps // _LOOKS)


def _starts(rbm: RBM, data: BitMatrix | None, n: int, n_sweeps: int, seed: int, n_threads: int | None) -> BitMatrix:
    """Where chains that go down start: data, or the ends of chains."""
    states = None
    if data is None:
        n_sweeps += _START_SWEEPS
    else:
        states = data[np.resize(philox.permutation(len(data), seed, philox.REVERSE, 0), n)]
    return chain_ends(rbm, n, n_sweeps, seed, philox.REVERSE_START, states, n_threads=n_threads)


def _mixture(rbm: RBM, seed: int, n_threads: int | None) -> _Side:
    """A population that goes up from the modes that short chains find."""
    found = mode_biases(rbm, seed=seed, n_threads=n_threads)
    population = population_annealing(rbm, _CHAINS, seed=seed, modes=found, n_threads=n_threads)
    error = population.standard_error if population.families >= _ENOUGH else math.inf
    return _Side(population.log_partition, error, population.families, True, None)


@dataclass(frozen=True)
class _Mode:
    """A population that went up from the middle of a mode: its path, its estimate of log Z, and where it ended."""

    path: Path
    side: _Side
    ends: BitMatrix


def _modes(rbm: RBM, seed: int, n_threads: int | None) -> list[_Mode]:
    """Populations that go up from p(v | h), for hidden states of at most one unit that is on (of real units: that is
    far from 0): those of the largest masses whose p(v | h) are unlike. p(v | h) is a base-rate model itself, in the
    middle of a mode that this hidden unit switches on."""
    found = []
    for k, bias in enumerate(_unlike(rbm)):
        path = Path(rbm, _MODE_STEPS, base_bias=bounded(bias, rbm.visible))
        streams = philox.MODES, philox.MODES_RESAMPLE
        side, ends = _up(path, _MODE_CHAINS, 1, seed, streams, n_threads, k * _MODE_CHAINS)
        found.append(_Mode(path, side, ends))
    return found


def _unlike(rbm: RBM) -> list[np.ndarray]:
    """The fields of the visible units in such states, float64 (V,) each. Two are unlike where the Bhattacharyya
    distance of their p(v | h) is above 2: that of fields a and b is the sum over the units of (cgf(a) + cgf(b))/2 -
    cgf((a + b)/2)."""
    masses = hidden_masses(rbm)
    chosen: list[tuple[np.ndarray, np.ndarray]] = []  # and their cgf
    for state in np.argsort(-masses, kind="stable")[:_LOOKED_AT]:
        a = fields_of_single(rbm, state)
        cgf = rbm.visible.cgf(a)
        if all(floatmath.total((cgf + other) / 2 - rbm.visible.cgf((a + b) / 2)) > _UNLIKE for b, other in chosen):
            chosen.append((a, cgf))
        if len(chosen) == _MODES:
            break
    return [fields for fields, _ in chosen]


def _up(
    path: Path, n: int, every: int, seed: int, streams: tuple[int, int], n_threads: int | None, first_chain: int,
) -> tuple[_Side, BitMatrix]:  # fmt: skip
    """A population that goes up, of chains first_chain, first_chain + 1, ..., and its equally weighted ends."""
    visible = path.base_states(n, seed, streams[0], n_threads, first_chain)
    run = anneal(path, visible, True, seed, streams, _BELOW, every, n_threads, None, first_chain)
    chosen, _ = descendants(run.log_weights, seed, streams[1], path.n_steps, first_chain)
    return _Side.of(path, run, True), visible[chosen]


def _paths(
    given: RBM | Path, data: Any, modes: list[_Mode], seed: int, n_threads: int | None
) -> tuple[Path, Path | None]:
    """The path to go along and another one to check it by: from the data's means and from the model's hot end, the
    shorter one first, unless that sees much less of Z; or from the mode of a hidden unit, if that sees much more."""
    if isinstance(given, Path):
        return given.adapted(given.n_steps, seed, n_threads=n_threads), None
    paths = []
    for base in (Path(given, base_bias=data_bias(given, data)), Path(given)):
        path = base.adapted(base.n_steps, seed, n_threads=n_threads)
        assert path.pilot is not None  # it is adapted
        paths.append((_Side.of(path, path.pilot, True).lower, path.length, path))
    most = max(seen for seen, _, _ in paths)
    first, second = sorted(paths, key=lambda each: (each[0] < most - _FAR, each[1]))
    best = max(modes, key=lambda mode: mode.side.lower)
    if best.side.lower > most + _FAR:
        return best.path.adapted(best.path.n_steps, seed, n_threads=n_threads), first[2]
    return first[2], second[2]


def _run(
    main: Path, other: Path | None, starts: BitMatrix, n: int, first_chain: int, seed: int, progress: bool,
    n_threads: int | None,
) -> tuple[dict[str, _Side], np.ndarray]:  # fmt: skip
    """All sides of one round, by the numbers of chains first_chain, first_chain + 1, ..., and the spreads along the
    path upward."""
    every, half, up = _every(main), n // 2, (philox.ANNEAL, philox.ANNEAL_RESAMPLE)
    with Countdown(f"log Z, {main.n_steps:,} steps up", n * main.n_steps, progress) as countdown:
        visible = main.base_states(n, seed, up[0], n_threads, first_chain)
        run = anneal(main, visible, True, seed, up, _BELOW, every, n_threads, countdown, first_chain)
    sides, spreads = {"forward": _Side.of(main, run, True)}, run.spreads
    ends = visible[descendants(run.log_weights, seed, up[1], main.n_steps, first_chain)[0][::2]]
    downward = {"ends": (ends, (philox.ENDS, philox.ENDS_RESAMPLE)),
                "data": (starts.copy(), (philox.REVERSE, philox.REVERSE_RESAMPLE))}  # fmt: skip
    for name, (states, streams) in downward.items():
        with Countdown(f"log Z, {main.n_steps:,} steps down", half * main.n_steps, progress) as countdown:
            run = anneal(main, states, False, seed, streams, _BELOW, every, n_threads, countdown, first_chain)
        sides[name] = _Side.of(main, run, False)
    if other is not None:
        streams = philox.OTHER_BASE, philox.OTHER_RESAMPLE
        sides["other"], _ = _up(other, n // _OTHER, _every(other), seed, streams, n_threads, first_chain)
    return sides, spreads


def _judged(
    sides: dict[str, _Side], modes: list[_Mode], missed: list[_Mode], bound: float, path: Path, n: int
) -> Bidirectional:
    """What the sides say together."""
    forward, own, data = sides["forward"], sides["ends"], sides["data"]
    # data that are below are no samples of this model; data of a mode that the chains missed would be above
    unlike = data.upper < forward.lower
    reverse = own if unlike else _pooled(own, data)
    combined = _combined(forward, reverse, path)
    mixture = sides["mixture"]
    floors = [*(mode.side for mode in modes), *(sides[name] for name in ("other", "mixture") if name in sides)]
    highest = max(floors, key=lambda side: side.lower)
    numbers: dict[str, Any] = {
        "forward": forward.partition("annealing up"), "reverse": reverse.partition("annealing down"),
        "combined": combined, "n_chains": n, "n_steps": path.n_steps, "bound": bound,
    }  # fmt: skip
    reason = ""
    if not math.isfinite(combined.standard_error):
        fewest = min(forward.families, own.families, data.families)
        reason = f"the chains come from {fewest:.1f} families only, too few to say how far log Z may be off"
    elif max(bound, highest.lower) > combined.value + 2 * combined.standard_error + _CLOSE:
        reason = (
            f"the model has a mode that the chains did not reach: log Z is at least {max(bound, highest.lower):.2f}"
        )
    elif missed:
        most = max(mode.side.value for mode in missed)
        reason = (
            f"the chains that were annealed up did not reach modes of weight: one of log Z {most:.2f} where they saw "
            f"{forward.value:.2f}"
        )
    elif max(reverse.lower, data.lower) > forward.upper + _CLOSE or forward.lower > reverse.upper + _CLOSE:
        reason = (
            f"annealing up gives {forward.value:.2f}, down from data {data.value:.2f}, down from its own ends "
            f"{own.value:.2f}: they DISAGREE by more than their errors"
        )
    if not reason:
        ends = [combined.value - _CLOSE, combined.value + _CLOSE]
        ends += [forward.value - forward.error, reverse.value + reverse.error]
        return Bidirectional(
            max(combined.value, bound), max(min(combined.lower, *ends), bound), max(combined.upper, *ends),
            agree=True, **numbers,
        )  # fmt: skip
    parts = [forward, own, data]
    lower = max(min(max(side.lower, side.value - MARKOV) for side in parts), bound, highest.lower)
    upper = max(min(side.upper, side.value + MARKOV) for side in parts)
    if highest.lower > combined.value + 2 * combined.standard_error:  # two modes that know nothing of each other add up
        top = min(highest.upper, highest.value + MARKOV)
        upper = log_sum(np.array([top, upper]))
    upper, value = max(upper, lower), (lower + upper) / 2
    if lower <= mixture.value <= upper and math.isfinite(mixture.error):
        value = mixture.value
        reason += f"; a population that starts in the modes that short chains find gives {value:.2f}"
    return Bidirectional(value, lower, upper, agree=False, reason=reason, **numbers)


def _missed(
    modes: list[_Mode], main: Path, value: float, n: int, first_chain: int, seed: int, n_threads: int | None
) -> list[_Mode]:
    """Those modes of weight in which too few of the n chains that go up the main path end, for their weights to stand
    for it. Chains that go down from the mode give an estimate of log(Z_mode / part), where part is that of the upward
    chains that end in it."""
    heavy, found = [mode for mode in modes if mode.side.value > value - _MATTERS], []
    if heavy:
        planes = np.concatenate([mode.ends.planes for mode in heavy], axis=1)
        states = of_planes(planes, main.rbm.visible)
        log_weights = main.move(states, main.n_steps, 0, seed, philox.MODES_DOWN, 1, n_threads, first_chain=first_chain)
        for k, mode in enumerate(heavy):
            mean, error, _ = mean_weight(log_weights[k * _MODE_CHAINS : (k + 1) * _MODE_CHAINS])
            lowest = main.log_base - mean - min(width(error), 2 * MARKOV)
            if lowest - max(mode.side.value, mode.side.lower) > math.log(n / _FEW):
                found.append(mode)
    return found


def _pooled(one: _Side, two: _Side) -> _Side:
    """Two downward populations of one size as one, whose mean weight is the mean of both."""
    weights, top = normalized(np.array([-one.value, -two.value]))
    total = floatmath.total(weights)
    value = -top - float(floatmath.log(total / 2))
    # an infinite error stays one, however small the weight
    error = math.sqrt(floatmath.total(np.square(weights * np.array([one.error, two.error])))) / total
    each = None if one.each is None or two.each is None else np.concatenate([one.each, two.each])
    return _Side(value, error, one.families + two.families, False, each)


def _combined(forward: _Side, reverse: _Side, path: Path) -> LogPartition:
    """By Bennett's ratio, where no chain was resampled; else the mean of both sides by their precision."""
    families = min(forward.families, reverse.families)
    if forward.each is not None and reverse.each is not None:
        ratio, error = acceptance_ratio(forward.each, reverse.each)
        value, method = path.log_base + ratio, "Bennett's ratio"
    else:
        method = "mean by precision"
        precisions = [1.0 / max(side.error, 1e-12) ** 2 for side in (forward, reverse)]
        total, error = sum(precisions), math.inf
        if total > 0.0 and math.isfinite(forward.error + reverse.error):
            value, error = (precisions[0] * forward.value + precisions[1] * reverse.value) / total, 1 / math.sqrt(total)
        else:
            value = (forward.value + reverse.value) / 2
    return LogPartition(value, value - 3 * error, value + 3 * error, method, families, None, error)
