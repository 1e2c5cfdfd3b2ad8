"""Likelihoods against enumeration: exact, AIS both ways, Bennett's ratio, scores."""

import math
import warnings

import numpy as np
import pytest
from helpers import Enumerated, all_states, logsumexp, random_rbm, state_numbers

import fastrbm as fr
from fastrbm import reference
from fastrbm.likelihood.bidirectional import acceptance_ratio

likelihood = fr.likelihood


def thirty_models():
    """Models of varied size and weight scale that can be enumerated."""
    for k in range(30):
        rng = np.random.default_rng([30, k])
        n_visible, n_hidden = rng.integers(2, 14), rng.integers(2, 11)
        yield random_rbm(n_visible, n_hidden, scale=rng.uniform(0.1, 1.2), seed=100 + k)


MODELS = list(thirty_models())


def brute_log_z(rbm):
    """From the definition, over the visible states, in float64."""
    v = all_states(rbm.n_visible).astype(float)
    W, b, c = (np.asarray(p, float) for p in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    return float(logsumexp(v @ b + np.logaddexp(0, v @ W + c).sum(axis=1)))


# ---------------------------------------------------------------- exact


@pytest.mark.parametrize("rbm", MODELS, ids=str)
def test_exact_to_1e_9(rbm):
    assert likelihood.exact(rbm).value == pytest.approx(brute_log_z(rbm), rel=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 2), (16, 20), (100, 15)], ids=str)
def test_exact_of_any_shape(shape):
    """From either side, over many blocks of states, and past the factors that multiply without a logarithm."""
    rbm = random_rbm(*shape, scale=0.3)
    small = rbm if shape[0] <= 16 else fr.RBM(rbm.weights.T, rbm.hidden_bias, rbm.visible_bias)
    result = likelihood.exact(rbm)
    assert result.value == pytest.approx(brute_log_z(small), rel=1e-12)
    assert result.lower == result.value == result.upper == float(result) and result.method == "exact"


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_exact_is_the_same_bits_on_any_threads(n_threads):
    rbm = random_rbm(40, 12)
    assert likelihood.exact(rbm, n_threads=n_threads).value == likelihood.exact(rbm, n_threads=1).value


def test_exact_extremes():
    for rbm in (fr.RBM(np.full((9, 9), 1e4)), fr.RBM(np.full((9, 9), -1e4)), fr.RBM(np.zeros((9, 9)), np.full(9, 1e5))):
        W, b = rbm.weights.astype(float), rbm.visible_bias.astype(float)
        v = all_states(9).astype(float)
        expected = logsumexp(v @ b + np.logaddexp(0, v @ W).sum(axis=1))
        assert likelihood.exact(rbm).value == pytest.approx(float(expected), rel=1e-12)


def test_exact_refuses():
    with pytest.raises(
        ValueError, match="at most 25 units in the smaller layer; this model has 30 visible and 26 hidden"
    ):
        likelihood.exact(random_rbm(30, 26))


# ---------------------------------------------------------------- AIS


@pytest.fixture(scope="module")
def annealed():
    """Forward and reverse runs on the thirty models, the reverse ones from exact samples."""
    runs = []
    for k, rbm in enumerate(MODELS):
        samples = Enumerated(rbm).sample_visible(200, seed=k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forward = likelihood.ais(rbm, n_chains=100, n_betas=300, seed=k, data=samples)
            reverse = likelihood.reverse_ais(rbm, samples[:100], n_chains=100, n_betas=300, seed=k, data=samples)
        runs.append((brute_log_z(rbm), forward, reverse))
    return runs


def test_ais_is_within_its_interval(annealed):
    """Three sigma, thirty models: 28 at least. (28 of 30 is what the interval promises with room for two misses.)"""
    assert sum(f.lower <= truth <= f.upper for truth, f, _ in annealed) >= 28
    assert sum(r.lower <= truth <= r.upper for truth, _, r in annealed) >= 28
    assert all(f.lower < f.value < f.upper and 1 <= f.ess <= 100 for _, f, _ in annealed)


def test_each_way_errs_on_its_own_side():
    """E[log Z_hat] is below log Z going up, above it coming down: 10,000 pairs of chains, five standard errors."""
    rbm, betas = random_rbm(8, 5, scale=1.0, seed=3), [0, 0.3, 0.6, 1]
    truth, samples = brute_log_z(rbm), Enumerated(rbm).sample_visible(20_000, seed=1)
    forward = likelihood.ais(rbm, 20_000, betas=betas, data=samples)
    reverse = likelihood.reverse_ais(rbm, samples, 20_000, betas=betas)
    for result, sign in ((forward, 1), (reverse, -1)):
        log_z0 = result.value - sign * _mean_log(sign * result.log_ratios)
        pairs = log_z0 + sign * (logsumexp(sign * result.log_ratios.reshape(-1, 2), axis=1) - math.log(2))
        assert sign * (truth - pairs.mean()) > 5 * pairs.std() / 100


def test_expectations_are_unbiased():
    """E[Z_hat] = Z and E[1 / Z_hat] = 1 / Z: means of 20,000 weights within five standard errors, on a rough
    schedule."""
    rbm = random_rbm(8, 5, scale=1.0, seed=3)
    n, betas = 20_000, [0, 0.3, 0.6, 1]
    truth = brute_log_z(rbm)
    samples = Enumerated(rbm).sample_visible(n, seed=1)
    forward = likelihood.ais(rbm, n, betas=betas, data=samples)
    reverse = likelihood.reverse_ais(rbm, samples, n, betas=betas)
    for result, sign in ((forward, 1), (reverse, -1)):
        weights = np.exp(
            sign * (result.log_ratios + (result.value - truth) - _mean_log(sign * result.log_ratios) * sign)
        )
        assert abs(weights.mean() - 1) < 5 * weights.std() / math.sqrt(n)


def _mean_log(x):
    return float(logsumexp(x)) - math.log(len(x))


def test_broken_annealing_is_noticed():
    """Weights taken after the move, a peer's fault, put the mean weight over five standard errors off; ours is not."""
    rbm, n = random_rbm(8, 5, scale=1.0, seed=3), 20_000
    truth = brute_log_z(rbm)
    bias = rbm.visible_bias
    rng = np.random.default_rng(0)
    v = (rng.random((n, 8)) < 1 / (1 + np.exp(-bias))).astype(float)
    betas = np.array([0, 0.3, 0.6, 1.0])
    W, c = rbm.weights.astype(float), rbm.hidden_bias.astype(float)

    def log_p(v, beta):
        return v @ bias + np.logaddexp(0, beta * (v @ W + c)).sum(axis=1)

    before, after = np.zeros(n), np.zeros(n)
    for low, high in zip(betas[:-1], betas[1:], strict=True):
        before += log_p(v, high) - log_p(v, low)
        h = rng.random((n, 5)) < 1 / (1 + np.exp(-high * (v @ W + c)))
        v = (rng.random((n, 8)) < 1 / (1 + np.exp(-(bias + high * (h @ W.T))))).astype(float)
        after += log_p(v, high) - log_p(v, low)
    log_z0 = 5 * math.log(2) + np.logaddexp(0, bias.astype(float)).sum()
    ours = likelihood.ais(rbm, n, base_bias=bias, betas=betas).log_ratios
    for weights, right in ((before, True), (after, False), (ours, True)):
        ratio = np.exp(weights + log_z0 - truth)
        assert bool(abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(n)) is right


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_ais_is_the_same_bits_on_any_threads_and_cuts(n_threads, monkeypatch):
    from fastrbm._core import workload

    rbm = random_rbm(70, 66, scale=0.2)
    one = likelihood.bidirectional(rbm, n_chains=33, n_betas=40, n_threads=1)
    monkeypatch.setattr(workload, "A_CALL", 7 * workload.annealing(70, 66).of(33))  # calls of seven steps
    many = likelihood.bidirectional(rbm, n_chains=33, n_betas=40, n_threads=n_threads)
    assert np.array_equal(one.forward.log_ratios, many.forward.log_ratios)
    assert np.array_equal(one.reverse.log_ratios, many.reverse.log_ratios)
    assert (one.value, one.lower, one.upper) == (many.value, many.lower, many.upper)


def test_schedules():
    betas = likelihood.standard_betas()
    assert len(betas) == 14_501 and betas[0] == 0 and betas[-1] == 1 and np.all(np.diff(betas) > 0)
    assert betas[500] == 0.5 and betas[4500] == np.float32(0.9)
    assert likelihood.standard_betas(1).tolist() == [0, 1]
    rbm = random_rbm(5, 4)
    same = [likelihood.ais(rbm, n_betas=50, betas=b).log_ratios for b in (None, likelihood.standard_betas(50))]
    assert np.array_equal(*same)


def test_base_rates():
    """The estimate is right whatever the base-rate model; data give its means."""
    rbm, X = random_rbm(8, 6, seed=2), all_states(8)[::3]
    truth = brute_log_z(rbm)
    for options in ({"data": X}, {"base_bias": np.full(8, -1.0)}, {"data": X * 0.5}, {}):
        assert abs(likelihood.ais(rbm, 200, 500, **options).value - truth) < 0.2
    # with r = b and no weights every chain's weight is exactly Z / Z_0
    free = fr.RBM(np.zeros((8, 6)), rbm.visible_bias, rbm.hidden_bias)
    result = likelihood.ais(free, 20, 50, base_bias=rbm.visible_bias)
    assert result.value == pytest.approx(brute_log_z(free), rel=1e-12) and result.ess == pytest.approx(20)
    assert result.upper - result.lower < 1e-6


def test_a_small_effective_sample_size_warns():
    rbm = random_rbm(60, 40, scale=1.5)
    with pytest.warns(UserWarning, match=r"AIS: the effective sample size is .* of 50 chains.*use more betas"):
        result = likelihood.ais(rbm, 50, 3, base_bias=np.zeros(60))
    assert result.ess < 5 and result.upper == math.inf
    assert result.value - result.lower == pytest.approx(-math.log(0.00135), abs=1e-2)  # Markov, at three sigma


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda r: likelihood.ais(r, 0), "n_chains must be at least 1"),
        (lambda r: likelihood.ais(r, n_betas=0), "n_betas must be at least 1"),
        (lambda r: likelihood.ais(r, betas=[0.1, 1]), "betas must go from 0 up to 1"),
        (lambda r: likelihood.ais(r, betas=[0, 0.6, 0.5, 1]), "none below the one before"),
        (lambda r: likelihood.ais(r, betas=np.array([0, 1, 0, 1], np.uint8)), "none below the one before"),
        (lambda r: likelihood.ais(r, betas=[1]), "at least two numbers"),
        (lambda r: likelihood.ais(r, betas=[0, np.nan, 1]), "betas must go"),
        (lambda r: likelihood.ais(r, base_bias=np.zeros(3)), r"base_bias must have shape \(5,\)"),
        (lambda r: likelihood.ais(r, data=np.zeros((2, 3))), "data has 3 units per example"),
        (lambda r: likelihood.reverse_ais(r, np.zeros((0, 5))), "start must have at least one example"),
        (
            lambda r: likelihood.score(r, np.zeros((1, 5)), method="guess"),
            "method must be one of auto, exact, bidirectional, ais",
        ),
        (lambda r: likelihood.score(r, np.zeros((0, 5))), "X must have at least one example"),
        (lambda r: likelihood.score(r, np.full((1, 5), 0.5)), "X must hold 0 or 1"),
        (lambda r: likelihood.conditional(r, np.zeros((1, 5)), [5]), "units must be 1 to 16 different numbers below 5"),
        (lambda r: likelihood.conditional(r, np.zeros((1, 5)), [1, 1]), "different numbers"),
        (lambda r: likelihood.conditional(r, np.zeros((1, 5)), []), "units must be 1 to 16"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_rbm(5, 3))


def test_one_chain():
    result = likelihood.ais(random_rbm(5, 3), n_chains=1, n_betas=10)
    assert math.isfinite(result.value) and math.isfinite(result.lower) and result.upper == math.inf


# ---------------------------------------------------------------- both sides


def test_acceptance_ratio_of_distributions_that_are_far_apart():
    """By symmetry it is the middle, where each side's probabilities are e^-100."""
    forward, reverse = np.full(7, -100.0), np.full(7, 100.0)
    assert abs(acceptance_ratio(forward, reverse)[0]) < 1e-9
    assert abs(acceptance_ratio(forward + 30.0, reverse + 30.0)[0] - 30.0) < 1e-9


def test_acceptance_ratio_on_known_distributions():
    """Work that is normal both ways, N(L -+ s^2/2, s^2), obeys Crooks' relation: the ratio is L, to its stated
    error."""
    rng = np.random.default_rng(1)
    misses, errors = [], []
    for _ in range(200):
        forward, reverse = rng.normal(7 - 0.5, 1, 80), rng.normal(7 + 0.5, 1, 120)
        value, error = acceptance_ratio(forward, reverse)
        misses.append(value - 7)
        errors.append(error)
    # the mean of 200, and their spread against the stated errors: relative error of a standard deviation 1 / sqrt(400)
    assert abs(np.mean(misses)) < 5 * np.std(misses) / math.sqrt(200)
    assert np.std(misses) / np.mean(errors) == pytest.approx(1, abs=5 / math.sqrt(400))


def test_bidirectional_and_its_agreement():
    hits = 0
    for k, rbm in enumerate(MODELS[:10]):
        both = likelihood.bidirectional(rbm, Enumerated(rbm).sample_visible(200, k), n_betas=300, seed=k)
        hits += both.lower <= brute_log_z(rbm) <= both.upper
        assert both.agree and both.warning == "" and "AIS" in str(both)
    assert hits >= 9


@pytest.mark.parametrize("n_chains", [1, 2, 5])
def test_few_chains_give_a_wide_interval(n_chains):
    """With fewer than 10 chains the large-sample error of the combination is not used: 40 models, all covered."""
    for k in range(40):
        rbm = random_rbm(8, 6, seed=200 + k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both = likelihood.bidirectional(rbm, Enumerated(rbm).sample_visible(50, k), n_chains, 50, seed=k)
        assert both.lower <= brute_log_z(rbm) <= both.upper
        assert both.upper - both.lower > 1 if n_chains == 1 else both.upper > both.lower


def test_scores_compare():
    rbm, X = random_rbm(5, 3), all_states(5)
    assert likelihood.score(rbm, X) == likelihood.score(rbm, X)


def test_a_disagreement_is_reported_in_words():
    """A rugged model, too few betas: the two estimates part by many nats, the truth lies between, and score says so."""
    W = np.random.default_rng(1).normal(0, 1, (60, 18))
    rbm = fr.RBM(W, -W.sum(axis=1) / 2, -W.sum(axis=0) / 2)  # fields around zero: many modes
    truth = likelihood.exact(rbm).value
    X = rbm.sample(200, 2000, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = likelihood.bidirectional(rbm, X, n_betas=3)
        result = likelihood.score(rbm, X, method="bidirectional", n_betas=3)
    assert not both.agree and both.forward.value < truth - 1 and both.reverse.value > truth
    assert both.lower <= truth <= both.upper and math.isfinite(both.lower) and math.isfinite(both.upper)
    assert "DISAGREE by" in str(both) and "DISAGREE by" in str(result)
    assert result.lower <= -rbm.free_energy(X).mean() - truth <= result.upper
    better = likelihood.bidirectional(rbm, X, n_betas=2000)
    assert better.agree and better.warning == "" and abs(better.value - truth) < 0.5


# ---------------------------------------------------------------- score


def test_score_exact():
    rbm = random_rbm(9, 6, seed=5)
    X = all_states(9)[::7]
    exact = Enumerated(rbm)
    result = likelihood.score(rbm, X)
    expected = np.log(exact.p_v[state_numbers(X)])
    assert np.abs(result.per_example - expected).max() < 1e-5  # the kernels' grid
    assert result.mean == pytest.approx(expected.mean(), abs=1e-5) and result.method == "exact"
    assert result.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(len(X)), rel=1e-4)
    assert result.lower == pytest.approx(result.mean, abs=1e-12) and float(result) == result.mean
    assert str(result).startswith("mean log-likelihood -") and "log Z exact" in str(result) and "\n" not in str(result)


def test_score_by_sampling():
    rbm = random_rbm(30, 21, scale=0.3, seed=6)
    X = rbm.sample(300, 500, seed=1)
    exact = likelihood.score(rbm, X, method="exact")
    both = likelihood.score(rbm, X, n_betas=500)
    assert both.method == "AIS and reverse AIS" and both.lower <= exact.mean <= both.upper
    assert both.lower < both.mean < both.upper and "by the uncertainty of log Z" in str(both)
    alone = likelihood.score(rbm, X, method="ais", n_betas=500)
    assert alone.method == "AIS" and alone.lower <= exact.mean <= alone.upper
    assert math.isnan(likelihood.score(rbm, X[:1], method="exact").standard_error)


def test_weights_of_a_score_count_examples():
    rbm = random_rbm(9, 6, scale=0.3, seed=5)
    X, weight = all_states(9)[::7], np.random.default_rng(0).integers(0, 4, 74)
    weighted = likelihood.score(rbm, X, sample_weight=weight)
    repeated = likelihood.score(rbm, np.repeat(X, weight, axis=0))
    # sums of at most 222 terms of one sign, in another order: 222 roundings each, and a few more
    for name in ("mean", "standard_error", "lower", "upper"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=500 * 2.0**-53)
    assert weighted.total_weight == weight.sum() and repeated.total_weight is None
    plain = likelihood.score(rbm, X)
    assert np.array_equal(weighted.per_example, plain.per_example)
    assert abs(weighted.mean - plain.mean) > 0.001
    assert f"74 examples of total weight {weight.sum():,}.0" in str(weighted)
    halves = likelihood.score(rbm, X, sample_weight=weight / 2)  # half as many examples
    assert halves.mean == pytest.approx(weighted.mean, rel=1e-14)
    n = weight.sum()
    assert halves.standard_error == pytest.approx(weighted.standard_error * math.sqrt((n - 1) / (n / 2 - 1)), rel=1e-12)
    # where log Z is an estimate, its interval is as wide as without weights
    one, two = (likelihood.score(rbm, X, "ais", n_betas=50, sample_weight=w) for w in (None, weight))
    assert two.upper - two.lower == pytest.approx(one.upper - one.lower, rel=1e-9) and one.upper > one.lower
    assert two.mean == pytest.approx(weighted.mean + one.mean - plain.mean, rel=1e-12)


def test_weights_that_a_score_refuses():
    rbm = random_rbm(4, 3)
    X = all_states(4)
    assert math.isnan(likelihood.score(rbm, X, sample_weight=np.full(16, 1 / 16)).standard_error)
    for weight, message in ((np.ones(15), "shape"), (-np.ones(16), "not negative"), (np.zeros(16), "above 0")):
        with pytest.raises(ValueError, match=message):
            likelihood.score(rbm, X, sample_weight=weight)


# ---------------------------------------------------------------- all of them


def test_countdown(capsys):
    likelihood.exact(random_rbm(10, 12), progress=True)
    assert "enumeration  100%  0:00 left" in capsys.readouterr().err
    likelihood.bidirectional(random_rbm(5, 4), n_betas=20, progress=True)
    err = capsys.readouterr().err
    assert "\nreverse AIS  100%" in err and err.startswith("AIS  100%")


def test_log_of_the_reference_is_used():
    """The mean weight is computed with the package's own exp and log: bits do not depend on a library's."""
    x = np.array([0.5, 1.0, -3.0])
    from fastrbm.likelihood.weights import mean_weight

    mean, error, ess = mean_weight(x)
    w = reference.exp_negative_d(x - 1.0)
    assert mean == 1.0 + float(reference.log(w.sum() / 3))
    assert ess == pytest.approx(np.exp(x).sum() ** 2 / (np.exp(x) ** 2).sum())
    assert error == pytest.approx(np.exp(x).std(ddof=1) / math.sqrt(3) / np.exp(x).mean())


def test_warnings_point_at_the_line_that_called(tmp_path):
    rbm = random_rbm(60, 60, scale=6.0, seed=1)
    data = rbm.sample(20, 1, method="gibbs")
    for call in (
        lambda: fr.likelihood.ais(rbm, n_betas=2), lambda: fr.likelihood.reverse_ais(rbm, data, n_betas=2),
        lambda: fr.likelihood.bidirectional(rbm, data, n_betas=2), lambda: fr.likelihood.score(rbm, data, n_betas=2),
    ):  # fmt: skip
        with pytest.warns(UserWarning, match=r"effective sample size .* use more betas \(n_betas, --betas\)") as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}
