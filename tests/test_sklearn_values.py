"""fastrbm.sklearn: one reading of numbers for all methods, whatever the data are stored in; arguments that change."""

import contextlib
import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from fastrbm.likelihood.pseudo import pseudo_of  # noqa: E402
from fastrbm.sklearn import BernoulliRBM  # noqa: E402

RNG = np.random.default_rng(0)
BITS = (RNG.random((50, 12)) < 0.4).astype(np.uint8)
GRAY = np.where(RNG.random((50, 12)) < 0.4, RNG.random((50, 12)), 0.0)


def small(**options):
    return BernoulliRBM(**{"n_components": 6, "n_iter": 2, "random_state": 0} | options)


def everything(model, data, sample_weight=None):
    """What each method makes of data, training first."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        model.fit(data, sample_weight=sample_weight)
    out = [model.components_, model.intercept_visible_, model.transform(data), model.score_samples(data)]
    out += [model.free_energy(data), model.gibbs(data), np.array(model.score(data))]
    out += [model.partial_fit(data).components_]
    return [*map(np.asarray, out), np.array(printed.getvalue().count("\n"))]


def same(a, b):
    return all(np.array_equal(x, y.astype(x.dtype)) for x, y in zip(a, b, strict=True))


# ---------------------------------------------------------------- numbers outside [0, 1]


@pytest.mark.filterwarnings("ignore:X has values from:UserWarning")
@pytest.mark.parametrize("draw", [True, False])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array, lambda x: np.asfortranarray(x, np.float32)])
def test_numbers_outside_count_as_the_nearer_end_in_every_method(draw, store):
    wide = np.float32(GRAY * 5 - 2)
    model = small(dynamic_binarization=draw, verbose=1)
    assert same(everything(clone(model), store(wide)), everything(model, store(wide.clip(0, 1))))
    spins = 2.0 * BITS - 1
    assert same(
        everything(small(dynamic_binarization=draw), store(spins)), everything(small(dynamic_binarization=draw), BITS)
    )
    assert same(
        everything(small(dynamic_binarization=draw), store(spins * 7)),
        everything(small(dynamic_binarization=draw), BITS),
    )
    if store is np.asarray:
        assert same(
            everything(small(dynamic_binarization=draw), spins.astype(np.int8)),
            everything(small(dynamic_binarization=draw), BITS),
        )


@pytest.mark.parametrize(
    "data, words",
    [
        (2.0 * BITS - 1, "X has values from -1 to 1; .*: those below 0 count as 0, so spins of -1 and 1 as 0 and 1$"),
        (
            BITS * 255,
            r"X has values from 0 to 255; .*: those above 1 count as 1 \(MinMaxScaler\(clip=True\) scales them\)$",
        ),
        (GRAY * 3 - 1, "X has values from -1 to .*: those below 0 count as 0 and those above 1 count as 1"),
        (GRAY - 0.25, r"X has values from -0.25 to .*: those below 0 count as 0 \(MinMaxScaler"),
    ],
)
def test_the_warning_says_what_numbers_count_as_and_points_to_the_line_that_brought_them(data, words):
    model = small().fit(BITS)
    holes = np.where(RNG.random((50, 12)) < 0.2, np.nan, (data > 0) * max(1, data.max()))
    calls = [small().fit, small().partial_fit, small().fit_transform, make_pipeline(small()).fit, model.transform,
             model.score_samples, model.free_energy, model.gibbs, model.score, model._mean_hiddens]  # fmt: skip
    calls += [lambda data: model.inpaint(holes, 2)] if data.max() > 1 else []
    for call in calls:
        with pytest.warns(UserWarning, match=words if "lambda" not in str(call) else "above 1 count as 1") as caught:
            call(data)
        assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_within_rounding_are_no_matter(dtype):
    """As MinMaxScaler leaves them (scikit-learn issue 17779)."""
    for data in (BITS, GRAY):
        noisy = data.astype(dtype)
        noisy[0, :4] = 1 + 1e-7, 1.0000000000000002, -1e-17, -1e-7
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert same(everything(small(), noisy), everything(small(), noisy.clip(0, 1)))
            if data is BITS:
                filled = small().fit(data).inpaint(np.where(np.eye(50, 12) > 0, np.nan, noisy), 2)
                assert set(np.unique(filled)) <= {0, 1}


# ---------------------------------------------------------------- what data are stored in


def odd_bools(states):
    """True is a byte of 255, 2 or 1 (Pillow issue 2044)."""
    return (states * RNG.choice(np.uint8([1, 2, 255]), states.shape)).view(np.bool_)


def csr_of_odd_bools(states):
    csr = sparse.csr_matrix(states.astype(bool))
    csr.data = odd_bools(np.ones(csr.nnz, np.uint8))
    return csr


def twice(states):
    """Each entry as two halves, in no order, with indices of 64 bits and zeros among them, read-only."""
    rows, columns = np.indices(states.shape).reshape(2, -1)
    order = RNG.permutation(2 * rows.size)
    rows, columns = np.tile(rows, 2)[order], np.tile(columns, 2)[order]
    places = rows.astype(np.int64), columns.astype(np.int64)
    coo = sparse.coo_matrix((states[rows, columns] / 2, places), states.shape)
    for array in (coo.data, coo.row, coo.col):
        array.flags.writeable = False
    return coo


def unsorted(states):
    csr = sparse.csr_array(states)
    for row in range(len(states)):
        part = slice(csr.indptr[row], csr.indptr[row + 1])
        csr.indices[part], csr.data[part] = csr.indices[part][::-1].copy(), csr.data[part][::-1].copy()
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    csr.has_sorted_indices = csr.has_canonical_format = False
    for array in (csr.data, csr.indices, csr.indptr):
        array.flags.writeable = False
    return csr


def read_only(states):
    states = states.astype(np.float64)
    states.flags.writeable = False
    return states


def strided(states):
    out = np.full((2 * states.shape[0], 3 * states.shape[1]), 7, states.dtype)
    out[::2, ::3] = states
    return out[::2, ::3]


STORES = {
    **{name: getattr(sparse, name) for name in ("csc_matrix", "coo_array", "lil_matrix", "dia_matrix", "bsr_array")},
    "entries twice": twice, "unsorted": unsorted, "read-only": read_only, "strided": strided,
    "big endian": lambda x: x.astype(">f8"), "list": lambda x: x.tolist(), "object": lambda x: x.astype(object),
    "longdouble": lambda x: x.astype(np.longdouble), "mask of nothing": np.ma.asarray,
}  # fmt: skip
ONLY_BITS = {
    "odd bools": odd_bools, "odd bools, Fortran": lambda x: np.asfortranarray(odd_bools(x)),
    "odd bools, strided": lambda x: strided(odd_bools(x)), "odd bools, CSR": csr_of_odd_bools,
    "float16": lambda x: x.astype(np.float16),
}  # fmt: skip


@pytest.mark.parametrize("name", [*STORES, *ONLY_BITS])
def test_how_numbers_are_stored_does_not_matter(name):
    store = (STORES | ONLY_BITS)[name]
    for data in (BITS, GRAY) if name in STORES else (BITS,):
        assert same(everything(small(), store(data)), everything(small(), data)), name


def test_memory_maps_and_frames(tmp_path):
    np.save(tmp_path / "gray.npy", GRAY)
    expected = {"bits": everything(small(), BITS), "gray": everything(small(), GRAY)}
    assert same(everything(small(), np.load(tmp_path / "gray.npy", mmap_mode="r")), expected["gray"])
    pd = pytest.importorskip("pandas")
    names = [f"c{k}" for k in range(12)]
    frame = pd.DataFrame(BITS, columns=names)
    for kind in ("Int64", "boolean", "Float64", "bool", object):
        assert same(everything(small(), frame.astype(kind)), expected["bits"]), kind
    assert same(everything(small(), pd.DataFrame(GRAY).astype("Float64").set_axis(names, axis=1)), expected["gray"])
    model = small().fit(frame)
    with pytest.raises(ValueError, match="same order"):
        model.transform(frame[names[::-1]])
    pl = pytest.importorskip("polars")
    for kind in (pl.UInt8, pl.Boolean, pl.Float64):
        assert same(everything(small(), pl.DataFrame(BITS, schema=names).cast(kind)), expected["bits"]), kind


def test_what_is_masked_is_not_read():
    masked = np.ma.masked_array(BITS, mask=np.eye(50, 12))
    model = small().fit(BITS)
    calls = small().fit, small().partial_fit, model.transform, model.score_samples, model.free_energy, model.gibbs
    for call in calls:
        with pytest.raises(ValueError, match=r"X has masked values, the first at X\[0, 0\]"):
            call(masked)
    weights = np.ma.masked_array(np.ones(50), mask=np.arange(50) == 7), ["a"] * 50, 1j * np.ones(50), np.ones(3)
    for weight in weights:
        with pytest.raises((TypeError, ValueError), match="sample_weight"):
            small().fit(BITS, sample_weight=weight)
    known = np.where(np.eye(50, 12), np.nan, BITS)
    filled = clone(model).fit(BITS).inpaint(masked, 5)
    assert np.array_equal(filled, clone(model).fit(BITS).inpaint(known, 5))
    assert np.array_equal(filled[np.eye(50, 12) == 0], BITS[np.eye(50, 12) == 0])


@pytest.mark.parametrize(
    "data",
    [BITS * 1j, BITS.astype("datetime64[s]"), BITS.astype("timedelta64[s]"), [["a"], ["b"]], np.asmatrix(BITS)],
    ids=["complex", "dates", "durations", "text", "matrix"],
)
def test_what_is_no_array_of_real_numbers_is_refused(data):
    for call in (small().fit, small().fit(BITS).transform):
        with pytest.raises((TypeError, ValueError)):
            call(data)


# ---------------------------------------------------------------- arguments set anew


@pytest.mark.parametrize(
    "name, value",
    [("n_sweeps", 0), ("learning_rate", -1.0), ("centered", "yes"), ("n_jobs", 0), ("dynamic_binarization", None),
     ("batch_size", 0), ("n_chains", 0), ("n_components", 0), ("verbose", -1), ("n_sweeps", 1.5),
     ("random_state", "a")],
)  # fmt: skip
def test_arguments_set_anew_are_checked_before_the_next_update(name, value):
    model = small().partial_fit(GRAY)
    before = np.array(model.components_), model.h_samples_
    model.set_params(**{name: value})
    for call in (model.partial_fit, model.fit):
        with pytest.raises(ValueError, match=f"'{name}' parameter of BernoulliRBM"):
            call(GRAY)
    assert np.array_equal(model.components_, before[0]) and np.array_equal(model.h_samples_, before[1])
    model.set_params(**small().get_params()).partial_fit(GRAY)


@pytest.mark.parametrize("every", [1, 3, 40])
def test_score_samples_by_one_feature_in_so_many(every):
    """The k-th example by features k, k + every ...; data of 0 and 1 by all."""
    data = RNG.random((7, 40))
    model = small().fit(data)
    expected = np.zeros(7)
    for k, v in enumerate(data):
        for i in range(k % every, 40, every):
            other = v.copy()
            other[i] = 1 - other[i]
            free = model.free_energy(np.stack([v, other]))
            expected[k] -= every * np.logaddexp(0, free[0] - free[1])
    assert np.abs(model.score_samples(data, every=every) - expected).max() < 8e-5 * every
    bits = data > 0.5
    assert np.array_equal(model.score_samples(bits, every=every), model.score_samples(bits))
    for wrong in (0, 41, 1.5, "2"):
        with pytest.raises((ValueError, TypeError), match="every"):
            model.score_samples(data, every=wrong)


# ---------------------------------------------------------------- the line of a verbose fit


def test_the_line_of_a_verbose_fit_is_what_score_samples_says_of_some_features_of_some_examples(capsys):
    """Of 16 examples, each with one feature in 16: each feature comes up once, so that the sum is an example's mean.
    Counted, so that it cannot become slow again: the fields of 16 examples and one flip a feature."""
    data = np.where(RNG.random((400, 40)) < 0.5, RNG.random((400, 40)), 0.0)
    for kind in (data, sparse.csr_array(data), (data > 0.5).astype(np.uint8)):
        model = small(verbose=1, n_iter=1).fit(kind)
        rows = np.linspace(0, 399, 16).astype(int)
        picked = np.asarray(kind[rows].todense() if sparse.issparse(kind) else kind[rows], float)
        total = 0.0
        for k, v in enumerate(picked):
            for i in range(k % 16, 40, 16):
                other = v.copy()
                other[i] = 1 - other[i]
                free = model.free_energy(np.stack([v, other]))
                total -= np.logaddexp(0, free[0] - free[1])
        printed = capsys.readouterr().out
        assert printed.startswith(f"[BernoulliRBM] Iteration 1, pseudo-likelihood = {total:.2f}, time = ")
        assert model._shown(kind).shape == (16, 40)
    assert [len(small()._shown(np.zeros((n, 3)))) for n in (1, 5, 20, 47, 1024, 1600, 10**5)] == [
        1, 5, 16, 16, 16, 16, 1024
    ]  # fmt: skip
    few = small().fit(GRAY[:5])
    assert np.isclose(5 * pseudo_of(few.rbm_, few._shown(GRAY[:5]), every=5).mean(), _one_each(few, GRAY[:5]))


def _one_each(model, data):
    total = 0.0
    for k, v in enumerate(data):
        for i in range(k, 12, 5):
            other = v.copy()
            other[i] = 1 - other[i]
            free = model.free_energy(np.stack([v, other]))
            total -= np.logaddexp(0, free[0] - free[1])
    return total


# ---------------------------------------------------------------- threads


def test_one_estimator_answers_several_threads():
    model = small(n_jobs=1).fit(GRAY)
    expected = model.transform(GRAY), model.score_samples(GRAY), model.transform(BITS), model.free_energy(GRAY)

    def ask(_):
        got = model.transform(GRAY), model.score_samples(GRAY), model.transform(BITS), model.free_energy(GRAY)
        return all(map(np.array_equal, got, expected))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))


def test_fits_in_other_threads_give_one_model_or_the_other():
    """Never a mixture, whose sizes differ: data are checked against the model that then reads them."""
    model = small(n_iter=1, n_jobs=1, centered=True).fit(GRAY)
    errors = []

    def use(k):
        methods = model.fit, model.partial_fit, model.transform, model.score_samples, model.free_energy, model.gibbs
        try:
            if k % 7 == 0:
                model.h_samples_ = np.ones((1 + k % 3, 6))
            methods[k % 6]((BITS, GRAY)[k % 4 // 2][:, : 5 if k % 5 < 2 else 12])
        except ValueError as error:
            errors.append(str(error))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(use, range(400)))
    assert all("features" in error or "units" in error for error in errors), errors
