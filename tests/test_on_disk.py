"""Memory-mapped arrays: many updates a call, the same bits as in memory, errors that name rows, one description."""

import mmap

import numpy as np
import pytest

import fastrbm as fr
from fastrbm.training import data as _source
from fastrbm.training import fused
from fastrbm.units import Bernoulli

X = fr.datasets.load_digits()
GRAY = (X * 0.75 + 0.125).astype(np.float32)


def source_of(data, n_units, *arguments, **options):
    return _source.source_of(data, Bernoulli(n_units), *arguments, **options)


def on_disk(folder, array, name="x.npy"):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")


def trained(data, batch_size=50, **options):
    rbm = fr.RBM.from_data(X, 8, seed=1)
    fr.fit(rbm, data, fr.gradient.PCD(32, seed=3), epochs=2, batch_size=batch_size, seed=2, **options)
    return rbm.weights.tobytes() + rbm.visible_bias.tobytes() + rbm.hidden_bias.tobytes()


def runs(monkeypatch):
    """How many updates each call of the kernel did."""
    done, run = [], fused.Updates.run
    monkeypatch.setattr(fused.Updates, "run", lambda *a: done.append(run(*a)) or done[-1])
    return done


KINDS = [X.astype(dtype) for dtype in (np.uint8, bool, np.int64, np.float32, ">f4", ">i2", "<f8")]
KINDS += [np.asfortranarray(X), GRAY, GRAY.astype(">f8"), np.asfortranarray(GRAY)]


@pytest.mark.parametrize("draw", [False, True])
@pytest.mark.parametrize("array", KINDS, ids=lambda a: f"{a.dtype.str}{'F' if a.flags.f_contiguous else ''}{a.max():g}")
def test_the_same_bits_as_in_memory_many_updates_a_call(tmp_path, monkeypatch, array, draw):
    done = runs(monkeypatch)
    assert trained(on_disk(tmp_path, array), dynamic_binarization=draw) == trained(array, dynamic_binarization=draw)
    one_at_a_time = float(array.max()) < 1 and not draw
    half = done[: len(done) // 2]  # those of the memory map; the others are the array's
    assert (sum(half) == 0) if one_at_a_time else (sum(half) == 2 * 36 and len(half) <= 2 * 3)


def test_one_row_of_fractions(tmp_path):
    """What comes before it in an epoch may be taken at once, what follows not; the bits are those of memory."""
    array = X.astype(np.float32)
    array[1000, 5] = 0.25
    assert trained(on_disk(tmp_path, array)) == trained(array)


def test_a_run_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "_RUN", 5 * 50 * 8)
    done = runs(monkeypatch)
    assert trained(on_disk(tmp_path, X)) == trained(X)
    assert max(done[: len(done) // 2]) == 5


def test_what_is_on_disk(tmp_path):
    mapped = on_disk(tmp_path, X)
    with open(tmp_path / "x.npy", "r+b") as file:
        shared = np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8)
        for array in (mapped, mapped[::2], np.asarray(mapped)[5:], mapped.T, mapped.view(bool), shared.reshape(1, -1)):
            assert _source.is_on_disk(array)
    for array in (X, X[3:], mapped.copy(), mapped + 1, mapped[[1, 2]], np.array(mapped), [[0, 1]]):
        assert not _source.is_on_disk(array)
    for array in (mapped[::2], np.asarray(mapped)[5:], mapped[:, ::-1]):
        assert isinstance(source_of(array, 64, 50, 0), _source.OnDisk)
        assert trained(array) == trained(np.array(array))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("value", [7, -1, np.nan, 3e300])
def test_a_bad_value_is_found_by_its_row(tmp_path, dtype, value):
    if not np.can_cast(np.min_scalar_type(value), dtype, "same_kind") or (dtype == np.uint8 and value < 0):
        pytest.skip("no value of this dtype")
    with np.errstate(over="ignore"):
        bad = X.astype(dtype)
        bad[1234, 5] = value
    which = r"X .*(X\[1234, 5\] is (7|-1|3e\+300)\)|X\[1234, 5\] is inf$|NaN, the first at X\[1234, 5\])"
    with pytest.raises(ValueError, match=which):
        trained(on_disk(tmp_path, bad))
    bad[100, 63] = bad[1234, 5]
    with pytest.raises(ValueError, match=r"X\[100, 63\]"):
        trained(on_disk(tmp_path, bad))


@pytest.mark.parametrize("array", [X, X.astype(bool), X.astype(float), GRAY, GRAY.astype(float), np.asfortranarray(X)])
def test_a_checkpoint_goes_on_with_the_same_values_wherever_they_are(tmp_path, array):
    whole = trained(array, batch_size=300)
    for k, (first, second) in enumerate(((array, on_disk(tmp_path, array)), (on_disk(tmp_path, array), array))):
        rbm, path = fr.RBM.from_data(X, 8, seed=1), tmp_path / f"{k}.npz"

        def stop(state):
            raise KeyboardInterrupt

        options = {"epochs": 2, "batch_size": 300, "seed": 2, "checkpoint": path, "checkpoint_seconds": 0.0}
        with pytest.raises(KeyboardInterrupt):
            fr.fit(rbm, first, fr.gradient.PCD(32, seed=3), callbacks=[stop], **options)
        fr.fit(rbm, second, fr.gradient.PCD(32, seed=3), resume=True, **options)
        assert rbm.weights.tobytes() + rbm.visible_bias.tobytes() + rbm.hidden_bias.tobytes() == whole


def test_what_a_checkpoint_remembers(tmp_path, monkeypatch):
    """One text for all that hold the same values, another for other values, however large the array is."""
    for checked in (1 << 26, 100 * 64):
        monkeypatch.setattr(_source, "_CHECKED", checked)
        texts = set()
        for k, array in enumerate((X, X.astype(bool), X.astype(float), X.astype(">f4"), np.asfortranarray(X))):
            for data in (array, on_disk(tmp_path, array, f"{checked}{k}.npy")):
                texts.add(source_of(data, 64, 50, 0).describe())
        assert len(texts) == 1
        other = X.copy()
        other[0, 0] ^= 1
        texts.add(source_of(other, 64, 50, 0).describe())
        texts.add(source_of(GRAY, 64, 50, 0).describe())
        assert len(texts) == 3
    last = X.copy()
    last[1790, 1] ^= 1
    assert source_of(last, 64, 50, 0).describe() == source_of(X, 64, 50, 0).describe()  # of 100 rows
    monkeypatch.setattr(_source, "_CHECKED", 1 << 26)
    assert source_of(last, 64, 50, 0).describe() != source_of(X, 64, 50, 0).describe()


def test_a_checksum_does_not_depend_on_the_parts_that_are_read(tmp_path, monkeypatch):
    for array in (X, GRAY):
        texts = set()
        for step in (1 << 20, 64 * 100, 64):
            monkeypatch.setattr(_source, "DRAWN", step)
            texts |= {source_of(data, 64, 50, 0).describe() for data in (array, on_disk(tmp_path, array))}
        assert len(texts) == 1
