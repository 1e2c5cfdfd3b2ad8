"""Tempered chains of a path, the path of a training, and likelihoods along it."""

import numpy as np
import pytest
from helpers import Enumerated, random_rbm, state_numbers

import fastrbm as fr
from fastrbm.sampling.rungs import Models

X = fr.datasets.load_digits()


def trained_path():
    """Three small models that lie apart, with a point between two of them, and one between the first and the base."""
    models = [random_rbm(4, 3, scale=1.0, seed=s) for s in (1, 2, 3)]
    return fr.sampling.Path(models, points=[0, 0.5, 1, 1.5, 2, 3])


def exact(path):
    return [Enumerated(path.model_at(point)) for point in path.points[::-1]]


def at_equilibrium(kind, path, n, seed=0):
    """Chains whose states are exact draws on every rung."""
    chains, rng = kind(path, n, seed=seed, start=np.zeros((n, 4))), np.random.default_rng(seed)
    states = [each.v[rng.choice(len(each.p_v), n, p=each.p_v)] for each in exact(path)]
    chains._visible = fr.BitMatrix.from_states(np.concatenate(states))
    return chains


def worst_drift(kind, path, n=50_000, only_swaps=False):
    """The largest ratio of total variation to 4 times its Monte Carlo floor, over rungs and sweeps: of v, where there
    are swaps alone, else of (v, h)."""
    chains, worst, models = at_equilibrium(kind, path, n), 0.0, exact(path)
    for n_sweeps in (1, 2, 5):
        if only_swaps:
            for _ in range(3 * n_sweeps):
                chains._swap(None)
        else:
            chains.sweep(n_sweeps)
        v = chains._visible.to_states().reshape(len(models), n, -1)
        h = chains._hidden.to_states().reshape(len(models), n, -1)
        for k, model in enumerate(models):
            p = model.p_v if only_swaps else model.p.reshape(-1)
            states = state_numbers(v[k])
            if not only_swaps:
                states = states * (1 << h.shape[2]) + state_numbers(h[k])
            counts = np.bincount(states, minlength=p.size)
            floor = np.sqrt(p * (1 - p) / n).sum() / 2
            worst = max(worst, np.abs(counts / n - p).sum() / 2 / floor / 4)
    return worst


class OneSidedSwaps(fr.TemperedChains):
    """Swaps by what the colder model says alone."""

    class _Rungs(Models):
        def exponents(self, rbm, visible, hidden, first, n_threads):
            n, models = len(visible) // len(self), (rbm, *self.hotter)
            F = [models[k]._free_energy(visible[k * n : (k + 2) * n]) for k in first]
            return np.array([f[:n] - f[n:] for f in F])

    def _set_up(self, rbm, rungs, *more):
        super()._set_up(rbm, self._Rungs(rungs.hotter), *more)


def test_swaps_of_a_path_leave_the_exact_distribution():
    path = trained_path()
    assert worst_drift(fr.TemperedChains, path) < 1
    assert worst_drift(fr.TemperedChains, path, only_swaps=True) < 1  # no sweep mends what a swap spoils
    assert worst_drift(OneSidedSwaps, path, only_swaps=True) > 1


def kinds(name, seed=0):
    """A model of other units, and the same with smaller weights."""
    rng = np.random.default_rng(seed)
    visible = {
        "spin": "spin", "categorical": fr.units.Categorical(2, 3),
        "mixed": [fr.units.Spin(2), fr.units.Categorical(2, 2)],
    }[name]  # fmt: skip
    W, b, c = rng.normal(0, 0.8, (6, 3)), rng.normal(0, 0.5, 6), rng.normal(0, 0.5, 3)
    W, b = (W[:2], b[:2]) if name == "spin" else (W, b)
    hidden = "spin" if name == "spin" else "bernoulli"
    return [fr.RBM(f * W, b, f * c, visible=visible, hidden=hidden) for f in (0.5, 1.0)]


@pytest.mark.parametrize("name", ["spin", "categorical", "mixed"])
def test_paths_of_other_units(name):
    """From the start that the path gives, the coldest chains follow the model, and log Z is right."""
    models, n = kinds(name), 20_000
    path = fr.sampling.Path(models, points=[0, 0.5, 1, 2])
    chains = fr.TemperedChains(path, n, seed=1)
    chains.sweep(4)
    every = np.unique(chains.visible, axis=0)
    log_p = fr.likelihood.score(models[-1], every, method="exact").per_example
    p = np.exp(log_p)
    assert abs(p.sum() - 1) < 1e-4  # all states have come up
    counts = np.array([(chains.visible == state).all(axis=1).sum() for state in every])
    assert np.abs(counts / n - p).sum() / 2 < 4 * np.sqrt(p * (1 - p) / n).sum() / 2


def test_swap_rates_follow_the_free_energies():
    """Against the exact mean of min(1, exp(...)) over both distributions."""
    path = fr.sampling.Path([random_rbm(4, 3, scale=1.0, seed=s) for s in (1, 2)], points=[0, 1, 2])
    n = 100_000
    chains = at_equilibrium(fr.TemperedChains, path, n)
    chains.sweep(2)  # one swap attempt of each pair
    models = exact(path)
    for k, (cold, hot) in enumerate(zip(models, models[1:], strict=False)):
        ratio = np.log(cold.p_v) - np.log(hot.p_v)
        mean = cold.p_v @ np.minimum(1, np.exp(ratio[None, :] - ratio[:, None])) @ hot.p_v
        assert abs(chains.swap_rates[k] - mean) < 5 * 0.5 / np.sqrt(n)


def test_the_hottest_rung_is_drawn_afresh():
    """Whatever the states were before, those of the base-rate model are independent draws after a sweep."""
    path, n = trained_path(), 20_000
    chains = fr.TemperedChains(path, n, start=np.ones((n, 4)))
    chains.sweep(1)
    v = chains._visible[len(path.points[:-1]) * n :].to_states()
    p = exact(path)[-1].p_v
    counts = np.bincount(state_numbers(v), minlength=p.size)
    assert np.abs(counts / n - p).sum() / 2 < 4 * np.sqrt(p * (1 - p) / n).sum() / 2


def test_both_modes_along_a_path_where_plain_chains_stay_in_one():
    W, b, V = 8.0, -4.0, 12
    c = np.log(0.3 / 0.7) - V * (np.logaddexp(0, b + W) - np.logaddexp(0, b))
    rbm, n = fr.RBM(np.full((V, 1), W), np.full(V, b), [c]), 2000
    chains = fr.TemperedChains(fr.sampling.Path(rbm, n_steps=40).thinned(), n, start=np.zeros((n, V)))
    chains.sweep(150)
    on = float((chains.visible.sum(axis=1) > 6).mean())
    assert abs(on - 0.3) < 4 * np.sqrt(0.21 / n) and chains.round_trip_rate * 150 > 5
    assert chains.n_rungs < 20 and (chains.swap_rates > 0.2).all()


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_nothing(n_threads):
    models = [random_rbm(70, 33, seed=s) for s in (1, 2)]
    chains, other = (fr.TemperedChains(fr.sampling.Path(models, n_steps=4), 90, seed=3, n_threads=t)
                     for t in (1, n_threads))  # fmt: skip
    chains.sweep(5, n_threads=1)
    other.sweep(2, n_threads=n_threads)
    other.sweep(3, n_threads=n_threads)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.hidden, other.hidden)
    assert np.array_equal(chains.swap_rates, other.swap_rates)
    thin = [fr.sampling.Path(models, n_steps=8).thinned(0.5, n_threads=t).points for t in (1, n_threads)]
    assert np.array_equal(*thin)


def test_states_of_chains_of_a_path(tmp_path):
    import pickle

    path = trained_path()
    chains = fr.TemperedChains(path, 10, seed=4)
    chains.sweep(3)
    other, third = fr.TemperedChains(path, 10), pickle.loads(pickle.dumps(chains))
    other.set_state(chains.get_state())
    for each in (chains, other, third):
        each.sweep(5)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.visible, third.visible)
    assert np.array_equal(chains.swap_rates, other.swap_rates) and chains.n_rungs == 6
    with pytest.raises(ValueError, match=r"the state's trip must be uint8 of shape \(4, 10\)"):
        fr.TemperedChains(fr.sampling.Path(path.models, points=[0, 1, 2, 3]), 10).set_state(chains.get_state())
    with pytest.raises(AttributeError, match="no betas"):
        chains.betas  # noqa: B018
    for more in ({"n_betas": 3}, {"betas": [1.0]}):
        with pytest.raises(ValueError, match="a Path has its own rungs: leave out n_betas and betas"):
            fr.TemperedChains(path, 10, **more)
    with pytest.raises(ValueError, match="start must have as many examples as there are chains, 10, got 3"):
        fr.TemperedChains(path, 10, start=np.zeros((3, 4)))


@pytest.mark.parametrize("shape", [(1, 1), (9, 1), (1, 5)])
def test_edges(shape):
    """One unit, one chain, one step."""
    rbm = random_rbm(*shape, seed=1)
    chains = fr.TemperedChains(fr.sampling.Path(rbm, n_steps=1), 1)
    chains.sweep(3)
    assert chains.visible.shape == (1, shape[0]) and chains.n_rungs == 2
    assert np.isfinite(chains.swap_rates).all()


# ------------------------------------------------------------ thinned


def test_a_thinned_path_swaps_at_the_rate():
    rbm = random_rbm(30, 20, scale=0.8, seed=5)
    path = fr.sampling.Path(rbm, n_steps=200)
    thin = path.thinned(0.3)
    assert set(thin.points) <= set(path.points) and thin.models == path.models
    chains = fr.TemperedChains(thin, 400, seed=1)
    chains.sweep(200)
    rates = chains.swap_rates
    # a step of 200 changes a rate by less than 0.1 (the largest is 0.3 for all of a step between points that stayed)
    assert (rates > 0.25).all() and (rates[1:] < 0.45).all()  # the coldest pair takes what is left
    assert path.thinned(0.6).n_steps > thin.n_steps


def test_thinning_leaves_out_models():
    models = [fr.RBM(f * random_rbm(12, 6, scale=2.0, seed=1).weights) for f in np.linspace(0.02, 1, 50)]
    path = fr.sampling.Path(models, points=np.arange(51))
    thin = path.thinned(0.4)
    assert 1 < len(thin.models) < 25 and thin.rbm is models[-1]
    assert all(any(each is model for model in models) for each in thin.models)
    assert np.array_equal(thin.points, np.arange(len(thin.models) + 1.0))
    assert np.array_equal(thin.base_bias, path.base_bias)
    for bad in (0.0, 1.0, "x"):
        with pytest.raises((ValueError, TypeError), match="rate must be"):
            path.thinned(bad)


# ------------------------------------------------------------ files


def same(a, b):
    names = "weights", "visible_bias", "hidden_bias"
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names) and a.visible == b.visible


@pytest.mark.parametrize("name", ["bernoulli", "spin", "categorical", "mixed"])
def test_files_of_paths(tmp_path, name):
    models = [random_rbm(5, 2, seed=s) for s in (1, 2)] if name == "bernoulli" else kinds(name)
    for path in (fr.sampling.Path(models, n_steps=5), fr.sampling.Path(models[1], n_steps=3)):
        path.save(tmp_path / "p.npz")
        read = fr.load_path(tmp_path / "p.npz")
        assert np.array_equal(read.points, path.points) and np.array_equal(read.base_bias, path.base_bias)
        assert len(read.models) == len(path.models) and all(map(same, read.models, path.models))
        assert same(fr.load(tmp_path / "p.npz"), path.rbm)  # the model of interest


def test_damaged_and_foreign_files_of_paths_are_refused(tmp_path):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    path = trained_path()
    path.save(good)
    with np.load(good) as archive:
        arrays = {name: archive[name] for name in archive.files}
    path.rbm.save(bad)
    with pytest.raises(ValueError, match="bad.npz is not a fastrbm path"):
        fr.load_path(bad)
    for change in (
        {"fastrbm_path": np.array(2)}, {"path_points": np.array([0, np.nan, 3.0])}, {"path_points": np.array([0.0, 2])},
        {"path_points": np.array([0, 3], "U")}, {"path_base_bias": np.zeros(3)}, {"path_base_bias": np.full(4, np.inf)},
        {"path_weights": np.zeros((2, 4, 2))}, {"path_weights": np.zeros((1, 4, 3))},
        {"path_weights": np.full((2, 4, 3), np.nan)}, {"path_hidden_bias": np.zeros((2, 3), "U1")},
        {"path_visible_bias": np.array([{"a": 1}], object)}, {"weights": np.zeros((4, 2))},
    ):  # fmt: skip
        np.savez(bad, **(arrays | change))
        with pytest.raises(ValueError, match="bad.npz"):
            fr.load_path(bad)
    for name in arrays:
        np.savez(bad, **{key: value for key, value in arrays.items() if key != name})
        if name not in ("fastrbm_format", "visible_units", "hidden_units"):  # without units, they are of 0 and 1
            with pytest.raises(ValueError, match="bad.npz"):
                fr.load_path(bad)
    content = good.read_bytes()
    for cut in (0, 3, 100, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"bad\.npz is (damaged or )?not a fastrbm path"):
            fr.load_path(bad)
    with pytest.raises(TypeError, match="file must be a path"):
        path.save(3)
