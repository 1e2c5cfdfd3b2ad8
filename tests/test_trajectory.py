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
    chains._hold(fr.BitMatrix.from_states(np.concatenate(states)), chains._hidden, chains._trip)
    return chains


def worst_drift(kind, path, n=20_000, only_swaps=False):
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
    for more in ({"n_betas": 3}, {"betas": [1.0]}, {"target_rate": 0.3}):
        with pytest.raises(ValueError, match="a Path has its own rungs: leave out n_betas, betas and target_rate"):
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
    far = fr.sampling.Path(models[::7], points=np.arange(9)).thinned(0.9)  # neighbors swap less: all of them stay
    assert far.models == tuple(models[::7]) and np.array_equal(far.points, np.arange(9))
    assert fr.sampling.Path(models[-1], n_steps=1).thinned(0.9).points.tolist() == [0, 1]
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
        {"fastrbm_path": np.array(3)}, {"path_points": np.array([0, np.nan, 3.0])}, {"path_points": np.array([0.0, 2])},
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


# ------------------------------------------------------------ trajectories of trainings


def train(trajectory=None, n=64, epochs=100, gradient=None, rate=0.5, **more):
    rbm = fr.RBM.from_data(X, n, seed=0)
    gradient = gradient or fr.gradient.PCD(64, seed=1)
    optimizer = fr.optim.SGD(fr.optim.Linear(rate), l2=0.001)  # fast, so that short trainings come far
    history = fr.fit(rbm, X, gradient, optimizer, epochs, seed=1, trajectory=trajectory, **more)
    return rbm, history


def same_trajectory(a, b):
    assert a.updates.tolist() == b.updates.tolist() and a.swap_rates.tolist() == b.swap_rates.tolist()
    assert all(map(same, a.models, b.models))
    assert all(np.array_equal(x.planes, y.planes) for x, y in zip(a.states, b.states, strict=True))
    assert np.array_equal(a.path.points, b.path.points) and np.array_equal(a.path.base_bias, b.path.base_bias)
    return True


def test_a_training_keeps_models_that_swap_and_is_the_same_training():
    plain, _ = train(epochs=400, rate=0.1)
    trajectory = fr.sampling.Trajectory(target_rate=0.5, n_chains=48)
    rbm, history = train(trajectory, epochs=400, rate=0.1)
    assert same(rbm, plain) and history.trajectory is trajectory
    assert len(trajectory.models) >= 4 and same(trajectory.models[-1], rbm) and same(trajectory.path.rbm, rbm)
    assert all(states.shape == (48, 64) for states in trajectory.states)
    bias = fr.RBM.from_data(X, 1).visible_bias
    assert np.array_equal(trajectory.path.base_bias, bias)
    kept = trajectory.swap_rates[:-1]
    assert (kept < 0.5).all() and (kept > 0.1).all() and np.median(kept) > 0.4
    assert (np.diff(trajectory.updates) > 0).all() and trajectory.updates[-1] == history.last["update"]
    # neighbors of the path do swap, and a state gets through it
    chains = fr.TemperedChains(trajectory.path, 100, seed=1)
    chains.sweep(100)
    assert (chains.swap_rates > 0.2).all() and chains.round_trip_rate * 100 > 0.3


def test_updates_still_go_through_the_kernel(monkeypatch):
    """All but a few of the updates are made in calls of many, although the training looks in between."""
    from fastrbm.training import fused

    calls, run = [], fused.Updates.run

    def watched(self, *arguments):
        calls.append(run(self, *arguments))
        return calls[-1]

    monkeypatch.setattr(fused.Updates, "run", watched)
    trajectory = fr.sampling.Trajectory(target_rate=0.9)
    _, history = train(trajectory)
    assert sum(calls) > 0.97 * history.last["update"] and trajectory._n_looks > 20


def test_looks_take_a_small_part_of_the_training():
    """At most 40, and as many as take 5 % of the updates."""
    trajectory = fr.sampling.Trajectory(target_rate=0.99)
    _, history = train(trajectory, 256, 150)
    assert 40 <= trajectory._n_looks <= 40 + history.last["update"] / trajectory._updates_a_look + 1


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_do_not_change_a_trajectory(n_threads):
    one, more = (fr.sampling.Trajectory(0.6) for _ in range(2))
    train(one, epochs=20, n_threads=1)
    train(more, epochs=20, n_threads=n_threads)
    assert len(one.models) > 1 and same_trajectory(one, more)
    likelihoods = [fr.likelihood.along(one, X[:50], 4, n_threads=t) for t in (1, n_threads)]
    assert np.array_equal(likelihoods[0].mean, likelihoods[1].mean)
    assert np.array_equal(likelihoods[0].log_z_error, likelihoods[1].log_z_error)


class Stop(Exception):
    pass


def stop_after(n):
    def callback(state):
        if state.epoch == n:
            raise Stop

    return callback


GRADIENTS = {
    "pcd": lambda t: fr.gradient.PCD(40, seed=1), "cd": lambda t: fr.gradient.CD(1),
    "tempered": lambda t: fr.gradient.Tempered(10, 3), "trajectory": lambda t: fr.gradient.Tempered(10, path=t),
    "path": lambda t: fr.gradient.Tempered(10, path=fr.sampling.Path(fr.RBM.from_data(X, 10), n_steps=2)),
}  # fmt: skip


@pytest.mark.parametrize(
    "name, averaged",
    [
        *((name, False) for name in GRADIENTS),
        *(
            # averaging asks no gradient for anything
            pytest.param(name, True, marks=() if name in ("pcd", "trajectory") else pytest.mark.slow)
            for name in GRADIENTS
        ),
    ],
)
def test_interrupted_trajectories_go_on_to_the_same_bits(tmp_path, name, averaged):
    def run(path, trajectory, *callbacks):
        averaging = fr.optim.Averaging(0.5) if averaged else None
        more = {"checkpoint": path, "resume": True, "averaging": averaging, "callbacks": callbacks}
        return train(trajectory, 10, 16, GRADIENTS[name](trajectory), **more)

    whole, parts, again = (fr.sampling.Trajectory(0.8, n_chains=30, most=4) for _ in range(3))
    rbm, _ = run(tmp_path / "a.npz", whole)
    for n in (5, 11):
        with pytest.raises(Stop):
            run(tmp_path / "b.npz", parts, stop_after(n))
    resumed, _ = run(tmp_path / "b.npz", parts)
    assert same(resumed, rbm) and same_trajectory(parts, whole) and len(whole.models) > 2
    run(tmp_path / "b.npz", again)  # complete: read, and ended once more
    assert same_trajectory(again, whole)
    with pytest.raises(ValueError, match="is of a training with (trajectory|gradient) .*Trajectory"):
        run(tmp_path / "b.npz", fr.sampling.Trajectory(0.7, n_chains=30, most=4))
    if name == "pcd":
        with pytest.raises(ValueError, match="is of a training with trajectory Trajectory.*, not None"):
            run(tmp_path / "b.npz", None)


def test_damaged_states_are_refused():
    trajectory = fr.sampling.Trajectory(0.8)
    train(trajectory, epochs=30)
    state = trajectory.get_state()
    assert len(state["updates"]) > 1
    for change, message in (
        ({"weights": state["weights"][:1]}, "visible_bias must be float32 of shape"),
        ({"updates": state["updates"][::-1].copy()}, "updates must go up"),
        ({"sizes": state["sizes"] + 1}, r"sizes must hold numbers from 1 to|states must be uint8 of shape"),
        ({"next_update": -1}, "next_update must be an integer"),
        ({"swap_rates": state["updates"]}, "swap_rates must be"),
        ({"base_bias": np.full(64, np.nan, np.float32)}, "base_bias must hold numbers"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            trajectory.set_state(state | change)
    for name in state:
        with pytest.raises(ValueError, match=f"the state lacks {name}"):
            trajectory.set_state({key: value for key, value in state.items() if key != name})


def test_no_more_than_so_many_models():
    few, many = fr.sampling.Trajectory(0.9, most=4), fr.sampling.Trajectory(0.9)
    train(few)
    train(many)
    assert len(few.models) <= 5 < len(many.models)
    assert few.updates[-1] == many.updates[-1] and few.swap_rates[:-1].min() < 0.9**2
    # the gaps are filled with models between
    assert few.path.n_steps > len(few.models)
    chains = fr.TemperedChains(few.path, 200, seed=1)
    chains.sweep(60)
    assert chains.swap_rates.min() > 0.2


def test_a_training_that_starts_at_a_trained_model():
    """The first model is far from the base-rate model: models between them fill the gap."""
    rbm, _ = train(n=30)
    trajectory = fr.sampling.Trajectory()
    fr.fit(rbm, X, fr.gradient.PCD(64), epochs=2, trajectory=trajectory)
    assert trajectory.swap_rates[0] < 0.01
    points = trajectory.path.points
    assert 2 < (points < 1).sum() <= 20
    chains = fr.TemperedChains(trajectory.path, 100, seed=1)
    chains.sweep(50)
    assert chains.swap_rates.min() > 0.02


def test_ctrl_c_leaves_what_was_kept():
    trajectory = fr.sampling.Trajectory(0.8)
    with pytest.raises(Stop):
        train(trajectory, epochs=40, callbacks=stop_after(30))
    assert len(trajectory.models) > 1 and trajectory.path.n_steps >= len(trajectory.models)
    assert len(fr.likelihood.along(trajectory, X[:9], 0)) == len(trajectory.models)


@pytest.mark.parametrize(
    "name", ["spin", pytest.param("categorical", marks=pytest.mark.slow), pytest.param("mixed", marks=pytest.mark.slow)]
)
def test_trajectories_of_other_units(name):
    model, state = kinds(name)[1], np.arange(300) % 2  # all columns are alike
    data = state[:, None] * np.ones(model.visible.n_columns, int)
    data = 2 * data - 1 if name == "spin" else data
    if name == "mixed":
        data[:, :2] = 2 * data[:, :2] - 1
    rbm = fr.RBM.from_data(data, 3, visible=model.visible, hidden=model.hidden, seed=1)
    trajectory = fr.sampling.Trajectory(0.9)
    fr.fit(rbm, data, fr.gradient.PCD(100), fr.optim.SGD(fr.optim.Linear(0.05)), epochs=1200, trajectory=trajectory)
    scores = fr.likelihood.along(trajectory, data, 60)
    exact = np.array([fr.likelihood.score(each, data, method="exact").mean for each in trajectory.models])
    assert len(exact) > 1 and (np.abs(scores.mean - exact) < 5 * scores.log_z_error + 1e-3).all()


def batches():
    class Batches:
        def __len__(self):
            return 14

        def __iter__(self):
            return iter(np.array_split(X, 14))

    return Batches()


@pytest.mark.parametrize(
    "more",
    [
        {"X": batches()}, {"optimizer": fr.optim.Adam(0.005)}, {"sample_weight": np.arange(len(X)) + 1.0},
        {"missing": "latent"}, {"gradient": fr.gradient.FastPCD(50), "epochs": 50},
        {"gradient": fr.gradient.Exact(), "n": 6},
        {"X": X / 2, "dynamic_binarization": True},
    ],
    ids=["batches", "adam", "weights", "latent", "fast", "exact", "fractions"],
)  # fmt: skip
def test_trainings_of_every_kind(more):
    data, n = more.pop("X", X), more.pop("n", 30)
    if "missing" in more:
        data = X.astype(float)
        data[::7, ::5] = np.nan
    rbm, trajectory = fr.RBM.from_data(data, n), fr.sampling.Trajectory(0.9, n_chains=20)
    fr.fit(rbm, data, **({"optimizer": fr.optim.SGD(0.5), "epochs": 25} | more), trajectory=trajectory)
    assert len(trajectory.models) > 1 and same(trajectory.models[-1], rbm)
    assert np.isfinite(fr.likelihood.along(trajectory, X[:20], 4).mean).all()


def test_chains_of_its_own_go_on_from_look_to_look():
    """Where the gradient has none."""
    trajectory = fr.sampling.Trajectory(0.8)
    train(trajectory, 20, 10, fr.gradient.CD(1))
    rbm, first = trajectory.models[-1], trajectory._own
    trajectory.look(rbm, 10**6, None)
    second = trajectory._own
    assert not np.array_equal(first.planes, second.planes)
    trajectory._n_looks -= 1  # the numbers of the look before, from where it ended
    trajectory.look(rbm, 10**6, None)
    assert not np.array_equal(second.planes, trajectory._own.planes)


def test_bad_trajectories():
    rbm = fr.RBM.from_data(X, 4)
    with pytest.raises(TypeError, match="trajectory must be a sampling.Trajectory, True or None, not 3"):
        fr.fit(rbm, X, trajectory=3)
    for arguments, message in (
        ({"target_rate": 0.0}, "target_rate must be above 0"), ({"target_rate": 1.0}, "target_rate must be below 1"),
        ({"n_chains": 0}, "n_chains must be at least 1"), ({"most": 1}, "most must be at least 2"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fr.sampling.Trajectory(**arguments)
    with pytest.raises(ValueError, match="the trajectory is empty"):
        fr.sampling.Trajectory().path  # noqa: B018
    with pytest.raises(ValueError, match="Discriminative learns none"):
        fr.fit(rbm, X, fr.gradient.Discriminative(0), trajectory=True)
    sites = fr.RBM.from_data(X, 4, visible=fr.units.Categorical(64, 2))
    with pytest.raises(ValueError, match="leave it out with missing='absent'"):
        fr.fit(sites, X, missing="absent", trajectory=True)


# ------------------------------------------------------------ likelihoods along it


def test_likelihoods_along_a_trajectory_are_right():
    """Against enumeration: errors are those that are stated, with sweeps; and without them of about their size."""
    trajectory = fr.sampling.Trajectory(0.5)
    train(trajectory, 10, 200)
    exact = np.array([fr.likelihood.score(each, X).mean for each in trajectory.models])
    scores = fr.likelihood.along(trajectory, X, 100)
    assert len(scores) == len(exact) > 3 and np.array_equal(scores.updates, trajectory.updates)
    assert (np.abs(scores.mean - exact) < 5 * scores.log_z_error).all() and (scores.log_z_error < 0.1).all()
    alone = fr.likelihood.along(trajectory, X, 0)
    assert np.abs(alone.mean - exact).max() < 1
    errors = [score.standard_error for score in (fr.likelihood.score(each, X) for each in trajectory.models)]
    assert np.allclose(scores.standard_error, errors)
    lines = str(scores).splitlines()
    assert len(lines) == 1 + len(exact) and f"{scores.mean[-1]:.2f}" in lines[-1] and "update" in lines[0]


def test_stated_errors_are_the_spread():
    """Of log Z along a path, over 30 seeds: (estimate - exact) / stated error has a variance near 1. That of 30 normal
    numbers is within 0.25 to 2.4 but once in 10,000 times; chains of sweeps one after the other are correlated, and
    sums of steps too."""
    path = fr.sampling.Path([random_rbm(8, 5, scale=s, seed=3) for s in (0.7, 1.4)], points=[0, 0.5, 1, 1.5, 2])
    exact = [fr.likelihood.exact(each).value for each in path.models]
    off = []
    for seed in range(30):
        scores = fr.likelihood.along(path, np.zeros((1, 8)), 16, n_chains=40, seed=seed)
        off.append((scores.log_z - exact) / scores.log_z_error)
    variance = np.square(off).mean(axis=0)
    assert (0.25 < variance).all() and (variance < 2.4).all()


def test_models_too_far_apart_are_warned_of():
    rbm = fr.RBM(np.full((12, 1), 8.0), np.full(12, -4.0), [-48.0])
    with pytest.warns(UserWarning, match="along: points 0 and 1 of the path exchange 0.0.. of their states only"):
        fr.likelihood.along(fr.sampling.Path(rbm, n_steps=1), np.zeros((1, 12)))


def test_bad_arguments_of_along():
    path = fr.sampling.Path(random_rbm(4, 3), n_steps=2)
    with pytest.raises(TypeError, match="path must be a sampling.Path or a sampling.Trajectory, not RBM"):
        fr.likelihood.along(path.rbm, np.zeros((1, 4)))
    with pytest.raises(ValueError, match="n_chains must be at least 2"):
        fr.likelihood.along(path, np.zeros((1, 4)), n_chains=1)
    with pytest.raises(ValueError, match="X must have at least one example"):
        fr.likelihood.along(path, np.zeros((0, 4)))
    trajectory = fr.sampling.Trajectory()
    train(trajectory, 4, 1)
    with pytest.raises(ValueError, match="a Trajectory has its own chains: leave out n_chains"):
        fr.likelihood.along(trajectory, X, n_chains=4)


def test_the_command_writes_a_path(tmp_path, capsys):
    from test_cli import fastrbm

    file = tmp_path / "path.npz"
    options = [
        "--out",
        str(tmp_path / "m.npz"),
        "--trajectory",
        str(file),
        "--hidden",
        "6",
        "--epochs",
        "60",
        "--quiet",
    ]
    code, out, err = fastrbm(capsys, "train", "digits", *options)
    assert code == 0 and "of the training, on a path of" in out, err
    path = fr.load_path(file)
    assert same(path.rbm, fr.load(tmp_path / "m.npz")) and path.n_steps >= 1


# ------------------------------------------------------------ as a negative phase


def test_the_gradient_is_of_the_chains_of_the_model():
    """Those of a fixed path, whose rungs are its points with the model on top, and of a trajectory."""
    rbm, trajectory = random_rbm(64, 5, seed=2), fr.sampling.Trajectory()
    path = fr.sampling.Path([random_rbm(64, 5, scale=0.1), random_rbm(64, 5, seed=2)], n_steps=4)
    fr.fit(rbm.copy(), X, fr.gradient.PCD(20), epochs=1, trajectory=trajectory)
    for given, n_rungs in ((path, 6), (trajectory, 2 + len(trajectory.kept))):
        tempered = fr.gradient.Tempered(13, path=given, seed=1, n_sweeps=2)
        for _ in range(3):
            g = tempered(rbm, X[:20])
            expected = fr.Moments.of_data(rbm, tempered.chains.visible)
            assert np.array_equal(g.negative.weights, expected.weights)
            assert np.array_equal(g.negative.hidden, expected.hidden)
        assert tempered.chains.n_rungs == n_rungs and tempered.chains.n_sweeps_done == 6


def test_a_trajectory_grows_below_the_model():
    """A model that is kept becomes the second rung, with copies of the first one's chains; the others stay."""
    trajectory = fr.sampling.Trajectory(0.8, n_chains=20)
    tempered, rbm = fr.gradient.Tempered(20, path=trajectory), fr.RBM.from_data(X, 20)
    fr.fit(rbm, X, tempered, fr.optim.SGD(0.5), epochs=30)
    assert len(trajectory.kept) > 1 and tempered.chains.n_rungs in (1 + len(trajectory.kept), 2 + len(trajectory.kept))
    tempered(rbm, X[:9])
    chains, n = tempered.chains, 20
    assert [*chains._rungs.hotter] == [*(kept.rbm for kept in trajectory.kept[::-1]), trajectory.base.rbm]
    before, rates = chains._visible.planes.copy(), chains.swap_rates
    new = rbm.copy()
    trajectory._kept = (*trajectory._kept, type(trajectory.kept[0])(new, 10**6, 0.5, trajectory.kept[0].states))
    assert len(tempered.get_state()["trip"]) == 2 + len(trajectory.kept)  # a checkpoint has the new rung
    after = chains._visible.planes
    assert chains._rungs.hotter[0] is new and np.array_equal(after[:, :n], before[:, :n])
    assert np.array_equal(after[:, n : 2 * n], before[:, :n]) and np.array_equal(after[:, 2 * n :], before[:, n:])
    assert np.isnan(chains.swap_rates[:2]).all() and np.array_equal(chains.swap_rates[2:], rates[1:])
    trajectory._kept = trajectory._kept[1::2]  # as when every other one goes
    tempered(rbm, X[:9])
    assert chains.n_rungs == 2 + len(trajectory.kept)


def test_a_model_trained_along_its_trajectory_has_both_modes():
    """Data of two modes, 0.3 and 0.7, from the first one to the last: the exact weights of the model's modes are the
    data's, where plain chains leave them to chance."""
    rng = np.random.default_rng(0)
    state = rng.random(2000) < 0.3
    data = (rng.random((2000, 12)) < np.where(state, 0.98, 0.02)[:, None]).astype(np.uint8)
    part = (data.sum(axis=1) > 6).mean()
    weights = []
    for gradient in (fr.gradient.Tempered(500, path=fr.sampling.Trajectory(), seed=2), fr.gradient.PCD(500, seed=2)):
        rbm = fr.RBM.from_data(data, 2, seed=2)
        fr.fit(rbm, data, gradient, fr.optim.SGD(fr.optim.Linear(0.2)), epochs=300, batch_size=500)
        model = Enumerated(rbm)
        weights.append(float(model.p_v[model.v.sum(axis=1) > 6].sum()))
    noise = np.sqrt(0.3 * 0.7 / 500)  # of one estimate by 500 chains; the falling rate averages many
    assert abs(weights[0] - part) < 4 * noise < abs(weights[1] - part)


def test_threads_do_not_change_a_training_along_a_trajectory():
    results = []
    for n_threads in (1, 2):
        trajectory = fr.sampling.Trajectory(0.8)
        results.append(train(None, 30, 15, fr.gradient.Tempered(40, path=trajectory), n_threads=n_threads)[0])
        assert len(trajectory.models) > 1
    assert same(*results)


def test_bad_paths_of_the_gradient():
    with pytest.raises(TypeError, match="path must be a sampling.Path, a sampling.Trajectory or None, not RBM"):
        fr.gradient.Tempered(path=random_rbm(4, 3))
    for more in ({"n_betas": 3}, {"betas": [1.0]}, {"target_rate": 0.3}):
        with pytest.raises(ValueError, match="a path has its own rungs: leave out n_betas, betas and target_rate"):
            fr.gradient.Tempered(path=fr.sampling.Trajectory(), **more)
    rbm = fr.RBM.from_data(X, 4)
    with pytest.raises(ValueError, match="trajectory and gradient.path must be one Trajectory, got two"):
        fr.fit(rbm, X, fr.gradient.Tempered(path=fr.sampling.Trajectory()), trajectory=fr.sampling.Trajectory())
    with pytest.raises(ValueError, match="the trajectory is empty: pass it to fit"):
        fr.gradient.Tempered(path=fr.sampling.Trajectory())(rbm, X[:5])
    with pytest.raises(ValueError, match="rbm must have"):
        fr.gradient.Tempered(path=fr.sampling.Path(random_rbm(4, 3)))(rbm, X[:5])
