"""Diagnostics of chains: numbers as ArviZ has them, traces that tell modes apart, chains from data and from the biases
that meet or do not."""

import math
import sys
from fractions import Fraction
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from helpers import random_rbm
from test_annealing import two_modes
from test_metrics import ar1

import fastrbm as fr
from fastrbm import diagnostics
from fastrbm.diagnostics import axes as _axes
from fastrbm.diagnostics import convergence, meeting

DIGITS = fr.datasets.load_digits()

# ---------------------------------------------------------------- R-hat, ESS, MCSE


def numbers(n, chains, phi):
    """AR(1) of uniform noise from a generator of 31 bits that is written down here: the same on any machine."""
    word, x = 1, np.zeros((n, chains))
    for t in range(n):
        for k in range(chains):
            word = (1103515245 * word + 12345) % (1 << 31)
            x[t, k] = phi * x[t - 1, k] * (t > 0) + word / (1 << 31) - 0.5
    return x


SERIES = {
    "AR(1), 0.9": numbers(100, 4, 0.9),
    "AR(1), -0.9": numbers(100, 4, -0.9),
    "odd length": numbers(37, 3, 0.5),
    "two chains of 4": numbers(4, 2, 0.0),
    "ties": np.round(2 * numbers(60, 4, 0.5)) / 2,
    "two stuck groups": numbers(50, 4, 0.0) + np.array([0.0, 0.0, 3.0, 3.0]),
    "another spread": numbers(50, 4, 0.0) * np.array([1.0, 1.0, 1.0, 9.0]),
}

# R-hat, ESS of bulk, tail and mean, MCSE, by ArviZ 0.23.4. With x = SERIES[name].T.copy(): az.rhat(x), az.ess(x),
# az.ess(x, method="tail"), az.ess(x, method="mean"), az.mcse(x)
ARVIZ = {
    "AR(1), 0.9": (1.1524957949225514, 25.59790133128783, 72.29292673830962, 25.02110251643173, 0.11744523153283266),
    "AR(1), -0.9": (1.1158672997656156, 1040.823996531185, 113.94948578598863, 1040.823996531185, 0.01928381424554154),
    "odd length": (1.04790726326552, 36.06576986299948, 42.04335159072369, 38.26955948049646, 0.053477526258591694),
    "two chains of 4": (2.568178856151229, 7.224719895935548, 7.224719895935548, 7.224719895935548, 0.1038141418416998),
    "ties": (1.012877289415774, 108.00017673618711, 115.7986235896078, 108.11677893313438, 0.034073373011375474),
    "two stuck groups": (1.756901697508606, 6.844212163183697, 96.0170697012804, 4.682401188400596, 0.7037875633315848),
    "another spread": (1.434645599922724, 209.1253703322864, 42.05111607170432, 203.0057729633234, 0.0908088441423601),
}  # fmt: skip


def of(x):
    return [
        diagnostics.rhat(x), diagnostics.ess(x), diagnostics.ess(x, "tail"), diagnostics.ess(x, kind="mean"),
        diagnostics.mcse(x),
    ]  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_figures_of_arviz(name):
    assert of(SERIES[name]) == pytest.approx(ARVIZ[name], rel=1e-10)
    assert [*convergence.all_of(SERIES[name])] == [of(SERIES[name])[k] for k in (0, 1, 2, 4)]


@pytest.mark.parametrize("phi", [-0.99, -0.9, -0.3, 0.0, 0.5, 0.9, 0.99])
def test_numbers_are_those_of_arviz(phi):
    arviz = pytest.importorskip("arviz")
    for n in (4, 5, 6, 7, 9, 50, 101, 743):
        for chains in (2, 3, 7, 64):
            x = ar1(n, chains, phi, seed=100 * n + chains)
            for y in (x, np.round(x), x + 8 * (np.arange(chains) % 2), np.exp(3 * x)):
                if y.min() == y.max():
                    continue
                z = np.ascontiguousarray(y.T)
                sizes = [arviz.ess(z, method=kind) for kind in convergence.KINDS]
                theirs = [arviz.rhat(z), *sizes, arviz.mcse(z)]
                ours = of(y)
                if theirs[0] > 1e6:  # rounding in place of 0 within chains
                    assert ours.pop(0) == math.inf and theirs.pop(0)
                assert ours == pytest.approx([float(t) for t in theirs], rel=1e-10)


def test_scores_of_ranks():
    """Of values in order 1, 2, 3 and 4 = 5 of 5: quantiles (r - 3/8) / (5 + 1/4); odd about the median."""
    z = NormalDist().inv_cdf
    scores = convergence.normal_scores(np.array([[0.1], [7.0], [-3.0], [2.0], [7.0]]))
    assert scores[:, 0].tolist() == [z(rank / 5.25) for rank in (1.625, 4.125, 0.625, 2.625, 4.125)]
    x = np.random.default_rng(0).normal(size=(999, 3))
    assert np.allclose(convergence.normal_scores(-x), -convergence.normal_scores(x), rtol=0, atol=1e-12)
    assert (convergence.normal_scores(np.exp(x)) == convergence.normal_scores(x)).all()


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.8])
def test_effective_sizes_of_a_known_process(phi):
    """S (1 - phi) / (1 + phi) draws; tau within four standard errors (Sokal's, as in test_metrics), and its bias."""
    x, truth = ar1(20_000, 4, phi), (1 + phi) / (1 - phi)
    window = 2 * math.ceil(math.log(20_000) / max(-math.log(abs(phi)) if phi else 20.0, 0.05)) + 5
    error = 4 * math.sqrt(2 * (2 * window + 1) / 80_000) + (2 * window + 1) / 20_000
    for kind in ("bulk", "mean"):
        assert 80_000 / diagnostics.ess(x, kind) == pytest.approx(truth, rel=error)
    assert diagnostics.mcse(x) == pytest.approx(math.sqrt(truth / (1 - phi**2) / 80_000), rel=error)
    assert diagnostics.rhat(x) < 1.01


def test_what_rhat_sees_that_split_rhat_does_not():
    x = ar1(1000, 4, 0.0)
    spread = x * [1, 1, 1, 3]
    assert diagnostics.split_rhat(spread) < 1.01 < 1.05 < diagnostics.rhat(spread)
    heavy = x.copy()
    heavy[::100] = 1e6 * np.random.default_rng(1).normal(size=heavy[::100].shape)  # noise that hides a chain apart
    assert diagnostics.split_rhat(heavy + [0, 0, 0, 3]) < 1.01 < 1.2 < diagnostics.rhat(heavy + [0, 0, 0, 3])


def test_numbers_that_are_alike_and_chains_that_stand_still():
    for value in (0.0, 0.1, -37.3, 123.456):
        alike = np.full((50, 4), value)
        assert np.isnan(of(alike)).all() and np.isnan(convergence.all_of(alike)).all()
        still = np.repeat([[value, value + 1, value + 2, value + 3]], 50, axis=0)
        assert diagnostics.rhat(still) == math.inf
        # rho = 1 at all lags of half chains of 25, the last one once: tau = 47 - 3 of the 8 x 25 numbers
        assert of(still)[1:4] == pytest.approx([200 / 44] * 3, rel=1e-9)
        assert diagnostics.mcse(still) == pytest.approx(still.std(ddof=1) / math.sqrt(200 / 44), rel=1e-9)


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_one_chain_and_short_ones(n):
    x = np.random.default_rng(n).normal(size=n)
    assert of(x) == of(x[:, None]) and np.isfinite(of(x)).all()
    for function in (diagnostics.rhat, diagnostics.ess, diagnostics.mcse):
        with pytest.raises(ValueError, match="series must have at least 4 numbers a chain, got 3"):
            function(x[:3])
        with pytest.raises(ValueError, match="series must be"):
            function([[1.0, math.nan]] * 4)
    with pytest.raises(ValueError, match="kind must be one of bulk, tail, mean, got 'Bulk'"):
        diagnostics.ess(x, "Bulk")


# ---------------------------------------------------------------- axes


def test_principal_axes_are_those_of_a_singular_value_decomposition():
    """The space of the search has all dimensions here: what is left is rounding."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(300, 12)) * np.array([5.0, 3.0, 1.5] + [0.3] * 9)
    spread -= spread.mean(axis=0)
    axes = _axes.principal_axes(spread, 3)
    exact = np.linalg.svd(spread, full_matrices=False)[2][:3]
    assert np.abs((axes * exact).sum(axis=1)) == pytest.approx(1.0, abs=1e-12)
    assert np.abs(axes @ axes.T - np.eye(3)).max() < 1e-12 and (axes.max(axis=1) == np.abs(axes).max(axis=1)).all()


def test_variances_along_axes_of_many_dimensions():
    """Of digits, whose first variances are within 5 % of each other; and of all pictures of bars, where several are
    equal, so that a search from one start finds one axis of each."""
    digits, bars = fr.datasets.load_digits(), fr.datasets.bars_and_stripes(4)
    for data, n in (digits, 8), (bars, 6), (np.eye(50), 8):
        spread = data - data.mean(axis=0, dtype=np.float64)
        axes = _axes.principal_axes(spread, n)
        variances = np.linalg.svd(spread, compute_uv=False)[:n] ** 2
        assert np.square(spread @ axes.T).sum(axis=0) == pytest.approx(variances, rel=1e-6)
        assert np.abs(axes @ axes.T - np.eye(n)).max() < 1e-12


def test_no_more_axes_than_states_vary_along():
    line = np.outer(np.arange(5.0) - 2.0, [1.0, 2.0, 2.0])
    assert np.abs(_axes.principal_axes(line, 3)) == pytest.approx(np.array([[1, 2, 2]]) / 3, abs=1e-12)
    assert _axes.principal_axes(np.zeros((4, 3)), 2).shape == (0, 3)
    assert _axes.principal_axes(np.random.default_rng(0).normal(size=(9, 1)), 2).shape == (1, 1)


def test_places_along_axes_are_exact():
    """So equal states have equal places, wherever they are in memory: as the sum of integers has it."""
    rbm = fr.RBM(np.zeros((70, 1)))
    data = np.random.default_rng(0).integers(0, 2, (50, 70))
    axes = _axes.axes_of(rbm, rbm._states(data, "X"), 2)
    whole = (axes.directions * 2.0**30).astype(np.int64)
    assert np.array_equal(whole / 2.0**30, axes.directions)
    places = _axes.projections(rbm, rbm._states(data, "X"), axes)
    assert np.array_equal(places, (whole @ data.T) / 2.0**30 - axes.centers[:, None])


# ---------------------------------------------------------------- traces


def layered(*segments, hidden=5):
    visible = fr.units.layer(list(segments), sum(s.n for s in segments), "visible")
    weights = np.random.default_rng(0).normal(0, 0.5, (visible.n, hidden))
    return fr.RBM(weights, visible=visible)


MODELS = {
    "bits": random_rbm(9, 5), "one unit": random_rbm(1, 1), "spins": layered(fr.units.Spin(7)),
    "categories": layered(fr.units.Categorical(4, 3)), "binary sites": layered(fr.units.Categorical(3, 2)),
    "segments": layered(fr.units.Bernoulli(3), fr.units.Spin(2), fr.units.Categorical(2, (2, 4))),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_chains", [1, 6])
def test_traces_are_what_they_are_called(name, n_chains):
    """Against chains that are looked at from outside, along the axes of data and of all states."""
    rbm = MODELS[name]
    data = rbm.sample(40, 5, seed=3)
    chains = fr.Chains(rbm, n_chains, seed=1)
    states = []
    for _ in range(8):
        chains.sweep()
        states.append(chains.visible)
    values = np.array([rbm.visible.unit_values(rbm._states(v, "v").to_states()) for v in states])
    for given, pool in ((data, rbm.visible.unit_values(rbm._states(data, "v").to_states())), (None, None)):
        chains = fr.Chains(rbm, n_chains, seed=1)
        found = diagnostics.traces(chains, 8, given, n_threads=2)
        assert chains.n_sweeps_done == 8
        assert np.array_equal(found["free_energy"], [rbm.free_energy(v) for v in states])
        assert found["mean_activity"] == pytest.approx(values.mean(axis=2), abs=1e-12)
        pool = values.reshape(-1, rbm.n_visible) if pool is None else pool
        axes = _axes.principal_axes(pool - pool.mean(axis=0), 2)
        assert list(found) == ["free_energy", "mean_activity", *(f"axis_{k + 1}" for k in range(len(axes)))]
        for k, axis in enumerate(axes):  # rounded to multiples of 2^-30
            error = rbm.n_visible * 2.0**-30
            assert found[f"axis_{k + 1}"] == pytest.approx((values - pool.mean(axis=0)) @ axis, abs=error)
        again = diagnostics.traces(fr.Chains(rbm, n_chains, seed=1), 8, given, n_threads=1)
        assert all(np.array_equal(found[trace], again[trace]) for trace in found)


def test_traces_of_tempered_chains_are_those_at_beta_1():
    rbm = random_rbm(9, 5)
    one, other = (fr.TemperedChains(rbm, 4, 3, seed=1) for _ in range(2))
    found = diagnostics.traces(one, 6, n_axes=0)
    other.sweep(6)
    assert list(found) == ["free_energy", "mean_activity"]
    assert np.array_equal(found["free_energy"][-1], rbm.free_energy(other.visible))


def test_bad_arguments_of_traces():
    chains = fr.Chains(random_rbm(4, 3), 2)
    for arguments, error, message in (
        ({"chains": 3}, TypeError, "chains must be Chains or TemperedChains, not int"),
        ({"n_sweeps": 0}, ValueError, "n_sweeps must be at least 1"),
        ({"n_axes": -1}, ValueError, "n_axes must be at least 0"),
        ({"data": np.zeros((3, 5))}, ValueError, "data has 5 units"),
        ({"data": np.zeros((0, 4))}, ValueError, "data must have at least one example"),
    ):
        with pytest.raises(error, match=message):
            diagnostics.traces(**({"chains": chains, "n_sweeps": 2} | arguments))
    assert chains.n_sweeps_done == 0


# ---------------------------------------------------------------- summary


def stuck(n_chains=64, n_sweeps=1000):
    """Chains half in one mode and half in the other, of like weight and energy, that do not cross."""
    start = np.repeat([[0], [1]], n_chains // 2, axis=0) * np.ones((1, 20))
    return diagnostics.traces(fr.Chains(two_modes(1.0), n_chains, start=start), n_sweeps)


def test_modes_of_like_energy_are_seen():
    """The free energy alone is blind to them, whatever is made of it: R-hat about 1, no memory."""
    found = stuck()
    assert diagnostics.split_rhat(found["free_energy"]) < 1.01
    assert diagnostics.autocorrelation_time(found["free_energy"]).value < 1.5
    summary = diagnostics.summary(found)
    for name in ("mean_activity", "axis_1"):
        assert summary.traces[name].rhat > 1.5 and summary.traces[name].bulk_ess < 128  # two for each chain, at most
    assert summary.rhat > 1.5 and summary.worst in ("mean_activity", "axis_1") and summary.ess < 128


def test_a_summary_has_the_numbers_of_each_trace():
    found = {name: SERIES[name][:50] for name in ("AR(1), 0.9", "two stuck groups")} | {"constant": np.ones((50, 4))}
    summary = diagnostics.summary(found)
    for name in ("AR(1), 0.9", "two stuck groups"):
        x, t = found[name], summary.traces[name]
        assert [t.rhat, t.bulk_ess, t.tail_ess, t.mcse] == [of(x)[k] for k in (0, 1, 2, 4)]
        assert t.mean == x.mean() and t.tau == diagnostics.autocorrelation_time(x)
    sizes = [size for t in summary.traces.values() for size in t[3:5]]
    assert summary.rhat == summary.traces["two stuck groups"].rhat and summary.worst == "two stuck groups"
    assert summary.ess == np.nanmin(sizes) and summary.n_draws == 200
    assert math.isnan(summary.traces["constant"].rhat) and summary.traces["constant"].mean == 1.0


def test_a_summary_prints_as_a_table():
    found = {"free_energy": SERIES["two stuck groups"], "constant": np.ones((50, 4))}
    lines = str(diagnostics.summary(found)).splitlines()
    assert lines[0].split("  ")[0] == "trace" and len({len(line) for line in lines[:3]}) == 1
    assert lines[1].split() == ["free_energy", "1.506", "0.7", "1.757", "7", "96", ">", "48.4"]
    assert lines[2].split() == ["constant", "1", "-", "-", "-", "-", "-"]
    assert lines[3] == "worst R-hat 1.757 (free_energy), smallest ESS 7 of 200 draws"
    nothing = diagnostics.summary({"constant": np.ones(9)})
    assert str(nothing).endswith("no trace varies") and nothing.worst == "constant" and math.isnan(nothing.ess)


@pytest.mark.parametrize(
    "traces, error, message",
    [
        (np.ones((9, 2)), TypeError, "traces must be a mapping of names to arrays, not ndarray"),
        ({}, ValueError, "traces must have at least one, all of one shape"),
        ({"a": np.ones((9, 2)), "b": np.ones((9, 3))}, ValueError, r"one shape, got \[\(9, 2\), \(9, 3\)\]"),
        ({"a": np.ones((3, 2))}, ValueError, "traces must have at least 4 sweeps, got 3"),
        ({"a": [1.0, math.inf, 2.0, 3.0]}, ValueError, r"traces\['a'\] must be finite"),
    ],
)
def test_bad_traces(traces, error, message):
    for function in (diagnostics.summary, diagnostics.to_inference_data):
        with pytest.raises(error, match=message):
            function(traces)


def test_inference_data():
    arviz = pytest.importorskip("arviz")
    found = diagnostics.traces(fr.Chains(random_rbm(9, 5), 3), 20)
    data = diagnostics.to_inference_data(found)
    assert set(data.posterior.data_vars) == set(found)
    for name, trace in found.items():
        assert data.posterior[name].dims == ("chain", "draw") and np.array_equal(data.posterior[name].values, trace.T)
        assert float(arviz.rhat(data)[name]) == pytest.approx(diagnostics.rhat(trace), rel=1e-10)


def test_inference_data_without_arviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(ImportError, match="needs ArviZ, below 1.0: pip install 'arviz<1'"):
        diagnostics.to_inference_data({"a": np.ones(9)})


# ---------------------------------------------------------------- meet


def tail(level, comparisons):
    """What the largest of so many differences exceeds with this probability at most."""
    return NormalDist().inv_cdf(1 - level / (2 * comparisons))


MIXING = "digits", "rare units", "random", "segments", "one unit"


@cache
def mixing(name):
    """Meetings of 20 seeds of a model whose chains mix."""
    if name == "digits":
        rbm = fr.RBM.from_data(DIGITS, 32, seed=0)
        fr.fit(rbm, DIGITS, epochs=100)
    elif name == "rare units":  # most of them are on in a few chains
        rng = np.random.default_rng(1)
        rbm = fr.RBM(rng.normal(0, 0.3, (200, 10)), rng.uniform(-7, -2, 200))
    else:
        rbm = {"random": random_rbm(20, 12), "segments": MODELS["segments"], "one unit": random_rbm(1, 1)}[name]
    data, n_sweeps = (DIGITS, 300) if name == "digits" else (rbm.sample(200, 50, seed=1000), 30)
    return [diagnostics.meet(rbm, data, 256, n_sweeps, seed=seed) for seed in range(20)]


def comparisons(met):
    """Two with every unit, and two of location and of spread with every axis and the free energy."""
    return 2 * (met.units.shape[1] + 2 * (met.axes.shape[1] + 1))


@pytest.mark.slow
def test_no_alarm_where_chains_mix():
    """At one in a thousand, two alarms in a hundred have a probability below 0.005. At one in ten, by the same numbers,
    there are ten alarms on average, and more than ten and four standard deviations of three nearly never."""
    met = [m for name in MIXING for m in mixing(name)]
    assert len(met) == 100 and sum(not m.agree for m in met) <= 1
    assert all(m.threshold == tail(0.001, comparisons(m)) for m in met)
    assert sum(m.worst > tail(0.1, comparisons(m)) for m in met) <= 10 + 4 * 3
    same = "Chains from the data, chains from the biases and annealed samples end in one distribution"
    assert all(m.words.startswith(same) == m.agree for m in met)


def test_differences_are_of_the_size_of_their_errors():
    """So that the test above does not pass because they are all too small. The mean of the absolute value of a normal
    number is 0.798, with a standard deviation of 0.6; that of the larger of two (location and spread) 1.128 at most.
    Units, on in a part p of 256 chains, are compared with both counts half a count nearer: 1 / sqrt(512 p (1 - p))
    standard errors less, at most. The 20 units of a chain are not independent: one draw a seed, at worst."""
    met = mixing("random")
    units, free_energy = np.mean([m.units[0] for m in met]), np.mean([m.free_energy[0] for m in met])
    p = np.mean(random_rbm(20, 12).sample(2000, 50, seed=5), axis=0)
    nearer = float(np.mean(1 / np.sqrt(512 * p * (1 - p))))
    assert nearer < 0.2
    assert 0.798 - nearer - 4 * 0.6 / math.sqrt(20) < units < 0.798 + 4 * 0.6 / math.sqrt(20)
    assert 0.798 - 4 * 0.6 / math.sqrt(20) < free_energy < 1.128 + 4 * 0.6 / math.sqrt(20)


@pytest.mark.parametrize("ratio", [1 / 9, 4.0])
def test_modes_that_chains_do_not_cross_between(ratio):
    """Whether the data have both modes with their weights, or one of them alone: an alarm with each seed."""
    rbm = two_modes(ratio)
    both = rbm.sample(500, 100, seed=77)
    one = both[both.mean(axis=1) > 0.5]
    for seed in range(20):
        met = diagnostics.meet(rbm, one if seed % 2 else both, 256, 200, seed=seed)
        assert not met.agree and met.words.startswith("Chains from the data and chains from the biases end apart")
        assert "RBM.sample (annealed)" in met.words and "gradient.Tempered" in met.words


def test_a_mode_that_only_annealing_finds():
    """Data and biases in the mode that has a fifth of the weight: all chains agree, and annealed samples do not."""
    rbm = two_modes(4.0)
    for seed in range(20):
        met = diagnostics.meet(rbm, np.zeros((1, 20)), 256, 200, seed=seed)
        assert not met.agree and max(met.units[0].max(), met.free_energy[0]) < met.threshold
        assert met.words.startswith("Chains from the data and annealed samples end apart after 200 sweeps")
        assert "The model has modes that these chains miss, or weigh wrongly" in met.words


def test_annealed_samples_of_few_families_raise_no_alarm():
    """Chains of both kinds half in either mode, and populations of five steps, which have their weights by chance, as
    their 18 families say: root mean squares of 20 differences are 1, or 1.28 where the larger of two counts, and four
    standard errors of that, 4 / sqrt(40), more at most. As 256 draws each, they would be 2.8 times as far apart."""
    rbm, apart = two_modes(1.0), []
    chains = fr.Chains(rbm, 256, start=np.repeat([[0], [1]], 128, axis=0) * np.ones((1, 20)))
    chains.sweep(20)
    states = chains.visible_bits
    for seed in range(20):
        population = fr.population_annealing(rbm, 256, 5, seed)
        met = meeting.compare(rbm, states, states, states, population, 20, None)
        assert population.families < 40 and met.axes[0].max() == 0.0
        apart.append(met.axes[1, 0])
    assert math.sqrt(np.mean(np.square(apart))) < 1.28 + 4 / math.sqrt(40) and max(apart) < met.threshold


def test_a_meeting_in_words_and_in_a_table():
    parts = {
        "units": np.array([[0.5, 6.25], [1.0, 0.0]]), "axes": np.array([[2.0], [9.0]]),
        "free_energy": np.array([1.0, 3.0]), "threshold": 4.0, "families": 100.0, "n_chains": 256, "n_sweeps": 1000,
    }  # fmt: skip
    met = diagnostics.Meeting(**parts)
    assert met.worst == 9.0 and not met.agree
    assert met.words == (
        "Chains from the data and chains from the biases end apart after 1,000 sweeps: by 6.2 standard errors "
        "(unit 1), and 4.0 are the limit. Chains hardly cross between modes: take more sweeps, or sample by RBM.sample "
        "(annealed) or TemperedChains, and train by gradient.Tempered."
    )
    assert str(met).split("\n")[:4] == [
        "largest difference (standard errors)  chains from the biases  annealed samples",
        "means of units (2)                    6.2 (unit 1)            1.0 (unit 0)",
        "principal axes of the data (1)        2.0 (axis 1)            9.0 (axis 1)",
        "free energy                           1.0                     3.0",
    ]
    few = diagnostics.Meeting(**(parts | {"units": np.zeros((2, 2)), "families": 3.0}))
    assert "Chains from the data and annealed samples end apart" in few.words and "miss, or weigh wrongly" in few.words
    assert "TemperedChains (annealed samples are of 3.0 families only, and say little)" in few.words
    calm = diagnostics.Meeting(**(parts | {"threshold": 9.5, "families": 3.0}))
    assert calm.agree and calm.words.endswith("But annealed samples are of 3.0 families only, and say little.")


def test_means_apart_have_normal_tails():
    """Given the number K of draws in which a unit is on, those in one part are hypergeometric. Their exact tails, of
    large and of small numbers, balanced and not, are at most 1.1 times those of a normal number, at 2 to 5 standard
    errors; without the half counts it would be ten times."""
    for m, n in ((1, 1), (8, 8), (256, 256), (256, 30), (10, 256)):
        for total in {*range(1, min(40, m + n)), (m + n) // 2}:
            k = np.arange(max(0, total - n), min(m, total) + 1)
            ways = [math.comb(m, j) * math.comb(n, total - j) for j in k.tolist()]
            p = np.array([float(Fraction(count, math.comb(m + n, total))) for count in ways])
            apart = meeting._means_apart(k / m, (total - k) / n, m, n)
            for errors in (2.0, 3.0, 4.0, 5.0):
                assert p[apart > errors].sum() <= 1.1 * 2 * NormalDist().cdf(-errors)
    p, q = np.array([0.0, 1.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5, 0.0])
    assert meeting._means_apart(p, q, 100.0, 30.5)[:3].tolist() == [0.0, 0.0, 0.0]
    # both ways the same; of large numbers what a normal approximation gives
    a, b = np.array([0.3]), np.array([0.31])
    assert meeting._means_apart(a, b, 1e5, 1e5) == pytest.approx(meeting._means_apart(b, a, 1e5, 1e5))
    assert meeting._means_apart(a, b, 1e5, 1e5) == pytest.approx(0.01 / math.sqrt(0.305 * 0.695 * 2e-5), rel=0.005)


def test_scores_apart_see_location_and_spread():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    error = math.sqrt(2 / 1000)
    other = rng.normal(size=1000)
    for y in (other + 10 * error, other * (1 + 10 * error), np.full(1000, np.median(x))):
        assert meeting._scores_apart(x, y, 1000.0, 1000.0) > 5
    assert meeting._scores_apart(x, x, 1000.0, 1000.0) == 0.0
    assert meeting._scores_apart(np.ones(5), np.ones(5), 5.0, 5.0) == 0.0
    y = x + 0.2  # a quarter of the draws: half of the difference, in their errors
    ratio = meeting._scores_apart(x, y, 250.0, 250.0) / meeting._scores_apart(x, y, 1000.0, 1000.0)
    assert ratio == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_chains, n_data", [(1, 1), (5, 2), (40, 60)])
def test_meetings_of_any_kind(name, n_chains, n_data):
    """Of few chains, which can tell nothing, too; the same for any number of threads."""
    rbm = MODELS[name]
    data = rbm.sample(n_data, 5)
    met = diagnostics.meet(rbm, data, n_chains, 3, seed=2, n_threads=1)
    other = diagnostics.meet(rbm, rbm._states(data, "X"), n_chains, 3, seed=2, n_threads=3)
    assert met.units.shape == (2, rbm.n_visible) and met.axes.shape[1] <= min(3, n_data - 1)
    for part in ("units", "axes", "free_energy"):
        assert np.isfinite(getattr(met, part)).all() and np.array_equal(getattr(met, part), getattr(other, part))
    assert met.agree or n_chains > 5
    assert str(met) == str(other)


def test_a_meeting_compares_what_it_says():
    """The ends of chains with the numbers 0 to 39 from the biases and 40 to 79 from the data."""
    rbm, data = random_rbm(9, 5), random_rbm(9, 5, seed=8).sample(30, 5)
    met = diagnostics.meet(rbm, data, 40, 7, seed=3)
    from_biases = fr.Chains(rbm, 40, seed=3)
    from_data = fr.Chains(rbm, 40, 3, data[np.linspace(0, 29, 40).astype(int)], first_chain=40)
    for chains in (from_biases, from_data):
        chains.sweep(7)
    population = fr.population_annealing(rbm, 40, seed=3)
    assert met.families == population.families and (met.n_chains, met.n_sweeps) == (40, 7)
    F = [rbm.free_energy(v) for v in (from_data.visible, from_biases.visible, population.visible)]
    assert met.free_energy.tolist() == [
        meeting._scores_apart(F[0], F[1], 40.0, 40.0), meeting._scores_apart(F[0], F[2], 40.0, population.families)
    ]  # fmt: skip
    means = [v.mean(axis=0) for v in (from_data.visible, from_biases.visible)]
    assert np.allclose(met.units[0], meeting._means_apart(*means, 40.0, 40.0))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"rbm": 3}, TypeError, "rbm must be an RBM, not int"),
        ({"X": np.zeros((0, 4))}, ValueError, "X must have at least one example"),
        ({"X": np.full((2, 4), math.nan)}, ValueError, "X"),
        ({"n_chains": 0}, ValueError, "n_chains must be at least 1"),
        ({"n_chains": 1 << 32}, ValueError, "n_chains must be at most"),
        ({"n_sweeps": 0}, ValueError, "n_sweeps must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"progress": 1}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_arguments_of_meet(arguments, error, message):
    with pytest.raises(error, match=message):
        diagnostics.meet(**({"rbm": random_rbm(4, 3), "X": np.zeros((2, 4))} | arguments))
