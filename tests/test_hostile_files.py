"""Files that are damaged, that lie, or that would take all memory: refused with their name, in our words."""

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from mutate import in_directory, mutations, npy, packed, with_header
from test_cli import fastrbm

import fastrbm as fr
from fastrbm.cli.commands import build_parser, command_parser
from fastrbm.cli.common import history_of
from fastrbm.cli.settings import apply_file
from fastrbm.cli.words import CommandError
from fastrbm.datasets.files import map_rows, read_table
from fastrbm.training import checkpoint

X = fr.datasets.load_digits()[:40, 20:30]
LIMIT = 80 << 20  # bytes: what a file of a few kB may take in all; a compressed one may unpack to 64 MiB


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(">u1").tobytes()


def refused(path, read, *words):
    """read(path) raises ValueError or OSError that names the file; its message has these words."""
    with pytest.raises((ValueError, OSError)) as caught:
        read(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good file of each kind: {name: content}."""
    folder = tmp_path_factory.mktemp("good")
    rbm = fr.RBM.from_data(X, 6, seed=0)
    history = fr.fit(rbm, X, fr.gradient.PCD(10), epochs=3, checkpoint=folder / "run.npz")
    rbm.save(folder / "model.npz")
    history.save(folder / "h.csv")
    history.save(folder / "h.jsonl")
    np.save(folder / "x.npy", X)
    np.savez(folder / "x.npz", X=X)
    np.savetxt(folder / "x.csv", X, "%d", ",", header=",".join("abcdefghij"), comments="")
    (folder / "x.idx").write_bytes(idx(X))
    (folder / "x.idx.gz").write_bytes(gzip.compress(idx(X)))
    (folder / "run.toml").write_text('hidden = 6\nlearning-rate = 0.1\nmethod = "cd"\nnesterov = true\nout = "m.npz"\n')
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def settings(path):
    apply_file(command_parser(build_parser(), "train"), str(path))


READERS = {
    "model.npz": [fr.load],
    "run.npz": [fr.load, checkpoint.read, lambda path: history_of(str(path))],
    "h.csv": [fr.History.load],
    "h.jsonl": [fr.History.load],
    "x.npy": [fr.datasets.load, map_rows],
    "x.npz": [fr.datasets.load],
    "x.csv": [fr.datasets.load, fr.datasets.load_fractions],
    "x.idx": [fr.datasets.load],
    "x.idx.gz": [fr.datasets.load],
    "run.toml": [settings],
}


def in_use(path):
    """A model that is loaded can be used."""
    rbm = fr.load(path)
    try:
        rbm.free_energy(rbm.sample(2, n_sweeps=1, method="gibbs"))
    except FloatingPointError:
        pass
    except ValueError as error:
        raise AssertionError(f"loaded, and then {error!r}") from error


def chains_in_use(path):
    fr.load_chains(path).sweep(1)


def test_mutated_files_of_every_kind_of_unit(tmp_path):
    """Models with categories and real values, their chains and paths: as above. What is read can be used."""
    rng, u = np.random.default_rng(0), fr.units
    codes, reals = np.stack([rng.integers(0, k, 30) for k in (3, 4, 2)], 1), rng.normal(size=(30, 3))
    coded = fr.RBM.from_data(fr.datasets.describe_frame({"a": list("xyz") * 10, "b": [1, 2, 3, 4, 1] * 6}), 3)
    mixed = np.concatenate([reals, codes], 1)
    layers = [u.Gaussian(3), u.Categorical(3, [3, 4, 2])]
    models = {
        "coded": coded, "mixed": fr.RBM.from_data(mixed, 3, visible=layers),
        "both": fr.RBM.from_data(reals, 3, visible="gaussian", hidden="gaussian"),
        "drelu": fr.RBM.from_data(codes, 3, visible="categorical", hidden="drelu"),
    }  # fmt: skip
    good = {}
    for name, rbm in models.items():
        rbm.save(tmp_path / f"{name}.npz")
        fr.Chains(rbm, 3, clamp=rbm.sample(1, 1, method="gibbs")[0]).save(tmp_path / f"{name}-chains.npz")
        fr.TemperedChains(rbm, 3, n_betas=2).save(tmp_path / f"{name}-tempered.npz")
        fr.sampling.Path([rbm, rbm.copy()], n_steps=2).save(tmp_path / f"{name}-path.npz")
        good[f"{name}.npz"] = in_use
        good |= {f"{name}-chains.npz": chains_in_use, f"{name}-tempered.npz": chains_in_use}
        good[f"{name}-path.npz"] = lambda path: fr.load_path(path).model_at(0)
    refused = 0
    for k, (name, read) in enumerate(good.items()):
        path = tmp_path / name
        for words, content in mutations(path.read_bytes(), 10, seed=100 + k):
            path.write_bytes(content)
            try:
                read(path)
            except (ValueError, OSError) as error:
                assert str(path) in str(error) and str(error).isprintable(), (name, words, error)
                refused += 1
            except BaseException as error:
                raise AssertionError(f"{name}, {words}: {error!r}") from error
    assert refused > 75


@pytest.mark.parametrize("hidden, entry", [("drelu", "hidden_units.npy"), ("gaussian", None)])
def test_files_whose_entries_do_not_go_together(tmp_path, hidden, entry):
    """A path whose hidden units' parameters are of no units; weights that no two real layers can have."""
    X = np.random.default_rng(0).normal(size=(20, 3))
    path, rbm = tmp_path / "x.npz", fr.RBM.from_data(X, 2, visible="gaussian", hidden=hidden)
    fr.sampling.Path([rbm, rbm.copy()], n_steps=2).save(path)
    with np.load(path) as archive:
        entries = {name: archive[name] for name in archive.files if f"{name}.npy" != entry}
    entries["weights"] = entries["weights"] + np.float32(0 if entry else 9)
    np.savez(path, **entries)
    refused(path, fr.load_path, "is damaged: path_own must be there" if entry else "could not be normalized")


@pytest.mark.parametrize("states", [None, "x", 1.5, {}, True, [2, None], [2, "x"], [2, True]])
def test_files_whose_sites_have_no_number_of_states(tmp_path, states):
    path = tmp_path / "x.npz"
    fr.RBM(np.zeros((4, 2)), visible=fr.units.Categorical(2, 2)).save(path)
    refused(path, with_segment(path, n_states=states), "visible_units")


def test_a_short_file_that_asks_for_many_columns(tmp_path):
    """A list of them would take 8 GB."""
    path = tmp_path / "x.npz"
    fr.RBM(np.zeros((4, 2)), visible=fr.units.Categorical(2, 2)).save(path)
    tracemalloc.start()
    try:
        for n in (5, 10**9, 2**62):
            refused(path, with_segment(path, n_sites=n), "is damaged: visible_units must describe 4 units")
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


def with_segment(path, **changed):
    """What reads a model's file again whose first segment is changed."""
    with np.load(path) as archive:
        entries = {name: archive[name] for name in archive.files}
    segments = json.loads(str(entries["visible_units"]))
    segments[0] |= changed
    np.savez(path, **(entries | {"visible_units": np.array(json.dumps(segments))}))
    return fr.load


def test_paths_whose_base_no_real_unit_can_follow(tmp_path):
    rbm = fr.RBM(np.zeros((3, 2)), visible=[fr.units.Gaussian(2, gamma=[1, 4]), fr.units.Bernoulli(1)])
    good = [2047.0, 8191.0, 1e9]
    fr.sampling.Path(rbm, 2, base_bias=good).save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        entries = {name: archive[name] for name in archive.files}
    for unit, bias in ((0, -2048.0), (1, 1e16)):
        entries["path_base_bias"] = np.float32([*good[:unit], bias, *good[unit + 1 :]])
        np.savez(tmp_path / "x.npz", **entries)
        refused(tmp_path / "x.npz", fr.load_path, f"base_bias[{unit}] is {bias:g}, where the unit's values end at 2048")


def fuzz(folder, good, n, seed):
    """n mutations of each good file; the number that were refused."""
    count = 0
    for name, readers in READERS.items():
        path = folder / name
        for words, content in mutations(good[name], n, seed):
            path.write_bytes(content)
            for read in readers:
                try:
                    result = read(path)
                except (ValueError, OSError, CommandError) as error:
                    assert str(path) in str(error), (name, words, error)
                    assert str(error).isprintable(), (name, words, error)
                    count += 1
                except BaseException as error:
                    raise AssertionError(f"{name}, {words}: {error!r}") from error
                else:
                    if isinstance(result, fr.RBM):
                        assert np.isfinite(result.weights).all()
                    elif isinstance(result, np.ndarray) and read is not map_rows:
                        assert result.ndim == 2 and result.min() >= 0 and result.max() <= 1
    return count


def test_mutated_files(tmp_path, good):
    """ValueError or OSError with the file's name in one printable line, and no more memory than the file can mean."""
    tracemalloc.start()
    try:
        assert fuzz(tmp_path, good, 30, seed=0) > 200
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_mutated_files_many(tmp_path, good):
    for seed in range(1, 6):
        assert fuzz(tmp_path, good, 100, seed) > 700


def test_mutations_are_the_same_each_time(good):
    for content in good.values():
        first, again = (list(mutations(content, 20, seed=3)) for _ in range(2))
        assert first == again and len({mutated for _, mutated in first}) > 5


# ---------------------------------------------------------------- headers that lie

HEADS = {
    "more rows": "{'descr': '|u1', 'fortran_order': False, 'shape': (41, 10), }",
    "fewer rows": "{'descr': '|u1', 'fortran_order': False, 'shape': (39, 10), }",
    "all memory": "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 10), }",
    "overflow": "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    "none of many": "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999), }",
    "negative": "{'descr': '|u1', 'fortran_order': False, 'shape': (-40, -10), }",
    "33 dimensions": "{'descr': '|u1', 'fortran_order': False, 'shape': (40, 10" + ", 1" * 31 + "), }",
    "wide text": "{'descr': '<U999999999', 'fortran_order': False, 'shape': (40, 10), }",
    "no shape": "{'descr': '|u1', 'fortran_order': False}",
    "code": "__import__('os').abort()",
    "deep": "(" * 60_000,
    "nothing": "",
}


@pytest.mark.parametrize("head", HEADS)
def test_headers_that_lie(tmp_path, head):
    """An array has exactly the bytes that its header promises, or it is refused before memory is taken."""
    content = with_header(npy(X), HEADS[head])
    single, archive, model = tmp_path / "x.npy", tmp_path / "x.npz", tmp_path / "m.npz"
    single.write_bytes(content)
    archive.write_bytes(packed([("X.npy", content)]))
    parts = {"fastrbm_format": np.int64(1), "visible_bias": np.zeros(40), "hidden_bias": np.zeros(10)}
    model.write_bytes(packed([("weights.npy", content)] + [(f"{n}.npy", npy(a)) for n, a in parts.items()]))
    tracemalloc.start()
    try:
        refused(single, fr.datasets.load, "is damaged (its header" if head != "nothing" else "is damaged (")
        refused(single, map_rows, "is damaged")
        refused(archive, fr.datasets.load, "is damaged, or not an .npz file (X: its header")
        refused(model, fr.load, "is damaged or not a fastrbm model (weights: its header")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "array, words",
    [
        (np.array([{"a": 1}], object), "holds Python objects, not numbers"),
        (np.zeros(3, "i4, f4"), "holds no numbers but records"),
        (np.zeros((3, 2), complex), "holds no numbers but complex numbers"),
        (np.zeros((3, 2), "M8[s]"), "holds no numbers but dates"),
        (np.zeros((3, 2), "S4"), "holds no numbers but bytes"),
        (np.array([["a"]]), "holds no numbers but text"),
    ],
)
def test_arrays_of_other_things(tmp_path, array, words):
    (tmp_path / "x.npy").write_bytes(npy(array))
    refused(tmp_path / "x.npy", fr.datasets.load, words)
    np.savez(tmp_path / "x.npz", a=array)
    refused(tmp_path / "x.npz", fr.datasets.load, words)


def test_sound_arrays_of_every_form(tmp_path):
    """Column order, byte order, versions of the format, compression, bytes of True other than 1: no damage."""
    path = tmp_path / "x.npy"
    for array in (np.asfortranarray(X), X.astype(">f4"), X.astype(bool), X.astype("f2"), X.astype("u8"), X[:, :0]):
        np.save(path, array)
        if array.size:
            assert np.array_equal(fr.datasets.load(path), X) and np.array_equal(map_rows(path), X)
        else:
            refused(path, fr.datasets.load, "it must be (examples, units)")
            refused(path, map_rows, "it must be (examples, units)")
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(path, "wb") as file:
            np.lib.format.write_array(file, X, version)
        assert np.array_equal(fr.datasets.load(path), X)
    np.savez_compressed(tmp_path / "x.npz", X=X)
    assert np.array_equal(fr.datasets.load(tmp_path / "x.npz"), X)
    content = npy(X.astype(bool))
    path.write_bytes(content[:-400] + bytes(255 * v for v in X.reshape(-1).tolist()))
    assert np.array_equal(fr.datasets.load(path), X)
    assert np.array_equal(read_table(path).array.view(np.uint8), X)


# ---------------------------------------------------------------- archives


def test_archives_that_lie(tmp_path, good):
    path = tmp_path / "m.npz"
    entries = [
        (n, zipfile.ZipFile(io.BytesIO(good["model.npz"])).read(n)) for n in ("fastrbm_format.npy", "weights.npy")
    ]
    content = packed(entries)
    for bad, words in (
        (in_directory(content, 1, 8, b"\1\0"), "(weights is encrypted)"),
        (
            in_directory(content, 1, 10, struct.pack("<H", 12)),
            "(weights is compressed in a way that NumPy does not use)",
        ),
        (in_directory(content, 1, 24, struct.pack("<I", 130)), "checksums do not fit together"),
        (packed([*entries, entries[1]]), "(it holds weights twice)"),
        (packed(entries), "(it lacks visible_bias)"),
        (packed([("fastrbm_format.npy", npy(np.zeros(2)))]), "(fastrbm_format is not one whole number)"),
        (packed([("fastrbm_format.npy", npy(np.float64(np.nan)))]), "(fastrbm_format is not one whole number)"),
        (packed([entries[0], ("weights.npy", npy(np.array("text")))]), "weights must hold numbers, not <U4"),
    ):
        path.write_bytes(bad)
        refused(path, fr.load, words)


def test_bombs(tmp_path, good):
    """What a small file unpacks to is bounded by its size, and entries that nobody asks for are not read."""
    zeros = npy(np.zeros((66, 1 << 20), np.uint8))  # 66 MiB, 1 : 1000
    archive, run, pictures, longer = (tmp_path / n for n in ("x.npz", "run.npz", "x.idx.gz", "y.idx.gz"))
    archive.write_bytes(packed([("X.npy", zeros)], zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(good["run.npz"])) as sound:
        entries = [(name, sound.read(name)) for name in sound.namelist()]
    swapped = [(name, zeros if name == "gradient/visible.npy" else data) for name, data in entries]
    run.write_bytes(packed(swapped, zipfile.ZIP_DEFLATED))
    pictures.write_bytes(gzip.compress(struct.pack(">4B2I", 0, 0, 8, 2, 66, 1 << 20) + bytes(66 << 20), 6))
    longer.write_bytes(gzip.compress(idx(X) + bytes(20 << 20), 6))
    del zeros, swapped
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 130_000
    tracemalloc.start()
    try:
        refused(archive, fr.datasets.load, "X would take 69,206,144 bytes", "save it without compression")
        refused(run, checkpoint.read, "gradient/visible would take 69,206,144 bytes")
        refused(pictures, fr.datasets.load, "promises 69206016 bytes of data", "unpack it (gunzip)")
        refused(longer, fr.datasets.load, "promises 400 bytes of data, it has more")
        assert fr.load(run).n_hidden == 6  # what else is in the file is not read
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_data_that_compress_well_are_read(tmp_path):
    """The bound is on what no data reach: 20 MB of zeros in 20 kB are still taken."""
    np.savez_compressed(tmp_path / "x.npz", X=np.zeros((20, 1_000_000), np.uint8))
    assert fr.datasets.load(tmp_path / "x.npz").shape == (20, 1_000_000)


# ---------------------------------------------------------------- checkpoints


def setup_of(good):
    with np.load(io.BytesIO(good["run.npz"])) as archive:
        return json.loads(archive["setup"].tobytes())


@pytest.mark.parametrize(
    "text, words",
    [
        (b"", "its set-up cannot be read"),
        (b"\xff\xfe", "its set-up cannot be read (it is not UTF-8 text)"),
        (b"[" * 100_000, "its set-up cannot be read (it is nested too deeply)"),
        (b'{"entries": 1' + b"0" * 5000 + b"}", "its set-up cannot be read (it has a number of too many digits)"),
        (b"[]", "does not list the entries"),
        (b"{}", "does not list the entries"),
        (b'{"entries": {"a": "b"}}', "does not list the entries"),
        (b'{"entries": [["training"]]}', "does not list the entries"),
        (b'{"entries": [["training", 1]]}', "does not list the entries"),
        (b'{"entries": [["training", ["update"]]]}', "does not list the entries"),
        (b'{"entries": [["training", "update"], ["training", "update"]]}', "does not list the entries"),
        (b'{"entries": [["training", "no\\nsuch"]]}', "it lacks training/no\\nsuch"),
    ],
)
def test_set_ups_of_checkpoints(tmp_path, good, text, words):
    with zipfile.ZipFile(io.BytesIO(good["run.npz"])) as sound:
        entries = [(name, sound.read(name)) for name in sound.namelist() if name != "setup.npy"]
    path = tmp_path / "run.npz"
    path.write_bytes(packed([*entries, ("setup.npy", npy(np.frombuffer(text, np.uint8)))]))
    refused(path, checkpoint.read, words)


def test_characters_that_do_not_exist(tmp_path, good):
    """NumPy would show them only when they are looked at, with an error of its own."""
    setup = setup_of(good) | {"entries": [["training", "name"]]}
    odd = np.frombuffer(struct.pack("<I", 0x110000), "<U1")
    with np.load(io.BytesIO(good["run.npz"])) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays |= {"training/name": odd, "setup": np.frombuffer(json.dumps(setup).encode(), np.uint8)}
    np.savez(tmp_path / "run.npz", **arrays)
    refused(tmp_path / "run.npz", checkpoint.read, "it holds characters that do not exist")


# ---------------------------------------------------------------- what is no regular file

READ = [fr.load, checkpoint.read, fr.datasets.load, fr.datasets.load_fractions, map_rows, fr.History.load, settings]


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
@pytest.mark.parametrize("read", READ)
def test_no_pipe_device_folder_or_loop(tmp_path, read):
    """A pipe without a writer would block for ever, /dev/zero never end."""
    suffix = ".csv" if read in READ[2:4] + READ[5:6] else ".npz"
    pipe, folder, loop, device, gone = (
        tmp_path / f"{name}{suffix}" for name in ("pipe", "folder", "loop", "zero", "no")
    )
    os.mkfifo(pipe)
    folder.mkdir()
    loop.symlink_to(loop)
    device.symlink_to("/dev/zero")
    for path, words in (
        (pipe, "a pipe or a device"),
        (folder, "directory"),
        (loop, "symbolic links"),
        (device, "a pipe or a device"),
        (gone, "No such file"),
    ):
        with pytest.raises(OSError, match=words) as caught:
            read(path)
        assert caught.value.filename == str(path)
    with pytest.raises(ValueError, match="path must not hold a null character"):
        read(f"a\0b{suffix}")


@pytest.mark.parametrize("read", [fr.load, fr.datasets.load, fr.datasets.load_fractions])
def test_a_path_is_no_file_descriptor(read):
    with pytest.raises(TypeError, match="path must be a path, str or os.PathLike, not int"):
        read(0)


# ---------------------------------------------------------------- histories and settings


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("h.csv", "epoch,epoch\n1,2\n", "two columns have one name"),
        ("h.csv", "epoch,x\n1\n", "line 2 has 1 cells below 2 names"),
        ("h.csv", "epoch\n1,2\n", "line 2 has 2 cells below 1 names"),
        ("h.csv", "epoch\nmany\n", "epoch of row 1 is no number"),
        ("h.csv", "epoch\n1" + "0" * 400 + "\n", "epoch of row 1 is too large"),
        ("h.csv", "epoch\n" + "1" * 200_000 + "\n", "field larger than field limit"),
        ("h.jsonl", "[" * 100_000, "it is nested too deeply"),
        ("h.jsonl", '{"epoch": 1' + "0" * 400 + "}", "epoch of row 1 is too large"),
        ("h.jsonl", '{"epoch": 1' + "0" * 5000 + "}", "it has a number of too many digits"),
        ("h.jsonl", "[1]", "row 1 is no object"),
        ("h.jsonl", '{"epoch": [1]}', "epoch of row 1 is no number"),
        ("h.jsonl", '{"epoch": true}', "epoch of row 1 is no number"),
        ("h.jsonl", '{"epoch": 1}\n{"update": 1}', "row 2 has other columns than the first"),
    ],
)
def test_odd_histories(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    refused(tmp_path / name, fr.History.load, f"{name} is not a history (", words)


def test_histories_with_odd_names(tmp_path):
    """A byte order mark is no part of the first name, and a column may be called as any argument."""
    (tmp_path / "h.csv").write_text("\ufeffself,values\n1,0.5\n\n2,\n", encoding="utf-8")
    history = fr.History.load(tmp_path / "h.csv")
    assert history.columns == ["self", "values"] and history["self"].tolist() == [1, 2]
    assert np.isnan(history["values"][1])


@pytest.mark.parametrize(
    "text, words",
    [
        ("a = " + "[" * 100_000, "is not TOML (it is nested too deeply)"),
        ("hidden = 1" + "0" * 400, "hidden is too large a number"),
        ("hidden = 1" + "0" * 5000, "is not TOML (it has a number of too many digits)"),
        ("hidden = 1979-05-27", "hidden must be a number or a string"),
        ("\xff", "is not TOML (it is not UTF-8 text)"),
        ('"\\u001b[31m" = 1', "no setting '\\x1b[31m'"),
        ("#" * (1 << 20) + "\n", "is not TOML (it has 1,048,577 bytes"),
    ],
)
def test_odd_settings(tmp_path, text, words):
    path = tmp_path / "run.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises((CommandError, ValueError)) as caught:
        settings(path)
    assert str(path) in str(caught.value) and words in str(caught.value) and str(caught.value).isprintable()


def test_settings_with_a_byte_order_mark(tmp_path, capsys):
    (tmp_path / "run.toml").write_bytes("\ufeffhidden = 9\r\n".encode())
    code, out, _ = fastrbm(capsys, "train", "digits", "--config", tmp_path / "run.toml", "--print-config")
    assert code == 0 and "\nhidden = 9 " in out


# ---------------------------------------------------------------- the command line


def odd_files(folder, good):
    """Names of files that no command can use where it reads one."""
    for name, content in good.items():
        (folder / name).write_bytes(content)
        (folder / f"cut-{name}").write_bytes(content[: len(content) // 2 + 3])
        (folder / f"junk-{name}").write_bytes(bytes(range(256)) * 4)
        (folder / f"empty-{name}").write_bytes(b"")
        (folder / f"loop-{name}").symlink_to(folder / f"loop-{name}")
        (folder / f"folder-{name}").mkdir()
        (folder / f"text-{name}").write_text("a\n")
    bad = sorted(
        p.name for p in folder.iterdir() if p.name.partition("-")[0] in ("cut", "junk", "empty", "loop", "text")
    )
    return [*bad, *(f"folder-{name}" for name in good), "missing.npz", "a\0b.npy", "x" * 300 + ".csv"]


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_command_lines_on_odd_files(tmp_path, good, capsys, monkeypatch, step):
    """Exit code 2 and one line, for every command and every kind of file."""
    monkeypatch.chdir(tmp_path)
    short = ["--epochs", 1, "--hidden", 2, "--quiet", "--out", "out.npz"]
    for name in odd_files(tmp_path, good)[::step]:
        commands = [
            ["info", name],
            ["sample", name, "-n", 2, "--sweeps", 1, "--out", "out.npy"],
            ["score", name, "digits", "--quiet"],
            ["score", "model.npz", name, "--quiet"],
            ["train", name, *short],
            ["train", name, "--dynamic-binarization", *short],
            ["train", name, "--on-disk", *short],
            ["train", "digits", "--validation", name, *short],
            ["train", "digits", "--sample-weight", name, *short],
        ]
        if not name.startswith(("cut", "empty", "text")):  # a history may be cut between two rows
            commands.append(["report", "model.npz", "x.npy", "--history", name, "--quiet", "-o", "r.html"])
        for arguments in commands:
            code, _, err = fastrbm(capsys, *arguments)
            start = "fastrbm: ", f"fastrbm {arguments[0]}: "
            assert code == 2 and err.startswith(start) and err.count("\n") == 1, (arguments, err)


def test_model_and_data_in_the_wrong_order(tmp_path, good, capsys):
    model, run, data = tmp_path / "model.npz", tmp_path / "run.npz", tmp_path / "x.npy"
    for path in (model, run, data):
        path.write_bytes(good[path.name])
    pytest.importorskip("matplotlib")
    order = ": MODEL comes first, then DATA\n"
    for command in ("score", "report"):
        for given in (["digits", model], [data, model], [model, run], ["digits", "digits"]):
            code, _, err = fastrbm(
                capsys, command, *given, *(["-o", tmp_path / "r.html"] if command == "report" else [])
            )
            assert code == 2 and err.endswith(order) and err.count("\n") == 1
    code, _, err = fastrbm(capsys, "train", model, "--out", tmp_path / "m.npz")
    assert code == 2 and err == f"fastrbm: {model} is a fastrbm model, not data\n"
    code, _, err = fastrbm(capsys, "sample", "digits", "--out", tmp_path / "s.npy")
    assert code == 2 and err == "fastrbm: digits is a bundled set of data, not a model\n"


def test_what_info_prints_is_printable(tmp_path, good, capsys):
    with np.load(io.BytesIO(good["run.npz"])) as archive:
        arrays = {name: archive[name] for name in archive.files}
    setup = setup_of(good) | {"model": "\x1b[2J\n"}
    np.savez(tmp_path / "c.npz", **(arrays | {"setup": np.frombuffer(json.dumps(setup).encode(), np.uint8)}))
    code, out, _ = fastrbm(capsys, "info", tmp_path / "c.npz")
    assert code == 0 and "\x1b" not in out and "\\x1b[2J\\n" in out
