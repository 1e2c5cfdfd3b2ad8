"""Models of real-valued data: standardized columns, trainings that learn, and those that would diverge."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import units as u
from fastrbm._core import defaults
from fastrbm._core.coupling import coupling_of
from fastrbm.states import totals
from fastrbm.states.bits import CodeMatrix, packed
from fastrbm.states.missing import has_missing
from fastrbm.training import variance
from fastrbm.training.early_stopping import EarlyStopping
from fastrbm.training.rate import default_rate
from fastrbm.training.verdict import TrainingWarning

NAN = float("nan")
CENTERS = np.array([[2.0, 1, 0, -1, -2, 0, 1, 3], [-2.0, 1, 2, 1, 0, -2, -1, 0], [0.0, -3, 1, 0, 2, 2, 0, -2]])

SCALES, SHIFTS = np.array([1, 10, 0.1, 1, 1, 1e-3, 50, 1]), np.array([0, 170, 0, -5, 1e6, 0, 3, 0])


def mixture(n, seed=0):
    """Three Gaussians in eight dimensions, whose columns have units of their own."""
    rng = np.random.default_rng(seed)
    return (CENTERS[rng.integers(0, 3, n)] + rng.normal(size=(n, 8))) * SCALES + SHIFTS


class Batches:
    """Rows in batches of other sizes."""

    def __init__(self, X, sizes):
        self.X, self.ends = X, np.add.accumulate([0, *sizes])

    def __len__(self):
        return len(self.ends) - 1

    def __iter__(self):
        return (self.X[a:b] for a, b in zip(self.ends[:-1], self.ends[1:], strict=True))


class Uneven:
    """What Batches cuts, into batches of other columns."""

    def __init__(self, X):
        self.X = X

    def __getitem__(self, rows):
        return self.X[:, : 3 - rows.start]


def same(a, b):
    names = ("weights", "visible_bias", "hidden_bias")
    return a.visible == b.visible and all(np.array_equal(getattr(a, x), getattr(b, x)) for x in names)


# ---------------------------------------------------------------- standardizing


def exact_moments(column, weight=None):
    """Mean and variance in rational numbers."""
    weight = [1] * len(column) if weight is None else [Fraction(float(w)) for w in weight]
    known = [(w, Fraction(float(x))) for w, x in zip(weight, column, strict=True) if not math.isnan(x)]
    n = sum(w for w, _ in known)
    mean = sum(w * x for w, x in known) / n
    return float(mean), float(sum(w * (x - mean) ** 2 for w, x in known) / n)


@pytest.mark.parametrize("offset, spread", [(0.0, 1.0), (1e6, 1.0), (-1e9, 1.0), (1e6, 1e-3), (3e-9, 1e-9)])
def test_moments_lose_no_digits_to_an_offset(offset, spread):
    """Each of the n sums of squares from the first number on rounds to 2^-53 of the sum so far: n 2^-53 in all."""
    rng = np.random.default_rng(1)
    X, weight = offset + spread * rng.normal(size=(300, 2)), rng.integers(0, 4, 300).astype(float)
    X[rng.random(X.shape) < 0.2] = NAN
    for given in (None, weight):
        mean, var = totals.column_moments(X, given)
        for k in range(2):
            exact = exact_moments(X[:, k], given)
            size = var[k] + (X[~np.isnan(X[:, k]), k][0] - mean[k]) ** 2  # sums count from the first number
            assert abs(mean[k] - exact[0]) <= 300 * 2.0**-53 * math.sqrt(size) + 2.0**-52 * abs(exact[0])
            assert abs(var[k] - exact[1]) <= 600 * 2.0**-53 * size


def test_moments_are_the_same_bits_however_data_are_cut():
    X = mixture(1000).astype(np.float32).astype(np.float64)
    X[5, 2], X[:7, 3] = NAN, NAN
    wanted = np.stack(totals.column_moments(X))
    for sizes in ([1000], [1, 999], [7, 93, 900], [1] * 1000):
        assert np.array_equal(np.stack(totals.column_moments(Batches(X, sizes))), wanted)
    assert np.array_equal(np.stack(totals.column_moments(np.asfortranarray(X.astype(np.float32)))), wanted)
    assert np.array_equal(np.stack(totals.column_moments(np.ma.masked_invalid(X))), wanted)
    assert np.array_equal(np.stack(totals.column_moments(X, np.ones(1000))), wanted)
    part = X[::3]
    assert np.array_equal(np.stack(totals.column_moments(X, (np.arange(1000) % 3 == 0) * 1.0)),
                          np.stack(totals.column_moments(part)))  # fmt: skip


def test_moments_of_odd_columns():
    X = np.array([[NAN, 3.0, 1.0], [NAN, 3.0, NAN]])
    mean, var = totals.column_moments(X)
    assert mean.tolist() == [0.0, 3.0, 1.0] and var.tolist() == [0.0, 0.0, 0.0]
    for bad, message in (
        (np.zeros((0, 3)), "at least one example"), (np.zeros(3), "two dimensions"),
        (np.array([[1.0], [np.inf]]), r"X\[1, 0\] is inf"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            totals.column_moments(bad)
    with pytest.raises(TypeError, match="new iterator each time"):
        fr.RBM.from_data(iter([X]), 2, visible="gaussian")
    uneven = Batches(X, [1, 1])
    uneven.X = Uneven(X)
    with pytest.raises(ValueError, match="batches of 3 units and of 2"):
        totals.column_moments(uneven)


def test_columns_are_standardized():
    X = mixture(500)
    X[:, 2] = 7.0
    rbm = fr.RBM.from_data(X, 3, visible="gaussian")
    assert np.allclose(rbm.visible.data_mean, X.mean(0), rtol=1e-12, atol=1e-12)
    assert rbm.visible.scale[2] == 1.0
    assert np.allclose(np.delete(rbm.visible.scale, 2), np.delete(X.std(0), 2), rtol=1e-9)
    assert np.abs(rbm.visible_bias).max() < 2.0**-12  # of z, whose mean is 0 but for its grid
    back = np.asarray(rbm._states(X, "X"))
    assert (np.abs(back - X) <= rbm.visible.scale * 2.0**-13 * (1 + 1e-6)).all()
    assert pickle.loads(pickle.dumps(rbm)).visible == rbm.visible
    # the same model from everything that holds the same numbers
    for other in (Batches(X, [100, 400]), [list(row) for row in X.tolist()]):
        assert same(fr.RBM.from_data(other, 3, visible="gaussian"), rbm)
    assert same(fr.RBM.from_data(X, 3, visible=u.Gaussian(8)), rbm)
    assert same(fr.RBM.from_data(X, 3, visible=[u.Gaussian(3), u.Gaussian(5)]), rbm)
    bits = rbm._states(X, "X")
    assert isinstance(bits, CodeMatrix) and same(fr.RBM.from_data(bits, 3, visible="gaussian"), rbm)


def test_a_description_that_is_given_is_taken_as_it_is():
    X = mixture(50)
    for given in (u.Gaussian(8, mean=SHIFTS), u.Gaussian(8, scale=1e6), u.Gaussian(8, mean=np.arange(8), scale=1e6)):
        assert fr.RBM.from_data(X, 2, visible=given).visible == given
    taken = fr.RBM.from_data(X, 2, visible=u.Gaussian(8, gamma=4.0)).visible
    assert (taken.gamma == 4.0).all() and np.allclose(taken.scale, X.std(0), rtol=1e-9)
    assert not fr.RBM(np.zeros((8, 2)), visible="gaussian").visible.open
    assert (
        pickle.loads(pickle.dumps(u.Gaussian(2))).open and not pickle.loads(pickle.dumps(u.Gaussian(2, mean=0.0))).open
    )


def test_mixed_segments_and_weights():
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(5.0, 2.0, (200, 2)), rng.integers(0, 3, (200, 1)), rng.integers(0, 2, (200, 2))], 1)
    visible = [u.Gaussian(2), u.Categorical(1, 3), u.Bernoulli(2)]
    rbm = fr.RBM.from_data(X, 4, visible=visible)
    gaussian = rbm.visible.segments[0]
    assert np.allclose(gaussian.data_mean, X[:, :2].mean(0)) and np.allclose(gaussian.scale, X[:, :2].std(0))
    weight = rng.integers(0, 3, 200).astype(float)
    weighted = fr.RBM.from_data(X, 4, sample_weight=weight, visible=visible)
    repeated = fr.RBM.from_data(np.repeat(X, weight.astype(int), axis=0), 4, visible=visible)
    assert np.allclose(weighted.visible.segments[0].scale, repeated.visible.segments[0].scale, rtol=1e-12)
    assert np.allclose(weighted.visible_bias, repeated.visible_bias, rtol=1e-5, atol=2.0**-12)
    assert rbm.inpaint(np.where(rng.random(X.shape) < 0.3, NAN, X), n_sweeps=5).shape == X.shape


def test_sums_of_real_states_are_exact():
    rng = np.random.default_rng(4)
    unit = u.Row([u.Gaussian(2), u.Categorical(1, 3)])
    parts = np.concatenate([rng.integers(-(2**23) + 1, 2**23, (3000, 2)), rng.integers(0, 3, (3000, 1))], 1)
    states, weight = packed(parts.astype(np.int32), unit), rng.integers(0, 2**30, 3000)
    for w in (None, weight):
        own = np.ones(3000, object) if w is None else w.astype(object)
        wanted = [(own * parts[:, k].astype(object)).sum() / 4096 for k in range(2)]
        wanted += [float((own * (parts[:, 2] == q)).sum()) for q in range(3)]
        assert totals._real_sums(states, w).tolist() == wanted


@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "gaussian", "relu", "drelu"])
def test_initial_weights(hidden):
    """Their standard deviation is known to 1 / sqrt(2 V H), four of which are allowed."""
    X = np.random.default_rng(0).normal(size=(20, 200))
    real = hidden not in ("bernoulli", "spin")
    wanted = 0.3 / (math.sqrt(200) + 10.0) if real else 0.01
    rbm = fr.RBM.from_data(X, 100, visible="gaussian", hidden=hidden)
    assert abs(rbm.weights.std() / wanted - 1) < 4 / math.sqrt(2 * 200 * 100)
    bits = fr.RBM.from_data((X > 0).astype(np.uint8), 100, hidden=hidden)
    assert abs(bits.weights.std() / (math.sqrt(0.1 / 200) if real else 0.01) - 1) < 4 / math.sqrt(2 * 200 * 100)
    assert fr.RBM.from_data(X, 2, weight_scale=0.0, visible="gaussian", hidden=hidden).weights.max() == 0.0


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    X = mixture(60)
    frame = pandas.DataFrame(X, columns=list("abcdefgh"))
    rbm = fr.RBM.from_data(frame, 2, visible="gaussian")
    assert rbm.visible_names == tuple("abcdefgh") and same(rbm, fr.RBM.from_data(X, 2, visible="gaussian"))
    fr.fit(rbm, frame, epochs=2)
    with pytest.raises(ValueError, match="another order"):
        fr.fit(rbm, frame[list("hgfedcba")], epochs=1)
    assert list(rbm.to_frame(rbm.sample(3, n_sweeps=5)).columns) == list("abcdefgh")
    with pytest.raises(ValueError, match=r"real values need Gaussian units \(visible='gaussian'\)"):
        fr.RBM.from_data(np.abs(X) + 2, 2)


# ---------------------------------------------------------------- trainings


@pytest.mark.slow
def test_a_mixture_is_learned():
    """In the units of the data, against the best that independent columns can do. Samples of 4,000 know means to 0.016
    standard deviations, and correlations to as much."""
    X, new = mixture(2000), mixture(1000, seed=1)
    rbm = fr.RBM.from_data(X, 8, visible="gaussian", hidden="spin")
    history = fr.fit(rbm, X, epochs=200, validation=new)
    assert not history.verdict or history.verdict.startswith("Still rising"), history.verdict
    samples, scale = rbm.sample(4000, n_sweeps=100), X.std(0)
    assert samples.dtype == np.float64
    assert np.abs((samples.mean(0) - X.mean(0)) / scale).max() < 0.3  # 0.04 to 0.21 for ten seeds: weights of modes
    assert np.abs(np.cov((samples / scale).T) - np.cov((X / scale).T)).max() < 0.2
    likely = fr.likelihood.score(rbm, new, method="exact").mean
    z = (new - rbm.visible.data_mean) / rbm.visible.scale
    alone = float((-0.5 * z * z - 0.5 * math.log(2 * math.pi) - np.log(rbm.visible.scale)).sum(axis=1).mean())
    d = (new - SHIFTS)[:, None] / SCALES - CENTERS
    right = np.log(np.exp(-0.5 * (d * d).sum(-1)).mean(1)) - 4 * math.log(2 * math.pi)
    best = float(right.mean() - np.log(SCALES).sum())
    assert alone + 0.9 * (best - alone) < likely < best + 0.1, (alone, likely, best)


def test_the_same_bits_whatever_threads_and_storage(tmp_path):
    X = mixture(300)
    np.save(tmp_path / "x.npy", X)

    def trained(data, **options):
        rbm = fr.RBM.from_data(X, 5, visible="gaussian")
        return fr.fit(rbm, data, epochs=3, batch_size=64, **options), rbm

    history, wanted = trained(X, n_threads=1)
    assert wanted.visible.gamma.std() > 0  # that variances were trained
    for data, options in (
        (X, {"n_threads": 2}), (np.load(tmp_path / "x.npy", mmap_mode="r"), {}), (wanted._states(X, "X"), {}),
    ):  # fmt: skip
        other, rbm = trained(data, **options)
        assert np.array_equal(other["shuffled_gap"], history["shuffled_gap"]) and same(rbm, wanted), options
    # weights go another way, whose sums are rounded to 2^-22
    rbm = trained(X, sample_weight=np.full(300, 3.0))[1]
    assert np.allclose(rbm.weights, wanted.weights, atol=1e-4)
    assert np.allclose(rbm.visible.gamma, wanted.visible.gamma, atol=1e-4)
    again = fr.RBM.from_data(X, 5, visible="gaussian")
    fr.fit(again, Batches(X, [100, 150, 50]), epochs=2)
    assert not np.array_equal(again.weights, fr.RBM.from_data(X, 5, visible="gaussian").weights)


@pytest.mark.parametrize("extra", ["plain", "averaging", "stopping", "adam", "drelu", "trajectory"])
def test_resume_to_the_same_bits(tmp_path, extra):
    X, path = mixture(200), tmp_path / "c.npz"

    def options():
        more = {"validation": X[:50]}
        if extra == "averaging":
            more["averaging"] = fr.optim.Averaging(0.9)
        if extra == "stopping":
            more["callbacks"] = [EarlyStopping("free_energy_gap", patience=9)]
        if extra == "adam":
            more["optimizer"] = fr.optim.Adam(0.01)
        if extra == "trajectory":
            more["trajectory"] = fr.sampling.Trajectory(0.999)
        return more

    def start():
        return fr.RBM.from_data(X, 4, visible="gaussian", hidden="drelu" if extra == "drelu" else "bernoulli")

    whole, parts, given = start(), start(), options()
    fr.fit(whole, X, epochs=8, **given)

    def interrupt(state):
        if state.epoch == 4:
            raise KeyboardInterrupt

    more = options()
    with pytest.raises(KeyboardInterrupt):
        fr.fit(parts, X, epochs=8, checkpoint=path, **more | {"callbacks": [*more.get("callbacks", []), interrupt]})
    parts, more = start(), options()
    fr.fit(parts, X, epochs=8, checkpoint=path, resume=True, **more)
    assert same(whole, parts) and (whole.visible.gamma != 1.0).all()
    if extra == "trajectory":
        pairs = [*zip(given["trajectory"].models, more["trajectory"].models, strict=True)]
        assert len(pairs) > 2 and all(same(a, b) for a, b in pairs)
    with pytest.raises(ValueError, match="learn_variance"):
        fr.fit(start(), X, epochs=8, checkpoint=path, resume=True, learn_variance=False, **options())


def test_a_checkpoint_at_the_end_has_the_best_model_and_the_last(tmp_path):
    X, path = mixture(200), tmp_path / "c.npz"
    rbm, first = fr.RBM.from_data(X, 4, visible="gaussian"), []
    keep = lambda state: first.append(state.rbm.visible.gamma) if state.epoch == 1 else None  # noqa: E731
    stopping = EarlyStopping("update", patience=99, mode="min")
    fr.fit(rbm, X, epochs=5, checkpoint=path, callbacks=[stopping, keep])
    assert np.array_equal(rbm.visible.gamma, first[0]) and np.array_equal(fr.load(path).visible.gamma, first[0])
    raw = np.load(path)["training/raw_gammas"]
    assert (np.abs(np.log(raw)) > np.abs(np.log(first[0]))).mean() > 0.5
    fr.fit(fr.RBM.from_data(X, 4, visible="gaussian"), X, epochs=6, checkpoint=path, resume=True,
           callbacks=[EarlyStopping("update", patience=99, mode="min"), keep])  # fmt: skip


def test_log_gamma_climbs_its_gradient(monkeypatch):
    """By finite differences of the exact log-likelihood, with chains that are exact samples of the model in number, so
    that noise remains: 4 standard errors of it."""
    rng = np.random.default_rng(5)
    visible = u.Gaussian(3, gamma=[0.7, 1.0, 3.0], mean=0.0)
    rbm = fr.RBM(rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=2), visible=visible)
    X = rng.normal(size=(500, 3))
    data = rbm._states(X, "X")

    def likelihood(log_gamma):
        other = rbm.copy()
        other.set_parameters(visible=visible.with_gammas(np.exp(log_gamma)))
        return float((-other.free_energy(data) - fr.likelihood.exact(other).value).mean())

    log_gamma, step = np.log(visible.gamma.astype(float)), 1e-2
    wanted = [(likelihood(log_gamma + e) - likelihood(log_gamma - e)) / (2 * step) for e in np.eye(3) * step]
    n = 40_000
    chains = fr.Chains(rbm, n, seed=1)
    chains.sweep(30)
    monkeypatch.setattr(defaults, "VARIANCE_RATE", 1e-3)
    variance.update(rbm, data, None, 1.0, chains, 0.0)
    found = (np.log(rbm.visible.gamma.astype(float)) - log_gamma) / 1e-3
    z = chains.visible_bits.to_values()
    noise = visible.gamma / 2 * (z * z).std(0) / math.sqrt(n)
    assert (np.abs(found - wanted) < 4 * noise + 1e-3).all(), (found, wanted, noise)
    weighted = rbm.copy()
    weighted.set_parameters(visible=visible)
    variance.update(weighted, data, np.full(500, 2.0), 2.0, chains, 0.0)
    assert np.allclose(weighted.visible.gamma, rbm.visible.gamma, rtol=1e-6)


@pytest.mark.parametrize("row", [False, True])
def test_units_with_other_gammas_are_as_made_anew(row):
    """What they keep of the units that they come from is what does not depend on gamma."""

    def make(gamma):
        own = u.Gaussian(3, gamma, mean=[1.0, 2.0, 3.0], scale=0.5)
        return fr.RBM(np.zeros((8, 1)), visible=[u.Bernoulli(2), own, u.Categorical(1, 3)]).visible if row else own

    old, gammas = make([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 1000.0])
    _ = old.sides(), old.plain, old.layout  # which are kept
    moved = old.with_gammas(np.concatenate([[9.0, 9.0], gammas, [9.0] * 3]) if row else gammas)
    new = make(gammas)
    assert moved == new and hash(moved) == hash(new) and moved.plain == new.plain and repr(moved) == repr(new)
    assert np.array_equal(moved.sides(), new.sides()) and not np.array_equal(moved.sides(), old.sides())
    assert moved.layout == new.layout and pickle.loads(pickle.dumps(moved)) == new
    for made in (moved, old):
        with pytest.raises(ValueError, match="read-only"):
            made.sides()[0] = 1.0
    with pytest.raises(ValueError, match=r"gamma\[1\] is 5000"):
        make(None).segments[row].with_gammas(np.array([1.0, 5000.0, 1.0]))
    with pytest.raises(ValueError, match=r"gamma\[0\] is nan"):
        make(None).segments[row].with_gammas(np.array([np.nan, 1.0, 1.0]))


def test_states_in_steps_of_the_grid_and_their_squares():
    """Of all types, absent sites and no example included."""
    unit = fr.RBM(np.zeros((11, 1)), visible=[u.Categorical(2, [3, 2]), u.Gaussian(3), u.Bernoulli(3)]).visible
    rng = np.random.default_rng(0)
    whole = rng.integers(-(2**23) + 1, 2**23, (50, 3))
    parts = np.column_stack([rng.integers(0, 4, 50), rng.integers(0, 3, 50), whole, rng.integers(0, 2, (50, 3))])
    states = fr.CodeMatrix.packed(parts.astype(np.int32), unit)
    on = [parts[:, 0] == k for k in range(3)] + [parts[:, 1] == k for k in range(2)]
    grid = np.column_stack([*(4096 * x for x in on), whole, 4096 * parts[:, 5:]])
    for some in (states, states[7:8], states[:0], states[::3]):
        rows = np.arange(50)[{1: slice(7, 8), 0: slice(0, 0), 50: slice(None)}.get(len(some), slice(None, None, 3))]
        assert np.array_equal(some.to_grid(), grid[rows]) and np.array_equal(some.to_values() * 4096, grid[rows])
        squares = [sum(int(x) ** 2 for x in whole[rows, k]) for k in range(3)]
        assert some.squares().tolist() == [0] * 5 + squares + [0] * 3


def test_gamma_stays_in_its_bounds():
    rbm = fr.RBM(np.zeros((2, 1)), visible=u.Gaussian(2, gamma=[2.0**-4, 2.0**10]))
    chains = fr.Chains(rbm, 100)
    for _ in range(3):
        variance.update(rbm, rbm._states([[2000.0, 0.0]], "X"), None, 1.0, chains, 0.0)
    assert rbm.visible.gamma[0] == 2.0**-4 and 1000 < rbm.visible.gamma[1] <= 2.0**10


@pytest.mark.parametrize("visible", [u.Gaussian(3), [u.Gaussian(2), u.Bernoulli(1)]], ids=str)
def test_averages_have_the_mean_gamma(visible):
    rbm, rng = fr.RBM(np.zeros((3, 2)), visible=visible, hidden="drelu"), np.random.default_rng(0)
    averaging, offered, seen = fr.optim.Averaging(last=1.0, every=1), rbm.copy(), []
    for k in range(4):
        rbm.set_parameters(visible_bias=rng.normal(size=3), hidden=u.DReLU(2, delta=rng.normal(size=2)),
                           visible=rbm.visible.with_gammas(rng.uniform(0.5, 4, 3)))  # fmt: skip
        averaging.update(rbm, k + 1)
        seen.append((rbm.visible_bias, rbm.visible.gammas, rbm.hidden.delta))
    averaging.offer(rbm, offered)
    got = offered.visible_bias, offered.visible.gammas, offered.hidden.delta
    for own, parts in zip(got, zip(*seen, strict=True), strict=True):
        assert np.allclose(own, np.mean(parts, axis=0), rtol=1e-6, atol=1e-7)
    assert (offered.visible.gammas != rbm.visible.gammas).sum() == offered.visible.segments[0].n
    again = fr.optim.Averaging(last=1.0, every=1)
    again.set_state(averaging.get_state())
    again.offer(rbm, other := rbm.copy())
    assert same(other, offered) and other.hidden == offered.hidden
    with pytest.raises(ValueError, match="units like"):
        again.update(fr.RBM(np.zeros((3, 2)), visible=visible), 5)


def test_trajectories_and_files_of_paths_have_each_models_gamma(tmp_path):
    X, file = mixture(200), tmp_path / "p.npz"
    rbm, trajectory = fr.RBM.from_data(X, 4, visible="gaussian"), fr.sampling.Trajectory(0.999)
    fr.fit(rbm, X, epochs=8, trajectory=trajectory)
    gammas = np.array([each.visible.gamma for each in trajectory.models])
    assert len(gammas) > 2 and (np.diff(gammas, axis=0) != 0).all() and same(trajectory.models[-1], rbm)
    trajectory.path.save(file)
    path = fr.load_path(file)
    assert path.describe() == trajectory.path.describe()
    assert all(same(a, b) for a, b in zip(path.models, trajectory.models, strict=True))
    entries = dict(np.load(file))
    for wrong in (entries["path_gammas"][1:], 0 * entries["path_gammas"]):
        np.savez(file, **entries | {"path_gammas": wrong})
        with pytest.raises(ValueError, match="is damaged"):
            fr.load_path(file)


def test_where_variances_cannot_be_learned():
    X = mixture(50)
    rbm = fr.RBM.from_data(X, 2, visible="gaussian")
    bits = fr.RBM(np.zeros((8, 2)))
    for model, options, message in (
        (rbm, {"gradient": fr.gradient.CD()}, "not CD"), (bits, {}, "Gaussian visible units"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"learn_variance needs .*{message}"):
            fr.fit(model, X if model is rbm else X > 0, epochs=1, learn_variance=True, **options)
        if model is rbm:
            fr.fit(model, X, epochs=1, **options)  # by default they are not
    assert (rbm.visible.gamma == 1.0).all()
    fr.fit(rbm, X, epochs=1, learn_variance=False)
    assert (rbm.visible.gamma == 1.0).all()


def test_measurements():
    X = mixture(300)
    rbm = fr.RBM.from_data(X, 4, visible="gaussian")
    history = fr.fit(
        rbm, X, epochs=3, validation=X[:100], metrics=[fr.metrics.LogLikelihood(every=1), fr.metrics.Mixing(every=1)]
    )
    assert all(np.isfinite(history[name]).all() for name in history.columns)
    # of an untrained model a unit is its mean, from which the normal distribution is 0.8 standard deviations away
    z = (X - X.mean(0)) / X.std(0)
    assert abs(history["reconstruction_error"][0] - np.abs(z).mean()) < 0.05
    with pytest.raises(ValueError, match="PseudoLikelihood has no closed form where visible units are real"):
        fr.fit(rbm, X, epochs=1, metrics=fr.metrics.PseudoLikelihood())
    with pytest.raises(ValueError, match="pseudo has no closed form"):
        fr.likelihood.pseudo(rbm, X)
    mixed = fr.RBM.from_data(
        np.concatenate([X, np.zeros((300, 1))], 1), 2, visible=[u.Gaussian(8), u.Categorical(1, 3)]
    )
    error = fr.fit(mixed, np.concatenate([X, np.zeros((300, 1))], 1), epochs=1)["reconstruction_error"][0]
    assert error < np.abs(z).mean()  # a ninth of it is the site's, which is nearly always right


# ---------------------------------------------------------------- what diverges elsewhere


def difficult(kind):
    rng = np.random.default_rng(6)
    if kind == "gray":  # strokes of gray on black, most pixels constant
        X = np.zeros((400, 8, 8))
        for x in X:
            x[rng.integers(2, 6), 1:7] = rng.integers(100, 256)
        return X.reshape(400, 64)
    X = rng.normal(size=(1000, 20))
    if kind == "outliers":
        X[rng.integers(0, 1000, 5), rng.integers(0, 20, 5)] = 1e4
    if kind == "offsets":
        X = np.sign(X) + 1e6
    if kind == "alike":
        X = X[:, :1] + 1e-3 * X
    return X


@pytest.mark.parametrize(
    "kind, hidden",
    [
        # of each kind two types of hidden units; the rest with -m slow
        pytest.param(kind, hidden, marks=pytest.mark.slow if i % 3 == j else ())
        for i, kind in enumerate(("gray", "outliers", "offsets", "alike"))
        for j, hidden in enumerate(("relu", "gaussian", "bernoulli"))
    ],
)
@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
def test_no_training_ends_in_nan(kind, hidden):
    X = difficult(kind)
    for factor in (1, 10, 1000):
        rbm = fr.RBM.from_data(X, 16, visible="gaussian", hidden=hidden)
        rate = factor * default_rate(rbm)
        try:
            fr.fit(rbm, X, optimizer=fr.optim.SGD(fr.optim.Linear(rate, 0.0), l2=1e-3), epochs=15)
        except FloatingPointError as error:
            assert factor > 1 and "diverges" in str(error) or "would make" in str(error)
        assert np.isfinite(rbm.weights).all() and np.isfinite(rbm.visible_bias).all()
        gamma = rbm.visible.gamma
        assert (gamma >= 2.0**-4).all() and (gamma <= 2.0**10).all()
        assert np.isfinite(rbm.mean_hidden(X)).all()
        if factor == 1:
            assert np.isfinite(rbm.sample(20, n_sweeps=20)).all()


def test_a_step_beyond_the_grid_is_refused():
    rbm = fr.RBM(np.zeros((2, 3)), visible=u.Gaussian(2, gamma=[1.0, 0.5]))
    down = fr.optim.SGD(1.0)
    gradient = fr.gradient.Gradient(
        *[fr.Moments(np.full((2, 3), x), np.zeros(2), np.zeros(3), 1.0) for x in (400.0, 0.0)]
    )
    with pytest.raises(FloatingPointError, match=r"mean of visible unit 1 up to 2.4e\+03, where .* end at 2048"):
        down.update(rbm, gradient)
    with pytest.raises(FloatingPointError, match=r"mean of visible unit 1 up to 2.4e\+03, where .* end at 2048"):
        rbm.add(gradient.weights, np.zeros(2), np.zeros(3))
    assert not rbm.weights.any()
    rbm.step(gradient, 0.8)
    assert (rbm.weights == 320.0).all()  # 3 * 320 / 0.5 is below 2048


def test_updates_to_where_no_distribution_is_are_left_out(tmp_path):
    """Columns that are nearly one column lead there: along it their variance is hundreds of times that across."""
    X = np.random.default_rng(7).normal(size=(500, 1)) + 0.2 * np.random.default_rng(8).normal(size=(500, 20))
    rbm = fr.RBM.from_data(X, 5, visible="gaussian", hidden="gaussian")
    fast, path = fr.optim.SGD(fr.optim.Linear(0.03, 0.0)), tmp_path / "c.npz"
    with pytest.warns(TrainingWarning, match="of the updates were left out"):
        history = fr.fit(rbm, X, optimizer=fast, epochs=100, learn_variance=False, checkpoint=path)
    assert "cannot be normalized" in history.verdict and coupling_of(rbm.weights, (rbm.visible, rbm.hidden)) < 1
    assert np.load(path)["training/left_out"] > 20
    assert np.isfinite(rbm.sample(20, n_sweeps=20)).all()
    before = rbm.visible_bias, np.linalg.svd(rbm.weights)[1][0]
    rbm._parameters = rbm._parameters.lowered(0.5)
    assert np.array_equal(rbm.visible_bias, before[0]) and np.isclose(np.linalg.svd(rbm.weights)[1][0], before[1] / 2)


# ---------------------------------------------------------------- what is missing


def test_latent_numbers_are_drawn():
    X = mixture(600)
    gaps = np.where(np.random.default_rng(8).random(X.shape) < 0.2, NAN, X)
    rbm = fr.RBM.from_data(gaps, 6, visible="gaussian", hidden="spin")
    fr.fit(rbm, gaps, epochs=150, missing="latent")
    guess = rbm.inpaint(gaps, n_sweeps=50, most_probable=True)
    known = ~np.isnan(gaps)
    assert np.array_equal(guess[known], X[known])  # to the last bit, though states have a grid
    error = ((guess - X) / X.std(0))[~known]
    assert (error**2).mean() < 0.8  # the columns' own means have 1, and draws of these 2
    drawn = rbm.inpaint(gaps, n_sweeps=50)
    assert np.array_equal(drawn[known], X[known]) and (((drawn - X) / X.std(0))[~known] ** 2).mean() < 1.6
    with pytest.raises(ValueError, match=r"X contains NaN.*missing='latent'"):
        fr.fit(rbm, gaps, epochs=1)
    with pytest.raises(ValueError, match="this is a unit of real values"):
        fr.fit(rbm, gaps, epochs=1, missing="absent")
    assert not has_missing(np.full((2, 8), -1.0), rbm.visible)
    negative = np.where(known, -1.0, NAN)  # -1 is a number here, not a missing code
    assert fr.RBM.from_data(negative, 2, visible="gaussian").visible.data_mean.tolist() == [-1.0] * 8


def test_clamped_numbers():
    X = mixture(200)
    rbm = fr.RBM.from_data(X, 4, visible="gaussian")
    clamp = np.array([NAN, 185.0, NAN, NAN, 1e6, NAN, NAN, -1.0])
    for method in (None, "gibbs"):
        samples = rbm.sample(50, n_sweeps=20, clamp=clamp, method=method)
        assert (samples[:, [1, 4, 7]] == [185.0, 1e6, -1.0]).all()  # and not the nearest values of the states' grid
        assert (samples[:, 0].std() > 0.5) and samples.shape == (50, 8)
    with pytest.raises(ValueError, match="beyond 2048 standard deviations of column 1"):
        rbm.sample(2, clamp=[NAN, 1e9] + [NAN] * 6)
    each = rbm.sample(3, n_sweeps=2, clamp=np.where(np.isnan(clamp), NAN, X[:3]))
    assert (each[:, [1, 4, 7]] == X[:3, [1, 4, 7]]).all() and not (each[:, 0] == X[:3, 0]).any()


def test_known_numbers_come_back_beside_other_columns():
    """The columns of a segment are not those of its units: a site of three categories has three."""
    X = np.concatenate([np.arange(60)[:, None] % 3, mixture(60)[:, :2]], axis=1)
    rbm = fr.RBM.from_data(X, 2, visible=[fr.units.Categorical(1, 3), fr.units.Gaussian(2)])
    gaps = X[:4].copy()
    gaps[0, 1] = gaps[1, 0] = NAN
    known = ~np.isnan(gaps)
    assert (rbm.sample(2, n_sweeps=2, clamp={1: 2.3, 0: 2})[:, :2] == [2, 2.3]).all()
    for how in ({}, {"n_draws": 2}, {"most_probable": True}):
        assert (rbm.inpaint(gaps, n_sweeps=2, **how)[..., known] == gaps[known]).all()
    means = rbm.inpaint(gaps, n_sweeps=2, probabilities=True)
    assert means.shape == (4, 5) and (means[1:, 3] == X[1:4, 1]).all() and (means[:, 4] == X[:4, 2]).all()
    assert abs(means[0, 3] - X[0, 1]) > 1e-9 and np.abs(means[:, :3].sum(axis=1) - 1.0).max() < 1e-6
