"""Dynamic binarization beside other segments: units of two values are drawn anew, all other columns stay."""

import numpy as np
import pytest
from helpers import Loader
from ranks_by_threads import on_ranks
from scipy import sparse

import fastrbm as fr
from fastrbm.sampling.columns import LabelColumn
from fastrbm.states.bits import of_planes
from fastrbm.states.fractions import Fractions
from fastrbm.states.planes import places
from fastrbm.training.data import source_of

u = fr.units
RNG = np.random.default_rng(0)
N = 150
GRAY = np.where(RNG.random((N, 11)) < 0.3, RNG.integers(0, 2, (N, 11)), RNG.random((N, 11))).astype(np.float32)
CODES, REALS = RNG.integers(0, 3, (N, 2)), RNG.normal(5.0, 2.0, (N, 2))
# (layer, columns): a label behind, in front with a second segment, spins, real numbers between two segments
LAYERS = {
    "label": ([u.Bernoulli(11), u.Categorical(2, 3)], [GRAY, CODES]),
    "two": ([u.Categorical(2, 3), u.Bernoulli(5), u.Spin(6)], [CODES, GRAY[:, :5], 2 * GRAY[:, 5:] - 1]),
    "real": ([u.Bernoulli(3), u.Gaussian(2), u.Bernoulli(8)], [GRAY[:, :3], REALS, GRAY[:, 3:]]),
    "all": ([u.Gaussian(2), u.Categorical(2, 3), u.Bernoulli(11)], [REALS, CODES, GRAY]),
}  # fmt: skip


def data_of(name):
    visible, columns = LAYERS[name]
    X = np.concatenate(columns, axis=1, dtype=np.float64)
    return X, fr.RBM.from_data(X, 3, visible=visible)


def on_disk(tmp_path, X):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def bits_of(states, unit):
    """What a CodeMatrix has in its units of two values, (n, these)."""
    parts = [states.to_states()[:, columns] for segment, _, columns in places(unit) if segment.layout is None]
    return np.concatenate(parts, axis=1)


def of(source, epoch=2):
    return np.concatenate([batch.to_states() for batch, _ in source.batches(epoch)])


@pytest.mark.parametrize("name", LAYERS)
def test_states_are_those_of_a_layer_of_two_values_alone(name, tmp_path):
    """The same random numbers, in any batches, wherever the data are; what else there is, is untouched."""
    X, rbm = data_of(name)
    unit, how = rbm.visible, {"seed": 3, "dynamic_binarization": True}
    alone = of(source_of(GRAY, u.Bernoulli(11), 24, **how))
    source = source_of(X, unit, 24, **how)
    states = [batch for batch, _ in source.batches(2)]
    drawn = np.concatenate([bits_of(batch, unit) for batch in states])
    assert np.array_equal(drawn, alone)
    order = source.orders(range(2, 3))[0]
    hard = Fractions.read(X, unit, "X").hardened().to_states()[order]
    other = np.concatenate([[segment.layout is not None] * segment.n_columns for segment in unit.segments])
    assert np.array_equal(np.concatenate([batch.to_states() for batch in states])[:, other], hard[:, other])
    single = X.astype(np.float32) if name in ("label", "two") else X
    for again in (single, np.asfortranarray(X), on_disk(tmp_path, X)):
        for batch_size in (24, 150):
            assert np.array_equal(of(source_of(again, unit, batch_size, **how)), of(source))
    assert not np.array_equal(of(source, 1)[source.orders(range(1, 2))[0].argsort()], of(source)[order.argsort()])
    for n_threads in (1, 2):
        packed, rows, ends, _ = source.part(range(2, 3), 1, 3, n_threads)
        part = of_planes(np.ascontiguousarray(packed[rows[ends[0] : ends[-1]]].T), unit).to_states()
        assert np.array_equal(part, of(source)[24:96])


@pytest.mark.parametrize("name", LAYERS)
def test_a_training_is_the_same_on_disk_with_two_threads_and_interrupted(name, tmp_path):
    X, _ = data_of(name)

    def train(X, n_threads=1, **more):
        rbm = data_of(name)[1]
        options = {"epochs": 4, "batch_size": 32, "seed": 2, "dynamic_binarization": True} | more
        history = fr.fit(rbm, X, fr.gradient.PCD(20), fr.optim.SGD(0.05), n_threads=n_threads, **options)
        assert np.isfinite(history["shuffled_gap"]).all()
        return np.append(rbm.weights, rbm.visible_bias).tolist()

    def stop(state):
        raise KeyboardInterrupt

    whole = train(X)
    assert train(X, 2) == train(on_disk(tmp_path, X)) == whole
    path = {"checkpoint": tmp_path / "c.npz", "checkpoint_seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        train(X, callbacks=[stop], **path)
    with pytest.raises(ValueError, match="checksum"):  # of other fractions
        other = X.copy()
        between = np.argwhere((X > 0) & (X < 1))[-1]
        other[tuple(between)] *= 0.5
        train(other, resume=True, **path)
    assert train(on_disk(tmp_path, X), resume=True, **path) == whole
    own = Loader(X[:70], X[70:])
    assert train(own) == train(own) != whole


def test_means_of_fractions():
    """from_data: the mean of a unit of two values is that of its fractions, beside real numbers and gaps in a label."""
    mean = GRAY.astype(np.float64).mean(axis=0)
    logit = np.log((mean * N + 0.5) / ((1 - mean) * N + 0.5))
    X, rbm = data_of("all")
    assert np.abs(rbm.visible_bias[-11:] - logit).max() < 1e-5
    weighted = fr.RBM.from_data(X, 3, visible=LAYERS["all"][0], sample_weight=np.full(N, 2.0))
    assert np.abs(weighted.visible_bias - rbm.visible_bias).max() < 0.01
    X, rbm = data_of("label")
    X[::3, -1] = -1
    gaps = fr.RBM.from_data(X, 3, visible=LAYERS["label"][0])
    assert np.abs(gaps.visible_bias[:11] - rbm.visible_bias[:11]).max() < 1e-6
    known = CODES[np.arange(N) % 3 > 0, 1]
    counts = np.log(np.bincount(known) + 1 / 3)
    assert np.abs(gaps.visible_bias[-3:] - (counts - counts.mean())).max() < 1e-5


@pytest.mark.parametrize("gradient", [fr.gradient.Discriminative, lambda: fr.gradient.Hybrid(fr.gradient.PCD(8), 0.1)])
@pytest.mark.parametrize("name", ["label", "labels beside reals"])
def test_examples_without_a_label(gradient, name):
    """-1 and NaN say so in the column of the label, and a category more than there are in states; other columns must
    be known."""
    columns = [GRAY, CODES[:, :1]] if name == "label" else [GRAY, REALS, CODES[:, :1]]
    visible = [u.Bernoulli(11), *[u.Gaussian(2)] * (len(columns) - 2), u.Categorical(1, 3)]
    models = []
    for missing in (-1, np.nan):
        X = np.concatenate(columns, axis=1, dtype=np.float64)
        rbm = fr.RBM.from_data(X, 3, visible=visible)
        X[::4, -1] = missing
        fr.fit(rbm, X, gradient(), fr.optim.SGD(0.05), epochs=3, centered=False, dynamic_binarization=True)
        models.append(rbm.weights)
    assert np.array_equal(*models) and np.isfinite(models[0]).all()
    states = LabelColumn(rbm.visible, -1).fractions(X)
    assert (states.states.to_states()[::4, -1] == 3).all() and (states.hardened().to_states()[1::4, -1] < 3).all()
    X[5, 3] = np.nan
    with pytest.raises(ValueError, match=r"X\[5, 3\]|NaN"):
        fr.fit(rbm, X, gradient(), epochs=1, dynamic_binarization=True)


def test_what_cannot_be_drawn():
    X, rbm = data_of("label")
    wide = np.concatenate([GRAY, np.eye(3)[CODES[:, 0]], np.eye(3)[CODES[:, 1]]], axis=1)
    how = {"epochs": 2, "seed": 1, "dynamic_binarization": True}
    others = [X, wide, sparse.csr_matrix(wide)]
    models = [rbm.copy() for _ in others]
    for model, data in zip(models, others, strict=True):
        fr.fit(model, data, **how)
    assert np.array_equal(models[0].weights, models[1].weights) and np.array_equal(*[m.weights for m in models[1:]])
    wide[3, -3:] = 0.2, 0.3, 0.5
    for bad, message in (
        (wide, "each row must have a single 1"), (X + 1, r"X\[0, 0\] is 1.3"), (sparse.csr_matrix(X), "must be dense"),
        (X[0], "two dimensions"), (X[:, :5], "has 5 columns where the model has 13"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fr.fit(rbm, bad, **how)
    codes = fr.RBM.from_data(CODES, 2, visible=u.Categorical(2, 3))
    with pytest.raises(ValueError, match="dynamic_binarization draws states of units of two values, which .* has not"):
        fr.fit(codes, CODES, **how)
    one = fr.RBM.from_data(X[:1], 2, visible=LAYERS["label"][0])
    assert np.isfinite(fr.fit(one, X[:1], **how)["weight_norm"]).all()
    bits = np.concatenate([GRAY.round(), CODES], axis=1)
    drawn, plain = rbm.copy(), rbm.copy()
    fr.fit(drawn, bits, **how)
    fr.fit(plain, bits, epochs=2, seed=1)
    assert np.array_equal(drawn.weights, plain.weights)


def test_ranks_draw_the_same_states(tmp_path):
    X, _ = data_of("label")

    def train(comm, X):
        rbm = data_of("label")[1]
        options = {"epochs": 2, "batch_size": 50, "dynamic_binarization": True, "comm": comm}
        fr.fit(rbm, X, fr.gradient.PCD(16), **options)
        return rbm.weights.tolist()

    for data in (X, on_disk(tmp_path, X)):
        assert on_ranks(2, lambda comm, data=data: train(comm, data)) == [train(None, X)] * 2
