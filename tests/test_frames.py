"""Tables of categories: which units fit a column, and codes there and back, of pandas, polars, dicts and CSV."""

import datetime
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from mutate import mutations

import fastrbm as fr
from fastrbm.datasets import CodedTable, describe_frame, encode_frame, load_categories, to_frame

RNG = np.random.default_rng(0)
NAN = float("nan")


def pandas_frame():
    """Every kind of column that is taken, missing values among them."""
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({
        "bool": [True, False, True, True],
        "text": ["x", "y", None, "z"],
        "int": [3, 1, 2, 1],
        "ints with holes": [1, 2, 3, NAN],
        "ordered": pd.Categorical(["lo", "hi", "mid", "lo"], ["lo", "mid", "hi"], ordered=True),
        "bins": pd.cut([1.0, 2.0, 3.0, 4.0], 3),
        "Int64": pd.array([0, 1, None, 1], "Int64"),
        "boolean": pd.array([True, None, False, True], "boolean"),
        "float": [0.0, 1.0, 1.0, 0.0],
        "objects": np.array([True, None, False, True], object),
        "uint8": np.array([7, 9, 7, 200], np.uint8),
        "float32": np.array([2, NAN, 4, 6], np.float32),
        "object text": np.array(["b", "a", None, "c"], object),
        "string": pd.array(["b", "a", None, "c"], "string"),
        "numbers": pd.Categorical([0.5, 1.5, 2.5, 0.5]),
        "two": ["no", "yes", "no", "no"],
    })  # fmt: skip


KINDS = [2, 3, 3, 3, 3, 3, 2, 2, 2, 2, 3, 3, 3, 3, 3, 2]  # the number of values of each column


def polars_frame():
    pl = pytest.importorskip("polars")
    return pl.DataFrame({
        "bool": [True, False, True, None],
        "text": ["x", "y", None, "z"],
        "int": [3, 1, 2, 1],
        "ints with holes": [1, 2, 3, None],
        "enum": pl.Series(["lo", "hi", "mid", "lo"], dtype=pl.Enum(["lo", "mid", "hi"])),
        "category": pl.Series(["b", "a", None, "c"], dtype=pl.Categorical),
        "float": [0.0, 1.0, None, 0.0],
    })  # fmt: skip


def sizes(table):
    """The number of values of each column, by the segments."""
    return [n for kind, part in table.segments for n in ([2] * part if kind == "bernoulli" else part)]


# ---------------------------------------------------------------- there and back


def test_pandas_there_and_back():
    """As it was, types of columns included; later data give the same codes."""
    pd = pytest.importorskip("pandas")
    frame = pandas_frame()
    table = describe_frame(frame)
    assert isinstance(table, CodedTable) and sizes(table) == KINDS == [len(labels) for labels in table.categories]
    assert table.codes.dtype == np.int16 and table.codes.shape == (4, 16) and table.names == tuple(frame.columns)
    assert np.array_equal(table.codes == -1, frame.isna())
    assert table.codes[:, 0].tolist() == [1, 0, 1, 1] and table.codes[:, 4].tolist() == [0, 2, 1, 0]
    assert table.categories[4] == ("lo", "mid", "hi") and table.categories[2] == (1, 2, 3)
    assert table.categories[5][0] == "(0.997, 2.0]"  # what a file can hold
    for labels in table.categories:
        assert len({type(label) for label in labels}) == 1 and type(labels[0]) in (bool, int, float, str)
    pd.testing.assert_frame_equal(to_frame(table.codes, table.names, table.categories, like=frame), frame)
    pd.testing.assert_frame_equal(to_frame(table.codes, None, table.categories, like=frame[:0]), frame)
    assert np.array_equal(encode_frame(frame, table.names, table.categories), table.codes)
    for k in range(4):  # a part of the rows has other values, and the same codes
        assert np.array_equal(encode_frame(frame[k : k + 1], table.names, table.categories), table.codes[k : k + 1])


def test_pandas_without_a_frame_to_follow():
    pd = pytest.importorskip("pandas")
    table = describe_frame(pandas_frame())
    frame = to_frame(table.codes, table.names, table.categories)
    assert [str(dtype) for dtype in frame.dtypes] == [
        "bool", "category", "int64", "float64", "category", "category", "Int64", "boolean", "float64", "boolean",
        "int64", "float64", "category", "category", "float64", "category",
    ]  # fmt: skip
    assert list(frame["text"].cat.categories) == ["x", "y", "z"] and frame["text"].tolist()[:2] == ["x", "y"]
    assert np.array_equal(encode_frame(frame, table.names, table.categories), table.codes)
    again = describe_frame(frame, categories={"numbers": [0.5, 1.5, 2.5]})  # the only ones that are no whole numbers
    assert again.segments == table.segments and np.array_equal(again.codes, table.codes)
    values = np.where(table.codes < 0, NAN, table.codes)  # NaN, as in arrays of clamped units
    pd.testing.assert_frame_equal(to_frame(values, table.names, table.categories), frame)
    assert list(to_frame([[1]], None, [(2, 4)]).columns) == [0]


def test_polars_there_and_back():
    frame = polars_frame()
    table = describe_frame(frame)
    assert sizes(table) == [2, 3, 3, 3, 3, 3, 2] and table.names == tuple(frame.columns)
    assert table.categories[4] == ("lo", "mid", "hi") and table.categories[5] == ("a", "b", "c")
    back = to_frame(table.codes, table.names, table.categories, like=frame)
    assert back.equals(frame) and back.dtypes == frame.dtypes
    assert np.array_equal(encode_frame(frame, table.names, table.categories), table.codes)
    with pytest.raises(TypeError, match=r"frame is a polars LazyFrame: use frame.collect\(\)"):
        describe_frame(frame.lazy())


def test_all_libraries_agree():
    """Codes do not depend on the library that holds the same columns."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {
        "t": [str(x) for x in RNG.integers(0, 5, 60)], "i": RNG.integers(-3, 9, 60).tolist(),
        "b": (RNG.random(60) < 0.5).tolist(), "hole": [None, 4, 5] * 20,
    }  # fmt: skip
    wanted = describe_frame(columns)
    arrays = {name: np.array(column) for name, column in columns.items()}
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns), pd.DataFrame(columns).astype(object), arrays):
        table = describe_frame(frame)
        assert table.segments == wanted.segments and table.categories == wanted.categories
        assert np.array_equal(table.codes, wanted.codes) and table.names == wanted.names
    back = to_frame(wanted.codes, wanted.names, wanted.categories, like=columns)
    assert back == columns
    masked = {"x": np.ma.masked_array([1, 2, 3], [False, True, False]), "y": np.ma.masked_array(["a", "b", "c"])}
    assert describe_frame(masked).codes.tolist() == [[0, 0], [-1, 1], [1, 2]]


# ---------------------------------------------------------------- which unit fits


@pytest.mark.parametrize(
    "values, kind, labels, codes",
    [
        ([True, False], "bernoulli", (False, True), [1, 0]),
        ([True, True], "bernoulli", (False, True), [1, 1]),
        ([0, 0], "bernoulli", (0, 1), [0, 0]),
        ([1, 1, None], "bernoulli", (0, 1), [1, 1, -1]),
        ([0.0, NAN, 1.0], "bernoulli", (0.0, 1.0), [0, -1, 1]),
        ([2, 1], "bernoulli", (1, 2), [1, 0]),
        (["yes", "no"], "bernoulli", ("no", "yes"), [1, 0]),
        (["a"], "categorical", ("a",), [0]),
        ([7, 7], "categorical", (7,), [0, 0]),
        ([3, -1, 2], "categorical", (-1, 2, 3), [2, 0, 1]),
        ([10, 9, 100], "categorical", (9, 10, 100), [1, 0, 2]),
        (["10", "9", "100"], "categorical", ("10", "100", "9"), [0, 2, 1]),
        (["", "b", "a"], "categorical", ("", "a", "b"), [0, 2, 1]),
        ([Decimal(1), Fraction(2), 3.0], "categorical", (1.0, 2.0, 3.0), [0, 1, 2]),
        ([np.int8(4), np.float32(5), 6], "categorical", (4, 5.0, 6), [0, 1, 2]),
        (list(range(20)), "categorical", tuple(range(20)), list(range(20))),
        (np.arange(3, dtype=">u2"), "categorical", (0, 1, 2), [0, 1, 2]),
    ],
)
def test_rules(values, kind, labels, codes):
    table = describe_frame({"x": values})
    assert table.segments == ((kind, 1 if kind == "bernoulli" else (len(labels),)),)
    assert table.categories == (labels,) and list(map(type, table.categories[0])) == list(map(type, labels))
    assert table.codes[:, 0].tolist() == codes and table.codes.dtype == (np.int16 if -1 in codes else np.uint8)


def test_segments():
    """Adjacent columns of a kind are one segment."""
    kinds = {"b": [0, 1, 1], "c": ["x", "y", "z"], "d": [2, 4, 5]}
    for order, segments in {
        "bcd": (("bernoulli", 1), ("categorical", (3, 3))),
        "cbd": (("categorical", (3,)), ("bernoulli", 1), ("categorical", (3,))),
        "dcb": (("categorical", (3, 3)), ("bernoulli", 1)),
    }.items():
        assert describe_frame({name: kinds[name] for name in order}).segments == segments


def test_categories_of_two_values_are_read_as_before():
    """As arrays of binary units have been read from frames: 0 and 1 are themselves, others in their order."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "a": pd.Categorical([1, 0, 1], [1, 0]), "b": pd.Categorical([True, True, True]),
        "c": pd.Categorical(["b", "a", "b"], ["b", "a"]), "d": pd.Categorical([0, 0, 0], [0]),
    })  # fmt: skip
    table = describe_frame(frame)
    assert table.segments == (("bernoulli", 4),)
    assert table.categories == ((0, 1), (False, True), ("b", "a"), (0, 1))
    assert table.codes.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]]


def test_categories_that_do_not_occur():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.Categorical(["lo"], ["lo", "mid", "hi"]), "b": ["red"], "c": [2.5]})
    table = describe_frame(frame, categories={"b": ["red", "green", "blue"], "c": [1.5, 2.5, 3]})
    assert table.segments == (("categorical", (3, 3, 3)),) and table.codes.tolist() == [[0, 0, 1]]
    assert table.categories[1:] == (("red", "green", "blue"), (1.5, 2.5, 3))
    many = describe_frame({"a": list(range(100))}, categories={"a": range(100)})
    assert many.segments == (("categorical", (100,)),) and np.array_equal(many.codes[:, 0], np.arange(100))
    for wrong, error, message in (
        ({"z": ["a"]}, ValueError, "categories has 'z', which is no column of frame"),
        ({"b": "red"}, TypeError, r"categories\['b'\] must be a sequence of labels"),
        ({"b": []}, ValueError, r"categories\['b'\] must be from 1 to 255 different labels"),
        ({"b": ["red", "red"]}, ValueError, "different labels"),
        (["b"], TypeError, "categories must map names"),
        ({"b": ["blue"]}, ValueError, r"column 'b' of frame has the value 'red' in row 0 \(counted from 0\), which is"),
    ):
        with pytest.raises(error, match=message):
            describe_frame(frame.assign(c=1), categories=wrong)


MIXED = {
    "kind": ["gull", None, "tern", "gull", "owl"], "wing": [66.5, 70.25, NAN, 81.0, 90.0],
    "ringed": [True, False, False, True, True], "year": [1990, 1991, 1980, 2000, 2010], "eggs": [3, 1, 1, 0, 3],
}  # fmt: skip


@pytest.mark.parametrize("library", ["dict", "pandas", "polars"])
def test_real_columns_beside_categories(library):
    if library == "polars":
        table = {name: [None if x != x else x for x in column] for name, column in MIXED.items()}
        frame = pytest.importorskip("polars").DataFrame(table)
    else:
        frame = pytest.importorskip("pandas").DataFrame(MIXED) if library == "pandas" else MIXED
    described = describe_frame(frame, max_levels=4)
    kinds = ("categorical", (3,)), ("gaussian", 1), ("bernoulli", 1), ("gaussian", 1), ("categorical", (3,))
    assert described.segments == kinds
    assert described.categories == (("gull", "owl", "tern"), None, (False, True), None, (0, 1, 3))
    wanted = [[0, 66.5, 1, 1990, 2], [NAN, 70.25, 0, 1991, 1], [2, NAN, 0, 1980, 1], [0, 81, 1, 2000, 0],
              [1, 90, 1, 2010, 2]]  # fmt: skip
    assert described.codes.dtype == np.float64 and np.array_equal(described.codes, wanted, equal_nan=True)
    assert np.array_equal(
        encode_frame(frame, described.names, described.categories), described.codes, equal_nan=True
    )  # fmt: skip
    back = to_frame(described.codes + [0, 0, 0, 0.3, 0], described.names, described.categories, like=frame)
    if library != "dict":  # whole numbers are rounded
        assert back["year"].to_list() == MIXED["year"] and back["kind"].to_list()[::2] == MIXED["kind"][::2]
        assert back.dtypes["year"] == np.int64 if library == "pandas" else back["year"].dtype.is_integer()
    with pytest.raises(ValueError, match="column 'wing' of frame is real-valued"):
        describe_frame(frame, real=False)
    alone = {"wing": MIXED["wing"], "year": MIXED["year"]}
    with pytest.raises(ValueError, match="column 'wing' of frame is real-valued"):
        describe_frame(alone)
    assert describe_frame(alone, 4, real=True).segments == (("gaussian", 2),)
    assert describe_frame(alone, real=True).segments == (("gaussian", 1), ("categorical", (5,)))
    for wrong, message in (
        ({"wing": [1.0, float("inf")]}, "'wing' of frame must hold finite numbers; row 1 .* has inf"),
        ({"id": list(range(7, 40))}, "'id' of frame counts its 33 rows, from 7: an identifier"),
    ):
        with pytest.raises(ValueError, match=message):
            describe_frame(wrong, real=True)


def test_a_model_of_real_columns_beside_categories(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(MIXED).drop([1, 2]).reset_index(drop=True)
    rbm = fr.RBM.from_data(pd.DataFrame(MIXED), 2, seed=0)  # with gaps
    assert rbm.visible.segments[1].data_mean == np.mean([66.5, 70.25, 81, 90])
    rbm.save(tmp_path / "m.npz")
    again = fr.load(tmp_path / "m.npz")
    assert again.visible_categories == rbm.visible_categories and again.visible == rbm.visible
    assert np.array_equal(rbm.free_energy(frame), again.free_energy(frame))
    fr.fit(rbm, frame, epochs=2)
    samples = rbm.to_frame(rbm.sample(5, seed=0, clamp={"kind": "owl", "wing": 70.0}), like=frame)
    assert (samples["kind"] == "owl").all() and np.allclose(samples["wing"], 70.0, atol=0.01)
    with pytest.raises(ValueError, match="'kind' of X has the value 'crow'"):
        fr.fit(rbm, frame.replace("owl", "crow"), epochs=1)


@pytest.mark.parametrize(
    "values, error, message",
    [
        (
            [1.5, 2.0],
            ValueError,
            r"is real-valued \(1\.5\), no category: say visible=.gaussian. .*or bin it \(pandas\.cut, pandas\.qcut",
        ),
        ([1.0, float("inf")], ValueError, r"is real-valued \(inf\)"),
        (list(range(21)), ValueError, "has 21 different numbers, from 0 to 20; of more than 20 .*raise max_levels"),
        ([f"id {k}" for k in range(21)], ValueError, "has another text in each of its 21 rows, .*: an identifier"),
        ([f"t{k}" for k in range(256)] * 2, ValueError, "has 256 categories; at most 255 are possible"),
        ([None, NAN], ValueError, "has no values at all: leave it out"),
        ([1, "a"], TypeError, "mixes numbers and text, such as 1 and 'a'"),
        ([datetime.date(2020, 1, 1)], TypeError, "holds date objects, neither numbers nor text"),
        ([1j, 2j], TypeError, "holds complex objects"),
        ([[1], [2]], TypeError, "cannot be read as categories: .*unhashable"),
        ([b"a"], TypeError, "holds bytes objects"),
        ([10**30, 1], ValueError, "has 1" + "0" * 30 + ", too large for a category: an identifier"),
    ],
)
def test_columns_that_are_refused(values, error, message):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    with pytest.raises(error, match=f"column 'x' of frame {message}"):
        describe_frame({"ok": [0] * len(values), "x": values})
    with pytest.raises(error, match="column 'x' of mine "):
        describe_frame(pd.DataFrame({"x": values}), name="mine")
    with pytest.raises(error, match="column 'x' of frame "):
        describe_frame(pl.DataFrame({"x": pl.Series(values, strict=False, dtype=pl.Object)
                                     if type(values[-1]) in (str, complex) else values}))  # fmt: skip


def test_frames_that_are_none():
    pd = pytest.importorskip("pandas")
    for wrong, error, message in (
        (np.zeros((3, 2)), TypeError, "frame must be a data frame of pandas or polars, or a dict of columns, not an a"),
        ([1, 2], TypeError, "not list"),
        ({}, ValueError, "frame has no columns"),
        (pd.DataFrame(), ValueError, "frame has no columns"),
        ({"a": []}, ValueError, "frame has no rows"),
        (pd.DataFrame({"a": []}), ValueError, "frame has no rows"),
        ({"a": [1, 2], "b": [1]}, ValueError, "frame has columns of several lengths"),
        ({"a": "text"}, TypeError, "column 'a' of frame must be a list or an array of values, not str"),
        ({"a": 3}, TypeError, "column 'a' of frame must be a list"),
        ({"a": np.zeros((2, 2))}, ValueError, r"column 'a' of frame must have one dimension, got shape \(2, 2\)"),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}), TypeError, "column 't' of frame holds Timestamp objects"),
    ):
        with pytest.raises(error, match=message):
            describe_frame(wrong)
    with pytest.raises(ValueError, match="has 30 different numbers, from a number of 1329 bits to"):
        describe_frame({"a": [10**400 + k for k in range(30)]})
    for levels, error in ((1, ValueError), (256, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="max_levels must be"):
            describe_frame({"a": [1, 2]}, max_levels=levels)
    assert describe_frame({"a": list(range(21))}, max_levels=21).segments == (("categorical", (21,)),)


# ---------------------------------------------------------------- later data


def test_later_data():
    pd = pytest.importorskip("pandas")
    names, categories = ("a", "b"), [("blue", "red"), (1, 2, 3)]
    frame = pd.DataFrame({"a": ["red", "blue", None], "b": [3, 1, 2]})
    assert encode_frame(frame, names, categories).tolist() == [[1, 2], [0, 0], [-1, 1]]
    assert encode_frame(frame[:2], names, categories).dtype == np.uint8
    unused = frame.assign(a=pd.Categorical(frame["a"], ["red", "green", "blue"]))  # in another order, and one more
    assert encode_frame(unused, names, categories).tolist() == [[1, 2], [0, 0], [-1, 1]]
    assert encode_frame(frame.astype({"b": float}), names, categories).tolist() == [[1, 2], [0, 0], [-1, 1]]
    codes = pd.DataFrame({"a": [0, 1, 1], "b": [2, 0, 1]})
    assert np.array_equal(encode_frame(codes, names, [None, None]), codes)
    for wrong, message in (
        (frame[["b", "a"]], r"in another order, the first that differs is 'b': .* frame\[list\(rbm.visible_names\)\]"),
        (frame.assign(id=1), r"it has 'id', which the model has not: take frame\[list\(rbm.visible_names\)\]$"),
        (frame[["a"]], "frame has other columns than the model: it lacks 'b'"),
        (frame.rename(columns={"a": "z"}), "it lacks 'a'; it has 'z'"),
        (frame.replace("red", "pink"), r"column 'a' of frame has the value 'pink' in row 0 .*its categories: 'blue'"),
        (frame.assign(b=[1, 2, 9]), r"column 'b' of frame has the value 9 in row 2 .*categories: 1, 2, 3$"),
        (frame.assign(b=["1", "2", "3"]), r"has the value '1' in row 0 .*: 1, 2, 3 \(int, not str\)"),
        (frame.assign(b=[1, 2, 2.5]), "has the value 2.5 in row 2"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            encode_frame(wrong, names, categories)
    with pytest.raises(ValueError, match=r"column 'a' of frame must hold finite numbers; row 0 .* has 'red'"):
        encode_frame(frame, names, [None, None])
    assert encode_frame(frame, names, [categories[0], None]).dtype == np.float64
    nameless = pd.DataFrame([["red", 3]])
    assert describe_frame(nameless).names is None and encode_frame(nameless, names, categories).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="frame has 1 columns where 2 are required"):
        encode_frame(nameless[[0]], names, categories)


def test_mistakes_of_a_new_user():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"home": ["flat", "farm"] * 3, "rooms": [1, 2, 3] * 2})
    rbm = fr.RBM.from_data(frame, n_hidden=2, seed=0)
    with pytest.raises(ValueError, match="clamp has the column 'hom', which the model has not; .* 'home', 'rooms'$"):
        rbm.sample(2, clamp={"hom": "farm"})
    for row in (frame.iloc[0], frame.to_numpy()):
        with pytest.raises(TypeError, match=r"is 'flat', of type str; .*, of one row frame.iloc\[\[0\]\]$"):
            rbm.free_energy(row)
    assert rbm.free_energy(frame.iloc[[0]]).shape == (1,)
    with pytest.raises(TypeError, match=r"not dict: of columns make a data frame, pandas.DataFrame\(v\)$"):
        rbm.free_energy({"home": ["flat"], "rooms": [1]})


def test_clamps_by_frame_and_by_name():
    """A clamp has the columns of the model, in its order, for chains as for samples."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"home": ["flat", "farm", "hut"] * 2, "rooms": [1, 2] * 3})
    rbm = fr.RBM.from_data(frame, n_hidden=2, seed=0)
    for clamp in (frame.assign(rooms=None), {"home": "farm"}):
        chains = fr.Chains(rbm, 6, clamp=clamp)
        chains.sweep(2)
        drawn = rbm.to_frame(chains.visible)["home"].tolist()
        assert drawn == (["farm"] * 6 if isinstance(clamp, dict) else frame["home"].tolist())
    plain = fr.RBM.from_data(pd.DataFrame({"a": [0, 1], "b": [1, 1]}), 2)
    for model, other in ((rbm, frame[["rooms", "home"]]), (plain, pd.DataFrame({"b": [1] * 6, "a": [0] * 6}))):
        for call in (lambda: model.sample(6, 1, clamp=other), lambda: fr.Chains(model, 6, clamp=other)):  # noqa: B023
            with pytest.raises(ValueError, match="clamp has the model's columns in another order"):
                call()
    with pytest.raises(ValueError, match=r"clamp has array\(\[1, 2\]\) for column 'rooms', which is none of 1, 2"):
        rbm.sample(2, 1, clamp={"rooms": np.array([1, 2])})
    twice = fr.RBM.from_data(pd.DataFrame([["a", 1], ["b", 2], ["c", 3]], columns=["x", "x"]), 2)
    with pytest.raises(ValueError, match="clamp has the column 'x', a name of several columns: take a number"):
        twice.sample(2, 1, clamp={"x": "a"})
    assert (twice.sample(2, 1, clamp={0: "b"})[:, 0] == 1).all()


def test_types_that_cannot_hold_the_labels():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for like in (pd.DataFrame({"x": [1]}), pl.DataFrame({"x": pl.Series([], dtype=pl.Enum(["b"]))})):
        with pytest.raises(ValueError, match="column 'x' of like is of type .*, which cannot hold"):
            to_frame([[0], [1]], ("x",), [("a", "b")], like=like)
    wide = pl.DataFrame({"x": [1, 2, 3]}).cast(pl.Int128) if hasattr(pl, "Int128") else pl.DataFrame({"x": [1, 2, 3]})
    assert fr.RBM.from_data(wide, 2).visible_categories == ((1, 2, 3),)
    with pytest.raises(TypeError, match=r"X is a polars LazyFrame: use X.collect\(\)"), warnings.catch_warnings():
        warnings.simplefilter("error")  # that it is asked for its columns
        fr.RBM.from_data(pl.DataFrame({"x": ["a"]}).lazy(), 2)
    with pytest.raises(ValueError, match="3 categories where numbers are required; .* without the argument visible"):
        fr.RBM.from_data(pd.DataFrame({"x": pd.Categorical(list("abc"))}), 2, visible="categorical")


def test_truth_values_and_bits():
    """True is 1, whichever of them the model has seen."""
    for known in ((False, True), (0, 1), (0.0, 1.0)):
        for values in ([True, False], [1, 0], [1.0, 0.0], np.array([True, False])):
            assert encode_frame({"a": values}, None, [known]).tolist() == [[1], [0]]


def test_columns_of_one_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([["a", 1], ["b", 2], ["c", 3]], columns=["x", "x"])
    table = describe_frame(frame)
    assert table.names == ("x", "x") and table.codes.tolist() == [[0, 0], [1, 1], [2, 2]]
    pd.testing.assert_frame_equal(to_frame(table.codes, table.names, table.categories, like=frame), frame)


def test_values_that_are_no_codes():
    pd = pytest.importorskip("pandas")
    categories = [("a", "b", "c"), None]
    frame = to_frame(np.array([[2, 9], [-1, 8]], np.int16), ("x", "y"), categories)
    assert (
        frame["x"].tolist()[0] == "c" and frame["x"].isna().tolist() == [False, True] and frame["y"].tolist() == [9, 8]
    )
    assert to_frame([[True, 0]], ("x", "y"), [(0, 1), None], like={}) == {"x": [1], "y": [0]}
    for wrong, message in (
        ([[3, 0]], r"values\[:, 0\] has the value 3; codes from 0 to 2 are required"),
        ([[-2, 0]], "has the value -2"),
        ([[0.5, 0]], "has the value 0.5"),
        ([[0]], r"values must have shape \(n, 2\)"),
        ([0, 1], r"values must have shape \(n, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            to_frame(wrong, ("x", "y"), categories)
    with pytest.raises(ValueError, match="names has 1 names where categories has 2 entries"):
        to_frame([[0, 0]], ("x",), categories)
    with pytest.raises(ValueError, match="like has 1 columns where categories has 2"):
        to_frame([[0, 0]], ("x", "y"), categories, like=pd.DataFrame({"x": ["a"]}))
    with pytest.raises(ValueError, match="like has other columns than the model"):
        to_frame([[0, 0]], ("x", "y"), categories, like=pd.DataFrame({"x": ["a"], "z": [1]}))
    other = pd.DataFrame({"x": pd.Categorical(["b"]), "y": [1]})
    with pytest.raises(
        ValueError,
        match="column 'x' of like is of type category, which .*: there is no category 'a'",
    ):
        to_frame([[0, 0]], ("x", "y"), categories, like=other)


# ---------------------------------------------------------------- text


def csv(text, folder):
    path = folder / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("options", [{}, {"sep": ";"}, {"sep": "\t"}, {"quoting": 1}])
def test_csv_is_read_as_by_pandas(tmp_path, options):
    pd = pytest.importorskip("pandas")
    n = 80
    frame = pd.DataFrame({
        "color": RNG.choice(["red", "green", "dark, blue", 'a "b"', "ü"], n), "rooms": RNG.integers(1, 9, n),
        "smokes": RNG.random(n) < 0.5, "bit": RNG.integers(0, 2, n), "half": RNG.choice([1.0, 2.0, 3.0], n),
        "answer": RNG.choice(["yes", "no"], n), "mixed": RNG.choice(["1", "2", "3+"], n),
        "real": RNG.normal(1e3, 1.0, n), "quantity": RNG.integers(0, 60, n),
    })  # fmt: skip
    holes = frame.astype(object).mask(RNG.random(frame.shape) < 0.2)
    for written in (frame, holes):
        for missing in ("", "NA", "NaN"):
            written.to_csv(tmp_path / "x.csv", index=False, na_rep=missing, **options)
            table = load_categories(tmp_path / "x.csv")
            expected = describe_frame(pd.read_csv(tmp_path / "x.csv", sep=options.get("sep", ",")))
            assert table.segments == expected.segments and table.names == expected.names
            assert table.categories == expected.categories and table.categories[-2:] == (None, None)
            assert np.array_equal(table.codes, expected.codes, equal_nan=True)
            assert np.isnan(table.codes).any() == (written is holes)
            coded = load_categories(tmp_path / "x.csv", drop=["real", "quantity"])
            assert (coded.codes.dtype == np.int16) == (written is holes)


def test_cells(tmp_path):
    table = load_categories(csv("\ufeff# of 2020\na, b ,c\nno,?,007\n\n yes ,1.0,1\nn/a,2,2\nno,<NA>,\n", tmp_path))
    assert table.names == ("a", "b", "c") and table.categories == (("no", "yes"), (1, 2), (1, 2, 7))
    assert table.codes.tolist() == [[0, -1, 2], [1, 0, 0], [-1, 1, 1], [0, -1, -1]]
    table = load_categories(csv("a;b\n1,0;none\n2,0;-\n3,0;.\n", tmp_path), missing=["."])  # decimal commas
    assert table.categories == ((1.0, 2.0, 3.0), ("-", "none")) and table.codes[:, 1].tolist() == [1, 0, -1]
    table = load_categories(csv("True,x\nfalse,y\n", tmp_path), header=False)
    assert table.names == ("0", "1") and table.categories == ((False, True), ("x", "y"))
    assert load_categories(csv("0,1\n3,4\n5,6\n7,8\n", tmp_path)).names == ("0", "1")  # pandas, of an array
    given = load_categories(csv("a\nx\ny\n", tmp_path), categories={"a": ["z", "y", "x"]})
    assert given.categories == (("z", "y", "x"),) and given.codes.tolist() == [[2], [1]]
    words = load_categories(csv("a\nTrue\n1\nx\n", tmp_path))  # not all of one kind: text
    assert words.categories == (("1", "True", "x"),)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\n0,1.5\n1,2\n", r", column 2 \('b'\) is real-valued \(1\.5\)"),
        ("a,b\nx,1.5\ny,inf\n", r", column 2 \('b'\) must hold finite numbers; row 1 .* has inf"),
        ("a\n" + "".join(f"{k}\n" for k in range(30)), r", column 1 \('a'\) has 30 different numbers, from 0 to 29"),
        ("a\n" + "".join(f"p{k}\n" for k in range(30)), r", column 1 \('a'\) has another text in each of its 30 rows"),
        ("a,b\nx,\ny,NA\n", r", column 2 \('b'\) has no values at all"),
        ("a,b\nx,1\ny\n", ", line 3: it has 1 cells, the first line has 2"),
        ("a,b\n", " has a line of names and no examples"),
        ("", " is empty"),
        ("# only\n", " has no rows"),
        (",a\n0,x\n1,y\n", r", line 1, column 1: a column without a name \(an index column\?"),
        ("a,a\nx,y\n", r", line 1: two columns have the name 'a' \(without a line of names: header=False\)"),
        ("1,0\n0,1\n", ", line 1: it has values where names of columns are required .*header=False"),
        (b"a,b\nx,gr\xfcn\n", ", line 2: it is not UTF-8 text"),
        ("a,b\nx,y\n".encode("utf-16"), " is not UTF-8 text"),
        ("a,b\nx," + "y" * 200_000 + "\n", ", line 2: it cannot be split into cells"),
    ],
)
def test_faults_of_text(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"x\.csv" + message) as caught:
        load_categories(csv(text, tmp_path))
    assert str(caught.value).isprintable()


def test_arguments_of_load_categories(tmp_path):
    path = csv("a\nx\ny\n", tmp_path)
    with pytest.raises(TypeError, match="header must be True or False"):
        load_categories(path, header=1)
    with pytest.raises(TypeError, match="missing must be several strings, not one"):
        load_categories(path, missing="-")
    with pytest.raises(OSError):
        load_categories(tmp_path / "none.csv")


def test_columns_that_have_to_be_real(tmp_path):
    """By name, whatever numbers they hold; then others that look so are real too. Of a frame and of text alike."""
    path = csv("a,b,c,d\n1,2,0.5,x\n2,,1.5,y\n1,3,2.5,x\n", tmp_path)
    frame = {"a": [1, 2, 1], "b": [2, None, 3], "c": [0.5, 1.5, 2.5], "d": ["x", "y", "x"]}
    for table in (load_categories(path, real=["a"]), describe_frame(frame, real=["a"])):
        assert table.segments == (("gaussian", 1), ("bernoulli", 1), ("gaussian", 1), ("bernoulli", 1))
        assert np.array_equal(table.codes[:, :2], [[1, 0], [2, np.nan], [1, 1]], equal_nan=True)
    del frame["d"]
    assert describe_frame(frame, real=["b"]).segments == (("bernoulli", 1), ("gaussian", 2))
    assert load_categories(path, drop=["c"]).segments == (("bernoulli", 3),)
    with pytest.raises(ValueError, match=r"x\.csv, column 3 \('c'\) is real-valued"):
        load_categories(path, real=False)
    for wrong, error, message in (
        (["e"], ValueError, "real has 'e', which is no column of"), ("a", TypeError, "several names, not one string"),
        (["d"], ValueError, r"column 4 \('d'\) must hold finite numbers; row 0 .* has 'x'"),
        (3, TypeError, "real must be True or False"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            load_categories(path, real=wrong)
    with pytest.raises(ValueError, match="of which categories has labels"):
        load_categories(path, real=["a"], categories={"a": [1, 2]})
    with pytest.raises(ValueError, match="no values at all"):
        load_categories(csv("a,b\nx,\ny,\n", tmp_path), real=["b"])


def test_mutated_text(tmp_path):
    content = ("a,b,c\n" + "".join(f"{k % 3},w{k % 4},{k % 2 == 0}\n" for k in range(40))).encode()
    refused = 0
    for words, changed in mutations(content, 100, seed=0):
        path = csv(changed, tmp_path)
        try:
            table = load_categories(path)
        except (ValueError, TypeError) as error:
            assert str(path) in str(error) and str(error).isprintable(), (words, error)
            refused += 1
        else:
            assert table.codes.min() >= -1 and all(
                column.max() < len(labels) for column, labels in zip(table.codes.T, table.categories, strict=True)
            )
    assert refused > 5


# ---------------------------------------------------------------- arrays of codes with names


def test_names_and_categories_of_an_array(tmp_path):
    pd = pytest.importorskip("pandas")
    codes = np.array([[0, 2, 1], [1, 0, 0], [1, 1, 1]])
    units = [fr.units.Bernoulli(1), fr.units.Categorical(1, 3), fr.units.Bernoulli(1)]
    names, colors = ("smokes", "color", "child"), ("blue", "green", "red")
    rbm = fr.RBM.from_data(codes, 2, visible=units, names=names, categories={"color": colors, 2: ("no", "yes")})
    assert rbm.visible_names == names and rbm.visible_categories == ((0, 1), colors, ("no", "yes"))
    also = fr.RBM.from_data(
        codes, 2, visible=units, names=list(names), categories=[None, colors, np.array(["no", "yes"])]
    )
    assert also.visible_categories == rbm.visible_categories
    table = {"smokes": [0, 1, 1], "color": ["red", "blue", "green"], "child": ["yes", "no", "yes"]}
    assert rbm.to_frame(codes, like={}) == table
    assert np.array_equal(rbm.free_energy(pd.DataFrame(table)), rbm.free_energy(codes))
    rbm.save(tmp_path / "m.npz")
    found = fr.load(tmp_path / "m.npz")
    assert found.visible_names == names and found.visible_categories == rbm.visible_categories
    drawn = found.sample(5, 3, clamp={"color": "red"})
    assert (drawn[:, 1] == 2).all()
    sites = fr.RBM.from_data(codes[:, 1:2], 2, visible=fr.units.Categorical(1, 3), categories=["ACG"])
    assert sites.visible_categories == (("A", "C", "G"),) and sites.visible_names is None
    spins = fr.RBM.from_data(2 * codes[:, :1] - 1, 2, visible="spin", names=["up"], categories={})
    assert spins.visible_names == ("up",) and spins.visible_categories == ((-1, 1),)


def test_real_columns_beside_labels(tmp_path):
    pd = pytest.importorskip("pandas")
    X = np.array([[0.5, 2], [1.5, 0], [-1.0, 1], [3.0, 2]])
    units = [fr.units.Gaussian(1), fr.units.Categorical(1, 3)]
    rbm = fr.RBM.from_data(X, 2, visible=units, names=["size", "color"], categories={"color": ["blue", "green", "red"]})
    assert rbm.visible_categories == (None, ("blue", "green", "red"))
    table = {"size": X[:, 0].tolist(), "color": ["red", "blue", "green", "red"]}
    assert np.array_equal(rbm.free_energy(pd.DataFrame(table)), rbm.free_energy(X))
    assert rbm.to_frame(X, like={}) == table
    rbm.save(tmp_path / "m.npz")
    assert fr.load(tmp_path / "m.npz").visible_categories == rbm.visible_categories
    with pytest.raises(ValueError, match="must hold finite numbers; row 1 .* has 'large'"):
        rbm.free_energy(pd.DataFrame({"size": [0.5, "large"], "color": ["red", "red"]}))
    holes = rbm.inpaint(pd.DataFrame({"size": [0.5, None], "color": [None, "red"]}), n_sweeps=3)
    assert holes[0, 0] == pytest.approx(0.5, abs=1e-3) and holes[1, 1] == 2 and np.isfinite(holes).all()


@pytest.mark.parametrize(
    "more, message",
    [
        ({"names": ["a"]}, "names must be 2 different str"),
        ({"names": ["a", "a"]}, "names must be 2 different str"),
        ({"names": ["a", 1]}, "names must be 2 different str"),
        ({"categories": [("x", "y")]}, "an entry for each of 2 columns, got 1"),
        ({"categories": {"a": ("x", "y")}}, "which is no name of a column"),
        ({"categories": {2: ("x", "y")}}, "no number of one"),
        ({"categories": {0: ("x",)}}, "must be 2 different labels of column 0"),
        ({"categories": {0: ("x", "x")}}, "must be 2 different labels of column 0"),
    ],
)
def test_names_and_categories_that_do_not_fit(more, message):
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=message):
        fr.RBM.from_data(np.eye(2), 2, **more)
    with pytest.raises(ValueError, match="names and categories are for arrays"):
        fr.RBM.from_data(pd.DataFrame({"a": [0, 1]}), 2, names=["b"])
