"""The numbers by which the end of a training is judged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import philox, workload
from ..diagnostics.axes import along, principal_axes
from ..diagnostics.clusters import Clusters, apart
from ..likelihood.score import score
from ..rbm import RBM
from ..sampling.annealing import of_modes, work_of_modes
from ..sampling.chains import Chains
from ..sampling.points import N_STEPS
from ..sampling.starts import chain_ends
from ..sampling.tempering import TemperedChains
from ..states.missing import absent_sites
from .variance import LARGEST, SMALLEST, visible_size
from .verdict import FEWEST_FAMILIES, Closing, clusters_apart, farness

if TYPE_CHECKING:
    from ..units.unit import Unit
    from .history import History
    from .measuring import Basics

_ANNEALED, _FEWEST_STEPS, _STEPS = 512, 50, 500  # chains that the end of a training is judged by, and their steps
_AXES, _LEAST = 8, 0.02  # principal axes of the data that are looked along, and the part of the variance of each
_UPDATES_A_STEP, _FEWEST_UPDATES = 20, 1000
_PART, _FREE = 12, 1 << 39  # of the training's work one part in so many, or 2 s of one thread (AVX-512), is theirs
_SWEEPS_A_STEP = 2  # of the samples, after so many steps of annealing: where chains mix, they mend what annealing left
_CLUSTERS, _MORE = 8, 4  # of the data; so many times the chains, where their weights are off but not beyond doubt
_LOOKED_AT = 32  # rows whose hidden inputs are
_SCORE_COLUMNS = ("log_likelihood", "pseudo_likelihood")


def closing(
    rbm: RBM, basics: Basics, examples: np.ndarray, history: History, chains: Any, kept: bool, work: int, seed: int,
    n_threads: int | None,
) -> Closing:  # fmt: skip
    """The numbers that say how a training ended. examples: more of them, uint8 (n, columns) or float64 (n, V); kept:
    whether the model is one of before the end; work: of the training, in connections (workload)."""
    n_updates, states = int(history.last["update"]), basics.bits.to_units().astype(np.float64)
    # not by BLAS, whose threads would slow down what follows a short training
    seen = rbm.visible.unit_values(basics.states[:_LOOKED_AT])
    inputs = _inputs(rbm, seen)
    gap = float(rbm._free_energy(basics.noise, n_threads).mean() - rbm._free_energy(basics.bits, n_threads).mean())
    return Closing(
        n_updates,
        visible_size(rbm),
        float(np.abs(inputs).mean()),
        history["update"],
        np.append(history["shuffled_gap"][:-1], gap),
        **_chains_apart(rbm, states, chains),
        **_model_apart(rbm, basics, examples, states, n_updates, work, seed, n_threads),
        **({} if kept or basics.validation is None else _scores(history)),
    )


def _inputs(rbm: RBM, seen: np.ndarray) -> np.ndarray:
    """What these visible states, float64 (n, V), send to the hidden units (n, H). Tile by tile: a large model leaves no
    room for a copy of its weights."""
    tiles = rbm._parameters.to_hidden.tiles_array[:, : rbm.n_visible]
    parts = [np.einsum("ij,jk->ik", seen, tile.astype(np.float64)) for tile in tiles]
    return np.concatenate(parts, axis=1)[:, : rbm.n_hidden] + rbm.hidden_bias


def _chains_apart(rbm: RBM, states: np.ndarray, chains: Any) -> dict[str, Any]:
    """How far the chains of the training are from the data, in the means of their units."""
    if not isinstance(chains, (Chains, TemperedChains)) or chains.rbm is not rbm:
        return {}
    means = states.mean(axis=0)
    variance = states.var(axis=0) if rbm.visible.real else means * (1.0 - means)
    error = np.sqrt(variance * (1.0 / len(states) + 1.0 / len(chains)))
    apart = np.abs(chains.visible_bits.to_units().mean(axis=0) - means)
    return {"off_means": float(apart.mean()), "means_error": float(error.mean())}


def _model_apart(
    rbm: RBM, basics: Basics, examples: np.ndarray, states: np.ndarray, n_updates: int, work: int, seed: int,
    n_threads: int | None,
) -> dict[str, Any]:  # fmt: skip
    """How far the model is from the data, by annealed samples, and from validation data."""
    numbers: dict[str, Any] = {}
    if absent_sites(basics.bits) is not None:  # the model of all sites is not what was trained
        return numbers
    likely = math.nan
    if n_updates >= _FEWEST_UPDATES and len(states) > 1:
        most = max(_FREE, work // _PART)
        numbers, log_z = _samples_apart(rbm, basics, examples, states, n_updates, most, seed, n_threads)
        likely = -log_z
    if basics.validation is not None:
        independent = RBM.from_data(basics.bits, 1, weight_scale=0.0, visible=_independent_units(rbm, states))
        free, plain = (
            [float(model._free_energy(examples, n_threads).mean()) for examples in (basics.validation, basics.bits)]
            for model in (rbm, independent)
        )
        numbers["excess_gap"] = free[0] - free[1] - (plain[0] - plain[1])
        numbers["margin"] = likely - free[0] - score(independent, basics.validation).mean
    return numbers


def _samples_apart(
    rbm: RBM, basics: Basics, examples: np.ndarray, states: np.ndarray, n_updates: int, most: int, seed: int,
    n_threads: int | None,
) -> tuple[dict[str, Any], float]:  # fmt: skip
    """How far samples are off along a main axis of the data, that where they are farthest, and in the weights of the
    data's clusters, which are those of their places along these axes; and log Z.

    The samples are those of rbm.sample, by default: a population of chains, swept on. They take no more than so many
    connections.
    """
    n_steps, again = _steps(rbm, n_updates, most)
    if not n_steps:
        return {"too_costly": True}, math.nan
    center = states.mean(axis=0)
    axes = principal_axes(states - center, _AXES)
    if not len(axes):
        return {}, of_modes(rbm, _ANNEALED, n_steps, seed, n_threads, again=again).log_partition

    def places(rows: np.ndarray) -> np.ndarray:
        return np.stack([along(rows - center, axis) for axis in axes], axis=1)

    data = places(basics.packed(examples).to_units().astype(np.float64))
    clusters, variance = Clusters(data, _CLUSTERS), float(np.square(states - center).mean(axis=0).sum())
    for n_chains in (_ANNEALED, _MORE * _ANNEALED):
        population = of_modes(rbm, n_chains, n_steps, seed, n_threads, again=again)
        numbers: dict[str, Any] = {"families": population.families}
        if population.families < FEWEST_FAMILIES:
            break
        n = len(population.visible)
        ends = chain_ends(
            rbm, n, _SWEEPS_A_STEP * n_steps, seed, philox.CLOSING, population.visible, n_threads=n_threads
        )
        before, samples = (places(each.to_units().astype(np.float64)) for each in (population.visible, ends))
        earlier, now = (_apart(data, each, clusters, population.families, variance) for each in (before, samples))
        total, errors = now["off_clusters"], now["cluster_errors"]
        numbers |= now | {"n_clusters": len(clusters.centers), "moving": _moving(earlier, now, len(clusters.centers))}
        doubtful = errors, math.sqrt(_MORE) * errors  # as it is, and as it would be by so many times the families
        if [clusters_apart(total, each, len(clusters.centers)) > 1.0 for each in doubtful] != [False, True]:
            break
        most -= _work(rbm, n_chains, n_steps, n > n_chains)
        again = again and _work(rbm, _MORE * _ANNEALED, n_steps, True) <= most
        if n_chains == _ANNEALED and _work(rbm, _MORE * _ANNEALED, n_steps, again) > most:
            numbers["too_costly"] = True
            break
    return numbers, population.log_partition


def _steps(rbm: RBM, n_updates: int, most: int) -> tuple[int, bool]:
    """Steps of annealing, and whether there may be a second population, so that all is done in so many connections; 0
    where few steps are too many. With it rather than without, with more steps rather than fewer."""
    most_steps = min(_STEPS, max(_FEWEST_STEPS, n_updates // _UPDATES_A_STEP))
    for again, fewest in ((True, N_STEPS), (False, _FEWEST_STEPS)):
        for n_steps in range(most_steps, fewest - 1, -1):
            if _work(rbm, _ANNEALED, n_steps, again) <= most:
                return n_steps, again
    return 0, False


def _work(rbm: RBM, n_chains: int, n_steps: int, again: bool) -> int:
    """Of a population from modes, and of the sweeps after it."""
    sweeps = workload.sweep(rbm.n_visible, rbm.n_hidden).of((1 + again) * n_chains)
    return work_of_modes(rbm, n_chains, n_steps, again) + _SWEEPS_A_STEP * n_steps * sweeps


def _apart(
    data: np.ndarray, samples: np.ndarray, clusters: Clusters, families: float, variance: float
) -> dict[str, float]:
    """How far samples are from the data, of places (n, axes), on an axis and in the weights of clusters."""
    total, errors = apart(clusters.weights(data), clusters.weights(samples), len(data), families)
    return _axis_apart(data, samples, families, variance) | {"off_clusters": total, "cluster_errors": errors}


def _moving(earlier: dict[str, float], now: dict[str, float], n_clusters: int) -> bool:
    """Whether samples that are too far from the data came so much nearer on their way that as much again would bring
    them near: chains of a large model that has one mode take longer than that to forget an annealing of few steps."""
    far, left = [], []
    if "off_axis" in now:
        off, error = now["off_axis"], now["axis_error"]
        far.append(farness(off, error))
        left.append(farness(min(off, 2 * off - earlier["off_axis"]), error))
    off, errors = now["off_clusters"], now["cluster_errors"]
    rest = min(off, 2 * off - earlier["off_clusters"])
    far.append(clusters_apart(off, errors, n_clusters))
    left.append(clusters_apart(rest, errors * rest / off if off else 0.0, n_clusters))
    return max(far) > 1.0 >= max(left)


def _axis_apart(data: np.ndarray, samples: np.ndarray, families: float, variance: float) -> dict[str, float]:
    """By how many standard deviations of the data the mean is off, and the error of that, on the worst axis; of places
    (n, axes), of axes that have a part of this variance."""
    worst: dict[str, float] = {}
    for of_data, of_model in zip(data.T, samples.T, strict=True):
        deviation = float(of_data.std())
        if deviation**2 > _LEAST * variance:
            error = math.hypot(1.0 / math.sqrt(len(of_data)), float(of_model.std()) / deviation / math.sqrt(families))
            off = abs(float(of_model.mean() - of_data.mean())) / deviation
            if not worst or farness(off, error) > farness(worst["off_axis"], worst["axis_error"]):
                worst = {"off_axis": off, "axis_error": error}
    return worst


def _independent_units(rbm: RBM, states: np.ndarray) -> Unit:
    """The visible units, but Gaussian ones with the variances of these states (n, V)."""
    if rbm.visible.gammas is None:
        return rbm.visible
    return rbm.visible.with_gammas((1.0 / states.var(axis=0).clip(1.0 / LARGEST, None)).clip(SMALLEST, LARGEST))


def _scores(history: History) -> dict[str, Any]:
    """What was measured of a score."""
    for name in _SCORE_COLUMNS:
        if name in history.columns:
            error = f"{name}_error"
            errors = history[error] if error in history.columns else np.zeros(len(history))
            known = np.flatnonzero(np.isfinite(history[name]) & np.isfinite(errors))
            return {
                "score_name": history.about(name).label, "score_updates": history["update"][known],
                "scores": history[name][known], "score_error": float(errors[known[-1]]) if known.size else 0.0,
            }  # fmt: skip
    return {}
