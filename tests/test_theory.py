"""docs/theory.md, executed: each test proves the section that its name gives."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import Enumerated, all_states, joint_energies, logsumexp, random_rbm, state_numbers

import fastrbm as fr

RBM = random_rbm(4, 3, scale=1.2, seed=21)
THETA = [np.asarray(p, float) for p in (RBM.weights, RBM.visible_bias, RBM.hidden_bias)]
X = all_states(4)[[1, 3, 3, 7, 8, 12, 15]]
V, H = all_states(4).astype(float), all_states(3).astype(float)


def distributions(theta):
    """(E, p(h|v), p(v,h)), each (16, 8), in float64."""
    energies = joint_energies(*theta)
    p = np.exp(-energies - logsumexp(-energies.reshape(-1)))
    return energies, p / p.sum(axis=1, keepdims=True), p


def derivative(f, theta=THETA, step=1e-3):
    """d f / d theta for every parameter, flat, by central differences extrapolated once: error of order step^4."""
    out = []
    for which, parameter in enumerate(theta):
        for index in np.ndindex(parameter.shape):

            def at(move, which=which, index=index):
                moved = [p.copy() for p in theta]
                moved[which][index] += move
                return np.asarray(f(moved))

            coarse, fine = ((at(s) - at(-s)) / (2 * s) for s in (step, step / 2))
            out.append((4 * fine - coarse) / 3)
    return np.array(out)


def energy_derivatives():
    """dE / d theta for every pair of states: (19, 16, 8)."""
    pairs = -(V[:, None, :, None] * H[None, :, None, :])  # -v h'
    dW = pairs.reshape(16, 8, 12)
    db = np.broadcast_to(-V[:, None, :], (16, 8, 4))
    dc = np.broadcast_to(-H[None, :, :], (16, 8, 3))
    return np.concatenate([dW, db, dc], axis=2).transpose(2, 0, 1)


ENERGIES, CONDITIONAL, JOINT = distributions(THETA)
DE = energy_derivatives()
DATA = np.bincount(state_numbers(X), minlength=16) / len(X)


def under_data(x):
    """E over data of E_{p(h|v)}[x], for x (..., 16, 8)."""
    return (x * CONDITIONAL).sum(axis=-1) @ DATA


def under_model(x):
    return (x * JOINT).sum(axis=(-1, -2))


def covariance_under_data(x, y):
    """E over data of Cov_{p(h|v)}(x, y)."""
    means = ((a * CONDITIONAL).sum(axis=-1) for a in (x, y))
    first, second = means
    return under_data(x * y) - (first * second) @ DATA


def covariance_under_model(x, y):
    return under_model(x * y) - under_model(x) * under_model(y)


def flat(gradient):
    return np.concatenate([gradient.weights.reshape(-1), gradient.visible_bias, gradient.hidden_bias])


TRUE = derivative(lambda theta: np.log(distributions(theta)[2].sum(axis=1)) @ DATA)


def test_section_1_the_gradient():
    formula = -under_data(DE) + under_model(DE)
    assert np.abs(formula - TRUE).max() < 1e-9
    assert np.abs(flat(fr.gradient.Exact()(RBM, X)) - TRUE).max() < 1e-9


def test_section_2_derivatives_of_expectations():
    conditional = derivative(lambda theta: (distributions(theta)[1] * distributions(theta)[0]).sum(axis=1) @ DATA)
    joint = derivative(lambda theta: (distributions(theta)[2] * distributions(theta)[0]).sum())
    assert np.abs(conditional - (under_data(DE) - covariance_under_data(ENERGIES, DE))).max() < 1e-9
    assert np.abs(joint - (under_model(DE) - covariance_under_model(ENERGIES, DE))).max() < 1e-9
    # the scores behind them, for every state
    scores = derivative(lambda theta: np.log(distributions(theta)[1]))
    assert np.abs(scores - (-DE + (DE * CONDITIONAL).sum(axis=2, keepdims=True))).max() < 1e-9
    scores = derivative(lambda theta: np.log(distributions(theta)[2]))
    assert np.abs(scores - (-DE + under_model(DE)[:, None, None])).max() < 1e-9


def interchanged(theta):
    energies, conditional, joint = distributions(theta)
    return -((conditional * energies).sum(axis=1) @ DATA) + (joint * energies).sum()


def test_section_3_the_interchange_is_wrong_by_the_covariances():
    wrong = derivative(interchanged)
    difference = covariance_under_data(ENERGIES, DE) - covariance_under_model(ENERGIES, DE)
    assert np.abs(wrong - TRUE - difference).max() < 1e-6
    assert np.abs(difference).max() > 0.05  # it is not small
    # and no accident of the parameters: another direction, not another length
    assert wrong @ TRUE / np.linalg.norm(wrong) / np.linalg.norm(TRUE) < 0.999


def test_section_4_entropies_cancel_the_covariances():
    def entropies(theta):
        _, conditional, joint = distributions(theta)
        return np.array([-(conditional * np.log(conditional)).sum(axis=1) @ DATA, -(joint * np.log(joint)).sum()])

    changes = derivative(entropies)
    assert np.abs(changes[:, 0] + covariance_under_data(ENERGIES, DE)).max() < 1e-9
    assert np.abs(changes[:, 1] + covariance_under_model(ENERGIES, DE)).max() < 1e-9
    # F = E[E] - H, and -log Z = E[E] - H
    h_given_v, h_joint = entropies(THETA)
    free = -logsumexp(-ENERGIES, axis=1) @ DATA
    assert free == pytest.approx(under_data(ENERGIES) - h_given_v, abs=1e-12)
    assert -logsumexp(-ENERGIES.reshape(-1)) == pytest.approx(under_model(ENERGIES) - h_joint, abs=1e-12)


def free_energies(theta):
    return -logsumexp(-distributions(theta)[0], axis=1)


def test_section_5_with_samples_held_constant():
    """E[dS] = -d log p with v- ~ p held fixed; the second derivative lacks Cov_p(dF, dF)."""
    p_v = JOINT.sum(axis=1)

    def s(theta):
        return free_energies(theta) @ (DATA - p_v)  # p_v does not move with theta

    assert np.abs(derivative(s) + TRUE).max() < 1e-9
    second = derivative(lambda theta: derivative(s, theta), step=1e-2)
    true_second = derivative(lambda theta: derivative(_mean_minus_log_p, theta), step=1e-2)
    dF = derivative(free_energies)
    covariance = (dF * p_v) @ dF.T - np.outer(dF @ p_v, dF @ p_v)
    assert np.abs(true_second - second - covariance).max() < 1e-5
    assert np.abs(covariance).max() > 0.1


def test_section_5_through_sums_and_data():
    """d of a sum is the sum of d; and the gradients of batches average to the gradient of all data."""
    sums = derivative(lambda theta: np.exp(-distributions(theta)[0]).sum(axis=1))
    assert np.allclose(sums, (-DE * np.exp(-ENERGIES)).sum(axis=2), rtol=1e-8, atol=1e-8)
    batches = [flat(fr.gradient.Exact()(RBM, X[k : k + 1])) for k in range(len(X))]
    assert np.allclose(np.mean(batches, axis=0), flat(fr.gradient.Exact()(RBM, X)), atol=1e-6)


def _mean_minus_log_p(theta):
    return -np.log(distributions(theta)[2].sum(axis=1)) @ DATA


def test_section_6_monte_carlo_converges():
    """Within five of its own standard errors of the exact gradient; these shrink with the square root of N and M."""
    estimates = {}
    for m in (2_000, 50_000):
        g = fr.gradient.MonteCarlo(n_hidden_samples=m // 50, n_joint_samples=m, n_sweeps=100, seed=m)(RBM, X)
        errors = np.concatenate([g.weights_error.reshape(-1), g.visible_bias_error, g.hidden_bias_error])
        assert np.all(np.abs(flat(g) - TRUE) < 5 * errors)
        estimates[m] = errors
    assert np.allclose(estimates[2_000] / estimates[50_000], 5, rtol=0.1)


def test_section_6_standard_errors_are_honest():
    """300 estimates spread as their standard errors say: relative error of a spread 1/sqrt(600)."""
    estimator = fr.gradient.MonteCarlo(n_hidden_samples=3, n_joint_samples=200, n_sweeps=20, seed=5)
    assert not np.array_equal(estimator(RBM, X).negative.visible, estimator(RBM, X).negative.visible)
    runs = [estimator(RBM, X) for _ in range(300)]
    spread = np.std([flat(g) for g in runs], axis=0, ddof=1)
    stated = [np.concatenate([g.weights_error.reshape(-1), g.visible_bias_error, g.hidden_bias_error]) for g in runs]
    assert np.all(np.abs(spread / np.mean(stated, axis=0) - 1) < 5 / np.sqrt(600) + 0.02)


def test_monte_carlo_calls_start_anew():
    """Each call's chains start elsewhere: with one sweep on a slow model, 2,000 calls average to one large call."""
    slow = fr.RBM([[8.0]], [-4.0], [-4.0])
    many = fr.gradient.MonteCarlo(1, 4, 1, seed=0)
    small = np.mean([many(slow, [[1]]).negative.visible[0] for _ in range(2000)])
    large = fr.gradient.MonteCarlo(1, 8000, 1, seed=1)(slow, [[1]])
    p = large.negative.visible[0]
    assert abs(small - p) < 5 * np.sqrt(2 * p * (1 - p) / 8000)


def test_section_6_rao_blackwell():
    """Var(v_i h_j) = Var(v_i s_j) + E[v_i s_j (1 - s_j)], exactly."""
    s = CONDITIONAL @ H
    p_v = JOINT.sum(axis=1)
    for i in range(4):
        for j in range(3):
            sampled = covariance_under_model(V[:, i, None] * H[None, :, j], V[:, i, None] * H[None, :, j])
            smooth = p_v @ (V[:, i] * s[:, j]) ** 2 - (p_v @ (V[:, i] * s[:, j])) ** 2
            rest = p_v @ (V[:, i] * s[:, j] * (1 - s[:, j]))
            assert sampled == pytest.approx(smooth + rest, abs=1e-12) and rest > 0


def test_section_6_mean_field_chains_are_biased():
    """Chains driven by probabilities all end at one point, whose moments are not the model's."""
    W, b, c = THETA
    v = V.copy()
    for _ in range(500):
        h = 1 / (1 + np.exp(-(v @ W + c)))
        v = 1 / (1 + np.exp(-(h @ W.T + b)))
    assert np.ptp(v, axis=0).max() < 1e-6  # every start, one end
    model = JOINT.sum(axis=1) @ V
    assert np.abs(v[0] - model).max() > 0.01
    chains = fr.Chains(RBM, 50_000, seed=1)
    chains.sweep(100)
    assert np.all(np.abs(chains.visible.mean(axis=0) - model) < 5 * 0.5 / np.sqrt(50_000))


def test_section_7_the_sign():
    """A small step along +gradient raises the mean log-likelihood by epsilon |gradient|^2; along -gradient it falls."""
    g = fr.gradient.Exact()(RBM, X)
    before, slope = Enumerated(RBM).log_likelihood(X), float((flat(g) ** 2).sum())
    for sign in (1, -1):
        moved = RBM.copy()
        moved.step(g, sign * 0.01)
        # to second order: half the curvature, at most a few units, times epsilon^2 |gradient|^2
        change = Enumerated(moved).log_likelihood(X) - before
        assert change == pytest.approx(sign * 0.01 * slope, rel=0.1)


@pytest.mark.slow
def test_section_7_moments_match_at_the_maximum():
    rbm = fr.RBM.from_data(X, n_hidden=3, seed=3, weight_scale=0.5)
    data = np.concatenate([X, all_states(4)])  # every state has some data, so that the maximum is at finite parameters
    for _ in range(20_000):
        rbm.step(fr.gradient.Exact()(rbm, data), 0.2)
    g = fr.gradient.Exact()(rbm, data)
    assert max(np.abs(g.weights).max(), np.abs(g.visible_bias).max(), np.abs(g.hidden_bias).max()) < 2e-3
    assert np.allclose(g.positive.visible, g.negative.visible, atol=2e-3)


@pytest.mark.slow
def test_section_7_a_falling_rate_converges():
    """Noisy gradients: with a rate that falls to 0 training ends nearer to the maximum than with a constant one."""
    data = fr.datasets.bars_and_stripes(2)
    ends = {}
    for name, rate in (("falling", fr.optim.Linear(0.5, 0.0)), ("constant", 0.5)):
        scores = []
        for seed in range(5):
            rbm = fr.RBM.from_data(data, n_hidden=6, seed=seed)
            pcd = fr.gradient.PCD(n_chains=16, n_sweeps=3, seed=seed)
            fr.fit(rbm, data, gradient=pcd, optimizer=fr.optim.SGD(rate), epochs=3000, batch_size=6, seed=seed)
            scores.append(Enumerated(rbm).log_likelihood(data))
        ends[name] = np.array(scores)
    assert ends["falling"].mean() > ends["constant"].mean()
    assert np.all(ends["falling"] < -np.log(6))  # the maximum is -log 6 = -1.7918


def test_section_7_a_unit_that_is_never_on_has_no_maximum():
    """The log-likelihood goes on rising with every step, and the unit's gradient never vanishes."""
    data = X.copy()
    data[:, 2] = 0
    rbm, before = RBM.copy(), -np.inf
    for _ in range(5):
        for _ in range(200):
            gradient = fr.gradient.Exact()(rbm, data)
            assert gradient.visible_bias[2] < 0
            rbm.step(gradient, 0.2)
        assert Enumerated(rbm).log_likelihood(data) > before
        before = Enumerated(rbm).log_likelihood(data)
    assert rbm.visible_bias[2] < RBM.visible_bias[2] - 1


def test_section_7_no_weights_and_equal_units_stay():
    means = X.mean(axis=0)
    flat_model = fr.RBM(np.zeros((4, 3)), np.log(means / (1 - means)), [0.3, -1.0, 0.0])
    assert np.abs(flat(fr.gradient.Exact()(flat_model, X))).max() < 1e-6
    trained = fr.RBM.from_data(X, 3, seed=0)
    for _ in range(2000):
        trained.step(fr.gradient.Exact()(trained, X), 0.2)
    better = Enumerated(trained).log_likelihood(X)
    assert better > Enumerated(flat_model).log_likelihood(X) + 0.1  # so that it was no maximum
    copies = fr.RBM(np.repeat(THETA[0][:, :1], 3, axis=1), THETA[1], np.full(3, 0.2))
    for _ in range(50):
        copies.step(fr.gradient.Exact()(copies, X), 0.2)
    assert np.ptp(copies.weights, axis=1).max() == 0 and np.ptp(copies.hidden_bias) == 0
    assert np.abs(copies.weights[:, 0] - THETA[0][:, 0]).max() > 0.1  # they did learn, but alike


def test_section_7_the_centered_step_climbs():
    """As a map of gradients, centering is a symmetric matrix without negative eigenvalues."""
    mu, lam = X.mean(axis=0), np.array([0.2, 0.5, 0.9])

    def centered(dW, db, dc):
        gW = dW - np.outer(mu, dc) - np.outer(db, lam)
        return np.concatenate([gW.reshape(-1), db - gW @ lam, dc - gW.T @ mu])

    units = np.eye(19)
    M = np.array([centered(u[:12].reshape(4, 3), u[12:16], u[16:]) for u in units]).T
    assert np.allclose(M, M.T) and np.linalg.eigvalsh(M).min() > 0
    plain = fr.gradient.Exact()(RBM, X)
    assert np.allclose(flat(plain.centered(mu, lam)), M @ flat(plain), atol=1e-6)


def transition(joint=JOINT):
    """The sweep's transition matrix between visible states, (16, 16)."""
    v_given_h = (joint / joint.sum(axis=0, keepdims=True)).T
    return (joint / joint.sum(axis=1, keepdims=True)) @ v_given_h


def test_section_8_bias_of_cd_falls_geometrically():
    T, p_v = transition(), JOINT.sum(axis=1)
    second = np.sort(np.abs(np.linalg.eigvals(T)))[-2]
    assert 0 < second < 1
    F = derivative(free_energies)

    def bias(k):
        return np.abs(F @ (DATA @ np.linalg.matrix_power(T, k) - p_v)).max()

    assert bias(1) > 0.01
    rates = [bias(k + 1) / bias(k) for k in range(6, 10)]
    assert np.allclose(rates, second, rtol=0.02)


def test_section_8_persistent_chains_forget_their_start():
    """With the model held still, PCD's negative phase from the worst start goes to the exact one."""
    n = 50_000
    pcd = fr.gradient.PCD(n_chains=n, n_sweeps=1)
    pcd.chains = fr.Chains(RBM, n, start=np.zeros((n, 4)))
    first = pcd(RBM, X)
    for _ in range(50):
        last = pcd(RBM, X)
    model, tolerance = -under_model(DE), 5 * 0.5 / np.sqrt(n)  # five standard errors of a mean of bits
    assert np.abs(_negative(first) - model).max() > 2 * tolerance
    assert np.abs(_negative(last) - model).max() < tolerance


def test_section_8_chains_lag_by_the_rate_times_the_mixing_time():
    """The distribution of chains that follow a moving model, by matrix products: q - p = -epsilon sum_k (u dp) T^k up
    to terms of order epsilon^2, so that halving epsilon halves what is left of the relative error."""
    u = np.random.default_rng(0).normal(size=19)

    def moved(t):
        parts = np.split(t * u, [12, 16])
        return distributions([p + m.reshape(p.shape) for p, m in zip(THETA, parts, strict=True)])[2]

    dp = (moved(1e-4) - moved(-1e-4)).sum(axis=1) / 2e-4
    T, p = transition(), JOINT.sum(axis=1)
    # sum_{k >= 1} dp T^k, with the eigenvalue 1 taken out, to which dp, which sums to 0, has no part
    wanted = -(dp @ T) @ np.linalg.inv(np.eye(16) - T + np.outer(np.ones(16), p))
    errors = []
    for epsilon in (2e-3, 1e-3, 5e-4):
        n = 400  # updates; many times the mixing time
        second = np.sort(np.abs(np.linalg.eigvals(T)))[-2]
        assert second**n < 1e-6
        q = moved(-n * epsilon).sum(axis=1)
        for t in range(n - 1, -1, -1):
            q = q @ transition(moved(-t * epsilon))
        errors.append(np.abs((q - p) / epsilon - wanted).max() / np.abs(wanted).max())
    assert errors[0] < 0.1 and errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]


def _negative(gradient):
    m = gradient.negative
    return np.concatenate([m.weights.reshape(-1), m.visible, m.hidden])


def test_every_section_names_its_tests():
    text = (Path(__file__).parent.parent / "docs" / "theory.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) == 8
    for number, section in enumerate(sections, 1):
        named = re.findall(r"`(test_section_\d+_\w+)`", section)
        assert named and all(name in globals() and name.startswith(f"test_section_{number}_") for name in named), (
            section
        )


def test_code_in_theory_runs(capsys):
    text = (Path(__file__).parent.parent / "docs" / "theory.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block, "theory.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2
