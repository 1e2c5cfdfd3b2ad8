"""Tables as text, scales and columns: what is read, and where a file is reported to be wrong."""

import numpy as np
import pytest
from test_cli import fastrbm

import fastrbm as fr
from fastrbm.datasets.files import map_rows, read_column, read_table

RNG = np.random.default_rng(0)
ANSWERS = (RNG.random((200, 24)) < 0.4).astype(int)


def table(text, folder, encoding="utf-8"):
    path = folder / "x.csv"
    path.write_bytes(text.encode(encoding))
    return path


def with_column(column, at=5):
    return np.insert(ANSWERS, at, column, axis=1)


# ---------------------------------------------------------------- which lines are names

NAMES = {
    "0,1,2\n1,0,1\n0,0,1\n": ["0", "1", "2"],  # pandas, of an array
    "1,2,3\n1,0,1\n0,0,1\n": ["1", "2", "3"],
    "0,1,2,3\n9,200,255,0\n3,255,17,0\n": ["0", "1", "2", "3"],
    "1990,1995,2000\n1,0,1\n0,0,1\n": ["1990", "1995", "2000"],
    "-2,-1,0,1\n1,0,1,1\n0,0,1,0\n": ["-2", "-1", "0", "1"],
    "0,1\n1.0,0.0\n0.0,1.0\n": ["0", "1"],  # of floats
    "0,1\nTrue,False\nFalse,False\n": ["0", "1"],
    "0\n1.0\n0.0\n": ["0"],
    "100,110,120,130,140,150,160,170\n3,2,1,0,1,2,3,5\n": [str(100 + 10 * k) for k in range(8)],
    "a,b\n1,0\n0,1\n": ["a", "b"],
    '"a, b","c;d"\n1,0\n0,1\n': ["a, b", "c;d"],
    'a,"b\nc"\n1,0\n0,1\n': ["a", "b\nc"],
    "id,0,1\n1,0,1\n1,0,0\n": ["id", "0", "1"],
    "NA,b\n1,0\n0,1\n": ["NA", "b"],
    "# a,b\n1,0\n0,1\n": ["a", "b"],  # as numpy.savetxt writes them
    "# of 2020\na,b\n1,0\n0,1\n": ["a", "b"],
    "0,1\n1,0\n": None,
    "0,1\n0,1\n": None,
    "1,0,1\n0,1,1\n": None,
    "1,2\n2,1\n": None,
    "3,4,5\n2,1,200\n": None,
    "0,16,7,8\n0,0,16,3\n": None,
    "1,0,0.5\n0,1,0\n": None,
    "1.0000000000000002,0\n0.5,0.25\n": None,
    "1\n2\n": None,
    "5\n1\n0\n": None,  # weights
}


@pytest.mark.parametrize("text", NAMES)
def test_names_of_columns(tmp_path, text):
    names = NAMES[text]
    found = read_table(table(text, tmp_path))
    assert found.names == names
    lines = [line for line in text.replace('"b\nc"', "b").splitlines() if not line.startswith("#")]
    assert len(found.array) == len(lines) - (names is not None and not text.startswith("# a"))


def test_what_pandas_writes(tmp_path):
    """Of an array as of a named frame, of numbers, truth values and fractions: every row, and the names."""
    pandas = pytest.importorskip("pandas")
    path, X = tmp_path / "x.csv", fr.datasets.load_digits()[:100]
    for frame in (
        pandas.DataFrame(X),
        pandas.DataFrame(X, columns=[f"p{i}" for i in range(64)]),
        pandas.DataFrame(X == 1),
        pandas.DataFrame(X.astype(float)),
        pandas.DataFrame(X).astype("Int64"),
    ):
        for options in ({}, {"sep": ";"}, {"sep": "\t"}, {"sep": ";", "decimal": ","}, {"quoting": 1}):
            frame.to_csv(path, index=False, **options)
            assert np.array_equal(fr.datasets.load(path), X), (frame.dtypes[0], options)
            assert read_table(path).names == [str(name) for name in frame.columns]
        frame.to_csv(path)
        with pytest.raises(ValueError, match=r"x\.csv, line 1, column 1: .*index=False"):
            fr.datasets.load(path)
        frame.to_csv(path, header=False)
        with pytest.raises(ValueError, match=r"x\.csv, column 1 of 65: it counts the rows, from 0 to 99.*index=False"):
            fr.datasets.load(path)
        frame.reset_index().to_csv(path, index=False)
        with pytest.raises(ValueError, match=r"x\.csv, column 1 \('index'\): it counts the rows"):
            fr.datasets.load(path)
    gray = pandas.DataFrame(RNG.integers(0, 256, (50, 64)))
    gray.to_csv(path, index=False)
    assert np.array_equal(fr.datasets.load_fractions(path), (gray / np.float32(255)).to_numpy(np.float32))


def test_rows_as_fast_readers_take_them(tmp_path):
    """Plain numbers go to NumPy's reader, the rest cell by cell: the same array."""
    values = RNG.normal(size=(50, 7))
    for text in (values.astype(str), np.char.add(values.astype(str), " ")):
        plain = table("\n".join(",".join(row) for row in text) + "\n", tmp_path)
        expected = read_table(plain).array
        quoted = table("\n".join(",".join(f'"{cell}"' for cell in row) for row in text) + "\n", tmp_path)
        assert np.array_equal(expected, values) and np.array_equal(read_table(quoted).array, values)


@pytest.mark.parametrize(
    "text, values",
    [
        ("a,b\nTrue,False\nFalse,True\n", [[1, 0], [0, 1]]),
        ("a,b\nTRUE,false\n1,0\n", [[1, 0], [1, 0]]),
        ("true,FALSE\n0,1.0\n", [[1, 0], [0, 1]]),
        ("a;b\n0,5;1\n1,0;0\n", [[0.5, 1], [1, 0]]),
        ("a\tb\n1\t0,25\n", [[1, 0.25]]),
        ("1, 0\n 0,1 \n", [[1, 0], [0, 1]]),
        ("1,0\r\n0,1\r\n", [[1, 0], [0, 1]]),
        ("1,0\r0,1\r", [[1, 0], [0, 1]]),
        ("\ufeffa,b\n1,0\n", [[1, 0]]),
        ("1,0\n\n0,1\n# the end\n", [[1, 0], [0, 1]]),
        ("1e0,+0\n.0,1.\n", [[1, 0], [0, 1]]),
    ],
)
def test_forms_of_tables(tmp_path, text, values):
    assert read_table(table(text, tmp_path)).array.tolist() == values


@pytest.mark.parametrize(
    "name, text",
    [
        ("x.tsv", "color\tsize\nred, dark\t1;5\nblue\t2\ngreen\t3\n"),
        ("x.TSV", "color\tsize\nred, dark\t1;5\nblue\t2\ngreen\t3\n"),
        ("x.csv", 'color,size\n"red, dark",1;5\nblue,2\ngreen,3\n'),  # a semicolon in a cell below the names
        ("x.csv", 'color;size\nred, dark;"1;5"\nblue;2\ngreen;3\n'),
        ("x.csv", "color\tsize\nred, dark\t1;5\nblue\t2\ngreen\t3\n"),
    ],
)
def test_what_separates_cells(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = fr.datasets.load_categories(tmp_path / name)
    assert found.names == ("color", "size")
    assert found.categories == (("blue", "green", "red, dark"), ("1;5", "2", "3"))


# ---------------------------------------------------------------- what is reported of a table that cannot be read


MISSING = ["", " ", "NA", "nan", "NaN", "-nan", "NULL", "None", "?", "#N/A", "inf", "-inf", "1e999", "1" + "0" * 400]


@pytest.mark.parametrize("cell", MISSING)
def test_missing_values(tmp_path, cell):
    """Wherever one stands, also in a first row that could be taken for names."""
    for text, where in (
        (f"a,b\n1,0\n\n0,1\n1,{cell}\n", r"line 5, column 2: .*\(column 'b'; an RBM needs every value"),
        (f"{cell},{cell}\n1,0\n", r"line 1, column 1: "),
        (f"1,{cell}\n1,0\n", r"line 1, column 2: .*an RBM needs every value"),
        (f"a,b\n{cell},{cell}\n1,0\n", r"line 2, column 1: "),
        (f"a;b\n1;{cell}\n", r"line 2, column 2: "),
    ):
        path = table(text, tmp_path)
        for read in (fr.datasets.load, fr.datasets.load_fractions, read_column):
            with pytest.raises(ValueError, match=rf"x\.csv, {where}") as caught:
                read(path)
            assert ("it is empty" if not cell.strip() else "is missing or infinite") in str(caught.value)


@pytest.mark.parametrize("code", [-9, 9, -99, 99, -999, 999, -1])
def test_codes_of_missing_values(tmp_path, code):
    """Not answers, and no scale either, in fractions as in answers."""
    text = f"a,b\n1,0\n\n0,1\n1,{code}\n"
    message = rf"x\.csv, line 5, column 2 \('b'\): {code} beside values from 0 to 1, a missing one\?"
    for read in (fr.datasets.load, fr.datasets.load_fractions):
        with pytest.raises(ValueError, match=message):
            read(table(text, tmp_path))
    with pytest.raises(ValueError, match=message):
        fr.datasets.load_fractions(table(text.replace("0,1", "0.25,1"), tmp_path))
    np.save(tmp_path / "x.npy", np.array([[1, 0], [0, 1], [1, code]]))
    with pytest.raises(ValueError, match=rf"x\.npy, row 3, column 2 of 2: {code} beside values from 0 to 1"):
        fr.datasets.load(tmp_path / "x.npy")


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "a,b\n1,x\n",
            r", line 2, column 2: 'x' is not a number \(column 'b'; required are numbers separated by commas",
        ),
        ("a,b\nyes,no\nno,no\n", ", line 2, column 1: 'yes' is not a number"),
        ("a,b\nTrue,ja\n", ", line 2, column 2: 'ja' is not a number"),
        ("yes,no\nno,no\n", ", line 1, column 1: 'yes' is not a number"),
        ("1,O\n1,0\n", ", line 1, column 2: 'O' is not a number"),
        ("1 0\n0 1\n", ": its cells are separated by spaces; required .*separated by commas, semicolons or tabs"),
        ("a|b\n1|0\n", ": its cells are separated by bars; required"),
        ("sep=;\na;b\n1;0\n", ": its first line, 'sep=;', is for Excel alone: remove it"),
        ('a,"b\nc"\n1,0\n0,x\n', r", line 4, column 2: 'x' is not a number \(column 'b\\nc'"),
        ("1_0,1\n1,1\n", ", line 1, column 1: '1_0' is not a number"),
        ("\u0661,1\n1,1\n", ", line 1, column 1: .* is not a number"),
        ("a,b\n1,\0\n", r", line 2: it is not text \(it has null characters\)"),
        (",a,b\n0,1,0\n1,1,1\n", r", line 1, column 1: a column without a name \(an index column\?.*index=False"),
        ("Unnamed: 0,a,b\n0,1,0\n", ", line 1, column 1: a column without a name .*index=False"),
        (",0,1\n0,1,0\n1,1,1\n", r", line 1, column 1: it is empty \(an index column\?.*index=False"),
        ('"","a"\n"1",1\n"2",1\n', ", line 1, column 1: a column without a name .*row.names = FALSE"),
        ('"a","b"\n"1",1,0\n"2",1,1\n', ", line 2: it has 3 cells below 2 names .*row.names = FALSE"),
        ("a,b\n1,0,\n", r", line 2: it has 3 cells below 2 names \(a separator at the end of the line\?"),
        ("a,b,\n1,0,\n", r", line 1, column 3: a column without a name \(a separator at the end of the line\?"),
        ("1,0,\n0,1,\n", ", line 1, column 3: it is empty .* or a separator at the end of the line"),
        ("a,b\n1,0\n1\n", ", line 3: it has 1 numbers, the lines before have 2"),
        ("1" * 200_000 + ",x\n", ", line 1: it cannot be split into cells"),
        ('a,b\n1,"0\n1,1\n' * 9000, ", line .*(it cannot be split into cells|is not a number)"),
        ("a,b\n", " has a line of names and no examples"),
        ("# only\n", " has no rows"),
        ("\ufeff", " is empty, or its first line is"),
    ],
)
def test_faults_of_tables(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"x\.csv" + message) as caught:
        fr.datasets.load(table(text, tmp_path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "encoding, message",
    [
        ("latin-1", r"x\.csv, line 3: it is not UTF-8 text \(Latin-1\?\): save the file as UTF-8"),
        ("utf-16", r"x\.csv is not UTF-8 text \(UTF-16\?\): save it as UTF-8"),
        ("utf-16-le", r"x\.csv is not UTF-8 text \(UTF-16\?\): save it as UTF-8"),
        ("utf-16-be", r"x\.csv is not UTF-8 text \(UTF-16\?\): save it as UTF-8"),
    ],
)
def test_other_encodings(tmp_path, encoding, message):
    with pytest.raises(ValueError, match=message):
        fr.datasets.load(table("a,b\n1,0\n1,0,gr\xf6\xdfe\n", tmp_path, encoding))
    assert fr.datasets.load(table("gr\xf6\xdfe,b\n1,0\n", tmp_path)).tolist() == [[1, 0]]


# ---------------------------------------------------------------- scales and columns

ODD = {
    "id": (np.arange(1, 201), "it counts the rows, from 1 to 200; an index"),
    "index": (np.arange(200), "it counts the rows, from 0 to 199; an index"),
    "shuffled id": (RNG.permutation(200) + 1, "values from 1 to 200, where other columns hold 0 and 1"),
    "kg": (RNG.permutation(200) % 80 + 40, "values from 40 to 119, where"),
    "mark": (np.arange(200) % 16, "values from 0 to 15, where"),
    "of 16": (np.arange(200) % 17, "values from 0 to 16, where"),
    "seven": (np.full(200, 7), "the value 7, where"),
    "year": (1990 + np.arange(200) % 30, "values from 1990 to 2019, where"),
    "packed": (np.packbits(ANSWERS[:, :8], axis=1)[:, 0], "values from .*, where"),
    "percent": (np.arange(200) % 101, "values from 0 to 100, where"),
    "sex": (np.arange(200) % 2 + 1, "values from 1 to 2, where"),
    "z": (np.linspace(-2, 3, 200), "values from -2 to 3, where"),
    "money": (np.linspace(0, 1e6, 200) ** 1.1, "values from 0 to .*, where"),
}

CATEGORIES = ("mark", "of 16", "seven", "sex", "z")  # few whole numbers: the command line takes them as categories


@pytest.mark.parametrize("name", ODD)
def test_a_column_that_is_no_answer(tmp_path, capsys, name):
    """Named by the header, or by its number; never a threshold for all that turns the answers into zeros."""
    column, words = ODD[name]
    X = with_column(column)
    names = [f"q{k}" for k in range(25)]
    names[5] = name
    path, array = tmp_path / "x.csv", tmp_path / "x.npy"
    np.savetxt(path, X, "%g", ",", header=",".join(names), comments="")
    np.save(array, X)
    for read in (fr.datasets.load, fr.datasets.load_fractions):
        with pytest.raises(ValueError, match=rf"x\.csv, column 6 \('{name}'\): {words}"):
            read(path)
        with pytest.raises(ValueError, match=rf"x\.npy, column 6 of 25: {words}"):
            read(array)
    code, said, err = fastrbm(capsys, "train", path, "--quiet", "--epochs", 1, "--out", tmp_path / "m.npz")
    if name in CATEGORIES:
        assert code == 0 and name in said.splitlines()[0]
        assert fr.load(tmp_path / "m.npz").visible_categories[5] == tuple(sorted(set(X[:, 5].tolist())))
    else:
        assert code == 2 and f"column 6 ('{name}')" in err and err.count("\n") == 1
        assert not (tmp_path / "m.npz").exists()
    # said by hand from which value on a unit is 1: so be it
    assert np.array_equal(fr.datasets.load(path, threshold=1), X >= 1)


def test_several_odd_columns(tmp_path):
    X = np.insert(with_column(np.arange(200) % 7), 9, np.arange(200) % 90, axis=1)
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(ValueError, match=r"column 6 of 26: values from 0 to 6, .* \(and 1 more such columns\)"):
        fr.datasets.load(tmp_path / "x.npy")
    marks = np.insert(RNG.integers(0, 6, (200, 12)), 3, RNG.integers(0, 201, 200), axis=1)
    marks[0, 3] = 200
    np.save(tmp_path / "x.npy", marks)
    with pytest.raises(ValueError, match="column 4 of 13: values from .* to 200, where most columns end at 5 or below"):
        fr.datasets.load(tmp_path / "x.npy")


@pytest.mark.parametrize("n_answers, n_marks", [(1, 1), (2, 12), (3, 3), (20, 2)])
def test_answers_beside_marks(tmp_path, n_answers, n_marks):
    """One threshold for both would turn all answers into zeros, however few they are."""
    marks = RNG.integers(0, 16, (200, n_marks))
    marks[0] = 15
    np.save(tmp_path / "x.npy", np.c_[ANSWERS[:, :n_answers], marks])
    for read in (fr.datasets.load, fr.datasets.load_fractions):
        with pytest.raises(ValueError, match=f"column {n_answers + 1} of .*: values from 0 to 15, where other columns"):
            read(tmp_path / "x.npy")


def test_pictures_are_no_odd_columns(tmp_path):
    """Real values of one scale are cut in the middle, though some columns are dark, blank or only 0 and 1."""
    path = tmp_path / "x.npy"
    pictures = fr.datasets.load_digits().reshape(-1, 8, 8)
    soft = pictures[:, :-1] * 9 + pictures[:, 1:] * 6  # gray edges
    for gray, middle in ((soft, 8), (soft * 17, 128), (np.minimum(soft, 12) / 12, 0.5)):
        for part in (gray, gray[:30], gray[:3]):
            np.save(path, part)
            assert np.array_equal(fr.datasets.load(path), (part >= middle).reshape(len(part), -1))


@pytest.mark.parametrize("n_units", [17, 21, 23])
def test_packed_bits_are_not_real_values(tmp_path, n_units):
    """Recognized by the zeros that fill up the last byte, or by their name; else they look like real values."""
    bits = ANSWERS[:, :n_units]
    packed = np.packbits(bits, axis=1)
    np.save(tmp_path / "x.npy", packed)
    np.savez(tmp_path / "x.npz", bits=np.packbits(ANSWERS, axis=1))
    for name in ("x.npy", "x.npz"):
        for read in (fr.datasets.load, fr.datasets.load_fractions):
            with pytest.raises(ValueError, match=rf"{name[:1]}\{name[1:]} holds packed bits.*numpy.unpackbits"):
                read(tmp_path / name)
    np.save(tmp_path / "x.npy", np.unpackbits(packed, axis=1, count=n_units))
    assert np.array_equal(fr.datasets.load(tmp_path / "x.npy"), bits)
    np.savez(tmp_path / "x.npz", bits=bits.astype(np.uint8))
    assert np.array_equal(fr.datasets.load(tmp_path / "x.npz"), bits)


def test_real_digits_are_read_as_before(tmp_path):
    sklearn = pytest.importorskip("sklearn.datasets")
    gray = sklearn.load_digits().data
    for rows in (slice(0, 1), slice(0, 5), slice(None)):
        np.save(tmp_path / "x.npy", gray[rows])
        assert np.array_equal(fr.datasets.load(tmp_path / "x.npy"), gray[rows] >= 8)


def test_scales_of_fractions(tmp_path, capsys):
    """Of percents and counts the scale is asked for; fractions stay as they are; known scales are recognized by their
    end."""
    path = tmp_path / "x.npy"
    percents = RNG.integers(0, 101, (60, 8))
    percents[0] = 100
    for gray in (percents, percents % 19, percents + 200, percents - 5):
        np.save(path, gray)
        with pytest.raises(ValueError, match=r"x\.npy has values from .*say with scale \(--scale\) what the largest"):
            fr.datasets.load_fractions(path)
    np.save(path, percents)
    X = fr.datasets.load_fractions(path, scale=100)
    assert X.dtype == np.float32 and np.array_equal(X, (percents / 100).astype(np.float32))
    with pytest.raises(ValueError, match=r"x\.npy, column 1 of 8: values from .* to 100; with this scale .* 0 to 50"):
        fr.datasets.load_fractions(path, scale=50)
    for scale in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="scale must be"):
            fr.datasets.load_fractions(path, scale=scale)
    for top, values in ((255, percents * 2.55), (16, percents % 17), (15, percents % 16), (1, percents / 100)):
        np.save(path, values)
        assert fr.datasets.load_fractions(path).max() == np.float32(values.max()) / np.float32(top)
    for fractions in (percents / 1000, percents / 1e4, percents * 0):  # however small, they are fractions
        np.save(path, fractions)
        assert np.array_equal(fr.datasets.load_fractions(path), fractions.astype(np.float32))
    # the command line, where states are drawn from validation data, too
    np.save(path, percents)
    np.save(tmp_path / "fractions.npy", (percents / 100).astype(np.float32))
    rbm = [tmp_path / "a.npz", tmp_path / "b.npz"]
    short = ["--dynamic-binarization", "--hidden", 3, "--epochs", 2, "--quiet"]
    code, out, _ = fastrbm(capsys, "train", path, *short, "--scale", 100, "--validation", path, "--out", rbm[0])
    assert (
        code == 0
        and "real-valued data: fractions of 100" in out
        and out.count("states are drawn from these real values") == 1
    )
    assert fastrbm(capsys, "train", tmp_path / "fractions.npy", *short, "--out", rbm[1])[0] == 0
    assert np.array_equal(fr.load(rbm[0]).weights, fr.load(rbm[1]).weights)
    code, _, err = fastrbm(capsys, "train", path, *short, "--out", rbm[0])
    assert code == 2 and "--scale" in err and err.count("\n") == 1
    code, _, err = fastrbm(capsys, "train", "digits", "--scale", 3, "--out", rbm[0])
    assert code == 2 and err == "fastrbm: --scale does nothing without --dynamic-binarization\n"


def test_fractions_within_rounding(tmp_path):
    """A scaler's 1.0000000000000002 is 1, as float32 in decimals too."""
    path = tmp_path / "x.npy"
    for X in (
        np.array([[0.5, 1.0000000000000002], [-1e-17, 0.25]]),
        np.array([[0.5, 1 + 2**-23], [-(2.0**-25), 0.25]], np.float32),
    ):
        np.save(path, X)
        assert fr.datasets.load_fractions(path).tolist() == [[0.5, 1], [0, 0.25]]
    np.save(path, np.array([[0, 1.0000000000000002], [1, 0]]))
    assert fr.datasets.load(path).tolist() == [[0, 1], [1, 0]]
    np.save(path, np.array([[0.5, 1.001]]))
    with pytest.raises(ValueError, match="; scales that end at 1, 15, 16 or 255 are known"):
        fr.datasets.load_fractions(path)


def test_spins(tmp_path):
    """-1 is not 0 in silence: the message has the cure, and it is one."""
    spins = 2 * ANSWERS - 1
    np.save(tmp_path / "x.npy", spins)
    np.savetxt(tmp_path / "x.csv", spins, "%d", ",")
    for name in ("x.npy", "x.csv"):
        for read in (fr.datasets.load, fr.datasets.load_fractions):
            with pytest.raises(ValueError, match=r"has values from -1 to 1, of spins: train with --visible spin"):
                read(tmp_path / name)
        assert np.array_equal(fr.datasets.load(tmp_path / name, threshold=0), ANSWERS)
    spins[3, 2] = 0
    np.save(tmp_path / "x.npy", spins)
    with pytest.raises(ValueError, match=r"row 1, column .* of 24: -1 beside values from 0 to 1"):
        fr.datasets.load(tmp_path / "x.npy")


def test_columns_of_weights(tmp_path):
    """One column, with a name or without; what pandas writes above a nameless one is no weight."""
    for text in ("w\n0.5\n2\n", "0.5\n2\n", "0\n0.5\n2.0\n", "w;\n", "0,5;\n"):
        path = table(text, tmp_path)
        if ";" in text:
            with pytest.raises(ValueError, match=r"x\.csv"):
                read_column(path)
        else:
            assert read_column(path).tolist() == [0.5, 2]
    with pytest.raises(ValueError, match=r"x\.csv holds an array of shape \(2, 2\); it must be one column"):
        read_column(table("a,b\n1,2\n2,3\n", tmp_path))
    with pytest.raises(ValueError, match="index=False"):
        read_column(table(",w\n0,0.5\n1,2\n", tmp_path))


@pytest.mark.parametrize(
    "name, words",
    [
        ("x.tab", "if its name ends in .csv or .tsv"),
        ("x.csv.gz", "unpack it"),
        ("x.xlsx", "save it as .csv"),
        ("x.md", r"gz\)$"),
    ],
)
def test_kinds_of_files_that_are_not_read(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"1\t0\n")
    with pytest.raises(ValueError, match=f"{name}: unknown kind of file; .*{words}"):
        fr.datasets.load(tmp_path / name)


def test_rows_on_disk_keep_their_file(tmp_path):
    np.save(tmp_path / "x.npy", ANSWERS)
    rows = map_rows(tmp_path / "x.npy")
    assert isinstance(rows, np.memmap) and rows.filename == str(tmp_path / "x.npy") and not rows.flags.writeable


@pytest.mark.parametrize(
    "given, meant", [("--lr", "--learning-rate"), ("--bs", "--batch-size"), ("--hiden", "--hidden")]
)
def test_options_by_their_initials(tmp_path, capsys, given, meant):
    code, _, err = fastrbm(capsys, "train", "digits", given, 3)
    assert code == 2 and f"did you mean '{meant}'?" in err
    (tmp_path / "run.toml").write_text(f"{given[2:]} = 3")
    code, _, err = fastrbm(capsys, "train", "digits", "--config", tmp_path / "run.toml")
    assert code == 2 and f"did you mean '{meant[2:]}'?" in err
