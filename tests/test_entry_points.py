"""Nothing that a file, an attribute, an object of another model or another thread brings reaches the kernels unchecked:
they trust their caller, and would read and write past their arrays. A sanitized build (CONTRIBUTING.md) sees that they
do not; here it is seen that what is wrong is refused by name, and leaves everything as it was."""

import contextlib
import copy
import pickle
import threading

import numpy as np
import pytest
from helpers import random_rbm

import fastrbm as fr
from fastrbm import gradient, optim
from fastrbm._core.direction import Direction
from fastrbm.cli import main
from fastrbm.reference import to_tiles

V, H = 13, 70  # neither layer ends with a byte or a tile
X = (np.random.default_rng(0).random((40, V)) < 0.5).astype(np.uint8)


def model(seed=0, n_visible=V, n_hidden=H):
    return random_rbm(n_visible, n_hidden, scale=0.2, seed=seed)


# ------------------------------------------------------------ states


def after_a_step(estimator):
    rbm = model()
    estimator(rbm, X)
    return estimator, rbm


def with_state():
    """(name, an object with a state, a fresh one to set it to, further arguments of set_state)."""
    rbm = model()
    chains = fr.Chains(rbm, 20, beta=np.linspace(0, 1, 20))
    chains.sweep(2)
    yield "Chains", chains, fr.Chains(rbm, 20), ()
    tempered = fr.TemperedChains(rbm, 6, n_betas=3)
    tempered.sweep(4)
    yield "TemperedChains", tempered, fr.TemperedChains(rbm, 6, n_betas=3), ()
    for make in (
        lambda: gradient.PCD(20), lambda: gradient.FastPCD(20), lambda: gradient.Tempered(6, 3), lambda: gradient.CD(2),
        lambda: gradient.MonteCarlo(2, 10, 3), lambda: gradient.Tempered(50, 1),
    ):  # fmt: skip
        estimator, its_model = after_a_step(make())
        yield type(estimator).__name__, estimator, make(), (its_model,)
    g = gradient.PCD(20)(rbm, X)
    for make in (lambda: optim.SGD(0.1, momentum=0.5), lambda: optim.Adam(0.01)):
        optimizer = make()
        optimizer.update(rbm.copy(), g)
        yield type(optimizer).__name__, optimizer, make(), ()
    averaging = optim.Averaging(0.5, 1)
    averaging.update(rbm, 1)
    yield "Averaging", averaging, optim.Averaging(0.5, 1), ()
    centering = gradient.Centering()
    centering(g)
    yield "Centering", centering, gradient.Centering(), ()
    stop = fr.EarlyStopping("shuffled_gap")
    history = fr.fit(rbm.copy(), X, epochs=2, callbacks=[stop])
    yield "EarlyStopping", stop, fr.EarlyStopping("shuffled_gap"), ()
    yield "History", history, fr.History(), ()


WITH_STATE = list(with_state())


def other_types(value):
    """What an entry must never be."""
    yield from ("text", None, [1, 2], {"a": 1}, np.array(["a", "b"]), np.array([None]), 1j)
    if isinstance(value, np.ndarray):
        yield from (0, 1.5, value.astype(complex), value[None], value.reshape(-1, 1, 1, 1))
        yield value.astype(np.float16 if value.dtype != np.float16 else np.float32)
        if value.ndim == 1 and value.dtype.kind == "f":
            yield value.astype(">f8").view(np.int64)
    else:
        yield from (np.zeros(3), np.array([value]))
        if isinstance(value, (bool, np.bool_)):
            yield 1
        elif isinstance(value, (int, np.integer)):
            yield from (-1, 2**64, -(2**63), 10**400, 0.5, True)


def other_shapes(array):
    for axis in range(array.ndim):
        for n in (0, 1, array.shape[axis] - 1):
            if 0 <= n < array.shape[axis]:
                yield np.take(array, range(n), axis=axis)
        yield np.concatenate([array, array], axis=axis) if array.shape[axis] else np.zeros(1)
    if array.ndim > 1:
        yield array.T if array.shape != array.T.shape else array[:-1]
        yield array.reshape(-1)


def other_values(array):
    """Of the right type and shape, some of them right, most of them not."""
    if array.dtype.kind == "f":
        for bad in () if array.size == 0 else (np.nan, np.inf, -np.inf, 1e38, -1.0, 2.0, 0.0, 1e-45):
            for index in (0, -1):
                changed = array.copy()
                changed.reshape(-1)[index] = bad
                yield changed
            yield np.full_like(array, bad)
        yield array[::-1].copy()
    else:
        for byte in (1, 3, 128, 255):
            changed = array.copy()
            changed.reshape(-1)[-1] = byte
            yield changed
            yield np.full_like(array, byte)


def same(a, b):
    def equal(x, y):
        return np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind == "f")

    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


def is_free(what, name):
    """Whether an entry may have another length: a table has any number of rows; who keeps what of which model is only
    seen when it meets one."""
    return what in ("History", "Centering")


@pytest.mark.parametrize("what, source, target, more", WITH_STATE, ids=[x[0] for x in WITH_STATE])
def test_every_entry_of_a_state_is_checked(what, source, target, more):
    state = source.get_state()
    assert state
    target.set_state(state, *more)
    before = target.get_state()
    assert same(before, state)

    def refused(changed, name=None):
        with pytest.raises(ValueError, match=name):
            target.set_state(changed, *more)
        assert same(target.get_state(), before)

    for name, value in state.items():
        if what != "History" and name != "beta":  # without beta, all chains are at 1; a column may be missing
            refused({k: v for k, v in state.items() if k != name}, name[:4])
        if what == "EarlyStopping" and name == "best":
            continue  # any number at all, see below
        for other in other_types(value):
            if what == "History" and isinstance(other, np.ndarray) and other.ndim == 1 and other.dtype.kind in "iuf":
                continue
            refused(state | {name: other}, None if what == "History" else name)
        if isinstance(value, np.ndarray):
            for other in other_shapes(value):
                if not (is_free(what, name) and other.ndim == 1):
                    refused(state | {name: other})


def use(what, target, more):
    """Whatever was let in must be harmless."""
    rbm = more[0] if more else model()
    with np.errstate(all="ignore"):
        if what in ("Chains", "TemperedChains"):
            target.sweep(3)
        elif what in ("SGD", "Adam"):
            try:
                target.update(rbm, gradient.CD()(rbm, X))
            except FloatingPointError:
                pass
        elif what == "Averaging":
            target.update(rbm, 1)
            try:
                target.offer(rbm, rbm.copy())
            except ValueError:  # a mean that float32 does not hold
                pass
        elif what == "Centering":
            target(gradient.CD()(rbm, X))
        elif what == "EarlyStopping":
            target.finish(rbm)
        elif more:
            target(rbm, X)


@pytest.mark.parametrize("what, source, target, more", WITH_STATE, ids=[x[0] for x in WITH_STATE])
def test_other_values_are_refused_or_harmless(what, source, target, more):
    state = source.get_state()
    let_in = tried = 0
    for name, value in state.items():
        numbers = [0, 1, 2**32 - 2, 2**32 - 1, 2**32, 2**63] if isinstance(value, int) else [np.nan, np.inf, -1.0]
        for other in other_values(value) if isinstance(value, np.ndarray) else numbers:
            tried += 1
            try:
                target.set_state(state | {name: other}, *more)
            except ValueError as error:
                assert name in str(error) or "must" in str(error)
                continue
            let_in += 1
            try:
                use(what, target, more)
            except ValueError as error:  # the counter of sweeps is at its end
                assert "at most 2**32 - 1 sweeps" in str(error) or "must hold" in str(error)
    assert tried > let_in or what in ("History", "EarlyStopping")


def test_padding_of_a_state_is_zero():
    """Bits past the last unit, and weights past the last unit of a tile, are no state that get_state gives."""
    chains = fr.Chains(model(), 8)
    state = chains.get_state()
    state["visible"][-1] |= 0x80
    with pytest.raises(ValueError, match="visible: planes has bits set past unit 12"):
        chains.set_state(state)
    sgd = optim.SGD(0.1, momentum=0.9)
    sgd.update(model(), gradient.CD()(model(), X))
    state = sgd.get_state()
    state["tiles"][-1, 0, -1] = 1
    with pytest.raises(ValueError, match="tiles must be zero in its padding"):
        sgd.set_state(state)


def test_a_state_is_no_list():
    with pytest.raises(TypeError, match="state must be a dict"):
        fr.Chains(model(), 8).set_state([1])


# ------------------------------------------------------------ checkpoints


class Loader:
    """Batches of a user's own, whose checkpoint keeps some of them."""

    def __len__(self):
        return 4

    def __iter__(self):
        return iter(np.split(X, 4))


GRADIENTS = {
    "PCD": lambda: gradient.PCD(10), "CD": lambda: gradient.CD(1), "FastPCD": lambda: gradient.FastPCD(10),
    "Tempered": lambda: gradient.Tempered(10, 3), "one beta": lambda: gradient.Tempered(300, 1),
    "MonteCarlo": lambda: gradient.MonteCarlo(1, 10, 2), "Exact": gradient.Exact,
}  # fmt: skip
OPTIMIZERS = {
    "SGD": lambda: optim.SGD(0.1), "momentum": lambda: optim.SGD(0.1, momentum=0.5, max_norm=2.0),
    "Adam": lambda: optim.Adam(0.01),
}  # fmt: skip
KINDS = [(g, o, more) for g in GRADIENTS for o in OPTIMIZERS for more in ("", "averaging", "loader")]


def train(kind, path, resume=False):
    estimator, optimizer, more = kind
    rbm = model(n_hidden=7)
    fr.fit(
        rbm, Loader() if more == "loader" else X, GRADIENTS[estimator](), OPTIMIZERS[optimizer](), epochs=6,
        batch_size=10, callbacks=[fr.EarlyStopping("shuffled_gap")],
        averaging=optim.Averaging(0.5, 2) if more == "averaging" else None, checkpoint=path, resume=resume,
    )  # fmt: skip
    return rbm


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """One of each kind, from the middle of its training."""
    folder, kept = tmp_path_factory.mktemp("checkpoints"), {}
    for kind in KINDS:
        path = folder / f"{'-'.join(kind)}.npz"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fr.training.run.Training, "_finish", _stop_in_the_middle)
            train(kind, path)
        kept[kind] = {name: array for name, array in np.load(path).items()}
    return kept


def _stop_in_the_middle(training):
    """As if the training had been killed: half of it is to be done again."""
    training.loop.update = training.n_updates // 2 // training.n_batches * training.n_batches
    training.loop.rbm._parameters = training.offered._parameters


def mutated(arrays, rng):
    """A checkpoint with one entry, or two, of other type, shape or values: (names, arrays)."""
    names = [name for name in arrays if name not in ("setup", "fastrbm_format", "fastrbm_checkpoint")]
    changed = dict(arrays)
    chosen = [names[k] for k in rng.choice(len(names), 1 + (rng.random() < 0.2), replace=False)]
    for name in chosen:
        array = arrays[name]
        ways = [np.array(x) for x in (-1, 2**32, 2**40, 1e300, "text", True)]
        ways += [
            array.astype(dtype) for dtype in (np.uint8, np.int64, np.float32, np.float64) if array.dtype.kind != "U"
        ]
        if array.ndim:
            ways += [*other_shapes(array), *other_values(array), array[None], np.zeros(0)]
        changed[name] = ways[rng.integers(len(ways))]
    return chosen, changed


def check_mutations(checkpoints, folder, each):
    """So many of each kind; how many were refused."""
    path, refused, count = folder / "mutated.npz", 0, 0
    for k, (kind, arrays) in enumerate(checkpoints.items()):
        rng = np.random.default_rng(k)
        for _ in range(each):
            names, changed = mutated(arrays, rng)
            np.savez(path, **changed)
            count += 1
            try:
                with np.errstate(all="ignore"):
                    rbm = train(kind, path, resume=True)
            except (ValueError, TypeError) as error:  # TypeError: weights that are text
                refused += 1
                assert str(path) in str(error) or "2**32 - 1 sweeps" in str(error), (kind, names, error)
            except FloatingPointError:  # velocities of 1e300, say
                continue
            else:
                assert np.isfinite(rbm.weights).all(), (kind, names)
            path.unlink()
    return refused, count


def test_mutated_checkpoints(checkpoints, tmp_path):
    refused, count = check_mutations(checkpoints, tmp_path, 3)
    assert refused > count / 4


@pytest.mark.slow
def test_many_mutated_checkpoints(checkpoints, tmp_path):
    refused, count = check_mutations(checkpoints, tmp_path, 100)
    assert count >= 5000 and refused > count / 4


def test_a_checkpoint_whose_hidden_layer_is_cut(checkpoints, tmp_path):
    """It wrote past a heap buffer."""
    kind, path = ("one beta", "SGD", ""), tmp_path / "cut.npz"
    arrays = dict(checkpoints[kind])
    arrays["gradient/hidden"] = arrays["gradient/hidden"][:, :1]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"cut.npz is damaged: gradient: the state's hidden must be uint8 of shape"):
        train(kind, path, resume=True)


def test_a_cut_checkpoint_on_the_command_line(tmp_path, capsys):
    path, out = tmp_path / "cut.npz", tmp_path / "model.npz"
    command = ["train", "digits", "--hidden", "8", "--epochs", "1", "--quiet", "--checkpoint", str(path)]
    assert main([*command, "--out", str(out)]) == 0
    arrays = dict(np.load(path).items())
    arrays["gradient/hidden"] = arrays["gradient/hidden"][:, :1]
    np.savez(path, **arrays)
    capsys.readouterr()
    out.unlink()
    assert main([*command, "--out", str(out), "--resume"]) == 2
    assert f"{path} is damaged: gradient: the state's hidden must be uint8" in capsys.readouterr().err
    assert not out.exists()


# ------------------------------------------------------------ settings


SETTINGS = [
    (lambda: gradient.PCD(), {"n_chains": 0, "n_sweeps": 0, "seed": -1, "chains": 5}),
    (lambda: gradient.CD(), {"n_sweeps": 0, "seed": 2**64}),
    (lambda: gradient.Discriminative(), {"column": 0.5}),
    (lambda: gradient.Hybrid(), {"alpha": -0.1, "column": "label", "seed": -1}),
    (lambda: gradient.FastPCD(), {"n_chains": 2.0, "n_sweeps": True, "rate": -1, "decay": 1.0, "seed": None}),
    (lambda: gradient.Tempered(), {
        "n_chains": 2**40, "n_betas": 0, "n_sweeps": -1, "betas": [1, 2], "target_rate": 1, "seed": 0.5,
        "chains": fr.Chains(model(), 3),
    }),
    (lambda: gradient.MonteCarlo(), {"n_hidden_samples": 0, "n_joint_samples": 0, "n_sweeps": 0, "seed": "1"}),
    (lambda: gradient.Centering(), {"rate": 2, "visible_offset": [[1.0]], "hidden_offset": [np.nan]}),
    (lambda: optim.SGD(), {
        "learning_rate": -1, "momentum": 1, "l2": -1, "l1": np.nan, "nesterov": 1, "max_norm": 0,
    }),
    (lambda: optim.Adam(), {"learning_rate": "x", "beta1": 1, "beta2": 1, "eps": 0, "l2": 1j, "max_norm": -np.inf}),
    (lambda: optim.Averaging(), {"last": 0, "every": 0}),
    (lambda: fr.EarlyStopping("x"), {"patience": 0, "min_delta": -1, "mode": 1}),
    (lambda: fr.Chains(model(), 3), {"n_sweeps_done": 2**32, "rbm": model(n_visible=5)}),
    (lambda: fr.TemperedChains(model(), 3, 2), {"n_sweeps_done": -1, "target_rate": 0, "rbm": model(n_hidden=5)}),
    (lambda: fr.metrics.PseudoLikelihood(), {"every": 0}),
    (lambda: fr.metrics.LogLikelihood(), {"every": 0.5, "method": "x", "n_chains": 0, "n_betas": 0}),
    (lambda: fr.metrics.Mixing(), {"n_sweeps": 3}),
    (lambda: fr.metrics.SingularValues(), {"k": 2**40}),
    (lambda: fr.Moments.of_data(model(), X), {
        "weight_sum": np.zeros(3), "visible_sum": "x", "hidden_sum": np.zeros((2, 2)), "total": -1,
    }),
]  # fmt: skip
READ_ONLY = [
    (lambda: fr.BitMatrix.from_states(X), {"n_units": 9999, "planes": np.zeros((9, 9), np.uint8), "shape": (1, 1)}),
    (lambda: fr.TemperedChains(model(), 3, 2), {"betas": np.ones(9), "n_states": 1}),
    (lambda: gradient.FastPCD(), {"chains": None}),
    (lambda: gradient.CD()(model(), X), {
        "shape": (1, 1), "tiles": np.zeros((1, 8, 64), np.float32), "weights": 1, "visible_bias": 1, "hidden_bias": 1,
        "positive": 1, "negative": 1, "work": 1,
    }),
    (lambda: Direction(np.zeros((1, 8, 64), np.float32), np.zeros(3), np.zeros(3)), {
        "tiles": 1, "visible_bias": 1, "hidden_bias": 1, "shape": (1, 1),
    }),
    (model, {
        "weights": 1, "visible_bias": 1, "hidden_bias": 1, "n_visible": 1, "n_hidden": 1, "visible": 1, "W": 1, "b": 1,
        "c": 1, "grid": 1,
    }),
    (lambda: fr.units.Categorical(2, 3), {"sizes": (9, 9), "offsets": 1, "n": 5, "name": "spin", "n_states": 3}),
    (lambda: fr.units.Gaussian(3), {"scale": 1, "_own": {}, "n": 5, "open": 1}),
]  # fmt: skip


def kept(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("make, bad", SETTINGS, ids=[type(make()).__name__ for make, _ in SETTINGS])
def test_settings_are_checked_whenever_they_are_set(make, bad):
    thing = make()
    before, words = dict(vars(thing)), repr(thing)
    for name, value in bad.items():
        with pytest.raises((TypeError, ValueError), match=name):
            setattr(thing, name, value)
        assert vars(thing) == before or all(vars(thing)[k] is v for k, v in before.items())
    for other in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(other) is type(thing) and repr(other) == words
        for name in bad:
            if name not in ("chains", "rbm"):
                assert kept(getattr(other, name)) == kept(getattr(thing, name))
                setattr(other, name, getattr(thing, name))  # what it has is right


@pytest.mark.parametrize("make, bad", READ_ONLY, ids=[type(make()).__name__ for make, _ in READ_ONLY])
def test_what_is_no_setting_cannot_be_set(make, bad):
    thing = make()
    for name, value in bad.items():
        if name == "work" and not isinstance(type(thing).__dict__.get(name), property):
            continue
        with pytest.raises(AttributeError):
            setattr(thing, name, value)


def test_a_setting_that_is_not_there_yet():
    with pytest.raises(AttributeError, match="PCD object has no n_sweeps yet"):
        _ = object.__new__(gradient.PCD).n_sweeps
    with pytest.raises(AttributeError):
        del gradient.PCD().n_sweeps


def test_sgd_keeps_infinity_as_no_limit():
    sgd = optim.SGD(0.1, max_norm=2.0)
    sgd.max_norm = np.inf
    assert repr(sgd) == "SGD(0.1)"


# ------------------------------------------------------------ states in bits


def test_planes_are_a_view_of_their_own():
    bits = fr.BitMatrix.from_states(X)
    with pytest.raises(ValueError, match="resize"):
        bits.planes.resize((1, 1), refcheck=False)
    own = np.zeros((2, 5), np.uint8)
    shared = fr.BitMatrix(own, 13)
    own.shape = 10, 1
    bits.planes.shape = -1, 1
    assert bits.planes.shape == (2, 40) and shared.planes.shape == (2, 5) and np.array_equal(bits.to_states(), X)


def test_bits_past_the_last_unit_count_for_nothing():
    """They can be set through planes; what reads states does not see them, what copies them refuses."""
    rbm, clean = model(), fr.BitMatrix.from_states(X)
    hidden = fr.BitMatrix.from_states((np.random.default_rng(1).random((40, H)) < 0.5).astype(np.uint8))
    dirty, dirty_hidden = clean.copy(), hidden.copy()
    dirty.planes[-1] |= 0xE0
    dirty_hidden.planes[-1] |= 0xC0
    for f in (
        lambda v, h: v.to_states(), lambda v, h: rbm.free_energy(v), lambda v, h: rbm.mean_hidden(v),
        lambda v, h: rbm.mean_visible(h), lambda v, h: rbm.sample_hidden(v), lambda v, h: rbm.sample_visible(h),
        lambda v, h: fr.likelihood.pseudo(rbm, v),
        lambda v, h: fr.Moments.of_data(rbm, v).weights, lambda v, h: gradient.CD(3)(rbm, v).tiles,
    ):  # fmt: skip
        try:
            seen = f(dirty, dirty_hidden)
        except ValueError as error:
            assert "bits set past unit" in str(error)
        else:
            assert np.array_equal(seen, f(clean, hidden))
    chains, other = fr.Chains(rbm, 64), fr.Chains(rbm, 64)
    chains.visible_bits.planes[-1] |= 0xE0
    chains.hidden_bits.planes[-1] |= 0xC0
    chains.sweep(60)  # enough for sums to be kept from sweep to sweep
    other.sweep(60)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.hidden, other.hidden)


def test_states_from_read_only_memory():
    """As Ray, dask and joblib give them back."""
    rbm = model()
    averaging = optim.Averaging(0.5, 1)
    averaging.update(rbm, 1)
    for thing, use_it in (
        (fr.Chains(rbm, 9), lambda x: x.sweep(2)), (fr.TemperedChains(rbm, 9, 3), lambda x: x.sweep(5)),
        (averaging, lambda x: x.update(rbm, 1)), (fr.BitMatrix.from_states(X), lambda x: x.to_states()),
    ):  # fmt: skip
        buffers = []
        pickled = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
        use_it(pickle.loads(pickled, buffers=[bytes(buffer) for buffer in buffers]))


# ------------------------------------------------------------ objects of another model


OTHER = model(n_visible=5, n_hidden=3)
OTHER_X = X[:, :5]


def objects_of_another_model():
    rbm = model()
    g, other_g = gradient.CD()(rbm, X), gradient.CD()(OTHER, OTHER_X)
    parts = other_g.tiles, other_g.visible_bias, other_g.hidden_bias
    m, other_m = fr.Moments.of_data(rbm, X), fr.Moments.of_data(OTHER, OTHER_X)
    momentum, adam, averaging = optim.SGD(0.1, momentum=0.5), optim.Adam(0.1), optim.Averaging(0.5, 1)
    momentum.set_state(_of(optim.SGD(0.1, momentum=0.5), OTHER, other_g))
    adam.set_state(_of(optim.Adam(0.1), OTHER, other_g))
    averaging.update(OTHER, 1)
    yield "a gradient", lambda: rbm.step(other_g, 0.1)
    yield "a direction", lambda: rbm.step(Direction(*parts), 0.1)
    # tiles of another model between biases of this one
    yield "tiles", lambda: rbm._move(Direction(parts[0], np.zeros(V), np.zeros(H)), 0.1)
    yield "three arrays", lambda: rbm.step(OTHER, 0.1)
    yield "moments", lambda: gradient.Gradient(m, other_m)
    yield "moments added", lambda: m + other_m
    yield "sums", lambda: fr.Moments(m.weight_sum, other_m.visible_sum, m.hidden_sum, 1.0)
    yield "offsets", lambda: g.centered(np.zeros(5), np.zeros(3))
    yield "momentum", lambda: momentum.update(rbm, g)
    yield "Adam", lambda: adam.update(rbm, g)
    yield "averaging", lambda: averaging.update(rbm, 2)
    yield "averaging offered", lambda: averaging.offer(rbm, rbm.copy())
    yield "averaging to another", lambda: optim.Averaging().offer(rbm, OTHER.copy())
    yield "start", lambda: fr.Chains(rbm, 9, start=fr.Chains(OTHER, 9).visible_bits)
    yield "chains", lambda: fr.Moments.of_chains(rbm, fr.Chains(OTHER, 9))
    yield "a state", lambda: fr.Chains(rbm, 9).set_state(fr.Chains(OTHER, 9).get_state())
    yield "a new shape", lambda: rbm.__init__(OTHER.weights)


def _of(optimizer, rbm, g):
    optimizer.update(rbm.copy(), g)
    return optimizer.get_state()


OBJECTS = list(objects_of_another_model())


@pytest.mark.parametrize("call", [call for _, call in OBJECTS], ids=[name for name, _ in OBJECTS])
def test_objects_of_another_model(call):
    with pytest.raises(ValueError, match=r"\d"):
        call()


@pytest.mark.parametrize("units", ["spin", "gaussian", fr.units.Categorical(2, 2), [fr.units.Spin(2)] * 2])
def test_a_model_that_is_made_again_keeps_its_units(units):
    """Chains that follow it would be written past their end."""
    rbm = fr.RBM(np.zeros((4, 3)))
    chains = fr.Chains(rbm, 3)
    with pytest.raises(ValueError, match=r"visible must stay units of the same type, Bernoulli\(4\), got"):
        rbm.__init__(np.zeros((4, 3)), visible=units)
    chains.sweep(1)
    assert chains.visible.dtype == np.uint8


def test_moments_that_change_their_shape():
    rbm = model()
    m = fr.Moments.of_data(rbm, X)
    g = gradient.Gradient(m, fr.Moments.of_data(rbm, X[:5]))
    m.weight_sum = np.zeros((2, 2))
    with pytest.raises(ValueError):
        rbm.step(g, 0.1)


def test_estimators_start_anew_with_another_model():
    for make in (gradient.PCD, gradient.FastPCD, gradient.Tempered):
        estimator = make(8)
        for rbm, data in ((model(), X), (OTHER, OTHER_X)):
            assert estimator(rbm, data).shape == (rbm.n_visible, rbm.n_hidden)


def test_fast_weights_stay_out_of_models_that_chains_are_given():
    """chains.rbm may be set; what is added to it must not be added to a user's model."""
    rbm = model()
    fast = gradient.FastPCD(8, rate=1.0)
    fast(rbm, X)
    fast.chains.rbm = rbm
    before = rbm.weights.copy()
    fast(rbm, X)
    assert np.array_equal(rbm.weights, before)


# ------------------------------------------------------------ threads


def in_threads(work, n=6):
    """Exceptions of threads that all do work(k)."""
    errors, barrier = [], threading.Barrier(n)

    def run(k):
        barrier.wait()
        try:
            work(k)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("make", [gradient.PCD, gradient.FastPCD, gradient.Tempered, gradient.CD])
def test_one_estimator_in_many_threads(make):
    """Of models of two shapes: which chains a call gets is open, but not that they fit it."""
    estimator = make(*() if make is gradient.CD else (30,))
    centering = gradient.Centering()

    def work(k):
        rbm, data = (model(), X) if k % 2 else (OTHER.copy(), OTHER_X)
        for _ in range(15):
            g = estimator(rbm, data)
            assert g.shape == (rbm.n_visible, rbm.n_hidden)
            optim.SGD(0.1).update(rbm, centering(g))

    errors = in_threads(work)
    assert not [error for error in errors if not isinstance(error, ValueError)], errors


def test_one_model_in_many_threads():
    rbm, chains, sgd = model(), fr.Chains(model(), 100), optim.SGD(0.01, momentum=0.5)

    def work(k):
        for seed in range(10):
            if k % 3 == 0:
                fr.fit(rbm, X, epochs=1, batch_size=10)
            elif k % 3 == 1:
                assert rbm.sample(20, 5, seed=seed).shape == (20, V)
                sgd.update(rbm, gradient.CD()(rbm, X))
            else:
                chains.sweep(30)

    assert not in_threads(work)
    assert np.isfinite(rbm.weights).all() and chains.visible.max() <= 1


def test_tiles_hold_what_they_should():
    """The tests above go by to_tiles."""
    g = gradient.Exact()(OTHER, OTHER_X)
    assert np.array_equal(g.tiles, to_tiles(g.weights))


# ---------------------------------------------------------------- arrays that are given out


def test_the_shape_of_an_array_that_is_given_out_is_nobody_elses():
    """People set the shape of weights to draw them; the kernels would read the model's as if they had it."""
    rbm, kinds = fr.RBM(np.zeros((4, 6)), hidden="drelu"), ("weights", "visible_bias", "hidden_bias")
    data = np.eye(4, dtype=np.uint8)
    path, moments = fr.sampling.Path(rbm, 3), fr.Moments.of_data(rbm, data)
    for thing, names in (
        (rbm, kinds), (path, ("points", "base_bias")), (gradient.CD()(rbm, data), (*kinds, "tiles")),
        (moments, ("weight_sum", "visible_sum", "hidden_sum")),
    ):  # fmt: skip
        for name in names:
            shape = getattr(thing, name).shape
            with pytest.warns(DeprecationWarning) if np.__version__ >= "2.5" else contextlib.nullcontext():
                getattr(thing, name).shape = (1, *shape[::-1])
            with pytest.raises(ValueError, match="own its data|owndata"):
                getattr(thing, name).resize((1,), refcheck=False)
            assert getattr(thing, name).shape == shape, name
    with pytest.raises(ValueError, match="WRITEABLE"):
        rbm.weights.setflags(write=True)
    assert rbm.sample(3, 2).shape == (3, 4)
