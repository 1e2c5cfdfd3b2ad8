"""The numbers by which the end of a training is judged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diagnostics.axes import along, principal_axes
from ..likelihood.score import score
from ..rbm import RBM
from ..sampling.annealing import of_modes
from ..sampling.chains import Chains
from ..sampling.tempering import TemperedChains
from ..states.missing import absent_sites
from .variance import LARGEST, SMALLEST, visible_size
from .verdict import Closing, farness

if TYPE_CHECKING:
    from ..units.unit import Unit
    from .history import History
    from .measuring import Basics

_ANNEALED, _FEWEST_STEPS, _STEPS = 512, 50, 500  # chains that the end of a training is judged by, and their steps
_AXES, _LEAST = 8, 0.02  # principal axes of the data that are looked along, and the part of the variance of each
_UPDATES_A_STEP, _FEWEST_UPDATES = 20, 1000  # a tenth of a training, or half where a second population is needed
_ENOUGH = 8.0  # families, from which they say something
_LOOKED_AT = 32  # rows whose hidden inputs are
_SCORE_COLUMNS = ("log_likelihood", "pseudo_likelihood")


def closing(
    rbm: RBM, basics: Basics, history: History, chains: Any, kept: bool, seed: int, n_threads: int | None
) -> Closing:
    """The numbers that say how a training ended. kept: whether the model is one of before the end."""
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
        **_model_apart(rbm, basics, states, n_updates, seed, n_threads),
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
    rbm: RBM, basics: Basics, states: np.ndarray, n_updates: int, seed: int, n_threads: int | None
) -> dict[str, Any]:
    """How far the model is from the data along one of their main axes, that where it is farthest, and from validation
    data, by annealed samples."""
    numbers: dict[str, Any] = {}
    if absent_sites(basics.bits) is not None:  # the model of all sites is not what was trained
        return numbers
    likely = math.nan
    if n_updates >= _FEWEST_UPDATES and len(states) > 1:
        n_steps = min(_STEPS, max(_FEWEST_STEPS, n_updates // _UPDATES_A_STEP))
        population = of_modes(rbm, _ANNEALED, n_steps, seed, n_threads)
        samples = population.visible.to_units()
        center = states.mean(axis=0)
        spread, moved = states - center, samples - center
        for axis in principal_axes(spread, _AXES) if population.families >= _ENOUGH else ():
            data, model = along(spread, axis), along(moved, axis)
            if np.square(data).sum() > _LEAST * np.square(spread).sum():
                deviation = float(data.std())
                of_model = float(model.std()) / math.sqrt(population.families)
                error = math.hypot(deviation / math.sqrt(len(data)), of_model) / deviation
                off = abs(float(model.mean())) / deviation
                if not numbers or farness(off, error) > farness(numbers["off_axis"], numbers["axis_error"]):
                    numbers = {"off_axis": off, "axis_error": error}
        likely = -population.log_partition
    if basics.validation is not None:
        independent = RBM.from_data(basics.bits, 1, weight_scale=0.0, visible=_independent_units(rbm, states))
        free, plain = (
            [float(model._free_energy(examples, n_threads).mean()) for examples in (basics.validation, basics.bits)]
            for model in (rbm, independent)
        )
        numbers["excess_gap"] = free[0] - free[1] - (plain[0] - plain[1])
        numbers["margin"] = likely - free[0] - score(independent, basics.validation).mean
    return numbers


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
