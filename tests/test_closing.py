"""What the look at the end of a training may cost, and what it says of chains that are on their way."""

from dataclasses import replace

import numpy as np
import pytest
from test_annealing import two_modes

import fastrbm as fr
from fastrbm._core import workload
from fastrbm.sampling import annealing, modes
from fastrbm.training import closing


class Basics:
    def __init__(self, states):
        self.bits = fr.BitMatrix.from_states(states)

    packed = staticmethod(fr.BitMatrix.from_states)


@pytest.mark.parametrize("families", [40.0, 20.0])
def test_the_look_spends_no_more_than_it_may(families, monkeypatch):
    """Counted by what is called. The model has a mode twice as heavy as the data, which 40 families do not know well
    enough: four times the chains are asked for. Where populations are of 20 families there are second ones, too."""
    spent = []
    search, population, ends = annealing.mode_biases, annealing._annealed, closing.chain_ends

    def sweeps(rbm, n, count):
        spent.append(count * workload.sweep(rbm.n_visible, rbm.n_hidden).of(n))

    def searching(rbm, n_sweeps, *more):
        sweeps(rbm, modes._CHAINS, n_sweeps)
        return search(rbm, n_sweeps, *more)

    def annealed(path, n, *more):
        spent.append(path.n_steps * workload.annealing(path.rbm.n_visible, path.rbm.n_hidden).of(n))
        return replace(population(path, n, *more), families=families)

    def ending(rbm, n, n_sweeps, *more, **how):
        sweeps(rbm, n, n_sweeps)
        return ends(rbm, n, n_sweeps, *more, **how)

    monkeypatch.setattr(annealing, "mode_biases", searching)
    monkeypatch.setattr(annealing, "_annealed", annealed)
    monkeypatch.setattr(closing, "chain_ends", ending)
    monkeypatch.setattr(annealing, "N_STEPS", 10)
    for name, value in (("N_STEPS", 10), ("_STEPS", 25), ("_FEWEST_STEPS", 5)):
        monkeypatch.setattr(closing, name, value)
    rbm, heads = two_modes(1.0), np.arange(2000)[:, None] % 4 == 0
    X = np.repeat(heads, 20, axis=1).astype(np.uint8)
    least, calls = closing._work(rbm, closing._ANNEALED, 5, False), {}
    for times in (0.99, 1.0, 1.7, 6.0, 30.0, 80.0, 200.0, 1000.0):
        spent.clear()
        numbers, _ = closing._samples_apart(
            rbm, Basics(X[:256]), X, X[:256].astype(float), 500, int(times * least), 0, 1
        )
        assert sum(spent) <= times * least
        assert numbers.get("too_costly", False) == (times < 20.0 + 60.0 * (families == 20.0) or not spent)
        calls[times] = len(spent)
    # mode search, population, perhaps another, sweeps; and the same once more
    assert calls[0.99] == 0 and calls[1.0] == 3 and calls[1000.0] == (6 if families == 40.0 else 8)


@pytest.mark.parametrize(
    "earlier, now, moving",
    [
        # (off_axis, axis_error, off_clusters, cluster_errors): MNIST, 6,000 hidden units, 51 steps, then 102 sweeps
        ((1.14, 0.11, 0.61, 7.3), (0.69, 0.11, 0.31, 3.7), True),
        ((1.14, 0.11, 0.61, 7.3), (1.05, 0.11, 0.58, 7.0), False),  # far modes keep their weights
        ((0.20, 0.11, 0.54, 9.2), (0.20, 0.11, 0.55, 9.1), False),  # those of genomes
        ((0.20, 0.11, 0.30, 9.2), (0.20, 0.11, 0.55, 9.1), False),  # away from the data
        ((0.20, 0.11, 0.60, 9.2), (0.20, 0.11, 0.39, 7.0), True),
        ((1.14, 0.11, 0.61, 7.3), (0.30, 0.11, 0.11, 1.4), False),  # arrived
        ((0.0, 0.1, 0.0, 0.0), (0.0, 0.1, 0.0, 0.0), False),
    ],
)
def test_chains_that_are_on_their_way(earlier, now, moving):
    names = "off_axis", "axis_error", "off_clusters", "cluster_errors"
    numbers = [dict(zip(names, each, strict=True)) for each in (earlier, now)]
    assert closing._moving(*numbers, 8) == moving
    without = [{name: each[name] for name in names[2:]} for each in numbers]  # no axis of weight
    assert closing._moving(*without, 8) == (moving and now[2] == 0.39)
