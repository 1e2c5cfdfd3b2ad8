"""What people pass as data: every kind gives the same model, or an error that names the argument."""

import datetime
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import arrays, validate

STATES = np.random.default_rng(0).integers(0, 2, (41, 11)).astype(np.uint8)
NAN = float("nan")


def odd_bool() -> np.ndarray:
    """Booleans as Pillow gives them: True is the byte 255 (Pillow issue 2044)."""
    return (STATES * np.uint8(255)).view(np.bool_)


def frame(**kinds):
    pd = pytest.importorskip("pandas")
    data = pd.DataFrame(STATES, columns=[f"unit {k}" for k in range(11)])
    return data.astype({f"unit {k}": kind for k, kind in kinds.items()} if kinds else "uint8")


def mixed_frame():
    pd = pytest.importorskip("pandas")
    data = pd.DataFrame(STATES, columns=[f"unit {k}" for k in range(11)])
    kinds = ["bool", "boolean", "Int8", "float32", "Float64", "object", "int64", "uint8", "category", "UInt8", "object"]
    for k, kind in enumerate(kinds):
        data[f"unit {k}"] = data[f"unit {k}"].astype(kind)
    data["unit 8"] = pd.Categorical.from_codes(STATES[:, 8], ["no", "yes"])
    data["unit 10"] = [bool(x) for x in STATES[:, 10]]
    data["unit 10"] = data["unit 10"].astype(object)
    return data


def polars_frame():
    pl = pytest.importorskip("polars")
    columns = {f"unit {k}": STATES[:, k] for k in range(11)}
    columns["unit 1"] = STATES[:, 1].astype(bool)
    columns["unit 2"] = STATES[:, 2].astype(np.float32)
    columns["unit 3"] = pl.Series(["yes" if x else "no" for x in STATES[:, 3]], dtype=pl.Enum(["no", "yes"]))
    return pl.DataFrame(columns)


def torch_of(kind: str):
    torch = pytest.importorskip("torch")
    return torch.tensor(STATES.tolist(), dtype=getattr(torch, kind), requires_grad=kind.startswith("f"))


def sparse_of(kind: str, duplicates: bool = False):
    sparse = pytest.importorskip("scipy.sparse")
    if duplicates:  # each 1 is two halves, and there are zeros that are written down
        rows, columns = np.nonzero(STATES)
        halves = np.full(rows.size, 0.5)
        entries = np.r_[halves, halves, 0.0], (np.r_[rows, rows, 0], np.r_[columns, columns, 0])
        return sparse.coo_matrix(entries, STATES.shape)
    return getattr(sparse, kind)(STATES)


def read_only(array):
    array.setflags(write=False)
    return array


GIVEN = {
    "bool": lambda: STATES.astype(bool),
    "bool of bytes 0 and 255": odd_bool,
    "bool of bytes 0 and 255, columns strided": lambda: np.repeat(odd_bool(), 2, axis=1)[:, ::2],
    "list": STATES.tolist,
    "list of rows": lambda: list(STATES),
    "matrix": lambda: np.asmatrix(STATES),
    "objects": lambda: STATES.astype(object),
    "objects of many kinds": lambda: np.array(
        [[[bool, int, float, Fraction, Decimal, np.bool_, np.int8][k % 7](int(x)) for k, x in enumerate(row)]
         for row in STATES], object,
    ),
    "big-endian": lambda: STATES.astype(">f8"),
    "float16": lambda: STATES.astype(np.float16),
    "longdouble": lambda: STATES.astype(np.longdouble),
    "Fortran order": lambda: np.asfortranarray(STATES),
    "read-only": lambda: read_only(STATES.copy()),
    "backwards": lambda: STATES[::-1][::-1],
    "above 1 by rounding": lambda: STATES * 1.0000000000000002,
    "below 0 by rounding": lambda: STATES - 1e-17 + (STATES == 0) * -1e-17,
    "float32 off by rounding": lambda: STATES.astype(np.float32) * np.float32(1 + 2**-22),
    "masked array without a mask": lambda: np.ma.masked_array(STATES),
    "pandas": frame,
    "pandas, mixed": mixed_frame,
    "polars": polars_frame,
    **{f"torch {kind}": lambda kind=kind: torch_of(kind)
       for kind in ("bool", "uint8", "int64", "float32", "float16", "bfloat16")},
    **{f"scipy {kind}": lambda kind=kind: sparse_of(kind)
       for kind in ("csr_matrix", "csc_matrix", "coo_matrix", "lil_matrix", "dok_matrix", "dia_matrix", "bsr_matrix",
                    "csr_array", "csc_array", "coo_array")},
    "scipy, entries twice": lambda: sparse_of("coo_matrix", duplicates=True),
    "scipy, bool": lambda: sparse_of("csr_matrix").astype(bool),
    "BitMatrix": lambda: fr.BitMatrix.from_states(STATES),
}  # fmt: skip


@pytest.mark.parametrize("kind", GIVEN)
def test_every_kind_is_read_alike(kind):
    X, rbm = GIVEN[kind](), fr.RBM.from_data(STATES, 5, seed=1)
    assert (fr.BitMatrix.from_states(X).to_states() == STATES).all()
    assert (fr.RBM.from_data(X, 5, seed=1).visible_bias == rbm.visible_bias).all()
    assert (rbm.free_energy(X) == rbm.free_energy(STATES)).all()
    assert (rbm.mean_hidden(X) == rbm.mean_hidden(STATES)).all()
    assert (fr.Moments.of_data(rbm, X).weights == fr.Moments.of_data(rbm, STATES).weights).all()
    assert (fr.Chains(rbm, 41, start=X).visible == STATES).all()
    assert (fr.likelihood.pseudo(rbm, X) == fr.likelihood.pseudo(rbm, STATES)).all()
    trained = fr.RBM.from_data(STATES, 5, seed=1)
    fr.fit(rbm, X, epochs=2, batch_size=16, validation=X)
    fr.fit(trained, STATES, epochs=2, batch_size=16, validation=STATES)
    assert (rbm.weights == trained.weights).all()


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_sparse_fractions(kind):
    sparse = pytest.importorskip("scipy.sparse")
    X = STATES * np.random.default_rng(1).random(STATES.shape)
    rbm, other = fr.RBM.from_data(X, 5, seed=1), fr.RBM.from_data(getattr(sparse, kind)(X), 5, seed=1)
    assert (rbm.visible_bias == other.visible_bias).all()
    assert (rbm.mean_hidden(X) == rbm.mean_hidden(getattr(sparse, kind)(X))).all()
    for draw in (False, True):
        a, b = rbm.copy(), rbm.copy()
        fr.fit(a, X, epochs=2, batch_size=16, dynamic_binarization=draw)
        fr.fit(b, getattr(sparse, kind)(X), epochs=2, batch_size=16, dynamic_binarization=draw)
        assert (a.weights == b.weights).all()


def test_sparse_data_are_packed_without_a_dense_copy():
    sparse = pytest.importorskip("scipy.sparse")
    import tracemalloc

    n = 4 * arrays._BLOCK // 1000
    X = sparse.random(n, 1000, density=0.001, format="csr", rng=np.random.default_rng(0))
    X.data[:] = 1.0
    tracemalloc.start()
    bits = fr.BitMatrix.from_states(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * 1000  # bytes of the dense array
    assert bits.planes.size < n * 1000 // 7
    assert int(np.bitwise_count(bits.planes).sum()) == X.nnz if hasattr(np, "bitwise_count") else True


DAMAGED = {
    "csr": {"indices": [99, -1], "indptr": [10**6, -1], "data": None},
    "csc": {"indices": [99, -1], "indptr": [10**6, -1], "data": None},
    "bsr": {"indices": [99, -1], "indptr": [10**6, -1]},
    "coo": {"row": [10**6, -1], "col": [99, -1], "data": None},
    "dia": {"offsets": None, "data": None},
    "lil": {"rows": None, "data": None},
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_sparse_matrices_are_refused(kind):
    """SciPy, and the kernels, would read and write wherever such indices say: it ended the process."""
    rbm = fr.RBM(np.zeros((STATES.shape[1], 3)))
    for name, values in DAMAGED[kind].items():
        for value in values or [None]:
            X = sparse_of(f"{kind}_matrix").copy()
            entries = getattr(X, name).copy()
            if value is None:
                entries = entries[:-1]
            else:
                entries[1] = value
            if kind == "coo" and name != "data":
                X.coords = tuple(
                    entries if axis == name else c for axis, c in zip(("row", "col"), X.coords, strict=True)
                )
            else:
                setattr(X, name, entries)
            for call in (rbm.free_energy, lambda X: fr.RBM.from_data(X, 2), fr.BitMatrix.from_states):
                with pytest.raises(
                    ValueError, match="is a damaged sparse matrix: its entries and their places do not fit"
                ):
                    call(X)


def test_sparse_matrices_of_what_are_no_numbers_are_refused_by_name():
    for kind, dtype in (("csr", object), ("bsr", object), ("coo", complex)):
        X = sparse_of(f"{kind}_matrix")
        X.data = X.data.astype(dtype)
        with pytest.raises(TypeError, match=f"^X must hold numbers, not {np.dtype(dtype)}"):
            fr.RBM.from_data(X, 2)


def test_what_was_passed_stays_as_it_is():
    X = sparse_of("csr_matrix").astype(float)
    X.data[:] = 0.5
    X = X + X  # entries in order; then one that is there twice
    before = X.copy()
    fr.RBM.from_data(X, 3)
    assert (X != before).nnz == 0 and X.dtype == before.dtype


BAD = {
    "text": (np.array([["0", "1"]]), TypeError, "X must be an array of numbers, not of dtype <U1"),
    "text in objects": (np.array([[0, "a"]], object), TypeError, r"X\[0, 1\] is 'a', of type str; labels are read"),
    "complex": (STATES.astype(complex), TypeError, "X must be an array of numbers, not of dtype complex128"),
    "dates": (np.zeros((2, 2), "M8[s]"), TypeError, "X must be an array of numbers, not of dtype datetime64"),
    "timedelta": (np.zeros((2, 2), "m8[s]"), TypeError, "X must be an array of numbers, not of dtype timedelta64"),
    "date objects": (np.array([[datetime.date(2020, 1, 1)]]), TypeError, r"X\[0, 0\] is datetime.date"),
    "structured": (np.zeros((2, 2), [("a", "u1")]), TypeError, "X must be an array of numbers"),
    "ragged": ([[0, 1], [1]], TypeError, "X cannot be read as an array of numbers: its rows are of several lengths"),
    "dict": ({"a": [0, 1]}, TypeError, "X must be an array .* not dict"),
    "set": ({0, 1}, TypeError, "X must be an array .* not set"),
    "None": (None, TypeError, "X must be an array .* not NoneType"),
    "a word": ("digits", TypeError, "X must be an array .* not str"),
    "one row": (STATES[0], ValueError, r"X must have two dimensions.*X\[None, :\]"),
    "a number": (1, TypeError, "X must be an array .* not int"),
    "None among numbers": (np.array([[0, None]], object), ValueError, r"X has missing values, the first at X\[0, 1\]"),
    "huge integer": (np.array([[0, 10**400]], object), ValueError, "X has a number that is too large"),
    "NaN": (np.array([[0, 1], [1, NAN]]), ValueError, r"X contains NaN, the first at X\[1, 1\]"),
    "masked": (np.ma.masked_array([[0, 1]], [[False, True]]), ValueError, r"X has masked values, .* X\[0, 1\]"),
    "spins": (2 * STATES.astype(int) - 1, ValueError, r"spins .* become 0 and 1 by \(X \+ 1\) / 2"),
    "gray": (STATES * 9, ValueError, r"X\[\d+, \d+\] is 9\); real values need Gaussian units"),
    "codes": (np.array([[0, 2]]), ValueError, r"is 2\); real .*, codes of categories need visible='categorical', or"),
    "halves": (np.array([[0, 2.5]]), ValueError, r"real values need Gaussian units \(visible='gaussian'\), or a thr"),
    "infinite": (np.array([[0, np.inf]]), ValueError, r"X must hold finite numbers; X\[0, 1\] is inf$"),
    "pair": ([STATES, STATES[:, 0]], TypeError, r"X must be one array .* of a pair \(x, y\) give x alone"),
}  # fmt: skip
MISSING = ("None among numbers", "NaN", "masked")  # which from_data leaves out of the means


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_data_is_refused_by_name(kind):
    X, error, message = BAD[kind]
    if kind in MISSING:
        fr.RBM.from_data(X, 3)
    with pytest.raises(error, match=message):
        fr.fit(fr.RBM(np.zeros((2, 3))), X) if kind in MISSING else fr.RBM.from_data(X, 3)
    rbm = fr.RBM(np.zeros((np.shape(X)[-1] if np.ndim(X) == 2 else 11, 3))) if kind not in ("ragged", "pair") else None
    if rbm is not None:
        with pytest.raises((TypeError, ValueError), match="^X "):
            fr.Moments.of_data(rbm, X)
        with pytest.raises((TypeError, ValueError), match="^v "):
            rbm.free_energy(X)


def test_a_loader_of_pairs_is_refused_alike():
    loader = _Loader([(STATES[:20], STATES[:20, 0]), (STATES[20:], STATES[20:, 0])])
    for call in (lambda: fr.RBM.from_data(loader, 3), lambda: fr.fit(fr.RBM.from_data(STATES, 3), loader)):
        with pytest.raises(TypeError, match=r"a batch of X must be one array .* give x alone"):
            call()


class _Loader:
    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def test_the_first_bad_row_is_reported_in_data_that_are_read_in_parts(monkeypatch):
    from fastrbm.states import totals

    monkeypatch.setattr(totals, "_PART", 5 * 11)
    X = STATES.astype(np.int64)
    X[23, 4] = 7
    with pytest.raises(ValueError, match=r"X\[23, 4\] is 7"):
        fr.RBM.from_data(X, 3)


BAD_FRAMES = {
    "text": (lambda data: data.assign(**{"unit 3": "yes"}), TypeError, "column 'unit 3' of X"),
    "three categories": (
        lambda data: data.assign(**{"unit 3": (["a", "b", "c"] * 14)[:41]}).astype({"unit 3": "category"}),
        ValueError, "column 'unit 3' of X has 3 categories",
    ),
    "missing": (
        lambda data: data.astype("Int64").mask(np.arange(41)[:, None] + np.zeros((1, 11)) == 5),
        ValueError, "column 'unit 0' of X has missing values, the first in row 5",
    ),
    "dates": (
        lambda data: data.assign(**{"unit 3": np.datetime64("2020-01-01")}), TypeError,
        "column 'unit 3' of X holds datetime",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_a_frame_that_is_no_data_is_refused_by_column(kind):
    change, error, message = BAD_FRAMES[kind]
    rbm = fr.RBM.from_data(frame(), 3)
    with pytest.raises(error, match=message):
        fr.fit(rbm, change(frame())) if kind == "missing" else fr.RBM.from_data(change(frame()), 3, visible="bernoulli")


def test_names_of_columns_are_kept_and_checked(tmp_path):
    data = frame()
    rbm = fr.RBM.from_data(data, 3)
    assert rbm.visible_names == tuple(data.columns)
    assert fr.RBM.from_data(STATES, 3).visible_names is None
    rbm.save(tmp_path / "rbm.npz")
    fr.fit(rbm.copy(), data, epochs=1, checkpoint=tmp_path / "run.npz")
    for other in (rbm.copy(), pickle.loads(pickle.dumps(rbm)), *map(fr.load, tmp_path.glob("*.npz"))):
        assert other.visible_names == rbm.visible_names
    swapped = data[list(data.columns[::-1])]
    renamed = data.rename(columns={"unit 2": "other"})
    calls = [
        rbm.free_energy, rbm.mean_hidden, rbm.inpaint, lambda x: fr.fit(rbm, x, epochs=1),
        lambda x: fr.fit(rbm, STATES, epochs=1, validation=x), lambda x: fr.Moments.of_data(rbm, x),
        lambda x: fr.likelihood.score(rbm, x), lambda x: fr.likelihood.pseudo(rbm, x),
        lambda x: fr.gradient.Exact()(rbm, x), lambda x: fr.likelihood.reverse_ais(rbm, x, n_betas=2),
        lambda x: fr.Chains(rbm, 41, start=x), lambda x: fr.TemperedChains(rbm, 41, start=x),
        lambda x: fr.fit(rbm, _Loader([x]), epochs=1),
    ]  # fmt: skip
    for call in calls:
        call(data)
        with pytest.raises(ValueError, match=r"in another order, .* 'unit 10': .*visible_names"):
            call(swapped)
        with pytest.raises(ValueError, match=r"lacks 'unit 2'; it has 'other'"):
            call(renamed)
        call(STATES)


def test_numbers_within_rounding_are_clipped_and_no_others():
    near, far = 1 + 0.5 * validate.ROUNDING, 1 + 2 * validate.ROUNDING
    rbm = fr.RBM.from_data(STATES, 3)
    mixed = np.array([[near, -near + 1, 0.25] + [0] * 8])
    assert (rbm.mean_hidden(mixed) == rbm.mean_hidden(mixed.clip(0, 1))).all()
    with pytest.raises(ValueError, match="v must hold 0 or 1, or fractions"):
        rbm.mean_hidden(np.array([[far] + [0] * 10]))
    fr.fit(rbm, np.repeat(mixed, 4, axis=0), epochs=1, dynamic_binarization=True)


def test_missing_units_of_every_kind_are_inpainted():
    pd = pytest.importorskip("pandas")
    rbm = fr.RBM.from_data(STATES, 3, seed=0)
    known = STATES.astype(float)
    known[:, 6:] = NAN
    right = rbm.inpaint(known, n_sweeps=5)
    mask = np.isnan(known)
    for X in (
        np.ma.masked_array(STATES, mask), pd.DataFrame(known).astype("Int64"), pd.DataFrame(known).astype("boolean"),
        np.where(mask, None, STATES.astype(object)), known.tolist(), known.astype(np.float32),
        np.ma.masked_array(odd_bool(), mask),
    ):  # fmt: skip
        assert (rbm.inpaint(X, n_sweeps=5) == right).all()
    assert (rbm.sample(41, 5, clamp=odd_bool()) == STATES).all()


def test_sample_weights_of_every_kind():
    pd = pytest.importorskip("pandas")
    rbm, weight = fr.RBM.from_data(STATES, 3), np.arange(1.0, 42.0)
    right = fr.Moments.of_data(rbm, STATES, weight).weights
    for given in (weight.tolist(), pd.Series(weight), pd.Series(weight).astype("Float64"), weight.astype(object)):
        assert (fr.Moments.of_data(rbm, STATES, given).weights == right).all()
    with pytest.raises(ValueError, match="sample_weight has masked values"):
        fr.Moments.of_data(rbm, STATES, np.ma.masked_array(weight, weight > 3))
    with pytest.raises(TypeError, match="sample_weight must be an array of numbers"):
        fr.Moments.of_data(rbm, STATES, weight.astype(complex))


def test_names_in_files_are_kept_and_checked(tmp_path, monkeypatch, capsys):
    from fastrbm.cli import main

    monkeypatch.chdir(tmp_path)
    rows = "\n".join("0,1,1\n1,0,0\n1,1,0" for _ in range(5))
    for name, header in (("data", "a,b,c"), ("swapped", "b,a,c"), ("plain", None)):
        (tmp_path / f"{name}.csv").write_text((f"{header}\n" if header else "") + rows + "\n")
    train = ["train", "data.csv", "--hidden", "2", "--epochs", "3", "--quiet"]
    assert main(train) == 0
    assert fr.load("rbm.npz").visible_names == ("a", "b", "c")
    assert main(["score", "rbm.npz", "data.csv"]) == main(["score", "rbm.npz", "plain.csv"]) == 0
    capsys.readouterr()
    for command in (["score", "rbm.npz", "swapped.csv"], [*train, "--validation", "swapped.csv"]):
        assert main(command) == 2
        assert (
            "swapped.csv has the model's columns in another order, the first that differs is 'b'"
            in capsys.readouterr().err
        )


def test_float16_and_masked_maps_are_read_alike_wherever_they_are(tmp_path):
    """Rounding of float16 is coarse near 1, not near 0; the mask of an array on disk is not lost."""
    X = np.random.default_rng(0).choice([0.0, 0.005, 0.5, 0.9997, 1.0], (60, 8)).astype(np.float16)
    np.save(tmp_path / "x.npy", X)
    mapped, models = np.load(tmp_path / "x.npy", mmap_mode="r"), []
    for data in (X, mapped, X.tolist()):
        rbm = fr.RBM.from_data(X, 3, seed=0)
        fr.fit(rbm, data, epochs=5, batch_size=7, dynamic_binarization=True)
        models.append(rbm.weights)
    assert (models[0] == models[1]).all()
    with pytest.raises(ValueError, match=r"v\[0, 7\] is 0.5\)"):
        rbm.free_energy(np.array([[1.005, 0, 0, 0, 0, 0, 0, 0.5]], np.float16))
    mask = np.zeros(X.shape, bool)
    mask[5, 3] = True
    for data in (np.ma.masked_array(X, mask), np.ma.masked_array(mapped, mask)):
        with pytest.raises(ValueError, match=r"X has masked values, the first at X\[5, 3\]"):
            fr.fit(rbm, data, epochs=1)


# ---------------------------------------------------------------- arrays of other libraries


class _ByArray:
    """What has its numbers for NumPy only: a tensor of TensorFlow."""

    def __init__(self, array):
        self.array = np.asarray(array)
        self.shape, self.ndim, self.dtype = self.array.shape, self.array.ndim, f"library.{self.array.dtype}"

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class _ByDlpack:
    """What has them by the protocol of tensors alone."""

    def __init__(self, array):
        self.array = np.array(array)
        self.shape, self.ndim = self.array.shape, self.array.ndim

    def __dlpack__(self, **how):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class _Tensor(_ByArray):
    """A tensor of PyTorch, as far as reading it goes: part of a graph, marked as negative, or of a dtype that NumPy has
    not, it refuses to be an array."""

    requires_grad, refuses = False, ""

    def __init__(self, array, requires_grad=False, refuses="", dtype=None, device="cpu"):
        super().__init__(array)
        self.requires_grad, self.refuses, self.dtype = requires_grad, refuses, dtype or self.dtype
        self.device = type("device", (), {"type": device})

    def __getitem__(self, rows):
        return self.array[rows]

    def __dlpack__(self, **how):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad or self.refuses:
            raise RuntimeError(f"Can't call numpy() on Tensor that {self.refuses or 'requires grad'}. Use\ntensor.x().")
        return super().__array__(dtype)

    def detach(self):
        return _Tensor(self.array, False, self.refuses, self.dtype)

    def resolve_neg(self):
        return _Tensor(self.array, self.requires_grad, "" if self.refuses == "neg" else self.refuses, self.dtype)

    def float(self):
        return _Tensor(self.array.astype(np.float32), self.requires_grad)


def _graph(array):
    return _Tensor(array, requires_grad=True)


TENSORS = {
    "__array__": _ByArray, "__dlpack__": _ByDlpack, "of a graph": _graph,
    "marked as negative": lambda array: _Tensor(array, refuses="neg"),
    "bfloat16": lambda array: _Tensor(array, refuses="Got BFloat16", dtype="torch.bfloat16"),
    "float8": lambda array: _Tensor(array, refuses="Got Float8", dtype="torch.float8_e5m2"),
    "list of rows": lambda array: [_graph(row) for row in array],
}  # fmt: skip
SMALL = STATES[:12, :4]
REALS = np.arange(-18.0, 18.0).reshape(12, 3) / 8


def _small():
    return fr.RBM(np.linspace(-1, 1, 12).reshape(4, 3), [0.5, 0.25, 0, -0.5])


def _moved(call):
    rbm = _small()
    call(rbm)
    return rbm.weights


def _three(weights):
    return type("G", (), {"weights": weights, "visible_bias": np.ones(4), "hidden_bias": np.ones(3)})()


class _UsersGradient:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, rbm, X, sample_weight=None, n_threads=None):
        return _three(self.weights)


ENTRY_POINTS = {  # what reads an argument, and one for it
    "RBM": (lambda x: fr.RBM(x).weights, REALS), "bias": (lambda x: fr.RBM(REALS, x).visible_bias, REALS[:, 0]),
    "from_data": (lambda x: fr.RBM.from_data(x, 2).visible_bias, SMALL),
    "from_data of reals": (lambda x: fr.RBM.from_data(x, 2, visible="gaussian").visible.scale, REALS),
    "from_data's weights": (lambda x: fr.RBM.from_data(SMALL, 2, sample_weight=x).visible_bias, np.arange(1.0, 13)),
    "fit": (lambda x: _moved(lambda rbm: fr.fit(rbm, x, epochs=1)), SMALL),
    "fit's weights": (lambda x: _moved(lambda rbm: fr.fit(rbm, SMALL, epochs=1, sample_weight=x)), np.arange(1.0, 13)),
    "fit's loader": (lambda x: _moved(lambda rbm: fr.fit(rbm, _Loader([x, x]), epochs=1)), SMALL),
    "fit with a user's gradient": (
        lambda x: _moved(lambda rbm: fr.fit(rbm, SMALL, _UsersGradient(x), epochs=1, sample_weight=np.arange(1.0, 13))),
        np.ones((4, 3)),
    ),
    "free_energy": (lambda x: _small().free_energy(x), SMALL),
    "clamp": (lambda x: _small().sample(3, 5, clamp=x), np.array([1, NAN, 0, NAN])),
    "beta": (lambda x: _small().sample(3, 5, beta=x), np.array([0.5, 1, 2])),
    "inpaint": (lambda x: _small().inpaint(x, 5), np.where(np.eye(12, 4) > 0, NAN, SMALL)),
    "step": (lambda x: _moved(lambda rbm: rbm.step(_three(x), 0.5)), np.ones((4, 3))),
    "Chains": (lambda x: fr.Chains(_small(), 12, start=x).visible, SMALL),
    "ladder": (lambda x: fr.TemperedChains(_small(), 2, betas=x).betas, np.array([1, 0.5, 0])),
    "points": (lambda x: fr.sampling.Path(_small(), points=x).points, np.array([0, 0.5, 1])),
    "betas": (lambda x: fr.likelihood.ais(_small(), 4, betas=x).value, np.array([0, 0.5, 1])),
    "score": (lambda x: fr.likelihood.score(_small(), x).mean, SMALL),
    "Moments": (lambda x: fr.Moments(x, np.ones(4), np.ones(3), 2.0).weights, np.ones((4, 3))),
    "gradient": (lambda x: fr.gradient.Exact()(_small(), x).weights, SMALL),
    "series": (lambda x: fr.diagnostics.ess(x), REALS),
    "units": (lambda x: fr.units.Gaussian(3, scale=x).scale, 4 + REALS[0]),
    "BitMatrix": (lambda x: fr.BitMatrix.from_states(x).planes, SMALL),
}  # fmt: skip


@pytest.mark.parametrize("kind", TENSORS)
def test_every_entry_point_reads_arrays_of_other_libraries(kind):
    for name, (call, array) in ENTRY_POINTS.items():
        if kind != "list of rows" or array.ndim == 2:
            assert np.array_equal(call(TENSORS[kind](array)), call(array)), name


def test_every_estimator_reads_arrays_of_other_libraries():
    sk = pytest.importorskip("fastrbm.sklearn")
    for kind in ("of a graph", "bfloat16", "list of rows"):
        X, R = TENSORS[kind](SMALL.astype(np.float32)), TENSORS[kind](REALS.astype(np.float32))
        model = sk.BernoulliRBM(2, n_iter=1, random_state=0).fit(SMALL)
        other = sk.BernoulliRBM(2, n_iter=1, random_state=0).fit(X)
        assert np.array_equal(model.components_, other.components_)
        for method in ("transform", "score_samples", "inpaint", "gibbs"):
            assert np.array_equal(getattr(model, method)(SMALL), getattr(other, method)(X)), method
        y = TENSORS["of a graph"](SMALL[:, 0])
        codes, classes = SMALL[:, 0], TENSORS["of a graph"](np.array([0, 1]))
        model = sk.RBMClassifier(2, n_iter=1, random_state=0).fit(SMALL, codes)
        assert np.array_equal(
            model.predict_proba(X), sk.RBMClassifier(2, n_iter=1, random_state=0).fit(X, y).predict_proba(SMALL)
        )
        sk.RBMClassifier(2).partial_fit(X, y, classes=classes).sample(2, label=classes)
        model, other = (sk.GaussianRBM(2, n_iter=1, random_state=0).fit(x) for x in (REALS.astype(np.float32), R))
        assert np.array_equal(model.transform(REALS), other.transform(REALS))
        filled = [sk.RBMImputer(2, n_iter=1, random_state=0).fit(x).transform(x) for x in (SMALL * 1.0, X)]
        assert np.array_equal(*filled)


def test_a_tensor_that_cannot_be_read_is_refused_by_name():
    for call, name in ((_small().free_energy, "v"), (lambda x: fr.RBM.from_data(x, 2), "X"), (fr.RBM, "weights")):
        for tensor, words in (
            (_Tensor(SMALL, device="meta"), "is a tensor without numbers, on the device 'meta'"),
            (_Tensor(SMALL, refuses="has Sparse layout"), "cannot be read as an array of numbers: Can't call numpy"),
        ):
            with pytest.raises(TypeError, match=f"^{name} {words}") as caught:
                call(tensor)
            assert "\n" not in str(caught.value)


def test_batches_of_a_loader_as_pytorch_makes_them():
    """TensorDataset(X) gives lists of one tensor; of (x, y), lists of two; of images, more axes."""
    plain, lists = _Loader([SMALL[:6], SMALL[6:]]), _Loader([[SMALL[:6]], (_graph(SMALL[6:]),)])
    assert np.array_equal(
        _moved(lambda rbm: fr.fit(rbm, plain, epochs=1)), _moved(lambda rbm: fr.fit(rbm, lists, epochs=1))
    )
    assert np.array_equal(fr.RBM.from_data(plain, 2).visible_bias, fr.RBM.from_data(lists, 2).visible_bias)
    images = SMALL.reshape(12, 1, 2, 2)
    for batch, words in (
        ([images, SMALL[:, 0]], r"must be one array \(n, units\), not a list of 2 arrays: of a pair \(x, y\) give x"),
        ([images], r"must have two dimensions.*; use x.reshape\(len\(x\), -1\)$"),
    ):
        for call in (lambda X: fr.RBM.from_data(X, 2), lambda X: fr.fit(_small(), X, epochs=1)):
            with pytest.raises((TypeError, ValueError), match=f"^a batch of X {words}"):
                call(_Loader([batch]))


def test_dtypes_that_other_libraries_add_to_numpy():
    dtypes = pytest.importorskip("ml_dtypes")
    for kind in (dtypes.bfloat16, dtypes.float8_e5m2):
        assert np.array_equal(_small().free_energy(SMALL.astype(kind)), _small().free_energy(SMALL))
    with pytest.raises(TypeError, match="not of dtype"):
        _small().free_energy(np.zeros((2, 4), "V1"))
