"""Units that are given real ones are drawn by float32 products where these decide (src/rough.pxi): always as by exact
products, which a half step takes that gives out probabilities, too."""

import numpy as np
import pytest
from helpers import modules
from test_real_kernels import LARGEST, layer_of, real_layers

MODULES = modules()
each_level = pytest.mark.parametrize("level", MODULES)
PROTEIN = ("categorical", (21,) * 12)
SITES = ("categorical", (2, 255, 1, 64, 3, 33, 130))  # of one to four tiles
# (visible layer, hidden layer, standard deviations of weights and of the real units, chains); "opposed": the
# products of half of the units are alike, so that roundings go the same way, and the other half's take them away again;
# "half way": between points of the grid, this far from each other, which a unit of another tile makes
EXAMPLES = [
    (PROTEIN, ("drelu", 200), 0.1, 1.0, 700),
    (PROTEIN, ("gaussian", 65), 1.0, 3.0, 700),
    (SITES, ("relu", 130), 0.3, 1.0, 130),
    (("bernoulli", 257), ("drelu", 600), 0.2, 2.0, 300),
    (("spin", 70), ("gaussian", 1), 1.0, 30.0, 1500),
    (("gaussian", 300), ("bernoulli", 33), 0.05, 1.0, 1500),
    (PROTEIN, ("gaussian", 600), 0.25, 3.0, 4000, "opposed"),
    (("bernoulli", 257), ("gaussian", 600), 0.25, 3.0, 4000, "opposed"),
    (("spin", 130), ("gaussian", 60), 2.0**-13, 1.0, 700, "half way"),
]


def half_steps(module, example, sweep, beta, exact, free=None, first_bias=None):
    """Planes of the layer given real units, drawn exactly or not. first_bias: that of the first visible unit."""
    visible, hidden, of_weights, of_units, n, *which = example
    rng = np.random.default_rng(sweep)
    units = layer_of(visible, rng), layer_of(hidden, rng)
    weights = rng.normal(0, of_weights, (units[0].n, units[1].n)).astype(np.float32)
    values = rng.normal(0, of_units, (units[0 if units[0].real else 1].n, n))
    if which == ["half way"]:
        weights[...] = (rng.integers(-3, 4, (len(weights), 1)) + 0.499) * of_weights
        weights[0] = 2.0**28.5 / units[1].n * of_weights
        values = rng.uniform(0.8, 1.0, values.shape) * of_units
    if which == ["opposed"]:
        half = units[1].n // 2
        weights[:, :half] = rng.uniform(0.6, 1.0, (len(weights), 1)) * of_weights
        weights[:, half:] = -1.37 * weights[:, :half]
        values[:half] = rng.uniform(0.8, 1.0, n) * of_units
        values[half:] = values[:half] / 1.37
        values[-8:] += rng.normal(0, 1.5, (8, n))
    biases = [rng.normal(0, 1, unit.n).astype(np.float32) for unit in units]
    if first_bias is not None:
        biases[0][0] = first_bias
    layers = real_layers(module, weights, *biases, units)
    to = layers[1 if units[0].real else 0]
    whole = np.clip(np.rint(4096 * values), -LARGEST, LARGEST).astype(int)
    planes = np.stack([(whole >> 8 * byte) & 255 for byte in range(3)], axis=1).reshape(-1, n).astype(np.uint8)
    out = np.zeros((to.to.n_rows if to.to is not None else -(-to.n_units // 8), n), np.uint8)
    probabilities = np.empty((n, to.n_units), np.float32) if exact else None
    clamped = None if free is None else np.full_like(out, free)
    betas = None if beta is None else np.full(n, beta, np.float32)
    module.half_step(planes, to, betas, 7, 1, sweep, 0, 5, out, None, probabilities, 2, clamped)
    return out


@each_level
@pytest.mark.parametrize("k", range(len(EXAMPLES)))
@pytest.mark.parametrize("beta, n_sweeps", [(None, 3), (0.3, 1), (-1.7, 1)])
def test_draws_are_those_of_exact_fields(level, k, beta, n_sweeps):
    for sweep in range(n_sweeps):
        rough, exact = (half_steps(MODULES[level], EXAMPLES[k], sweep, beta, which) for which in (False, True))
        assert np.array_equal(rough, exact), (sweep, np.argwhere(rough != exact)[:5])


@each_level
@pytest.mark.parametrize("scale", [30.0, 1e6])
def test_weights_that_rough_fields_are_no_good_for(level, scale):
    """Fields that may be off by more than is good; and integers of which float32 has half of the bits."""
    example = PROTEIN, ("gaussian", 200), scale, 3.0, 65
    assert np.array_equal(*(half_steps(MODULES[level], example, 1, None, which) for which in (False, True)))


@each_level
@pytest.mark.parametrize("k, beta, first_bias", [(0, 1e6, 0.0), (7, 0.0, 0.0), (0, None, -1e9), (0, None, 1e29)])
def test_errors_that_are_large_or_nothing(level, k, beta, first_bias):
    """Fields that are off by whole numbers, and those of beta 0: 0 or -0, by the sign of what beta takes away."""
    both = (half_steps(MODULES[level], EXAMPLES[k], 1, beta, which, None, first_bias) for which in (False, True))
    assert np.array_equal(*both)


@each_level
def test_numbers_whose_squares_underflow(level):
    """The grid is that of the largest weights, of which another tile has none."""
    of_weights = np.where(np.arange(130) < 64, 2.0**91, 2.0**25)[:, None]
    example = ("bernoulli", 130), ("gaussian", 1), of_weights, 2.0**-12, 65
    assert np.array_equal(*(half_steps(MODULES[level], example, 1, None, which) for which in (False, True)))


@each_level
@pytest.mark.parametrize("k", [0, 3])
def test_what_is_clamped_stays(level, k):
    drawn = [half_steps(MODULES[level], EXAMPLES[k], 1, None, which, free) for which in (0, 1) for free in (0, 255)]
    assert not drawn[0].any() and drawn[1].any()
    assert np.array_equal(drawn[1], drawn[3]) and not drawn[2].any()
