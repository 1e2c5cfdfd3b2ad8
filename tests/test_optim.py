"""Optimizers, schedules and averaging against their formulas, computed apart."""

import math

import numpy as np
import pytest

import fastrbm as fr

X = fr.datasets.load_digits()


class Fixed:
    """A gradient of known values."""

    def __init__(self, value, shape=(2, 3)):
        self.weights = np.broadcast_to(np.asarray(value, float), shape)
        self.visible_bias, self.hidden_bias = np.full(shape[0], np.mean(value)), np.full(shape[1], np.mean(value))


class Weights(Fixed):
    """A gradient of the weights alone."""

    def __init__(self, weights):
        super().__init__(weights, weights.shape)
        self.visible_bias, self.hidden_bias = np.zeros(weights.shape[0]), np.zeros(weights.shape[1])


VALUES = (1.0, -2.0, 0.5, 0.25)


def test_nesterov_follows_its_formula():
    rbm = fr.RBM(np.ones((2, 3)))
    sgd = fr.optim.SGD(0.5, momentum=0.25, l2=0.125, nesterov=True)
    W, b, u, ub = 1.0, 0.0, 0.0, 0.0
    for value in VALUES:
        sgd.update(rbm, Fixed(value))
        g = value - 0.125 * W
        u, ub = 0.25 * u + g, 0.25 * ub + value
        W, b = W + 0.5 * (0.25 * u + g), b + 0.5 * (0.25 * ub + value)
        assert rbm.weights[1, 2] == np.float32(W) and rbm.visible_bias[0] == np.float32(b)


def test_adam_follows_its_formula():
    rbm = fr.RBM(np.ones((2, 3)))
    adam = fr.optim.Adam(0.5, beta1=0.75, beta2=0.5, eps=1e-3, l2=0.125, l1=0.25)
    W, m, s = 1.0, 0.0, 0.0
    for t, value in enumerate(VALUES, 1):
        adam.update(rbm, Fixed(value))
        m, s = 0.75 * m + 0.25 * value, 0.5 * s + 0.5 * value**2
        step = (m / (1 - 0.75**t)) / (math.sqrt(s / (1 - 0.5**t)) + 1e-3)
        W += 0.5 * (step - 0.125 * W - 0.25 * math.copysign(1, W))
        # in float32: a dozen roundings of 6e-8 an update
        assert rbm.weights[0, 1] == pytest.approx(W, rel=1e-5)


def test_adam_learns_and_starts_anew_for_another_model():
    rbm = fr.RBM.from_data(X, 16, seed=0)
    adam = fr.optim.Adam(0.005)
    history = fr.fit(rbm, X, optimizer=adam, epochs=20)
    assert history["shuffled_gap"][-1] > 5
    other = fr.RBM(np.zeros((2, 3)))
    adam.update(other, Fixed(1.0))
    assert other.weights[0, 0] == pytest.approx(0.005, rel=1e-5)  # the first step of Adam: the rate, times the sign


def test_a_divergent_step_leaves_model_and_optimizer_as_they_were():
    for optimizer in (fr.optim.Adam(0.1), fr.optim.SGD(0.1, momentum=0.5)):
        rbm = fr.RBM(np.ones((2, 3)))
        optimizer.update(rbm, Fixed(1.0))
        before, state = rbm.weights, {k: np.copy(v) for k, v in optimizer.get_state().items()}
        with pytest.raises(FloatingPointError, match="the step would make weights"):
            optimizer.update(rbm, Fixed(math.nan))
        assert np.array_equal(rbm.weights, before)
        assert all(np.array_equal(optimizer.get_state()[k], state[k]) for k in state)


@pytest.mark.parametrize("make", [fr.optim.SGD, fr.optim.Adam])
def test_max_norm(make):
    W = np.random.default_rng(0).normal(size=(70, 90)).astype(np.float32)
    W[:, 3] = 0.0
    rbm = fr.RBM(W)
    make(0.0, max_norm=8.0).update(rbm, Fixed(0.0, W.shape))
    norms = np.linalg.norm(W.astype(float), axis=0)
    assert norms.min() == 0 and norms[4:].min() < 8 < norms.max()
    expected = W * np.where(norms > 8, 8 / np.maximum(norms, 8), 1)
    # one rounding to float32 of each weight
    assert np.allclose(rbm.weights, expected, rtol=1.2e-7, atol=0)
    assert np.array_equal(rbm.weights[:, norms <= 8], W[:, norms <= 8])
    assert np.linalg.norm(rbm.weights.astype(float), axis=0).max() <= 8 * (1 + 1e-6)
    # both copies of the weights, and their grid, are of the new ones
    assert np.array_equal(rbm.mean_visible(np.eye(90)), fr.RBM(rbm.weights).mean_visible(np.eye(90)))
    before = rbm.weights
    make(0.0, max_norm=100.0).update(rbm, Fixed(0.0, W.shape))
    assert np.array_equal(rbm.weights, before)


def test_max_norm_adds_in_one_order():
    """The norms are sums of one addition after the other: no other order gives these bits."""
    W = np.random.default_rng(1).normal(size=(1000, 70)).astype(np.float32)
    rbm = fr.RBM(W)
    fr.optim.SGD(0.0, max_norm=1.0).update(rbm, Fixed(0.0, W.shape))
    norms = np.sqrt(np.add.accumulate(np.square(W, dtype=np.float64), axis=0)[-1])
    assert np.array_equal(rbm.weights, (W * (1.0 / norms)).astype(np.float32))


@pytest.mark.parametrize("make", [fr.optim.SGD, fr.optim.Adam])
def test_a_step_is_judged_after_its_cut_to_max_norm(make):
    """Two layers of real units have a distribution where singular values are below 1: 10.5 is not, its cut to 0.75 is.
    One layer has means below 2048: those of 3,000 x 3 are not, their cut is."""
    real, sides = fr.units.Gaussian, np.full(2, 0.5)
    for max_norm, refused in ((0.75, False), (1.25, True)):
        rbm = fr.RBM(np.diag(sides), visible=real(2), hidden=real(2))
        optimizer, gradient = make(10.0, max_norm=max_norm), Weights(np.eye(2))
        if refused:
            with pytest.raises(FloatingPointError, match="singular value .* must be below 1, and it is 1.25"):
                optimizer.update(rbm, gradient)
        else:
            optimizer.update(rbm, gradient)
        assert np.allclose(rbm.weights, np.diag(sides if refused else [max_norm] * 2), rtol=1e-6)
    rbm = fr.RBM(np.zeros((2, 3)), visible=real(2))
    make(3000.0, max_norm=50.0).update(rbm, Weights(np.ones((2, 3))))
    assert np.allclose(np.linalg.norm(rbm.weights, axis=0), 50.0)
    with pytest.raises(FloatingPointError, match="mean of visible unit 0 up to .*, where values of real units end"):
        make(3000.0, max_norm=5000.0).update(rbm, Weights(np.ones((2, 3))))


def test_a_training_leaves_out_no_update_that_max_norm_makes_good():
    """Every step of this training is beyond what can be normalized until it is cut."""
    rbm = fr.RBM(np.full((2, 2), 0.25), visible=fr.units.Gaussian(2), hidden=fr.units.Gaussian(2))

    def uphill(rbm, X, n_threads=None):
        return Weights(np.full((2, 2), 9.0))

    bounded = fr.optim.SGD(1.0, max_norm=0.5)
    history = fr.fit(rbm, np.ones((8, 2)), uphill, bounded, epochs=2, centered=False, metrics=[])
    assert not any("left out" in finding.words for finding in history.findings)
    assert np.allclose(rbm.weights, 0.5 / math.sqrt(2))


@pytest.mark.parametrize("make", [lambda: fr.optim.SGD(0.05, momentum=0.9), lambda: fr.optim.Adam(0.01)])
def test_what_is_kept_belongs_to_one_model(make):
    """A second model, trained with the same optimizer, comes out as the first did."""
    optimizer, models = make(), []
    for _ in range(2):
        rbm = fr.RBM.from_data(X, 6, seed=0)
        fr.fit(rbm, X, optimizer=optimizer, epochs=1)
        models.append(rbm)
    assert np.array_equal(models[0].weights, models[1].weights)
    state = optimizer.get_state()
    kept = {name: np.copy(value) for name, value in state.items()}
    optimizer.update(rbm, fr.gradient.CD()(rbm, X[:50]))
    assert all(np.array_equal(state[name], kept[name]) for name in state)


def test_adam_without_memory_is_the_sign():
    """beta1 = beta2 = 0: the step is the rate times the sign, however much smaller the gradient has become."""
    rbm = fr.RBM(np.zeros((2, 3)))
    adam = fr.optim.Adam(0.01, beta1=0.0, beta2=0.0)
    adam.update(rbm, Fixed(1.0))
    adam.update(rbm, Fixed(1e-5))
    assert rbm.weights[0, 0] == pytest.approx(0.02, rel=2e-3)  # eps is 1e-3 of the second gradient


def test_schedules_at_their_ends_and_between():
    for schedule in (fr.optim.Linear(0.4, 0.1), fr.optim.Cosine(0.4, 0.1), fr.optim.InverseTime(0.4, 0.1)):
        rates = [schedule(t / 100) for t in range(101)]
        assert rates[0] == pytest.approx(0.4) and rates[-1] == pytest.approx(0.1)
        assert all(a > b for a, b in zip(rates, rates[1:], strict=False))
    assert fr.optim.Cosine(0.4, 0.1)(0.5) == pytest.approx(0.25)
    for t in np.linspace(0, 1, 101).tolist():
        assert fr.optim.Cosine(2.0)(t) == pytest.approx(1 + math.cos(math.pi * t), abs=1e-15)
    assert type(fr.optim.Linear(np.float32(0.5))(0.5)) is float
    assert fr.optim.Cosine(0.01)(1.0) == 0.0  # not below, by a rounding: no rate is
    assert fr.optim.Cosine(0.4, 0.1)(1 / 3) == pytest.approx(0.1 + 0.3 * 0.75)
    assert fr.optim.InverseTime(0.4, 0.1)(1 / 3) == pytest.approx(0.2)  # 1 / rate is linear
    warm = fr.optim.WarmUp(0.4, 0.1)
    assert [warm(t) for t in (0.0, 0.05, 0.1, 0.9)] == [0.0, 0.2, 0.4, 0.4]
    assert fr.optim.WarmUp(fr.optim.Linear(0.4, 0.0), 0.5)(0.25) == pytest.approx(0.15)
    assert fr.optim.SGD(warm).rate(0.05) == 0.2


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: fr.optim.SGD(nesterov=True), ValueError, "nesterov needs a momentum"),
        (lambda: fr.optim.SGD(max_norm=0.0), ValueError, "max_norm must be above 0"),
        (lambda: fr.optim.SGD(max_norm=math.nan), ValueError, "max_norm must be finite"),
        (lambda: fr.optim.Adam(-1.0), ValueError, "learning_rate must be finite and at least 0"),
        (lambda: fr.optim.Adam(beta1=1.0), ValueError, "beta1 must be below 1"),
        (lambda: fr.optim.Adam(beta2=-0.1), ValueError, "beta2 must be between 0 and 1"),
        (lambda: fr.optim.Adam(eps=0.0), ValueError, "eps must be above 0"),
        (lambda: fr.optim.Cosine(-1.0), ValueError, "start must be finite"),
        (lambda: fr.optim.InverseTime(0.1, 0.0), ValueError, "stop must be above 0 and at most start"),
        (lambda: fr.optim.InverseTime(0.1, 0.2), ValueError, "stop must be above 0 and at most start"),
        (lambda: fr.optim.WarmUp("slow"), TypeError, "schedule must be a number"),
        (lambda: fr.optim.WarmUp(0.1, 0.0), ValueError, "fraction must be above 0"),
        (lambda: fr.optim.Averaging(0.0), ValueError, "last must be above 0"),
        (lambda: fr.optim.Averaging(1.5), ValueError, "last must be between 0 and 1"),
        (
            lambda: fr.optim.SGD(0.1).rate(5),
            ValueError,
            "progress must be between 0 and 1, got 5",
        ),  # a count of updates
        (lambda: fr.optim.Averaging(every=0), ValueError, "every must be at least 1"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---------------------------------------------------------------- averaging


@pytest.mark.parametrize("last", [1.0, 0.5, 0.1])
def test_averaging_follows_its_formula(last):
    """The weights of the t-th of T models are as t (t + 1) ... (t + eta - 1), which for whole eta telescopes."""
    rng, T, eta = np.random.default_rng(0), 30, round(2 / last - 2)
    models = rng.normal(size=(T, 70, 9)).astype(np.float32)
    averaging = fr.optim.Averaging(last, every=3)
    rbm = fr.RBM(models[0])
    for update in range(1, 3 * T + 1):
        rbm.set_parameters(weights=models[(update - 1) // 3])
        averaging.update(rbm, update)
    t = np.arange(1, T + 1)
    weight = np.array([math.prod(range(k, k + eta)) for k in t.tolist()], float)
    expected = np.tensordot(weight / weight.sum(), models.astype(float), 1)
    offered = rbm.copy()
    averaging.offer(rbm, offered)
    assert np.allclose(offered.weights, expected, rtol=0, atol=2e-7)  # rounded once to float32
    # the mean age: that of a plain mean over the last part
    assert (weight @ (T - t)) / weight.sum() == pytest.approx(last * T / 2, abs=1)


def test_averaging_in_fit():
    averaging, seen = fr.optim.Averaging(last=0.5, every=4), []
    rbm = fr.RBM.from_data(X, 12, seed=0)

    def keep(state):
        assert state.rbm is not rbm
        seen.append(state.rbm.weights)

    history = fr.fit(rbm, X, epochs=30, optimizer=fr.optim.SGD(0.1), averaging=averaging, callbacks=keep)
    assert np.array_equal(rbm.weights, seen[-1])  # the model offered at the end is the result
    plain = fr.RBM.from_data(X, 12, seed=0)
    fr.fit(plain, X, epochs=30, optimizer=fr.optim.SGD(0.1))
    again = fr.RBM.from_data(X, 12, seed=0)
    models = []
    fr.fit(again, X, epochs=30, optimizer=Spy(models), averaging=None)
    assert np.array_equal(again.weights, plain.weights)  # averaging leaves the training as it was
    w, mean = 0, np.zeros(plain.weights.shape)
    for t, model in enumerate(models[3::4], 1):
        w = (2 + 1) / (t + 2) if t > 1 else 1
        mean += w * (model - mean)
    assert np.allclose(rbm.weights, mean, rtol=0, atol=1e-6)
    assert history["weight_norm"][-1] == pytest.approx(np.linalg.norm(rbm.weights))  # the average is what is measured


@pytest.mark.slow
def test_averaging_pays():
    """A constant rate leaves the last model shaking, the average less: exact likelihoods, for several seeds."""
    gains = []
    for seed in range(5):
        averaged, plain = fr.RBM.from_data(X, 16, seed), fr.RBM.from_data(X, 16, seed)
        for rbm, averaging in ((averaged, fr.optim.Averaging()), (plain, None)):
            pcd = fr.gradient.PCD(32, seed=seed)
            fr.fit(rbm, X, pcd, fr.optim.SGD(1.0), epochs=100, batch_size=32, seed=seed, averaging=averaging)
        gains.append(fr.likelihood.score(averaged, X).mean - fr.likelihood.score(plain, X).mean)
    assert min(gains) > 1  # nats; here it is 6 and more


class Spy(fr.optim.SGD):
    """SGD that keeps the weights after each update."""

    def __init__(self, models):
        super().__init__(0.1)
        self.models = models

    def update(self, rbm, gradient, progress=0.0, n_threads=None):
        super().update(rbm, gradient, progress, n_threads)
        self.models.append(rbm.weights.copy())


def test_averaging_starts_anew_in_each_training():
    averaging, models = fr.optim.Averaging(every=2), []
    for n_hidden in (7, 5, 5):
        rbm = fr.RBM.from_data(X, n_hidden)
        fr.fit(rbm, X, epochs=2, averaging=averaging)
        models.append(rbm)
    assert np.array_equal(models[1].weights, models[2].weights)


def test_averaging_before_its_first_update_offers_the_model():
    rbm = fr.RBM.from_data(X, 5)
    fr.fit(rbm, X[:10], epochs=1, averaging=fr.optim.Averaging(every=100))
    plain = fr.RBM.from_data(X, 5)
    fr.fit(plain, X[:10], epochs=1)
    assert np.array_equal(rbm.weights, plain.weights)
