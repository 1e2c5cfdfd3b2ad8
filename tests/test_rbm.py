"""RBM: energies and conditional distributions against enumeration, its checks, its files."""

import pickle

import numpy as np
import pytest
from helpers import Enumerated, all_states, random_rbm, state_numbers

import fastrbm as fr

SHAPES = [(1, 1), (3, 2), (8, 5), (5, 9), (9, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_energies_against_the_definition(shape):
    rbm = random_rbm(*shape, seed=1)
    exact = Enumerated(rbm)
    v, h = all_states(shape[0]), all_states(shape[1])
    # weights enter on a grid: each of at most V H of them may be off by half of it
    tolerance = 0.5 * rbm.grid[0] * shape[0] * shape[1] + 1e-12
    pairs_v, pairs_h = np.repeat(v, len(h), axis=0), np.tile(h, (len(v), 1))
    assert np.abs(rbm.energy(pairs_v, pairs_h) - exact.energies.reshape(-1)).max() <= tolerance
    free = -np.log(exact.p_v) - exact.log_z
    assert np.abs(rbm.free_energy(v) - free).max() <= tolerance
    assert rbm.free_energy(v).dtype == rbm.energy(v[:1], h[:1]).dtype == np.float64


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_conditional_means_against_enumeration(shape):
    rbm = random_rbm(*shape, seed=2)
    exact = Enumerated(rbm)
    mean = rbm.mean_hidden(all_states(shape[0]))
    assert mean.dtype == np.float32 and np.abs(mean - exact.hidden_given_v).max() < 1e-6
    visible_given_h = (exact.p.T @ exact.v) / exact.p.sum(axis=0)[:, None]
    assert np.abs(rbm.mean_visible(all_states(shape[1])) - visible_given_h).max() < 1e-6


def test_samples_have_the_conditional_means():
    """Five binomial standard errors for each unit, both layers."""
    rbm, n = random_rbm(6, 70, seed=3), 20_000
    v = np.tile([[1, 0, 1, 1, 0, 0]], (n, 1))
    for draw, mean in (
        (rbm.sample_hidden(v, seed=1), rbm.mean_hidden(v[:1])),
        (rbm.sample_visible(np.tile(all_states(3)[5], (n, 24))[:, :70], seed=1), None),
    ):
        if mean is None:
            mean = rbm.mean_visible(np.tile(all_states(3)[5], (1, 24))[:, :70])
        mean = mean[0].astype(np.float64)
        assert draw.dtype == np.uint8
        assert np.all(np.abs(draw.mean(axis=0) - mean) <= 5 * np.sqrt(mean * (1 - mean) / n))


def test_fractions_agree_with_bits_and_with_the_formula():
    rbm = random_rbm(20, 70, seed=4)
    rng = np.random.default_rng(0)
    v = (rng.random((300, 20)) < 0.5).astype(np.float64)
    gray = rng.random((300, 20))
    mixed = np.concatenate([v, gray])  # one fractional example sends all of them through NumPy
    assert np.array_equal(rbm.mean_hidden(mixed)[:300], rbm.mean_hidden(v))
    assert np.array_equal(rbm.sample_hidden(mixed, seed=4)[:300], rbm.sample_hidden(v, seed=4))
    exact = 1 / (1 + np.exp(-(gray @ rbm.weights.astype(float) + rbm.hidden_bias)))
    assert np.abs(rbm.mean_hidden(gray) - exact).max() < 1e-5
    with pytest.raises(ValueError, match=r"v must hold 0 or 1, got values"):
        rbm.free_energy(gray)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_samples_do_not_depend_on_threads(n_threads):
    rbm = random_rbm(70, 33, seed=5)
    assert np.array_equal(rbm.sample(130, 20, seed=9, n_threads=n_threads), rbm.sample(130, 20, seed=9, n_threads=1))
    v = rbm.sample(700, 1, seed=2)
    assert np.array_equal(rbm.free_energy(v, n_threads=n_threads), rbm.free_energy(v, n_threads=1))


def test_sample_follows_the_model():
    rbm = random_rbm(6, 4, seed=6)
    p, n = Enumerated(rbm).p_v, 20_000
    counts = np.bincount(state_numbers(rbm.sample(n, n_sweeps=50, seed=1)), minlength=64) / n
    assert np.abs(counts - p).sum() / 2 < 4 * np.sqrt(p * (1 - p) / n).sum() / 2


def test_sample_edges():
    rbm = random_rbm(9, 3)
    assert rbm.sample(0).shape == (0, 9)
    start = all_states(9)[[5]]
    assert np.array_equal(rbm.sample(1, n_sweeps=0, start=start), start)
    assert not np.array_equal(rbm.sample(50, 5, seed=1), rbm.sample(50, 5, seed=2))
    with pytest.raises(ValueError, match="start must have as many examples as there are chains, 2, got 1"):
        rbm.sample(2, start=start)
    with pytest.raises(ValueError, match=r"beta must be a number or an array of shape \(2,\)"):
        rbm.sample(2, beta=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float32, np.float64, np.int8])
def test_any_dtype_and_layout(dtype):
    rbm = random_rbm(13, 7, seed=7)
    v = (np.random.default_rng(1).random((40, 13)) < 0.5).astype(np.uint8)
    expected = rbm.free_energy(v)
    given = v.astype(dtype)
    read_only = given.copy()
    read_only.flags.writeable = False
    strided = np.zeros((80, 26), dtype)
    strided[::2, ::2] = given
    for x in (given, np.asfortranarray(given), read_only, strided[::2, ::2], fr.BitMatrix.from_states(given)):
        assert np.array_equal(rbm.free_energy(x), expected)


BAD_STATES = [
    (np.zeros(5), ValueError, r"v must have two dimensions.*v\[None, :\]"),
    (np.zeros((2, 4)), ValueError, "v has 4 units per example where the model has 5"),
    (
        np.full((1, 5), 2),
        ValueError,
        r"v must hold 0 or 1, or fractions from 0 to 1, got values from 2 to 2 .* real.*>= 1",
    ),
    (np.full((1, 5), -1), ValueError, "got values from -1 to -1"),
    (np.full((1, 5), np.nan), ValueError, "v contains NaN"),
    (np.full((1, 5), 1.5), ValueError, "got values from 1.5 to 1.5"),
    (np.array([["a"] * 5]), TypeError, "v must be an array of numbers"),
    (None, TypeError, "v must be an array of numbers"),
]


@pytest.mark.parametrize("v, error, message", BAD_STATES)
def test_bad_states(v, error, message):
    with pytest.raises(error, match=message):
        random_rbm(5, 3).mean_hidden(v)


BAD_PARAMETERS = [
    (([1.0, 2.0],), ValueError, r"weights must have shape \(any, any\), got \(2,\)"),
    ((np.zeros((0, 3)),), ValueError, "weights must not be empty"),
    (([[np.nan]],), ValueError, r"weights\[0, 0\] is nan; parameters must be finite"),
    (([[1.0, np.inf]],), ValueError, r"weights\[0, 1\] is inf"),
    (([[1e31]],), ValueError, "below 1e"),
    (([["x"]],), TypeError, "weights must be an array of numbers"),
    (([[1.0]], [1.0, 2.0]), ValueError, r"visible_bias must have shape \(1,\), got \(2,\)"),
    (([[1.0]], [1.0], [np.nan]), ValueError, r"hidden_bias\[0\] is nan"),
]


@pytest.mark.parametrize("arguments, error, message", BAD_PARAMETERS)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        fr.RBM(*arguments)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda r: r.sample(2.5), TypeError, "n must be an integer, not float"),
        (lambda r: r.sample(-1), ValueError, "n must be at least 0, got -1"),
        (lambda r: r.sample(1, seed=-1), ValueError, "seed must be an integer from 0 to"),
        (lambda r: r.sample(1, seed=2**64), ValueError, "seed must be an integer from 0 to"),
        (lambda r: r.sample(1, seed=None), TypeError, "seed must be an integer"),
        (lambda r: r.sample(1, n_threads=0), ValueError, "n_threads must be at least 1 and at most 1024, got 0"),
        (lambda r: r.sample(1, n_threads="2"), TypeError, "n_threads must be an integer or None"),
        (lambda r: r.sample(1, beta=-1.0), ValueError, "beta must be at least 0 and below"),
        (lambda r: r.energy(np.zeros((2, 5)), np.zeros((1, 3))), ValueError, "v and h must have as many examples"),
        (lambda r: r.step(None, learning_rate=np.inf), ValueError, "learning_rate must be finite"),
        (lambda r: fr.RBM.from_data(np.zeros((0, 4)), 2), ValueError, "X must have at least one example"),
        (lambda r: fr.RBM.from_data(np.zeros((4, 4)), 0), ValueError, "n_hidden must be at least 1"),
        (lambda r: fr.Chains(r, 0), ValueError, "n_chains must be at least 1"),
        (lambda r: fr.Chains("rbm", 1), TypeError, "rbm must be an RBM, not str"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(random_rbm(5, 3))


def test_parameters_are_read_only_and_never_shared():
    W = np.ones((4, 3), np.float32)
    rbm = fr.RBM(W)
    W[...] = 5
    assert np.all(rbm.weights == 1)
    for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        assert array.dtype == np.float32
    before = rbm.weights
    rbm.set_parameters(weights=np.zeros((4, 3)))
    assert np.all(before == 1) and np.all(rbm.weights == 0)


def test_set_parameters():
    rbm = random_rbm(4, 3)
    v = all_states(4)
    rbm.set_parameters(hidden_bias=[1, 2, 3])
    fresh = fr.RBM(rbm.weights, rbm.visible_bias, [1, 2, 3])
    assert np.array_equal(rbm.free_energy(v), fresh.free_energy(v))
    with pytest.raises(ValueError, match=r"weights must have shape \(4, 3\)"):
        rbm.set_parameters(weights=np.zeros((3, 4)))


def test_from_data():
    X = fr.datasets.load_digits()
    rbm = fr.RBM.from_data(X, 40, seed=3)
    means = (X.sum(axis=0) + 0.5) / (len(X) + 1)
    assert np.allclose(rbm.visible_bias, np.log(means / (1 - means)), rtol=1e-6)
    assert np.all(rbm.hidden_bias == 0)
    assert abs(rbm.weights.std() / 0.01 - 1) < 5 / np.sqrt(2 * rbm.weights.size)
    for same in (X.astype(float), X.astype(bool), fr.BitMatrix.from_states(X)):
        assert np.array_equal(fr.RBM.from_data(same, 40, seed=3).visible_bias, rbm.visible_bias)
    assert not np.array_equal(fr.RBM.from_data(X, 40, seed=4).weights, rbm.weights)
    gray = fr.RBM.from_data(X * 0.5, 3)
    assert np.all(np.isfinite(gray.visible_bias)) and np.all(gray.visible_bias < 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_a_step_that_would_break_the_model_raises_and_changes_nothing(bad):
    rbm = random_rbm(4, 3)
    before = [rbm.weights.copy(), rbm.visible_bias.copy(), rbm.hidden_bias.copy()]
    changes = [np.zeros((4, 3)), np.zeros(4), np.zeros(3)]
    for which, name in enumerate(("weights", "visible_bias", "hidden_bias")):
        broken = [c.copy() for c in changes]
        broken[which].reshape(-1)[-1] = bad
        with pytest.raises(FloatingPointError, match=rf"the step would make {name}\[.*keeps the parameters it had"):
            rbm.add(*broken)
    for old, new in zip(before, (rbm.weights, rbm.visible_bias, rbm.hidden_bias), strict=True):
        assert np.array_equal(old, new)


def test_add_is_rounded_once():
    rbm = random_rbm(5, 4)
    change = np.random.default_rng(1).normal(0, 1e-3, (5, 4))
    expected = (rbm.weights.astype(np.float64) + change).astype(np.float32)
    rbm.add(change, np.zeros(5), np.zeros(4))
    assert np.array_equal(rbm.weights, expected)
    with pytest.raises(ValueError, match=r"the change of weights must have shape \(5, 4\), got \(4, 5\)"):
        rbm.add(change.T, np.zeros(5), np.zeros(4))


def test_save_and_load(tmp_path):
    rbm = random_rbm(11, 6)
    path = tmp_path / "model.npz"
    rbm.save(path)
    same = fr.load(path)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(rbm, name), getattr(same, name))
    assert np.array_equal(same.sample(20, 10), rbm.sample(20, 10))
    rbm.save(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]  # no temporary file is left


def test_damaged_and_foreign_files(tmp_path):
    good = tmp_path / "good.npz"
    rbm = random_rbm(11, 6)
    rbm.save(good)
    content = good.read_bytes()
    bad = tmp_path / "bad.npz"
    for cut in (0, 1, 50, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"bad\.npz is (damaged or )?not a fastrbm model"):
            fr.load(bad)
    flipped = bytearray(content)
    flipped[content.index(rbm.weights.tobytes())] ^= 0xFF
    bad.write_bytes(flipped)
    with pytest.raises(ValueError, match=r"bad\.npz"):
        fr.load(bad)
    np.savez(bad, weights=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="is not a fastrbm model"):
        fr.load(bad)
    np.savez(bad, fastrbm_format=99, weights=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="has fastrbm model format 99; this version reads format 1 and 2: upgrade"):
        fr.load(bad)
    np.savez(bad, fastrbm_format=1, weights=np.zeros((2, 2)), visible_bias=np.zeros(3), hidden_bias=np.zeros(2))
    with pytest.raises(ValueError, match=r"visible_bias in .* must have shape \(2,\), got \(3,\)"):
        fr.load(bad)
    np.savez(bad, fastrbm_format=1, weights=np.array([{}]), visible_bias=np.zeros(3), hidden_bias=np.zeros(2))
    with pytest.raises(ValueError, match="holds Python objects, not numbers"):
        fr.load(bad)
    with pytest.raises(OSError):
        fr.load(tmp_path / "missing.npz")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    random_rbm(3, 2, seed=1).save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(KeyboardInterrupt):
        random_rbm(3, 2, seed=2).save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_copy_and_pickle():
    rbm = random_rbm(5, 3)
    copied, thawed = rbm.copy(), pickle.loads(pickle.dumps(rbm))
    rbm.set_parameters(weights=np.zeros((5, 3)))
    assert np.array_equal(copied.weights, thawed.weights) and np.any(copied.weights != 0)


def test_extreme_models():
    """No overflow, no NaN: enormous, tiny and zero weights."""
    v = all_states(3)
    for scale in (1e29, 1e-30, 0.0):
        rbm = fr.RBM(np.full((3, 2), scale), [-scale, 0, 0])
        assert np.isfinite(rbm.free_energy(v)).all()
        assert np.isfinite(rbm.mean_hidden(v)).all()
        assert rbm.sample(4, 3).max() <= 1
    assert fr.RBM(np.full((3, 2), 1e29)).mean_hidden(v)[-1].tolist() == [1.0, 1.0]


def test_messages_name_the_class_that_people_know():
    with pytest.raises(TypeError, match=r"RBM\.sample\(\) got an unexpected keyword argument 'x'"):
        random_rbm(3, 2).sample(5, x=1)


@pytest.mark.parametrize(
    "call, word, meant",
    [
        (lambda rbm: fr.fit, "learning_rate", r"to an optimizer, such as optimizer=optim.SGD\(learning_rate=0.1\)"),
        (lambda rbm: fr.fit, "lr", "to an optimizer"),
        (lambda rbm: fr.fit, "n_sweeps", "to an estimator, such as gradient=gradient.PCD"),
        (lambda rbm: fr.fit, "n_iter", "did you mean epochs"),
        (lambda rbm: fr.gradient.CD, "k", "did you mean n_sweeps"),
        (lambda rbm: fr.gradient.PCD, "n_particles", "did you mean n_chains"),
        (lambda rbm: fr.optim.Adam, "weight_decay", "did you mean l2"),
        (lambda rbm: fr.optim.SGD, "nesterof", "did you mean nesterov"),
        (lambda rbm: fr.RBM, "n_hidden", r"use RBM.from_data\(X, n_hidden=16\)"),
        (lambda rbm: fr.RBM.from_data, "n_components", "did you mean n_hidden"),
        (lambda rbm: rbm.sample, "num_samples", "did you mean n[?]"),
        (lambda rbm: rbm.inpaint, "random_state", "did you mean seed"),
        (lambda rbm: fr.EarlyStopping, "monitor", "did you mean column"),
        (lambda rbm: fr.Chains, "n_jobs", "did you mean n_threads"),
        (lambda rbm: fr.likelihood.score, "zzz", "its arguments are rbm, X, method"),
    ],
)
def test_arguments_by_their_names_elsewhere(call, word, meant):
    with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{word}': .*{meant}"):
        call(random_rbm(3, 2))(**{word: 1})


def test_parameters_cannot_be_assigned():
    rbm = random_rbm(3, 2)
    for name, meant in (("W", "weights"), ("weights", "weights"), ("b", "visible_bias"), ("hbias", "hidden_bias")):
        with pytest.raises(
            AttributeError, match=rf"^{name} of an RBM cannot be assigned: use set_parameters\({meant}="
        ):
            setattr(rbm, name, 0)
    with pytest.raises(AttributeError, match="n_hidden of an RBM cannot be assigned: make another model"):
        rbm.n_hidden = 3
    with pytest.raises(AttributeError, match="an RBM has no attribute W: its weights[?]"):
        _ = rbm.W
    rbm.note = "of the user"
    assert rbm.note == "of the user" and not hasattr(rbm, "other")
