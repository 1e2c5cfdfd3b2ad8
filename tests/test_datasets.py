"""Data: the bundled sets and the readers."""

import gzip
import struct

import numpy as np
import pytest

import fastrbm as fr

GRAY = np.array([[[0, 127], [128, 255]], [[1, 0], [200, 3]], [[0, 0], [0, 0]]], np.uint8)
CUT = (GRAY >= 128).astype(np.uint8).reshape(3, 4)


def idx(array, code=0x08, dtype=">u1"):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.astype(dtype).tobytes()


def test_digits():
    X = fr.datasets.load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.uint8 and set(np.unique(X)) == {0, 1}
    assert np.all(X[:, [0, 32, 39]] == 0)  # corners and margins that are blank in all of UCI's images


def test_digits_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.datasets")
    assert np.array_equal(fr.datasets.load_digits(), sklearn.load_digits().data >= 8)


@pytest.mark.parametrize("n, count", [(2, 6), (3, 14), (4, 30), (5, 62)])
def test_bars_and_stripes(n, count):
    X = fr.datasets.bars_and_stripes(n)
    assert X.shape == (count, n * n) and X.dtype == np.uint8
    assert len(np.unique(X, axis=0)) == count  # distinct
    images = X.reshape(-1, n, n)
    bars = (images == images[:, :1]).all(axis=(1, 2))
    stripes = (images == images[:, :, :1]).all(axis=(1, 2))
    assert np.all(bars | stripes)


@pytest.mark.parametrize("n, error", [(1, ValueError), (17, ValueError), (2.5, TypeError)])
def test_bars_and_stripes_checks(n, error):
    with pytest.raises(error, match="n must be"):
        fr.datasets.bars_and_stripes(n)


@pytest.mark.parametrize("name", ["x-idx3-ubyte", "x-idx3-ubyte.gz", "x.idx", "x.idx.gz", "x.npy", "x.npz"])
def test_readers(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, GRAY)
    elif name.endswith("npz"):
        np.savez(path, images=GRAY)
    else:
        path.write_bytes(gzip.compress(idx(GRAY)) if name.endswith("gz") else idx(GRAY))
    X = fr.datasets.load(path)
    assert X.dtype == np.uint8 and np.array_equal(X, CUT)
    assert np.array_equal(fr.datasets.load(str(path), threshold=200), (GRAY >= 200).reshape(3, 4))


@pytest.mark.parametrize("code, dtype", [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_types(tmp_path, code, dtype):
    path = tmp_path / "x.idx"
    bits = CUT.reshape(3, 2, 2)
    path.write_bytes(idx(bits, code, dtype))
    assert np.array_equal(fr.datasets.load(path), CUT)


@pytest.mark.parametrize("head", ["", "a,b,c\n", "\ufeffa,b,c\n", "\ufeff"])
def test_csv(tmp_path, head):
    path = tmp_path / "x.csv"
    path.write_text(head + "0,1,1\n1,0,0\n", encoding="utf-8")
    assert fr.datasets.load(path).tolist() == [[0, 1, 1], [1, 0, 0]]


def test_automatic_thresholds(tmp_path):
    path = tmp_path / "x.npy"
    for values, cut in (
        ([0, 7, 8, 16], 8),
        ([0, 7, 8, 15], 8),
        ([0, 127, 128, 250], 128),
        ([0.0, 0.49, 0.5, 0.9], 0.5),
    ):
        np.save(path, np.array([values]))
        assert fr.datasets.load(path).tolist() == [[int(v >= cut) for v in values]]
    for values in ([-1, 1], [0, 10], [3, 7], [0.3, 0.3], [0.6, 0.9], [0, 100], [0, 1000]):
        np.save(path, np.array([values]))
        with pytest.raises(ValueError, match=r"x\.npy has values from .* say with threshold"):
            fr.datasets.load(path)
    assert fr.datasets.load(path, threshold=500).tolist() == [[0, 1]]


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dia"])
def test_a_sparse_matrix_in_an_npz(tmp_path, form):
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "x.npz", sparse.eye(3, format=form))
    with pytest.raises(ValueError, match=r"x\.npz holds a sparse matrix .*scipy\.sparse\.load_npz"):
        fr.datasets.load(tmp_path / "x.npz")


def test_several_arrays_in_an_npz(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=CUT, b=CUT[:1])
    with pytest.raises(ValueError, match=r"x\.npz holds a, b: choose one with key"):
        fr.datasets.load(path)
    assert len(fr.datasets.load(path, key="b")) == 1
    with pytest.raises(ValueError, match="has no array c; it has a, b"):
        fr.datasets.load(path, key="c")


DAMAGED = [
    ("x.npy", b"", "is not an .npy file"),
    ("x.npy", b"\x93NUMPY\x01\x00", "is damaged"),
    ("x.npz", b"PK\x03\x04 not a zip", "is damaged, or not an .npz file"),
    ("x-ubyte", b"\0\0", "is not an IDX file"),
    ("x-ubyte", b"\0\0\x07\x01" + b"\0" * 8, "is not an IDX file"),
    ("x-ubyte", idx(GRAY)[:-1], "its head promises 12 bytes of data, it has 11"),
    (
        "x-ubyte",
        b"\0\0\x08\x03" + b"\xff" * 12 + b"abc",
        "promises 79228162458924105385300197375 bytes of data, it has 3",
    ),
    ("x-ubyte", b"\0\0\x08\x03\0\0", "is damaged"),
    ("x-ubyte.gz", idx(GRAY), "is damaged"),
    ("x-ubyte.gz", gzip.compress(idx(GRAY))[:-9], "is damaged"),
    ("x.csv", b"", "is empty"),
    ("x.csv", b"a,b\n1,x\n", "line 2, column 2: 'x' is not a number"),
    ("x.csv", b"1,,1\n1,0,1\n", "line 1, column 2: it is empty"),
    ("x.csv", b"1,O\n1,0\n", "line 1, column 2: 'O' is not a number"),
    ("x.csv", b"a\n1,0\n", "line 1, column 1: 'a' is not a number"),
    ("x.csv", b"1 0\n1 1\n", "its cells are separated by spaces"),
    ("x.csv", b"a,b\n", "has a line of names and no examples"),
    ("x.csv", b"1,1\n0\n", "line 2: it has 1 numbers, the lines before have 2"),
    ("x.csv", b"0,nan\n", "missing or infinite"),
    ("x.txt", b"1,0\n", "unknown kind of file; known are .npy, .npz, .csv, .tsv, or IDX"),
]


@pytest.mark.parametrize("name, content, message", DAMAGED)
def test_damaged_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        fr.datasets.load(path)
    assert str(path) in str(caught.value) and "pickle" not in str(caught.value)


def test_other_unusable_files(tmp_path):
    with pytest.raises(OSError):
        fr.datasets.load(tmp_path / "missing.npy")
    for array, message in (
        (np.zeros(3), r"holds an array of shape \(3,\); it must be \(examples, units\)"),
        (np.zeros((0, 4)), "it must be"),
        (np.array([["a"]]), "holds no numbers"),
    ):
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(ValueError, match=message):
            fr.datasets.load(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="holds Python objects, not numbers"):
        fr.datasets.load(tmp_path / "x.npy")
