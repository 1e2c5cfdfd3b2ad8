"""Gradients: the exact one against finite differences, the estimators against the exact one."""

import numpy as np
import pytest
from helpers import Enumerated, joint_energies, logsumexp, random_rbm, state_numbers

import fastrbm as fr

N = 200_000


def mean_log_likelihood(W, b, c, X):
    """From the definition, by enumeration of both layers, in float64."""
    energies = joint_energies(W, b, c)
    return float((logsumexp(-energies, axis=1)[state_numbers(X)] - logsumexp(-energies.reshape(-1))).mean())


def some_data(rbm, n, seed=0):
    return (np.random.default_rng(seed).random((n, rbm.n_visible)) < 0.4).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (4, 7), (7, 4)], ids=str)
def test_exact_against_finite_differences(shape):
    """Relative error under 1e-6: central differences of step 1e-4, extrapolated once (error of order step^4)."""
    rbm = random_rbm(*shape, seed=1)
    X = some_data(rbm, 50)
    g = fr.gradient.Exact()(rbm, X)
    parameters = [np.asarray(p, np.float64) for p in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)]
    numeric = []
    for which, p in enumerate(parameters):
        out = np.empty(p.shape)
        for index in np.ndindex(p.shape):

            def difference(step, which=which, index=index):
                moved = [q.copy() for q in parameters]
                moved[which][index] += step
                up = mean_log_likelihood(*moved, X)
                moved[which][index] -= 2 * step
                return (up - mean_log_likelihood(*moved, X)) / (2 * step)

            out[index] = (4 * difference(5e-4) - difference(1e-3)) / 3
        numeric.append(out)
    for ours, theirs in zip((g.weights, g.visible_bias, g.hidden_bias), numeric, strict=True):
        assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()


def test_exact_is_the_same_from_either_side():
    """Enumerating the visible or the hidden layer: transpose the model and the moments transpose."""
    from fastrbm.gradient.exact import model_moments

    rbm = random_rbm(11, 13, seed=2)
    mirrored = fr.RBM(rbm.weights.T, rbm.hidden_bias, rbm.visible_bias)
    ours, theirs = model_moments(rbm), model_moments(mirrored)
    assert np.allclose(ours.weights, theirs.weights.T, rtol=1e-12, atol=0)
    assert np.allclose(ours.visible, theirs.hidden, rtol=1e-12) and np.allclose(ours.hidden, theirs.visible, rtol=1e-12)


def test_exact_against_brute_force():
    from fastrbm.gradient.exact import model_moments

    rbm = random_rbm(6, 5, seed=3)
    ours = model_moments(rbm)
    for a, b in zip((ours.weights, ours.visible, ours.hidden), Enumerated(rbm).model_moments(), strict=True):
        assert np.allclose(a, b, rtol=1e-12)


def test_exact_spans_blocks_and_extremes():
    from fastrbm.gradient.exact import model_moments

    flat = model_moments(fr.RBM(np.zeros((14, 15))))  # four blocks of states; every moment is known
    assert np.allclose(flat.weights, 0.25) and np.allclose(flat.visible, 0.5)
    frozen = model_moments(fr.RBM(np.zeros((3, 2)), [1e4, -1e4, 0]))
    assert frozen.visible.tolist() == [1, 0, 0.5]


def test_exact_refuses_large_models():
    with pytest.raises(ValueError, match="at most 20 units; this model has 30 visible and 21 hidden units: use grad"):
        fr.gradient.Exact()(random_rbm(30, 21), np.zeros((1, 30)))


def test_gradient_is_zero_at_the_model_itself():
    """Data that follow p exactly leave nothing to climb: weights of the examples are p(v)."""
    rbm = random_rbm(5, 4, seed=5)
    exact = Enumerated(rbm)
    g = fr.gradient.Exact()(rbm, exact.v, sample_weight=exact.p_v)
    assert max(np.abs(g.weights).max(), np.abs(g.visible_bias).max(), np.abs(g.hidden_bias).max()) < 1e-12


def cd_expectation(rbm, X, n_sweeps):
    """The exact expectation of CD-k: moments under the data's distribution times the k-th power of the transition
    matrix."""
    exact = Enumerated(rbm)
    h_given_v = exact.p / exact.p.sum(axis=1, keepdims=True)
    v_given_h = (exact.p / exact.p.sum(axis=0, keepdims=True)).T
    p = np.bincount(state_numbers(X), minlength=len(exact.p_v)) / len(X)
    for _ in range(n_sweeps):
        p = p @ h_given_v @ v_given_h
    s = exact.hidden_given_v
    return (exact.v * p[:, None]).T @ s, p @ exact.v, p @ s


def assert_within_standard_errors(gradient, expected, states, rbm, sigmas=5):
    """Each component of the negative phase within 5 standard errors, which are computed from the samples."""
    s = rbm.mean_hidden(states).astype(np.float64)
    v = states.astype(np.float64)
    negative = gradient.negative
    samples = [(v[:, :, None] * s[:, None, :]).reshape(len(v), -1), v, s]
    for mean, sample, value in zip(
        (negative.weights, negative.visible, negative.hidden), samples, expected, strict=True
    ):
        error = sample.std(axis=0, ddof=1) / np.sqrt(len(v))
        assert np.all(error > 0)
        assert np.all(np.abs(mean.reshape(-1) - np.asarray(value).reshape(-1)) < sigmas * error)


@pytest.mark.parametrize("n_sweeps", [1, 3])
def test_cd_against_its_exact_expectation(n_sweeps):
    rbm = random_rbm(5, 4, seed=6)
    X = np.tile(some_data(rbm, 8), (N // 8, 1))
    estimator = fr.gradient.CD(n_sweeps, seed=2)
    g = estimator(rbm, X)
    # the same chains once more, for their states
    visible = replay_cd(rbm, X, n_sweeps, seed=2)
    assert g.positive.total == g.negative.total == N
    assert_within_standard_errors(g, cd_expectation(rbm, X, n_sweeps), visible, rbm)
    exact = fr.gradient.Exact()(rbm, X)
    assert np.abs(g.positive.weights - exact.positive.weights).max() < 1e-6


def replay_cd(rbm, X, n_sweeps, seed):
    from fastrbm._core import philox
    from fastrbm.sampling import gibbs

    visible, hidden = fr.BitMatrix.empty(N, rbm.n_visible), fr.BitMatrix.empty(N, rbm.n_hidden)
    place = {"seed": seed, "stream": philox.CD}
    bits = fr.BitMatrix.from_states(X)
    gibbs.half_step(rbm._parameters.to_hidden, bits, kind=1, sweep=0, out=hidden, **place)
    gibbs.sweep(rbm._parameters, visible, hidden, n_sweeps, first_sweep=1, **place)
    return visible.to_states()


@pytest.mark.slow
def test_long_cd_reaches_the_exact_gradient():
    rbm = random_rbm(5, 4, seed=6)
    X = np.tile(some_data(rbm, 8), (N // 8, 1))
    g = fr.gradient.CD(n_sweeps=100, seed=3)(rbm, X)
    expected = Enumerated(rbm).model_moments()
    assert_within_standard_errors(g, expected, replay_cd(rbm, X, 100, seed=3), rbm)


def test_pcd_against_the_exact_gradient():
    rbm = random_rbm(5, 4, seed=7)
    X = some_data(rbm, 100)
    estimator = fr.gradient.PCD(n_chains=N, n_sweeps=100, seed=4)
    g = estimator(rbm, X)
    assert g.positive.total == 100 and g.negative.total == N
    assert_within_standard_errors(g, Enumerated(rbm).model_moments(), estimator.chains.visible, rbm)
    exact = fr.gradient.Exact()(rbm, X)
    assert np.abs(g.weights - exact.weights).max() < 5 * 0.5 / np.sqrt(N) + 1e-6


def test_pcd_moments_are_those_of_its_chains():
    """The sweep's own probabilities give the same bits as computing the moments anew."""
    rbm = random_rbm(12, 70, seed=8)
    estimator = fr.gradient.PCD(n_chains=77, n_sweeps=2, seed=4)
    g = estimator(rbm, some_data(rbm, 9))
    again = fr.Moments.of_chains(rbm, estimator.chains)
    assert np.array_equal(g.negative.weight_sum, again.weight_sum)
    assert np.array_equal(g.negative.hidden_sum, again.hidden_sum)


def test_pcd_chains_persist_and_belong_to_a_model():
    rbm, X = random_rbm(5, 4), np.zeros((3, 5))
    estimator = fr.gradient.PCD(n_chains=8, n_sweeps=2)
    estimator(rbm, X)
    estimator(rbm, X)
    assert estimator.chains.n_sweeps_done == 4
    other = rbm.copy()
    estimator(other, X)
    assert estimator.chains.rbm is other and estimator.chains.n_sweeps_done == 2


def test_pcd_with_chains_of_ones_own():
    """However many they are; and training chains draw other numbers than Chains of the same seed."""
    rbm, X = random_rbm(5, 4), np.zeros((3, 5))
    estimator = fr.gradient.PCD(n_chains=8)
    estimator.chains = fr.Chains(rbm, 5000, start=np.ones((5000, 5)))
    assert estimator(rbm, X).negative.total == 5000
    trained, separate = fr.gradient.PCD(n_chains=64, n_sweeps=3), fr.Chains(rbm, 64)
    trained(rbm, X)
    separate.sweep(3)
    assert not np.array_equal(trained.chains.visible, separate.visible)


def test_phases_of_different_models():
    a, b = (fr.Moments.of_data(random_rbm(n, 3), np.ones((2, n))) for n in (4, 5))
    with pytest.raises(ValueError, match=r"both phases must be moments of one model, got shapes \(4, 3\) and \(5, 3\)"):
        fr.gradient.Gradient(a, b)


@pytest.mark.parametrize("make", [lambda: fr.gradient.CD(2, seed=1), lambda: fr.gradient.PCD(33, 2, seed=1)])
@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_do_not_change_gradients(make, n_threads):
    rbm = random_rbm(70, 66)
    X = some_data(rbm, 130)
    one, many = make()(rbm, X, n_threads=1), make()(rbm, X, n_threads=n_threads)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(one, name), getattr(many, name))


def test_each_phase_is_divided_by_its_own_number_of_examples():
    """The fault of scikit-learn 1.9.1: both phases divided by the rows given, whatever the number of chains."""
    rbm = fr.RBM(np.zeros((4, 3)), np.zeros(4), np.full(3, 80.0))  # hidden units always on: <h> is 1 in both phases
    for n, n_chains in ((1, 50), (1000, 3)):
        g = fr.gradient.PCD(n_chains=n_chains)(rbm, np.ones((n, 4)))
        assert g.hidden_bias.tolist() == [0, 0, 0]


def test_no_component_is_frozen():
    """The fault of a gauge fixed on the wrong axis: every component of every gradient moves."""
    rbm = random_rbm(6, 5, seed=9)
    X = some_data(rbm, 64)
    for estimator in (fr.gradient.Exact(), fr.gradient.CD(), fr.gradient.PCD(64)):
        seen = [np.zeros(rbm.weights.shape), np.zeros(6), np.zeros(5)]
        for _ in range(5):
            g = estimator(rbm, X)
            for total, part in zip(seen, (g.weights, g.visible_bias, g.hidden_bias), strict=True):
                total += np.abs(part)
        assert all((total > 0).all() for total in seen)


def test_cd_goes_on_to_new_numbers_and_starts_at_fractions():
    rbm = random_rbm(6, 5)
    X = some_data(rbm, 64)
    estimator = fr.gradient.CD(seed=1)
    first, second = estimator(rbm, X), estimator(rbm, X)
    assert not np.array_equal(first.negative.weights, second.negative.weights)
    assert np.array_equal(fr.gradient.CD(seed=1)(rbm, X).negative.weights, first.negative.weights)
    gray = fr.gradient.CD(seed=1)(rbm, X * 0.5)
    assert np.array_equal(gray.positive.visible, X.mean(axis=0) * 0.5)


def test_weights_in_cd():
    rbm = random_rbm(6, 5)
    X, weight = some_data(rbm, 64), np.repeat([1.0, 0.0], 32)
    ours = fr.gradient.CD(seed=1)(rbm, X, sample_weight=weight)
    theirs = fr.gradient.CD(seed=1)(rbm, X[:32])
    assert np.allclose(ours.weights, theirs.weights, atol=1e-6) and ours.negative.total == 32


def test_what_a_user_keeps_is_never_overwritten():
    """Scratch arrays are used again only once nobody refers to them, by a view neither."""
    rbm = random_rbm(30, 20)
    X, estimator = some_data(rbm, 64), fr.gradient.PCD(16)
    kept = []
    for _ in range(8):
        g = estimator(rbm, X)
        for array in (rbm.weights, rbm.weights[3], g.positive.weight_sum.T, g.negative.weight_sum[2:5], g.weights):
            kept.append((array, array.copy()))
        rbm.step(g, 0.5)
    assert all(np.array_equal(array, copy) for array, copy in kept)
    assert len({copy.tobytes() for _, copy in kept}) > 8 * 3


@pytest.mark.parametrize("call", [lambda: fr.gradient.CD(0), lambda: fr.gradient.PCD(1, 0), lambda: fr.gradient.PCD(0)])
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        call()


def test_interchanging_expectation_and_derivative_is_wrong():
    """E_{h|v} may not be differentiated through its own parameters (the fault of a vendor's plug-in, issue 29)."""
    rbm = random_rbm(4, 3, seed=10)
    X = some_data(rbm, 20)
    g = fr.gradient.Exact()(rbm, X)
    W, b, c = (np.asarray(p, np.float64) for p in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))

    def interchanged(W):
        """-E_{h|v}[E] + E_p[E], whose derivative is not the gradient."""
        energies = joint_energies(W, b, c)
        p = np.exp(-energies)
        conditional = p / p.sum(axis=1, keepdims=True)
        return -(conditional * energies).sum(axis=1)[state_numbers(X)].mean() + (p * energies).sum() / p.sum()

    wrong = np.empty(W.shape)
    for index in np.ndindex(W.shape):
        up, down = W.copy(), W.copy()
        up[index] += 1e-5
        down[index] -= 1e-5
        wrong[index] = (interchanged(up) - interchanged(down)) / 2e-5
    assert np.abs(wrong - g.weights).max() > 0.01


def test_pcd_takes_only_chains_of_the_model_itself():
    rbm = random_rbm(5, 4)
    pcd = fr.gradient.PCD(10)
    with pytest.raises(TypeError, match="chains must be Chains or None, not TemperedChains"):
        pcd.chains = fr.TemperedChains(rbm, 10)
    with pytest.raises(ValueError, match="chains must sample the model itself, at beta 1"):
        pcd.chains = fr.Chains(rbm, 10, beta=0.5)
    pcd.chains = None


def test_states_of_chains_are_copies():
    rbm = random_rbm(5, 4)
    for make in (
        lambda: fr.Chains(rbm, 10, seed=3, beta=0.5),
        lambda: fr.gradient.PCD(10),
        lambda: fr.gradient.FastPCD(10),
    ):
        one = make()
        go = (lambda one=one: one.sweep(2)) if isinstance(one, fr.Chains) else (lambda one=one: one(rbm, np.eye(5)))
        go()
        state = one.get_state()
        kept = {name: np.copy(value) for name, value in state.items()}
        go()
        assert all(np.array_equal(state[name], kept[name]) for name in state)
