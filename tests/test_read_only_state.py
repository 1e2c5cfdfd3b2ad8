"""Objects that come back with read-only arrays, as from joblib or Ray (scikit-learn issue 25584), go on."""

import pickle

import numpy as np
import pytest

import fastrbm as fr

X = fr.datasets.load_digits()[:200]


def read_only(thing):
    """Through pickle with its arrays in buffers that cannot be written."""
    buffers = []
    data = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[memoryview(bytes(b.raw())).toreadonly() for b in buffers])


def through_joblib(thing, folder):
    joblib = pytest.importorskip("joblib")
    joblib.dump(thing, folder / "thing")
    return joblib.load(folder / "thing", mmap_mode="r")


@pytest.fixture(params=["buffers", "joblib"])
def back(request, tmp_path):
    return read_only if request.param == "buffers" else lambda thing: through_joblib(thing, tmp_path)


def test_models(back):
    rbm = fr.RBM.from_data(X, 8, seed=0)
    other = back(rbm)
    assert (other.sample(9, 5) == rbm.sample(9, 5)).all()
    for model in (rbm, other):
        fr.fit(model, X, epochs=2, progress=False)
    assert (other.weights == rbm.weights).all()
    bits = back(fr.BitMatrix.from_states(X))
    assert (bits.to_states() == X).all() and (rbm.free_energy(bits) == rbm.free_energy(X)).all()


@pytest.mark.parametrize("kind", [fr.Chains, fr.TemperedChains])
def test_chains(kind, back):
    rbm = fr.RBM.from_data(X, 8, seed=0)
    chains = kind(rbm, 33, seed=1)
    chains.sweep(3)
    other = back(chains)
    for each in (chains, other):
        each.sweep(4)
    assert (other.visible == chains.visible).all() and (other.hidden == chains.hidden).all()
    again = kind(rbm, 33)
    again.set_state(back(chains.get_state()))
    again.sweep(2)
    chains.sweep(2)
    assert (again.visible == chains.visible).all()


ESTIMATORS = {
    "cd": fr.gradient.CD(), "pcd": fr.gradient.PCD(16), "fast pcd": fr.gradient.FastPCD(16),
    "tempered": fr.gradient.Tempered(16, 3), "exact": fr.gradient.Exact(),
}  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda: fr.optim.SGD(0.1), "momentum": lambda: fr.optim.SGD(0.1, momentum=0.5), "adam": fr.optim.Adam,
}  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_trainings(estimator, optimizer, back):
    rbm = fr.RBM.from_data(X, 8, seed=0)
    parts = {
        "gradient": pickle.loads(pickle.dumps(ESTIMATORS[estimator])), "optimizer": OPTIMIZERS[optimizer](),
        "averaging": fr.optim.Averaging(every=1), "centered": fr.gradient.Centering(),
    }  # fmt: skip
    fr.fit(rbm, X, epochs=1, **parts)
    parts |= {"rbm": rbm}
    runs = []
    for each in (parts, back(parts)):
        assert each["rbm"] is not rbm or each is parts
        fr.fit(X=X, epochs=2, **each)
        runs.append(each["rbm"].weights)
    assert np.array_equal(*runs)


def test_data_and_weights(back):
    data, weight = back((X.copy(), np.arange(200.0)))
    assert not data.flags.writeable
    a, b = fr.RBM.from_data(X, 8, seed=0), fr.RBM.from_data(data, 8, seed=0)
    fr.fit(a, X, epochs=1, sample_weight=np.arange(200.0))
    fr.fit(b, data, epochs=1, sample_weight=weight)
    assert (a.weights == b.weights).all()


def test_averages(back):
    rbm, averaging = fr.RBM.from_data(X, 8, seed=0), fr.optim.Averaging(every=1)
    averaging.update(rbm, 1)
    other = back(averaging)
    rbm.step(fr.gradient.Exact()(rbm, X), 0.1)
    ends = []
    for each in (averaging, other):
        each.update(rbm, 2)
        each.offer(rbm, average := rbm.copy())
        ends.append(average.weights)
    assert np.array_equal(*ends)
