"""Where batches come from: memory-mapped arrays, batches of the user's own, states drawn from fractions."""

import tracemalloc

import numpy as np
import pytest
from helpers import modules

import fastrbm as fr
from fastrbm import reference
from fastrbm._core import philox
from fastrbm.training import data as _source
from fastrbm.units import Bernoulli

MODULES = modules()
X = fr.datasets.load_digits()


def source_of(data, n_units, *arguments, **options):
    return _source.source_of(data, Bernoulli(n_units), *arguments, **options)


def on_disk(folder, array):
    path = folder / "x.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.int64])
def test_a_memory_map_trains_to_the_same_bits(tmp_path, dtype):
    mapped = on_disk(tmp_path, X.astype(dtype))
    assert isinstance(mapped, np.memmap)
    models = []
    for data in (X, mapped):
        rbm = fr.RBM.from_data(data, 8, seed=1)
        fr.fit(rbm, data, fr.gradient.CD(), epochs=2, batch_size=100, seed=2, sample_weight=np.arange(len(X)))
        models.append(rbm)
    assert np.array_equal(models[0].weights, models[1].weights)
    assert np.array_equal(models[0].visible_bias, models[1].visible_bias)


def test_fractions_on_disk(tmp_path):
    gray = (X * 0.75).astype(np.float32)
    models = []
    for data in (gray, on_disk(tmp_path, gray)):
        rbm = fr.RBM.from_data(data, 8)
        fr.fit(rbm, data, epochs=1)
        models.append(rbm)
    assert np.array_equal(models[0].weights, models[1].weights)


def test_a_memory_map_is_not_loaded(tmp_path):
    """64 MB on disk; from_data and an epoch of training never hold more than a part of them."""
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(1 << 16, 1 << 10))
    rbm = fr.RBM(np.zeros((1 << 10, 8)))
    tracemalloc.start()
    try:
        fr.fit(rbm, mapped, fr.gradient.PCD(8), epochs=1, batch_size=1024)
        fr.RBM.from_data(mapped.view(bool), 8)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20  # from_data reads 16 MB at a time
    finally:
        tracemalloc.stop()


def test_bad_values_on_disk_are_found_when_they_are_read(tmp_path):
    bad = X.copy()
    bad[1000, 5] = 7
    rbm = fr.RBM.from_data(X, 8)
    with pytest.raises(ValueError, match="X must hold 0 or 1.* got values from 0 to 7"):
        fr.fit(rbm, on_disk(tmp_path, bad), epochs=1)
    with pytest.raises(ValueError, match="X must have two dimensions"):
        fr.fit(rbm, on_disk(tmp_path, X.reshape(-1)), epochs=1)
    with pytest.raises(ValueError, match="X has 65 units per example where the model has 64"):
        fr.fit(rbm, on_disk(tmp_path, np.zeros((3, 65), np.uint8)), epochs=1)


class Loader:
    """Batches like those of a data loader."""

    def __init__(self, arrays, length=None):
        self.arrays, self.length, self.epochs = arrays, len(arrays) if length is None else length, 0

    def __len__(self):
        return self.length

    def __iter__(self):
        self.epochs += 1
        return iter(self.arrays)


def test_batches_of_ones_own():
    class Ordered:
        """The batches that fit itself would take."""

        epoch = 0

        def __len__(self):
            return 18

        def __iter__(self):
            self.epoch += 1
            order = philox.permutation(len(X), 7, philox.SHUFFLE, self.epoch)
            return (X[order[k : k + 100]] for k in range(0, len(X), 100))

    own, plain = fr.RBM.from_data(X, 8), fr.RBM.from_data(X, 8)
    ordered = Ordered()
    source = source_of(ordered, 64, 128, 7)
    assert source.some_examples().shape == (256, 64)
    ordered.epoch = -1  # the examples that are measured are taken from a look at the first batches
    history = fr.fit(own, ordered, epochs=3, seed=7)
    fr.fit(plain, X, epochs=3, seed=7, batch_size=100)
    assert history.last["update"] == 54
    assert np.array_equal(own.weights, plain.weights)


def test_batches_of_several_kinds_and_sizes():
    loader = Loader([X[:100], X[100:107].astype(float), fr.BitMatrix.from_states(X[107:300]), X[:5] * 0.5])
    rbm = fr.RBM.from_data(loader, 6)
    whole = fr.RBM.from_data(np.concatenate([X[:300], X[:5] * 0.5]), 6)
    assert np.array_equal(rbm.visible_bias, whole.visible_bias)
    history = fr.fit(rbm, loader, epochs=2)
    assert history.last["update"] == 8 and np.isfinite(rbm.weights).all()


@pytest.mark.parametrize(
    "batches, error, message",
    [
        (Loader([X[:10]], 2), ValueError, "X yields 1 batches where its len.. promises 2"),
        (Loader([X[:10]] * 3, 2), ValueError, "X yields more than the 2 batches"),
        (Loader([]), ValueError, "X must have at least one batch"),
        (Loader([X[:10, :5]]), ValueError, "a batch of X has 5 units per example where the model has 64"),
        (Loader([X[:0], X[:3]]), ValueError, "a batch of X has no examples"),
        (Loader([X[:3] * 9]), ValueError, "a batch of X must hold 0 or 1"),
        (iter([X[:10]]), TypeError, "X must be an array .* not list_iterator"),
        (3, TypeError, "X must be an array .* not int"),
        ([X[:5], X[:4]], TypeError, "X must be one array .* not a list of 2 arrays: .* join"),
        (Loader([[X[:3], X[:3, 0]]]), TypeError, "a batch of X must be one array .* list of 2 arrays: .* x alone"),
    ],
)
def test_bad_batches(batches, error, message):
    with pytest.raises(error, match=message):
        fr.fit(fr.RBM.from_data(X, 4), batches, epochs=1)


def test_batches_take_no_weights_and_iterators_are_refused():
    class Once(Loader):
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

    with pytest.raises(TypeError, match="X must give a new iterator for each epoch"):
        fr.fit(fr.RBM.from_data(X, 4), Once([X]), epochs=1)
    with pytest.raises(ValueError, match="sample_weight needs X to be an array"):
        fr.fit(fr.RBM.from_data(X, 4), Loader([X]), epochs=1, sample_weight=np.ones(len(X)))


# ---------------------------------------------------------------- draw


def test_drawn_states_have_their_probabilities_and_are_new_each_time():
    gray = np.tile([0.0, 0.25, 0.5, 1.0], (4096, 2))
    source = source_of(gray, 8, 4096, 3, dynamic_binarization=True)
    first, second = (next(iter(source.batches(epoch)))[0] for epoch in (1, 2))
    assert isinstance(first, fr.BitMatrix)
    means = first.to_states().mean(axis=0)
    assert np.abs(means - gray[0]).max() < 5 * 0.5 / np.sqrt(4096)
    assert (means[[0, 4]] == 0).all() and (means[[3, 7]] == 1).all()
    v, w = first.to_states(), second.to_states()
    assert abs((v[:, 2] == w[:, 2]).mean() - 0.5) < 5 * 0.5 / np.sqrt(4096)
    assert abs((v[:, 2] == v[:, 6]).mean() - 0.5) < 5 * 0.5 / np.sqrt(4096)
    # the batch is drawn in parts of 2,048 examples: none repeats another
    assert abs((v[:2048, 2] == v[2048:, 2]).mean() - 0.5) < 5 * 0.5 / np.sqrt(2048)
    again = next(iter(source_of(gray, 8, 4096, 3, dynamic_binarization=True).batches(2)))[0]
    assert np.array_equal(again.planes, second.planes)


def test_draws_do_not_depend_on_batches_dtype_or_place(tmp_path):
    gray = X * 0.9 + 0.05
    wanted = [
        np.concatenate([b.to_states() for b, _ in source_of(gray, 64, 500, 3, dynamic_binarization=True).batches(2)])
    ]
    for data in (gray, gray.astype(np.float32), on_disk(tmp_path, gray), np.asfortranarray(gray)):
        source = source_of(data, 64, 24, 3, dynamic_binarization=True)
        wanted.append(np.concatenate([batch.to_states() for batch, _ in source.batches(2)]))
        assert np.array_equal(wanted[0], wanted[-1])
        packed, examples, ends, _ = source.part(range(2, 3), 3, 5, 1)
        part = fr.BitMatrix(np.ascontiguousarray(packed[examples[ends[0] : ends[-1]]].T), 64).to_states()
        assert np.array_equal(part, wanted[0][3 * 24 : 8 * 24]) and np.diff(ends).tolist() == [24] * 5


def test_a_long_read_from_disk_is_cut(tmp_path, monkeypatch):
    gray, parts = X * 0.9 + 0.05, []
    for most in (1 << 20, 10 * 64):
        monkeypatch.setattr(_source, "DRAWN", most)
        parts.append(
            source_of(on_disk(tmp_path, gray), 64, 24, 3, dynamic_binarization=True).part(range(1, 2), 0, 9, 1)[0]
        )
    assert np.array_equal(*parts)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 64), (70, 65), (300, 200)])
def test_states_are_drawn_as_the_reference_does(level, shape):
    rng = np.random.default_rng(shape[1])
    fractions = rng.choice([-3e38, -0.1, -0.0, 0.0, 1e-9, 0.3, 0.5, 1 - 2**-24, 1.0, 1.5, 3e38], shape).astype(
        np.float32
    )
    n = shape[0] + 3
    rows, out = rng.integers(0, shape[0], (3, n)), np.full((2, 3, n, -(-shape[1] // 8)), 255, np.uint8)
    reference.draw_states(fractions, rows, 2**40 + 3, 23, 5, 2**32 - 2, out[0])
    for n_threads in (1, 2, 3, 7):
        MODULES[level].draw_states(fractions, rows, 2**40 + 3, 23, 5, 2**32 - 2, out[1], n_threads)
        assert np.array_equal(out[0], out[1])
    for drawn, examples in zip(out[0], rows, strict=True):
        states = fr.BitMatrix(np.ascontiguousarray(drawn.T), shape[1]).to_states()
        assert (states[fractions[examples] <= 0] == 0).all() and (states[fractions[examples] >= 1] == 1).all()


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("p", [3e-6, 0.1, 1 - 3e-6])
def test_states_are_drawn_with_their_probability(level, p):
    """Also where it is far below 2^-16, so that the bits that decide ties are what counts: 5 standard errors."""
    n, n_units = 40_000, 512
    out = np.empty((n, n_units // 8), np.uint8)
    fractions, rows = np.full((1, n_units), p, np.float32), np.zeros((1, n), np.int64)
    MODULES[level].draw_states(fractions, rows, 1, 23, 0, 0, out[None], 2)
    p = float(np.float32(p))
    count, mean = int(np.unpackbits(out).sum(dtype=np.int64)), n * n_units * p
    assert abs(count - mean) < 5 * np.sqrt(mean * (1 - p))


def test_draw_in_fit(tmp_path):
    gray = X * 0.9 + 0.05
    models = []
    for data in (gray, gray.astype(np.float32).astype(float), on_disk(tmp_path, gray)):
        rbm = fr.RBM.from_data(gray, 8)
        fr.fit(rbm, data, epochs=2, dynamic_binarization=True, seed=5)
        models.append(rbm)
        assert np.array_equal(models[0].weights, rbm.weights)
    binary = [fr.RBM.from_data(X, 8) for _ in range(2)]
    for rbm, draw in zip(binary, (False, True), strict=True):
        fr.fit(rbm, X, epochs=2, dynamic_binarization=draw)
    assert np.array_equal(binary[0].weights, binary[1].weights)  # nothing to draw in states of 0 and 1


def test_training_does_not_depend_on_what_is_measured():
    models = []
    for metrics in ((), [fr.metrics.Mixing(every=1), fr.metrics.PseudoLikelihood(every=1)]):
        rbm = fr.RBM.from_data(X, 8)
        fr.fit(rbm, X, epochs=2, metrics=metrics, validation=X[:50] if metrics else None)
        models.append(rbm)
    assert np.array_equal(models[0].weights, models[1].weights)
