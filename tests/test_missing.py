"""Missing entries: latent and absent ones in training, marginal likelihoods, filling in, estimator, command line."""

import copy
import csv
import os
import subprocess
import sys
import warnings
from itertools import product

import numpy as np
import pytest
from helpers import LEVELS

import fastrbm as fr
from fastrbm.cli import main
from fastrbm.states.missing import absent_sites, free_if_present, has_missing, known_parts, with_absent
from fastrbm.states.planes import free_planes
from fastrbm.training import fused
from fastrbm.training.missing import Latent

NAN = float("nan")
U = fr.units
LAYERS = {
    "bernoulli": "bernoulli",
    "spin": "spin",
    "categorical": U.Categorical(2, 3),
    "mixed": [U.Bernoulli(2), U.Categorical(1, 3), U.Spin(1)],
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fr.TrainingWarning)
        yield


def model(visible, n_hidden=3, hidden="bernoulli", seed=0, scale=0.8):
    rng = np.random.default_rng(seed)
    n = 6
    return fr.RBM(
        rng.normal(0, scale, (n, n_hidden)), rng.normal(0, scale, n), rng.normal(0, scale, n_hidden), visible=visible,
        hidden=hidden,
    )  # fmt: skip


def values_of(rbm):
    """The values that each column may have."""
    out = []
    for segment in rbm.visible.segments:
        for n in segment.n_states_of_columns:
            out.append([-1, 1] if segment.name == "spin" else list(range(n)))
    return out


def completions(rbm, x):
    choices = [all_ if np.isnan(v) else [v] for v, all_ in zip(x, values_of(rbm), strict=True)]
    return np.array(list(product(*choices)))


def with_gaps(rbm, n=8, part=0.5, seed=1):
    X = rbm.sample(n, 20, seed=seed).astype(float)
    gaps = np.random.default_rng(seed).random(X.shape) < part
    gaps[0], gaps[1] = True, False
    return np.where(gaps, NAN, X)


def log_marginal(rbm, X):
    """By brute force."""
    return np.array([np.logaddexp.reduce(-rbm.free_energy(completions(rbm, x))) for x in X])


# ---------------------------------------------------------------- reading


def test_what_is_missing_of_every_kind():
    pd = pytest.importorskip("pandas")
    rbm = fr.RBM(np.zeros((6, 2)), visible=U.Categorical(2, 3))
    codes, gaps = np.array([[0, 2], [1, 1], [2, 0]]), np.array([[0, 1], [0, 0], [1, 1]], bool)
    X = np.where(gaps, NAN, codes)
    kinds = [
        X, X.astype(np.float32), np.where(gaps, -1, codes), np.where(gaps, -1.0, codes),
        np.ma.masked_array(codes, gaps), np.where(gaps, None, codes.astype(object)), X.tolist(), pd.DataFrame(X),
        pd.DataFrame(X).astype("Int64"),
        np.where(gaps, pd.NA, codes.astype(object)), with_absent(X, rbm.visible, "X"),
    ]  # fmt: skip
    draw = rbm.inpaint(X, 3, seed=4)
    for given in kinds:
        assert has_missing(given, rbm.visible)
        parts, missing = known_parts(given, rbm.visible, "X")
        assert (missing == gaps).all() and (parts == np.where(gaps, 0, codes)).all()
        assert (rbm.inpaint(given, 3, seed=4) == draw).all()
        assert np.allclose(fr.likelihood.marginal(rbm, given), log_marginal(rbm, X))
        other = fr.RBM.from_data(given, 2, visible=rbm.visible)
        assert (other.visible_bias == fr.RBM.from_data(X, 2, visible=rbm.visible).visible_bias).all()
        trained = [fr.RBM.from_data(X, 2, visible=rbm.visible) for _ in range(2)]
        for one, data in zip(trained, (X, given), strict=True):
            fr.fit(one, data, epochs=2, missing="latent")
        assert (trained[0].weights == trained[1].weights).all()
    assert not has_missing(codes, rbm.visible) and not has_missing("text", rbm.visible)


def test_minus_one_is_missing_beside_categories_alone():
    row = fr.RBM(np.zeros((6, 1)), visible=LAYERS["mixed"]).visible
    parts, missing = known_parts([[-1, 1, 2, -1]], row, "X")
    assert missing.tolist() == [[True, False, False, False]] and parts.tolist() == [[0, 1, 2, 0]]
    for other in ([[-1, 1], [1, 1]], [[-1, 1], [0, 1]]):  # spins, or anything
        assert not has_missing(other, U.Bernoulli(2)) and not has_missing(other, U.Spin(2))
        with pytest.raises(ValueError, match=r"X must hold 0, 1, or NaN \(missing\); X\[0, 0\] is -1; make -1 NaN"):
            known_parts(other, U.Bernoulli(2), "X")
    with pytest.raises(ValueError, match=r"X must hold codes from 0 to 2 in column 1, or NaN or -1 \(missing\)"):
        known_parts([[0, 3]], U.Categorical(2, 3), "X")
    with pytest.raises(ValueError, match=r"X\[1, 0\] is 0.5"):
        known_parts([[1, NAN], [0.5, 0]], U.Bernoulli(2), "X")


# ---------------------------------------------------------------- from_data


@pytest.mark.parametrize("layer", LAYERS)
def test_biases_fit_the_means_of_what_is_known(layer):
    X = with_gaps(model(LAYERS[layer]), 40)
    X[:, 1] = NAN
    rbm = fr.RBM.from_data(X, 2, visible=LAYERS[layer])
    first = 0
    for column, states in enumerate(values_of(rbm)):
        known, q = X[~np.isnan(X[:, column]), column], len(states)
        counts = np.array([(known == state).sum() for state in states])
        log_p = np.log((counts + 1 / q) / (len(known) + 1))
        segments = rbm.visible.segments
        segment = segments[0] if len(segments) == 1 or column < 2 else segments[column - 1]
        if segment.layout is None:
            assert rbm.visible_bias[first] == pytest.approx((log_p[1] - log_p[0]) / segment.step, abs=1e-6)
        else:
            assert rbm.visible_bias[first : first + q] == pytest.approx(log_p - log_p.mean(), abs=1e-6)
        first += 1 if segment.layout is None else q
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    weighted = fr.RBM.from_data(X, 2, visible=LAYERS[layer], sample_weight=weight)
    repeated = fr.RBM.from_data(np.repeat(X, weight.astype(int), axis=0), 2, visible=LAYERS[layer])
    assert weighted.visible_bias == pytest.approx(repeated.visible_bias, abs=1e-5)


def test_frames_with_gaps_become_models():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "text": ["x", None, "z", "y"], "number": [3, NAN, 1, 2],
        "truth": pd.array([True, None, False, True], "boolean"), "two": ["no", "yes", None, "no"],
        "none": pd.array([1, None, 0, None], "Int64"),
    })  # fmt: skip
    rbm = fr.RBM.from_data(frame, 2)
    assert [len(labels) for labels in rbm.visible_categories] == [3, 3, 2, 2, 2]
    fr.fit(rbm, frame, epochs=2, missing="latent")
    full = rbm.to_frame(rbm.inpaint(frame, 5), like=frame)
    assert not full.isna().any().any() and (full.dtypes == frame.dtypes).all()
    known = frame.notna()
    assert (full.astype(object)[known].fillna(0) == frame.astype(object)[known].fillna(0)).all().all()
    assert fr.likelihood.score(rbm, frame).mean < 0
    gone = pd.DataFrame({"a": pd.array([None, None], "Int64"), "b": [0, 1]})  # no number in a column
    assert fr.RBM.from_data(gone, 1).visible_bias[0] == 0


# ---------------------------------------------------------------- likelihoods of what is known


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("layer", LAYERS)
def test_marginal_is_the_sum_over_completions(layer, hidden, monkeypatch):
    rbm = model(LAYERS[layer], hidden=hidden)
    X = with_gaps(rbm)
    right = log_marginal(rbm, X)
    # rounding to the kernels' grid, at most 6 x 3 weights of half a step each, beside float64
    tolerance = 20 * max(rbm.grid)
    assert fr.likelihood.marginal(rbm, X) == pytest.approx(right, abs=tolerance)
    for most in (1, 1 << 16):  # by states of the hidden layer, and by completions
        monkeypatch.setattr(sys.modules["fastrbm.likelihood.marginal"], "MOST_STATES", most)
        monkeypatch.setattr(sys.modules["fastrbm.likelihood.marginal"], "MAX_HIDDEN", 20 if most == 1 else 0)
        assert fr.likelihood.marginal(rbm, X) == pytest.approx(right, abs=tolerance)
    result = fr.likelihood.score(rbm, X)
    assert result.per_example == pytest.approx(right - fr.likelihood.exact(rbm).value, abs=tolerance)
    assert result.per_example[0] == pytest.approx(0.0, abs=tolerance)  # nothing is known
    assert result.per_example[1] == fr.likelihood.score(rbm, X[1:2]).per_example[0]


def test_marginals_that_cannot_be_had_are_refused():
    rbm = fr.RBM(np.zeros((30, 21)))
    X = np.zeros((3, 30))
    X[1, :16] = NAN
    assert fr.likelihood.marginal(rbm, X)[1] == pytest.approx(37 * np.log(2))
    X[2, :17] = NAN
    with pytest.raises(ValueError, match=r"X\[2\] has missing entries of 1.31e\+05 joint states: .* this one has 21"):
        fr.likelihood.score(rbm, X)
    assert fr.likelihood.score(rbm, X[:2], method="exact").mean == pytest.approx(-22 * np.log(2), abs=1e-6)


# ---------------------------------------------------------------- latent


def source(rbm, X, **more):
    how = {"batch_size": len(X), "seed": 3, "sample_weight": None, "n_sweeps": 2, "n_threads": 1} | more
    return Latent(X, rbm, **how)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_of_latent_data_is_that_of_the_marginal_likelihood(layer):
    """The mean of the exact gradient over the batches of many epochs, against finite differences of log p(known)."""
    rbm, epochs = model(LAYERS[layer]), 600
    X = with_gaps(rbm, 10)
    latent, gradient = source(rbm, X, n_sweeps=3), fr.gradient.Exact()
    found = []
    for epoch in range(1, epochs + 1):
        for batch, _ in latent.batches(epoch):
            g = gradient(rbm, batch)
            found.append(np.concatenate([g.weights.ravel(), g.visible_bias, g.hidden_bias]))
    found = np.array(found[20:])  # without the way from the visible biases
    start = [rbm.weights.astype(float), rbm.visible_bias.astype(float), rbm.hidden_bias.astype(float)]
    sizes = np.cumsum([part.size for part in start])

    def at(k, step):
        parts = [part.copy() for part in start]
        which = int(np.searchsorted(sizes, k, side="right"))
        parts[which].reshape(-1)[k - (sizes[which - 1] if which else 0)] += step
        moved = fr.RBM(*parts, visible=LAYERS[layer])
        return fr.likelihood.score(moved, X, method="exact").mean

    step = 0.02
    right = np.array([(at(k, step) - at(k, -step)) / (2 * step) for k in range(sizes[-1])])
    blocks = found[: len(found) // 20 * 20].reshape(20, -1, found.shape[1]).mean(axis=1)  # longer than they remember
    error = blocks.std(axis=0, ddof=1) / np.sqrt(20)
    # 5 standard errors; third derivatives are below 1, so that the difference quotient is off by step^2 / 6
    assert (np.abs(found.mean(axis=0) - right) < 5 * error + step**2 / 6 + 1e-4).all()


def test_known_entries_stay_and_missing_ones_move():
    rbm = model(LAYERS["mixed"])
    X = with_gaps(rbm, 30)
    latent, seen = source(rbm, X, batch_size=7), []
    for epoch in (1, 2, 3):
        rows = latent.orders(range(epoch, epoch + 1))[0]
        states = np.concatenate([rbm.visible.values(batch.to_states()) for batch, _ in latent.batches(epoch)])
        back = np.empty_like(states)
        back[rows] = states
        assert (back == X)[~np.isnan(X)].all()
        seen.append(back)
    assert (seen[0] != seen[1])[np.isnan(X)].any() and (seen[1] != seen[2])[np.isnan(X)].any()


PROGRAM = """
import hashlib, sys, warnings, numpy as np, fastrbm as fr
warnings.simplefilter("ignore")
rng, n_threads, digest = np.random.default_rng(0), int(sys.argv[1]), hashlib.sha256()
bits, codes = rng.integers(0, 2, (90, 70)).astype(float), rng.integers(0, 5, (90, 30)).astype(float)
for X, visible, missing in (
    (bits, "bernoulli", "latent"), (codes, fr.units.Categorical(30, 5), "absent"),
    (np.hstack([bits, codes]), [fr.units.Bernoulli(70), fr.units.Categorical(30, 5)], "latent"),
):
    X[rng.random(X.shape) < 0.4] = np.nan
    rbm = fr.RBM.from_data(X, 70, visible=visible)
    fr.fit(rbm, X, epochs=3, missing=missing, batch_size=32, n_threads=n_threads)
    filled = rbm.inpaint(X, 3, n_draws=2, n_threads=n_threads)
    digest.update(rbm.weights.tobytes() + filled.tobytes())
print(digest.hexdigest())
"""


EXPECTED = "ea123e54d8abc59faf7d9fd77b770164dd349b02596c2f0f1e11b44e2a854ce9"  # on any machine: see test_fit.py


def test_the_same_bits_for_any_threads_and_level():
    digests = set()
    for level, n_threads in ((LEVELS[0], 1), (LEVELS[-1], 2)):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(n_threads)], env=os.environ | {"FASTRBM_ISA": level}, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        digests.add(run.stdout.strip())
    assert digests == {EXPECTED}


ESTIMATORS = [
    fr.gradient.PCD(16), fr.gradient.CD(2), fr.gradient.FastPCD(16), fr.gradient.Exact(), fr.gradient.MonteCarlo(16),
    fr.gradient.Tempered(4, 3),
]  # fmt: skip


@pytest.mark.parametrize(
    "gradient, layer",
    [
        # each estimator with two of the four, each of these with three estimators; the rest with -m slow
        pytest.param(gradient, layer, marks=() if (i + j) % 2 else pytest.mark.slow,
                     id=f"{type(gradient).__name__}-{layer}")
        for i, gradient in enumerate(ESTIMATORS)
        for j, layer in enumerate(LAYERS)
    ],
)  # fmt: skip
def test_latent_with_every_estimator_goes_on_to_the_same_bits(gradient, layer, tmp_path):
    data = with_gaps(model(LAYERS[layer]), 24)
    start = fr.RBM.from_data(data, 3, visible=LAYERS[layer])
    how = {"batch_size": 10, "seed": 5, "epochs": 6, "missing": "latent"}
    if not isinstance(gradient, fr.gradient.MonteCarlo):  # which takes none
        how["sample_weight"] = np.linspace(0.5, 1.5, 24)

    def train(rbm, **more):
        averaging = fr.optim.Averaging(0.5)
        return fr.fit(rbm, data, copy.deepcopy(gradient), fr.optim.Adam(0.01), averaging=averaging, **(how | more))

    def break_off(state):
        if state.epoch == 3:
            raise InterruptedError

    whole, resumed, path = start.copy(), start.copy(), tmp_path / "x.npz"
    history = train(whole)
    with pytest.raises(InterruptedError):
        train(start.copy(), callbacks=break_off, checkpoint=path, checkpoint_seconds=0)
    again = train(resumed, checkpoint=path, checkpoint_seconds=0, resume=True)
    assert resumed.weights.tobytes() == whole.weights.tobytes() and np.isfinite(whole.weights).all()
    for column in set(history.columns) - {"seconds"}:
        assert np.array_equal(history[column], again[column]), column
    with pytest.raises(ValueError, match="latent"):
        train(start.copy(), checkpoint=path, resume=True, missing_sweeps=7)
    other = np.where(np.isnan(data), NAN, data)
    other[2, np.flatnonzero(~np.isnan(other[2]))[:1]] = NAN
    if np.isnan(other).sum() > np.isnan(data).sum():
        data = other
        with pytest.raises(ValueError, match="latent"):
            train(start.copy(), checkpoint=path, resume=True)


@pytest.mark.parametrize("layer", ["bernoulli", "categorical", "mixed"])
def test_latent_updates_by_the_kernel_of_many_are_those_of_the_loop(layer, monkeypatch):
    """A batch without weight, which draws nothing, and a last batch of other length included."""
    rbm = model(LAYERS[layer] if layer != "mixed" else [U.Bernoulli(2), U.Categorical(1, 3), U.Bernoulli(1)])
    X, weight = with_gaps(rbm, n=23), np.ones(23)
    weight[:14] = 0.0  # of 5 batches of 5 in a random order some have none
    updates, runs = [], []
    run = fused.Updates.run
    monkeypatch.setattr(fused.Updates, "run", lambda *args: runs.append(run(*args)) or runs[-1])
    for small in (1 << 16, 0):
        monkeypatch.setattr(fused, "_SMALL", small)
        for sample_weight in (None, weight):
            own, n_before = rbm.copy(), sum(runs)
            fr.fit(own, X, epochs=3, batch_size=5, missing="latent", seed=1, sample_weight=sample_weight)
            updates.append((sum(runs) - n_before, own))
        own, n_before = rbm.copy(), sum(runs)  # so many chains are left to the loop
        fr.fit(own, X, fr.gradient.PCD(4097), epochs=9, batch_size=5, missing="latent", missing_sweeps=1, seed=1)
        updates.append((sum(runs) - n_before, own))
    (n, plain), (n_weighted, weighted), (n_left, left), (none, by_loop), (no_more, weighted_by_loop), (_, alike) = (
        updates
    )
    assert n_left == 0
    assert n == 15 and 0 < n_weighted <= 15 and none == no_more == 0
    for one, other in ((plain, by_loop), (weighted, weighted_by_loop), (left, alike)):
        for name in ("weights", "visible_bias", "hidden_bias"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_a_damaged_state_is_refused():
    rbm = model(LAYERS["categorical"])
    X = with_gaps(rbm, 12)
    latent = source(rbm, X)
    states = latent.get_state()["states"]
    for bad in (states[:-1], states.astype(np.int64), np.full_like(states, 3), np.full_like(states, 200)):
        with pytest.raises(ValueError, match="state's states"):
            latent.set_state({"states": bad})
    latent.set_state({"states": np.full_like(states, 2)})
    ((batch, _),) = latent.batches(1)
    assert known_parts(X, rbm.visible, "X")[0].shape == batch.to_states().shape


def test_latent_without_gaps_is_plain_training():
    X = fr.datasets.bars_and_stripes(3)
    models = [fr.RBM.from_data(X, 4) for _ in range(2)]
    for rbm, how in zip(models, ({}, {"missing": "latent"}), strict=True):
        fr.fit(rbm, X, epochs=20, **how)
    assert models[0].weights.tobytes() == models[1].weights.tobytes()


def test_latent_training_learns_what_complete_data_would_teach():
    """Three in ten entries of bars and stripes are missing at random: the likelihood of complete data comes near."""
    X = np.tile(fr.datasets.bars_and_stripes(3), (20, 1)).astype(float)
    gaps = np.random.default_rng(0).random(X.shape) < 0.3
    data = np.where(gaps, NAN, X)
    rbm = fr.RBM.from_data(data, 12)
    before = fr.likelihood.score(rbm, X).mean
    rate = fr.optim.SGD(fr.optim.Linear(1.0, 0.0))
    fr.fit(rbm, data, optimizer=rate, epochs=1000, batch_size=280, missing="latent")
    after = fr.likelihood.score(rbm, X).mean
    best = -np.log(14)  # nats: 14 patterns
    assert after - best > 0.5 * (before - best)


# ---------------------------------------------------------------- absent


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layer", [U.Categorical(2, 3), [U.Bernoulli(2), U.Categorical(2, 2)]])
def test_absent_sites_give_the_gradient_of_the_model_without_them(layer, weighted):
    """The mean of CD's gradients over many calls, against those of restricted RBMs, example by example."""
    rbm = model(layer)
    n = rbm.visible.n_columns
    X = with_gaps(rbm, 6)[1:]
    X[:, : rbm.visible.segments[0].n if n > 2 else 0] = 1  # units of two values are there
    weight = np.arange(1.0, len(X) + 1) if weighted else None
    states, repeats = with_absent(X, rbm.visible, "X"), 4000
    absent = absent_sites(states)
    assert absent.any() and not absent.all(axis=1).all()
    many = states[np.tile(np.arange(len(X)), repeats)]
    tiled = None if weight is None else np.tile(weight, repeats)
    g = fr.gradient.CD(2, seed=1)(rbm, many, sample_weight=tiled)
    sizes = np.array(rbm.visible.units_of_columns)
    right = [np.zeros((6, 3)), np.zeros(6), np.zeros(3)]
    total = len(X) if weight is None else weight.sum()
    for k, x in enumerate(X):
        there = ~np.isnan(x)
        units = np.flatnonzero(np.repeat(there, sizes))
        part = 1.0 if weight is None else weight[k]
        if units.size == 0:
            continue
        kinds = [U.Bernoulli(1) if s == 1 else U.Categorical(1, int(s)) for s, t in zip(sizes, there, strict=True) if t]
        small = fr.RBM(rbm.weights[units], rbm.visible_bias[units], rbm.hidden_bias, visible=kinds)
        own = fr.gradient.CD(2, seed=2 + k)(small, np.tile(x[there], (repeats, 1)))
        right[0][units] += part / total * own.weights
        right[1][units] += part / total * own.visible_bias
        right[2] += part / total * own.hidden_bias
    # each side is a mean over 4000 draws an example of numbers within 1: 6 standard errors of the difference of two
    tolerance = 6 * np.sqrt(2 / repeats)
    for found, wanted in zip((g.weights, g.visible_bias, g.hidden_bias), right, strict=True):
        assert np.abs(found - wanted).max() < tolerance
    # a site that is absent everywhere has no gradient at all
    X[:, -1] = NAN
    g = fr.gradient.CD(1)(rbm, with_absent(X, rbm.visible, "X"))
    last = slice(6 - sizes[-1], 6)
    assert not g.weights[last].any() and not g.visible_bias[last].any()


def test_free_bits_beside_absent_sites():
    unit = fr.RBM(np.zeros((9, 1)), visible=[U.Bernoulli(3), U.Categorical(2, 3)]).visible
    X = np.array([[1, 0, 1, 2, NAN], [0, 1, 1, 0, 1], [0, 0, 0, NAN, NAN]])
    states = with_absent(X, unit, "X")
    assert np.array_equal(free_if_present(states), free_planes(~np.isnan(X), unit))
    assert free_if_present(states[1:2]) is None and free_if_present(fr.BitMatrix.empty(2, 3)) is None


def test_absent_and_latent_differ():
    rbm = model(LAYERS["categorical"])
    X = with_gaps(rbm, 40)
    trained = {}
    for missing in ("latent", "absent"):
        trained[missing] = rbm.copy()
        fr.fit(trained[missing], X, fr.gradient.CD(1), fr.optim.SGD(0.5), epochs=20, missing=missing)
    assert np.abs(trained["latent"].weights - trained["absent"].weights).max() > 0.05


def ratings(seed=0):
    """Two kinds of users, who like different films, 90 % of the ratings absent: codes 0 .. 4, NaN."""
    rng = np.random.default_rng(seed)
    kind, film = rng.integers(0, 2, (300, 1)), np.arange(40) % 2
    stars = np.clip(np.where(kind == film, 3.5, 0.5) + rng.normal(0, 0.7, (300, 40)), 0, 4).round()
    return stars, np.where(rng.random(stars.shape) < 0.9, NAN, stars)


def test_a_matrix_of_ratings_most_of_which_are_absent():
    stars, X = ratings()
    rbm = fr.RBM.from_data(X, 8, visible=U.Categorical(40, 5))
    how = {"optimizer": fr.optim.SGD(1.0), "epochs": 100, "missing": "absent", "batch_size": 50}
    history = fr.fit(rbm, X, validation=X[:20], **how)
    assert np.isfinite(rbm.weights).all() and np.isfinite(history["free_energy_gap"]).all()
    assert 0 < history["reconstruction_error"][-1] < 1 and history["shuffled_gap"][-1] > 0.3
    # P(code | the user's ratings), of films not rated: expected stars are higher where the user is of the film's kind
    h = rbm.mean_hidden(with_absent(X, rbm.visible, "X"))
    expected = rbm.mean_visible(h).reshape(300, 40, 5) @ np.arange(5)
    unrated, liked = np.isnan(X), stars >= 2
    assert expected[unrated & liked].mean() > expected[unrated & ~liked].mean() + 0.5


def test_absent_training_goes_on_to_the_same_bits_and_takes_batches(tmp_path):
    _, X = ratings()
    start, path = fr.RBM.from_data(X, 4, visible=U.Categorical(40, 5)), tmp_path / "x.npz"
    whole, parts, own = start.copy(), start.copy(), start.copy()
    how = {"optimizer": fr.optim.SGD(0.1), "missing": "absent", "batch_size": 50, "n_threads": 2}
    fr.fit(whole, X, epochs=4, **how)
    fr.fit(parts, X, epochs=2, checkpoint=path, **how)
    again = start.copy()
    fr.fit(again, X, epochs=4, checkpoint=path, resume=True, **(how | {"n_threads": 1}))
    assert again.weights.tobytes() == whole.weights.tobytes() != parts.weights.tobytes()

    class Batches:
        def __len__(self):
            return 6

        def __iter__(self):
            return iter(np.split(X, 6))

    fr.fit(own, Batches(), epochs=2, **how)
    assert np.isfinite(own.weights).all()


# ---------------------------------------------------------------- errors of fit


def test_fit_refuses_by_name():
    X = np.array([[0, NAN, 1], [1, 0, 1.0]])
    rbm = fr.RBM.from_data(X, 2)
    with pytest.raises(ValueError, match=r"X contains NaN, the first at X\[0, 1\]: .* train with missing='latent'"):
        fr.fit(rbm, X)
    with pytest.raises(ValueError, match=r"X has masked values.*missing='latent'"):
        fr.fit(rbm, np.ma.masked_invalid(X))
    with pytest.raises(ValueError, match=r"X\[0, 1\] is missing: only categorical sites can be absent"):
        fr.fit(rbm, X, missing="absent")
    with pytest.raises(ValueError, match="missing must be one of latent, absent"):
        fr.fit(rbm, X, missing="yes")
    with pytest.raises(ValueError, match="missing_sweeps must be at least 1"):
        fr.fit(rbm, X, missing="latent", missing_sweeps=0)
    with pytest.raises(ValueError, match="leave out dynamic_binarization"):
        fr.fit(rbm, X, missing="latent", dynamic_binarization=True)
    with pytest.raises(ValueError, match=r"X must hold 0, 1, or NaN \(missing\); X\[0, 0\] is 0.5"):
        fr.fit(rbm, [[0.5, NAN, 1]], missing="latent")
    with pytest.raises(ValueError, match="validation contains NaN"):
        fr.fit(rbm, X, missing="latent", validation=X)

    class Batches:
        def __len__(self):
            return 1

        def __iter__(self):
            return iter([X])

    with pytest.raises(TypeError, match="each of whose examples keeps a state, not batches of your own"):
        fr.fit(rbm, Batches(), missing="latent")
    sites = fr.RBM.from_data(X, 2, visible=U.Categorical(3, 2))
    with pytest.raises(ValueError, match="missing='absent' needs gradient.CD, .*; PCD has chains of the whole model"):
        fr.fit(sites, X, fr.gradient.PCD(), missing="absent")
    absent = with_absent(X, sites.visible, "X")
    with pytest.raises(ValueError, match="X has absent sites: train with missing='latent'"):
        fr.fit(sites, absent)
    with pytest.raises(ValueError, match="validation has absent sites"):
        fr.fit(sites, np.zeros((2, 3)), validation=absent)
    for estimator in ESTIMATORS:
        if not isinstance(estimator, fr.gradient.CD):
            with pytest.raises(ValueError, match=f"{type(estimator).__name__} cannot have absent sites in X"):
                estimator(sites, absent)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_column_and_a_row_of_nothing(layer):
    X = with_gaps(model(LAYERS[layer]), 12)
    X[:, 1], X[3] = NAN, NAN
    rbm = fr.RBM.from_data(X, 2, visible=LAYERS[layer])
    fr.fit(rbm, X, epochs=3, missing="latent")
    assert np.isfinite(rbm.weights).all() and np.isfinite(fr.likelihood.score(rbm, X).mean)
    assert fr.likelihood.score(rbm, X).per_example[3] == pytest.approx(0.0, abs=1e-4)
    assert not np.isnan(rbm.inpaint(X, 3).astype(float)).any()


# ---------------------------------------------------------------- inpaint


@pytest.mark.parametrize("layer", LAYERS)
def test_draws_probabilities_and_most_probable_values(layer):
    rbm = model(LAYERS[layer])
    X = with_gaps(rbm, 5)
    draws = rbm.inpaint(X, 30, seed=2, n_draws=3000)
    assert draws.shape == (3000, *X.shape) and (draws[:7] == rbm.inpaint(X, 30, seed=2, n_draws=7)).all()
    assert (draws[0] == rbm.inpaint(X, 30, seed=2)).all() and draws.dtype == rbm.visible.dtype
    assert (draws == X)[:, ~np.isnan(X)].all()
    p = rbm.inpaint(X, 30, seed=2, n_draws=3000, probabilities=True)
    best = rbm.inpaint(X, 30, seed=2, n_draws=3000, most_probable=True)
    assert p.shape == (5, 6) and p.dtype == np.float64
    for k, x in enumerate(X):
        full = completions(rbm, x)
        log_p = -rbm.free_energy(full)
        right = np.exp(log_p - np.logaddexp.reduce(log_p)) @ rbm.visible.units_on(rbm.visible.parts(full, False))
        # 5 standard errors of 3000 independent draws, whose chains of 30 sweeps have forgotten their start
        assert np.abs(p[k] - right).max() < 5 * 0.5 / np.sqrt(3000)
    wanted = rbm.visible.values(np.where(np.isnan(X), rbm.visible.hardened(p), known_parts(X, rbm.visible, "X")[0]))
    assert (best == wanted).all()


def test_inpaint_refuses_by_name():
    rbm = model("bernoulli")
    X = np.full((2, 6), NAN)
    with pytest.raises(ValueError, match="n_draws must be at least 1"):
        rbm.inpaint(X, n_draws=0)
    with pytest.raises(ValueError, match="choose one"):
        rbm.inpaint(X, probabilities=True, most_probable=True)
    with pytest.raises(TypeError, match="most_probable must be True or False"):
        rbm.inpaint(X, most_probable=1)
    with pytest.raises(ValueError, match="X must have two dimensions"):
        rbm.inpaint(X[0])
    assert rbm.inpaint(X[:0]).shape == (0, 6) and rbm.inpaint(X[:0], probabilities=True).shape == (0, 6)


# ---------------------------------------------------------------- the estimator


def two_columns(n=60):
    """The second column is the first one's double, plus 1; a tenth is missing."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, n)
    X = np.stack([a, 2 * a + 1, rng.integers(0, 2, n)], axis=1).astype(float)
    gaps = rng.random(X.shape) < 0.1
    gaps[:, 1] &= ~gaps[:, 0]
    return X, np.where(gaps, NAN, X)


def test_the_imputer_learns_and_keeps_what_is_known():
    pytest.importorskip("sklearn")
    from fastrbm.sklearn import RBMImputer

    full, X = two_columns()
    imputer = RBMImputer(8, n_iter=400, learning_rate=0.5, random_state=0)
    filled = imputer.fit_transform(X)
    assert (filled == X)[~np.isnan(X)].all() and filled.dtype == X.dtype
    gone = np.isnan(X[:, 1])
    assert (filled[gone, 1] == full[gone, 1]).all()
    assert (filled == imputer.transform(X)).all() and (imputer.transform(full) == full).all()
    assert imputer.transform(X.astype(np.float32)).dtype == np.float32
    masked = np.ma.masked_array(full, np.isnan(X))
    assert (imputer.transform(masked) == filled).all()
    assert list(imputer.get_feature_names_out()) == ["x0", "x1", "x2"]
    draw = RBMImputer(8, strategy="draw", n_iter=5, random_state=0).fit_transform(X)
    assert not np.isnan(draw).any()
    text = np.where(np.isnan(X), None, np.char.add("v", full.astype(int).astype(str)).astype(object))
    assert set(RBMImputer(4, n_iter=5, random_state=0).fit_transform(text).ravel()) <= {f"v{k}" for k in range(6)}
    with pytest.raises(ValueError, match="column 1 of X has the value 4"):
        imputer.transform([[0, 4, 1]])


def mixed_frame(n=40):
    """Real columns beside categories: y is about 10 x + 5, z depends on the kind; counts is a quantity of whole numbers
    that float64 does not hold."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    kind, x = rng.integers(0, 3, n), rng.normal(0.0, 1.0, n)
    columns = {
        "x": x, "kind": pd.Categorical.from_codes(kind, ["b", "a", "c"]), "y": (10 * x + 5).astype(np.float32),
        "z": 3.0 * kind + rng.normal(0, 0.1, n), "old": pd.array(x > 0, "boolean"),
        "counts": pd.array((1 << 60) + rng.integers(0, 1 << 56, n), "Int64"), "full": rng.normal(size=n), "text": kind,
    }  # fmt: skip
    frame = pd.DataFrame(columns, index=np.repeat(np.arange(n // 2), 2))  # an index with each label twice
    frame["text"] = np.array(["u", "v", "w"], object)[kind]
    return frame


def with_holes(frame):
    gaps = np.random.default_rng(1).random(frame.shape) < 0.2
    gaps[:, list(frame.columns).index("full")] = False
    gaps[3] = True  # a row of which nothing is known
    gaps[3, list(frame.columns).index("full")] = False
    return frame.mask(gaps), gaps


@pytest.mark.parametrize("strategy", ["most_probable", "draw"])
def test_the_imputer_of_real_columns_beside_categories(strategy):
    """Types, names, categories and what is known stay; what is filled in is what the model's inpaint says."""
    pytest.importorskip("sklearn")
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    from fastrbm.sklearn import RBMImputer

    frame = mixed_frame()
    holes, gaps = with_holes(frame)
    imputer = RBMImputer(4, strategy=strategy, n_iter=4, n_sweeps=3, n_draws=4, random_state=0).fit(holes)
    filled = imputer.transform(holes)
    how = {"most_probable": True, "n_draws": 4} if strategy == "most_probable" else {}
    rows = gaps.any(axis=1)
    right = imputer.rbm_.to_frame(imputer.rbm_.inpaint(holes[rows], 3, 0, **how), like=holes)
    for k, name in enumerate(frame):
        assert (filled[name][rows].array == right[name].array)[gaps[rows, k]].all()
    assert (filled.dtypes == holes.dtypes).all() and list(filled.columns) == list(frame.columns)
    assert list(filled.index) == list(frame.index) and not filled.isna().any().any()
    assert filled["kind"].cat.categories.tolist() == ["b", "a", "c"]
    for k, name in enumerate(frame):
        assert (filled[name].array[~gaps[:, k]] == frame[name].array[~gaps[:, k]]).all()
    assert filled["full"].equals(frame["full"]) and imputer.transform(filled).equals(filled)
    assert imputer.rbm_.visible_categories[:4] == (None, ("b", "a", "c"), None, None)
    assert filled["counts"].between(1 << 59, 1 << 61).all()
    types = {"kind": pl.Enum(["b", "a", "c"]), "y": pl.Float32, "counts": pl.Int64}
    lists = {name: [None if x is pd.NA or x != x else x for x in holes[name].tolist()] for name in holes}
    other = pl.DataFrame(lists, schema_overrides=types)
    again = RBMImputer(4, strategy=strategy, n_iter=4, n_sweeps=3, n_draws=4, random_state=0).fit_transform(other)
    assert isinstance(again, pl.DataFrame) and again.schema == other.schema
    for name in frame:
        column = again[name].to_list()
        assert column == filled[name].tolist() and None not in column
        assert all(x in (y, None) for x, y in zip(lists[name], column, strict=True))


@pytest.mark.slow
def test_the_imputer_learns_what_goes_with_real_columns():
    pytest.importorskip("sklearn")
    from fastrbm.sklearn import RBMImputer

    frame = mixed_frame(200)
    holes, gaps = with_holes(frame)
    filled = RBMImputer(16, n_iter=1500, learning_rate=0.3, random_state=0).fit_transform(holes)
    gone = gaps[:, 2] & ~gaps[:, 0]
    error = (filled["y"] - frame["y"]).to_numpy()[gone]
    assert np.abs(error).mean() < 0.6 * np.abs(frame["y"] - frame["y"].mean()).to_numpy()[gone].mean()
    kinds = gaps[:, 1] & ~gaps[:, 3]
    assert (filled["kind"] == frame["kind"]).to_numpy()[kinds].mean() > 0.8


def test_the_imputer_of_arrays_with_real_columns():
    """Codes beside real numbers; numbers alone; objects; single columns and rows, constant and empty ones."""
    pytest.importorskip("sklearn")
    from fastrbm.sklearn import RBMImputer

    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 60)
    X = np.column_stack([code, code + rng.normal(0, 0.1, 60), np.full(60, 2.5), np.full(60, 7.0)])
    gaps = rng.random(X.shape) < 0.2
    holes = np.where(gaps, NAN, X)
    imputer = RBMImputer(4, n_iter=10, n_sweeps=5, random_state=0)
    filled = imputer.fit_transform(holes)
    assert [s.name for s in imputer.rbm_.visible.segments] == ["categorical", "gaussian", "categorical"]
    assert (filled == X)[~gaps].all() and (filled[:, 3] == 7.0).all() and set(filled[:, 0]) <= {0.0, 1.0, 2.0}
    assert np.isfinite(filled).all() and np.abs(filled[:, 2] - 2.5).max() < 0.5
    mean = RBMImputer(1, n_iter=0, n_sweeps=1, random_state=0).fit_transform(holes)[gaps[:, 1], 1]
    assert np.abs(mean - np.nanmean(holes[:, 1])).max() < 0.1  # of a model of independent columns
    assert imputer.transform(holes[:1].astype(np.float32)).dtype == np.float32
    assert not np.isnan(imputer.transform(np.full((1, 4), NAN))).any()
    objects = np.where(gaps, None, X.astype(object))
    objects[:, 0] = np.where(gaps[:, 0], None, np.array(["r", "s", "t"], object)[code])
    text = imputer.fit_transform(objects)
    assert (text[~gaps[:, 1], 1] == X[~gaps[:, 1], 1]).all() and set(text[:, 0]) <= {"r", "s", "t"}
    one = RBMImputer(2, n_iter=5, random_state=0).fit_transform(holes[:, 1:2])
    assert np.isfinite(one).all() and (one == X[:, 1:2])[~gaps[:, 1:2]].all()
    assert (RBMImputer(2, n_iter=2, random_state=0).fit_transform(X[:1]) == X[:1]).all()
    masked = np.ma.masked_array(X, gaps)
    again = RBMImputer(4, n_iter=10, n_sweeps=5, random_state=0).fit_transform(masked)
    assert np.array_equal(again, filled)
    for bad, message in ((np.where(gaps, np.inf, X), "infinity"), (np.column_stack([X, X[:, 0] * NAN]), "no values"),
                         (np.arange(30.0)[:, None] * [1, 0.5], "counts its 30 rows")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            RBMImputer(2, n_iter=1).fit(bad)


def test_the_imputer_of_frames():
    pytest.importorskip("sklearn")
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    from fastrbm.sklearn import RBMImputer

    _, X = two_columns(30)
    words = [None if np.isnan(x) else "abcdef"[int(x)] for x in X[:, 1]]
    columns = {"n": X[:, 0], "w": pd.Categorical(words), "t": pd.array(X[:, 2], "Int64")}
    frame = pd.DataFrame(columns, index=range(5, 35))
    imputer = RBMImputer(4, n_iter=5, random_state=0).fit(frame)
    full = imputer.transform(frame)
    assert list(full.index) == list(frame.index) and (full.dtypes == frame.dtypes).all() and not full.isna().any().any()
    assert list(imputer.get_feature_names_out()) == ["n", "w", "t"]
    assert imputer.set_output(transform="pandas").transform(frame).equals(full)
    other = pl.DataFrame({"n": X[:, 0], "w": words}).with_columns(pl.col("n").fill_nan(None))
    full = RBMImputer(4, n_iter=5, random_state=0).fit_transform(other)
    assert isinstance(full, pl.DataFrame) and full.schema == other.schema and full.null_count().sum_horizontal()[0] == 0


def test_entries_that_are_held_out():
    """So many of each column, none that is missing; their error is that of inpaint's probabilities."""
    pytest.importorskip("sklearn")
    from fastrbm.sklearn.held_out import held_out, held_out_error

    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 60), rng.normal(5.0, 2.0, 60), rng.integers(0, 2, (60, 2))]).astype(float)
    X[rng.random(X.shape) < 0.2] = NAN
    X[:, 3] = [0, 1, 1, *[NAN] * 57]
    held = held_out(X, 0.5, 7)
    known = (~np.isnan(X)).sum(axis=0)
    assert held.sum(axis=0).tolist() == [round(0.5 * n) for n in known[:3]] + [1] and not (held & np.isnan(X)).any()
    assert np.array_equal(held, held_out(X, 0.5, 7)) and not np.array_equal(held, held_out(X, 0.5, 8))
    assert not held_out(X[:2], 0.5, 0).any()  # two of a column are left
    rbm = fr.RBM.from_data(X, 3, visible=[U.Categorical(1, 3), U.Gaussian(1), U.Bernoulli(2)])
    fr.fit(rbm, np.where(held, NAN, X), missing="latent", epochs=3)
    found = held_out_error(rbm, X, held, 5, None)
    rows = held.any(axis=1)
    X, held = X[rows], held[rows]
    P = rbm.inpaint(np.where(held, NAN, X), 30, 5, n_draws=20, probabilities=True)
    gaussian = rbm.visible.segments[1]
    P[:, 3], X[:, 1] = ((x - gaussian.data_mean) / gaussian.scale for x in (P[:, 3], X[:, 1]))
    units = np.column_stack([np.where(np.isnan(X[:, :1]), NAN, X[:, :1] == np.arange(3)), X[:, 1:]])
    own = np.column_stack([np.repeat(held[:, :1], 3, axis=1), held[:, 1:]])
    means = np.nanmean(np.where(own, NAN, units), axis=0)
    error, variance = ((x - units)[own] ** 2 for x in (P, np.broadcast_to(means, own.shape)))
    assert found == pytest.approx(error.sum() / variance.sum(), rel=1e-3)  # real values are kept on a grid of 2^-12


def test_the_imputer_trains_for_as_long_as_is_good_for_held_out_entries(monkeypatch):
    """Columns that are alike; columns that tell nothing of each other, which get their means; a table too small; a
    training that diverges."""
    pytest.importorskip("sklearn")
    from fastrbm.sklearn import RBMImputer, imputer

    monkeypatch.setattr(imputer, "_SHORTEST", 250)  # less time
    monkeypatch.setattr(imputer, "_LONGEST", 1000)
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.integers(0, 2, (50, 1)), 4, axis=1).astype(float)
    holes = np.where(rng.random(alike.shape) < 0.2, NAN, alike)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = RBMImputer(4, random_state=0).fit(holes)
    some, errors = ~np.isnan(holes).all(axis=1), found.held_out_errors_
    assert (found.transform(holes) == alike)[some].mean() > 0.98 and errors[found.n_iter_] == min(errors.values()) < 0.5
    assert list(errors) == [250, 500, 1000] and found.n_iter_ == found.history_.last["epoch"]
    noise = rng.integers(0, 2, (50, 4)).astype(float)
    noise[:, 0] = rng.normal(size=50)
    holes = np.where(rng.random(noise.shape) < 0.2, NAN, noise)
    monkeypatch.setattr(imputer, "_SHORTEST", 40)
    with monkeypatch.context() as other:
        other.setattr(imputer, "held_out_error", lambda *args: 1.0)
        with pytest.warns(UserWarning, match="no better than the means of their columns"):
            found = RBMImputer(4, random_state=0).fit(holes)
    assert found.n_iter_ == 0 and found.held_out_errors_ == dict.fromkeys((40, 80, 160), 1.0)
    filled = found.transform(holes)
    mode = np.nanmean(holes, axis=0) >= 0.5
    assert (filled[:, 1:] == np.where(np.isnan(holes), mode, holes)[:, 1:]).all()
    assert RBMImputer(2, random_state=0).fit(alike[:2]).held_out_errors_ == {}
    assert RBMImputer(2, n_iter=2, random_state=0).fit(alike).held_out_errors_ == {}
    fit = imputer.fit

    def diverges(*args, **how):
        if how["epochs"] > 50:
            raise FloatingPointError
        return fit(*args, **how)

    with monkeypatch.context() as other:
        other.setattr(imputer, "fit", diverges)
        assert RBMImputer(2, random_state=0).fit(alike).held_out_errors_[80] == np.inf
        other.setattr(imputer, "_SHORTEST", 60)
        with pytest.raises(FloatingPointError):
            RBMImputer(2, random_state=0).fit(alike)


def test_the_imputer_is_an_estimator():
    pytest.importorskip("sklearn")
    from sklearn.utils.estimator_checks import check_estimator

    from fastrbm.sklearn import RBMImputer

    imputer = RBMImputer(4, n_iter=3, n_sweeps=5, n_draws=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(imputer, on_fail=None)
    bad = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert not bad and len(results) > 30


# ---------------------------------------------------------------- files and the command line


def test_codes_of_a_table(tmp_path):
    path = tmp_path / "x.csv"
    known = ("color", "rooms", "smokes"), [("blue", "red"), (1, 2, 3), (False, True)]
    path.write_text("color,rooms,smokes\nred,NA,True\n,2,?\nblue, 3.0 ,false\nNaN,<NA>,1\n")
    right = np.array([[1, NAN, 1], [NAN, 1, NAN], [0, 2, 0], [NAN, NAN, 1]])
    assert np.array_equal(fr.datasets.load_codes(path, *known), right, equal_nan=True)
    for text, message in (
        ("color,rooms,smokes\nred,4,True\n", r"line 2, column 2 \('rooms'\): '4' is none of its categories: 1, 2, 3"),
        ("color,smokes,rooms\nred,4,True\n", "another order"), ("red,1\n", "it has 2 cells where 3 are required"),
        ("color,rooms,smokes\n", "has no examples"),
        ("red,1,True\ngreen,1,True\n", "line 2, column 1.*: 'green' is none"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            fr.datasets.load_codes(path, *known)
    path.write_text("1,,0\n?,1,1\n")
    assert np.array_equal(fr.datasets.load_codes(path), [[1, NAN, 0], [NAN, 1, 1]], equal_nan=True)
    with pytest.raises(TypeError, match="missing must be several strings"):
        fr.datasets.load_codes(path, missing="-")
    for head in ("0,1,2", "2019,2020,2021"):  # what pandas writes, above numbers
        path.write_text(f"{head}\n1,,0\n0,1,1\n")
        assert np.array_equal(fr.datasets.load_codes(path), [[1, NAN, 0], [0, 1, 1]], equal_nan=True)
    for text, message in (
        (",a,b\n0,1,1\n", r"line 1, column 1: a column without a name \(an index column"),
        ("Unnamed: 0,a\n0,1\n", r"line 1, column 1: a column without a name \(an index column"),
        ("a,b,\n1,1,\n", r"line 1, column 3: a column without a name \(a separator at the end"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            fr.datasets.load_codes(path)


def test_a_training_with_gaps_keeps_names_and_refuses_empty_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = ["train", "x.csv", "--missing", "latent", "--hidden", "2", "--epochs", "1", "--out", "m.npz", "--visible"]
    (tmp_path / "x.csv").write_text("0,1,2\n1.5,,-1\n3,0.25,9\n2,1,8\n")
    assert main([*train, "gaussian"]) == 0
    rbm = fr.load("m.npz")
    assert rbm.visible_names == ("0", "1", "2") and rbm.visible.data_mean[0] == 6.5 / 3
    capsys.readouterr()
    for text, kind, message in (
        ("a,b\n1,\n0,NA\n", "bernoulli", "x.csv, column 2 ('b') has no values at all: leave it out (--drop)"),
        ("a,b\n1,\n0,7\n", "bernoulli", "x.csv must hold 0, 1, or NaN (missing); x.csv[1, 1] is 7: of codes of"),
    ):
        (tmp_path / "x.csv").write_text(text)
        assert main([*train, kind]) == 2 and message in capsys.readouterr().err
    assert main(["train", "bars-and-stripes", *train[2:], "bernoulli"]) == 0


def test_the_command_fills_in_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = {"a": ["x", "y", "z", "x"] * 3, "b": [1, 2, 3, 1] * 3, "c": [True, False, False, True] * 3}
    described = fr.datasets.describe_frame(table)
    rbm = fr.RBM.from_data(described.codes, 3, visible=[U.Categorical(2, 3), U.Bernoulli(1)])
    rbm._visible_names, rbm._visible_categories = described.names, described.categories
    rbm.save("m.npz")
    (tmp_path / "x.csv").write_text("a,b,c\nx,,?\n,2,True\nz,3,False\n")
    assert main(["inpaint", "m.npz", "x.csv", "--out", "y.csv", "--sweeps", "20"]) == 0
    assert "3 missing entries of 3 examples filled in (most-probable)" in capsys.readouterr().out
    with open("y.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["a", "b", "c"] and rows[3] == ["z", "3", "False"]
    assert rows[1][0] == "x" and rows[2][1:] == ["2", "True"]
    assert all(row[0] in "xyz" and row[1] in "123" and row[2] in ("True", "False") for row in rows[1:])
    assert main(["inpaint", "m.npz", "x.csv", "--out", "y.npy", "--fill", "draw", "--seed", "3", "--sweeps", "9"]) == 0
    X = fr.datasets.load_codes("x.csv", described.names, described.categories)
    assert (np.load("y.npy") == rbm.inpaint(X, 9, 3)).all()
    np.save("z.npy", X)
    assert main(["inpaint", "m.npz", "z.npy", "--out", "w.npy", "--fill", "draw", "--seed", "3", "--sweeps", "9"]) == 0
    assert (np.load("w.npy") == np.load("y.npy")).all()
    (tmp_path / "x.csv").write_text("a,b,c\nx,9,?\n")
    capsys.readouterr()
    assert main(["inpaint", "m.npz", "x.csv", "--out", "y.csv"]) == 2
    assert "'9' is none of its categories" in capsys.readouterr().err


# ---------------------------------------------------------------- sparse ratings


SITES = fr.units.Categorical(9, 5)


def stars_and_codes(seed=0, shape=(60, 9), q=5):
    rng = np.random.default_rng(seed)
    stars = np.where(rng.random(shape) < 0.7, 0, rng.integers(1, q + 1, shape))
    return stars, np.where(stars > 0, stars - 1.0, np.nan)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_ratings_are_codes_with_absent_sites(form):
    sparse = pytest.importorskip("scipy.sparse")
    stars, dense = stars_and_codes()
    codes = fr.CodeMatrix.from_sparse(getattr(sparse, f"{form}_matrix")(stars), SITES)
    assert np.array_equal(codes.to_states(), np.where(stars > 0, stars - 1, 5))
    trained = []
    for X in (codes, dense):
        rbm = fr.RBM.from_data(X, 4, visible=fr.units.Categorical(9, 5), seed=1)
        fr.fit(rbm, X, missing="absent", epochs=3, batch_size=16, seed=1)
        trained.append(rbm)
    assert np.array_equal(trained[0].weights, trained[1].weights)
    assert fr.RBM.from_data(codes, 4).visible == fr.units.Categorical(9, 5)


def test_sites_of_several_sizes_empty_rows_and_other_first_categories():
    sparse = pytest.importorskip("scipy.sparse")
    sizes = (2, 3, 255)
    stars = np.array([[1, 0, 255], [0, 0, 0], [2, 3, 1]])
    codes = fr.CodeMatrix.from_sparse(sparse.csr_array(stars), fr.units.Categorical(3, sizes))
    assert np.array_equal(codes.to_states(), [[0, 3, 254], [2, 3, 255], [1, 2, 0]])
    three = fr.units.Categorical(3, 3)
    X = sparse.csr_matrix(([0, -1, 1], ([0, 0, 1], [0, 2, 1])), shape=(3, 3))
    assert np.array_equal(fr.CodeMatrix.from_sparse(X, three, first=-1).to_states(), [[1, 3, 0], [3, 2, 3], [3, 3, 3]])
    assert fr.CodeMatrix.from_sparse(sparse.csr_matrix((0, 3)), three).to_states().shape == (0, 3)


def test_sparse_ratings_that_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    stars, dense = stars_and_codes()
    with pytest.raises(TypeError, match="must be a sparse matrix"):
        fr.CodeMatrix.from_sparse(dense, SITES)
    for bad, message in (
        (6, "is 6; categories are whole numbers from 1 to 5"), (-1, "is -1"), (2.5, "is 2.5"), (np.nan, "is nan"),
    ):  # fmt: skip
        wrong = stars.astype(float)
        wrong[3, 4] = bad
        with pytest.raises(ValueError, match=rf"X\[3, 4\] {message}"):
            fr.CodeMatrix.from_sparse(sparse.csr_matrix(wrong), SITES)
    stored = sparse.csr_matrix(([0.0], ([1], [2])), shape=(3, 4))
    with pytest.raises(TypeError, match="unit must describe categorical sites"):
        fr.CodeMatrix.from_sparse(sparse.csr_matrix(stars), fr.units.Bernoulli(9))
    for unit in (
        fr.units.Categorical(8, 5),
        [fr.units.Bernoulli(8), fr.units.Categorical(1, 5)],
    ):
        unit = fr.RBM.from_data(np.zeros((2, 9)), 2, visible=unit).visible if isinstance(unit, list) else unit
        with pytest.raises(ValueError, match=r"unit must be Categorical\(9, n_states\)"):
            fr.CodeMatrix.from_sparse(sparse.csr_matrix(stars), unit)
    with pytest.raises(ValueError, match="eliminate_zeros"):
        fr.CodeMatrix.from_sparse(stored, fr.units.Categorical(4, 5))
    with pytest.raises(ValueError, match="CodeMatrix.from_sparse makes codes"):
        fr.fit(
            fr.RBM.from_data(dense, 3, visible=fr.units.Categorical(9, 5)), sparse.csr_matrix(stars), missing="absent"
        )
