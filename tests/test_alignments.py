"""Aligned sequences: FASTA files, alphabets, weights; with FASTA files of published papers, their published figures.

FASTRBM_DATA=... python -m pytest tests/test_alignments.py also reads protein/*.fasta of that folder.
"""

import copy
import gzip
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from mutate import mutations

import fastrbm as fr
from fastrbm.datasets import (
    Alphabet,
    decode_sequences,
    encode_sequences,
    read_fasta,
    sequence_weights,
    unique_sequences,
    write_fasta,
)  # fmt: skip
from fastrbm.datasets.alphabets import ALPHABETS

DATA = Path(os.environ.get("FASTRBM_DATA", "nowhere")) / "protein"
published = pytest.mark.skipif(not DATA.is_dir(), reason="FASTRBM_DATA does not name the folder of published data")
RNG = np.random.default_rng(0)


def fasta(text, folder, name="x.fasta"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ---------------------------------------------------------------- alphabets


@pytest.mark.parametrize("name", ALPHABETS)
def test_named_alphabets(name):
    alphabet = Alphabet(name)
    assert alphabet.letters == ALPHABETS[name] and alphabet.n_states == len(alphabet) == len(set(alphabet.letters))
    assert alphabet == Alphabet(name.upper()) == Alphabet(alphabet.letters) and hash(alphabet) == hash(
        Alphabet(alphabet.letters)
    )
    assert alphabet.letters.replace("-", "") == "".join(sorted(alphabet.letters.replace("-", "")))
    assert alphabet.gap == (None if "no_gap" in name else alphabet.letters.index("-"))
    codes = np.arange(len(alphabet))[None]
    assert decode_sequences(codes, name) == [alphabet.letters]
    assert np.array_equal(encode_sequences([alphabet.letters], alphabet), codes)


def test_gap_first_or_last():
    """As in the programs whose models are to be read: the gap is the last letter of PGM's, the first of adabmDCA's."""
    assert Alphabet("protein").gap == 20 and Alphabet("protein_gap_first").gap == 0 and Alphabet("rna").gap == 0
    assert Alphabet("rna_gap_last").gap == Alphabet("dna_gap_last").gap == 4


def test_an_alphabet_does_not_change():
    alphabet = Alphabet("HP")
    with pytest.raises(AttributeError, match="letters of an alphabet cannot be set"):
        alphabet.letters = "PH"
    assert pickle.loads(pickle.dumps(alphabet)) == copy.deepcopy(alphabet) == alphabet != Alphabet("PH")


@pytest.mark.parametrize("letters", ["", "AA", "A C", "A>", "A\n", "\u00c4B", "".join(map(chr, range(33, 300)))])
def test_no_alphabets(letters):
    with pytest.raises(ValueError, match="alphabet must"):
        Alphabet(letters)
    with pytest.raises(TypeError, match="alphabet must be a name or a string of letters, not int"):
        Alphabet(3)


# ---------------------------------------------------------------- letters and codes


def test_lower_case_letters_and_dots():
    """Insertions of A2M and A3M are left out, or are the letters that they stand for, or an error that says so."""
    for text, rows in (("aA.C-gU", ["AC-U"]), ("A.CacgU", ["ACU"])):
        assert decode_sequences(encode_sequences([text], "rna", insertions="drop"), "rna") == rows
    assert decode_sequences(encode_sequences(["aA.C-gU"], "rna", insertions="match"), "rna") == ["AA-C-GU"]
    with pytest.raises(ValueError, match=r"sequences\[0\]: 'a' is no letter .*insertions='drop'.*insertions='match'"):
        encode_sequences(["AaC"], "rna")
    assert encode_sequences(["aA.b"], "abA.", insertions="drop").tolist() == [[0, 2, 3, 1]]  # letters of the alphabet
    with pytest.raises(ValueError, match="'n' is no letter"):
        encode_sequences(["An"], "rna", insertions="match")
    assert encode_sequences(["An"], "rna", unknown="gap", insertions="match").tolist() == [[1, 0]]


def test_both_ways_to_write_a_base():
    """T and U are one base in alphabets of RNA and DNA, in lower case too, and nowhere else."""
    assert decode_sequences(encode_sequences(["ACGT-", "acgu-"], "rna", insertions="match"), "rna") == ["ACGU-"] * 2
    assert decode_sequences(encode_sequences(["ACGTU"], "dna_gap_last", unknown="gap"), "dna_gap_last") == ["ACGTT"]
    assert decode_sequences(encode_sequences(["UT"], "TGCA"), "TGCA") == ["TT"]
    with pytest.raises(ValueError, match=r"'U' is no letter .*: choose another one \('rna'\), or"):
        encode_sequences(["ACU"])
    with pytest.raises(ValueError, match="'U' is no letter of the alphabet ACGTN"):
        encode_sequences(["ACU"], "ACGTN")


def test_dna_is_not_taken_for_protein_in_silence(tmp_path):
    path = fasta(f">a\n{'ACGT-' * 20}\n", tmp_path)
    with pytest.warns(UserWarning, match="is read as protein, but has the letters A, C, G and T alone: .*'dna'"):
        read_fasta(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_fasta(path, "dna")
        read_fasta(fasta(f">a\n{'ACGT-' * 20}E\n", tmp_path))
        read_fasta(fasta(">a\nACGT-\n", tmp_path))  # too few letters to say


def test_the_length_that_most_sequences_have(tmp_path):
    """The first sequence may be the odd one; what is advised depends on how insertions were read."""
    rows = ["ACGUa", "ACGU-", "ACGUC"]
    path = fasta("".join(f">{k}\n{row}\n" for k, row in enumerate(rows)), tmp_path)
    with pytest.raises(ValueError, match=r"line 1 \('0'\): .* has 4 letters, 2 of 3 have 5; .*insertions='match'$"):
        read_fasta(path, "rna", insertions="drop")
    with pytest.raises(ValueError, match=r"sequences\[1\]: the sequence has 1 letters, .* of another length$"):
        encode_sequences(["AC", "A"])


def test_unknown_letters():
    assert decode_sequences(encode_sequences(["AXB*Z"], unknown="gap")) == ["A----"]
    with pytest.raises(ValueError, match=r"sequences\[1\]: 'X' is no letter of the alphabet ACDEF.*unknown='gap'"):
        encode_sequences(["AC", "AX"])
    for sign in "1?_ä":
        with pytest.raises(ValueError, match=rf"sequences\[0\]: '{'[?]' if sign == '?' else sign}' is no letter"):
            encode_sequences(["A" + sign], unknown="gap")
    with pytest.raises(ValueError, match="unknown='gap' needs an alphabet with the letter '-'"):
        encode_sequences(["A"], "protein_no_gap", unknown="gap")
    for option in ({"unknown": "drop"}, {"insertions": "keep"}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} must be one of"):
            encode_sequences(["A"], **option)


def test_sequences_that_are_none():
    for wrong, error, message in (
        ("ACD", TypeError, "sequences must be several strings"),
        ([], ValueError, "sequences has no sequences"),
        (None, TypeError, "sequences must be several strings, not None"),
        (["A", 3], TypeError, r"sequences\[1\] must be a string, not int"),
        (["A", ""], ValueError, r"sequences\[1\]: the sequence is empty"),
        (["AC", "A"], ValueError, r"sequences\[1\]: the sequence has 1 letters, 1 of 2 have 2; aligned"),
    ):
        with pytest.raises(error, match=message):
            encode_sequences(wrong)


@pytest.mark.parametrize("change", [np.uint8, np.int16, np.int64, np.asfortranarray, lambda x: x.tolist()])
def test_codes_of_any_type(change):
    codes = RNG.integers(0, 5, (7, 9))
    assert np.array_equal(encode_sequences(decode_sequences(change(codes), "rna"), "rna"), codes)
    assert np.array_equal(sequence_weights(change(codes)), sequence_weights(codes))


def test_codes_that_are_none():
    for wrong, error, message in (
        ([[0, 5]], ValueError, r"codes must be integers from 0 to 4; codes\[0, 1\] is 5"),
        ([[0, -1]], ValueError, r"codes\[0, 1\] is -1"),
        ([0, 1], ValueError, r"codes must have shape \(sequences, sites\).*got \(2,\)"),
        (np.zeros((0, 3), int), ValueError, r"at least one of each, got \(0, 3\)"),
        ([[0.0, 1.0]], TypeError, "codes must be integers, not of dtype float64"),
        ([["A"]], TypeError, "codes must be an array of numbers"),
    ):
        with pytest.raises(error, match=message):
            decode_sequences(wrong, "rna")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["x.fasta", "x.fa.gz", "x"])
def test_written_and_read(tmp_path, name):
    codes, names = RNG.integers(0, 21, (50, 33)), [f"P{k}|of {k % 3} ü" for k in range(50)]
    write_fasta(tmp_path / name, codes, names=names)
    read, found = read_fasta(tmp_path / name, return_names=True)
    assert read.dtype == np.uint8 and read.flags.writeable and np.array_equal(read, codes) and found == names
    content = (tmp_path / name).read_bytes()
    write_fasta(tmp_path / name, codes, names=names)
    assert (tmp_path / name).read_bytes() == content and (content[:2] == b"\x1f\x8b") == name.endswith(".gz")
    write_fasta(str(tmp_path / name), codes[:2])
    assert read_fasta(str(tmp_path / name), return_names=True)[1] == ["1", "2"]


LAYOUTS = {
    ">a\nACGU\n>b\n-CGU\n": ["a", "b"],
    ">a\r\nACGU\r\n>b\r\n-CGU": ["a", "b"],
    ">a\rACGU\r>b\r-CGU\r": ["a", "b"],  # of old computers
    "\ufeff\n\n>a\nAC\n\nG U \n>b\n-\nC\nG\nU\n\n": ["a", "b"],
    "> a b|c \nACGU\n>\n-\tCGU\n": ["a b|c", ""],
    ">>S1\nACGU\n>>S2\n-CGU\n": [">S1", ">S2"],
}


@pytest.mark.parametrize("text", LAYOUTS)
def test_layouts(tmp_path, text):
    codes, names = read_fasta(fasta(text, tmp_path), "rna", return_names=True)
    assert decode_sequences(codes, "rna") == ["ACGU", "-CGU"] and names == LAYOUTS[text]


def test_insertions_of_a_file(tmp_path):
    path = fasta(">a\nA.c\nCG\n>b\nAg\naaCG.\n", tmp_path, "x.a3m")
    assert decode_sequences(read_fasta(path, "rna", insertions="drop"), "rna") == ["ACG", "ACG"]
    with pytest.raises(ValueError, match=r"x\.a3m, line 2: '\.' is no letter .*insertions='drop'"):
        read_fasta(path, "rna")
    with pytest.raises(
        ValueError, match=r"line 4 \('b'\): the sequence has 7 letters, 1 of 2 have 5; .*insertions='drop'"
    ):
        read_fasta(path, "rna", insertions="match")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", " has no sequences"),
        ("\n \n", " has no sequences"),
        ("ACGU\n", r", line 1: a line '>name' is required .*\(is it a FASTA file\?\)"),
        ("\n; old\n>a\nACGU\n", ", line 2: a line '>name' is required"),
        (">a\nACGU\n>b\nACGX\n", ", line 4: 'X' is no letter of the alphabet -ACGU: .*unknown='gap'"),
        (">a\nACGU\n>b\nAC\nGI\n", ", line 5: 'I' is no letter of the alphabet -ACGU"),
        (">a\nACGU\n>b c\nACG\n>d\nACGU\n", r", line 3 \('b c'\): the sequence has 3 letters, 2 of 3 have 4; [^']*$"),
        (">a\nACGU\n>b\n", r", line 3 \('b'\): the sequence is empty"),
        (">a\n>b\nACGU\n", r", line 1 \('a'\): the sequence is empty"),
        (">a\nAC\0GU\n", r", line 2: it is not text \(it has null characters\)"),
        (">a\nACGU\n".encode("utf-16"), r" is not UTF-8 text \(UTF-16\?\)"),
        (b">a\nAC\xe4U\n", ", line 2: '\xe4' is no letter"),
        (b"\x1f\x8b not gzip", " is damaged"),
        (gzip.compress(b">a\nACGU\n")[:-6], " is damaged"),
        (b"\x89PNG\r\n\x1a\n", ", line 1: a line '>name' is required"),
    ],
)
def test_faults_of_files(tmp_path, text, message):
    path = fasta(text, tmp_path)
    with pytest.raises(ValueError, match=r"x\.fasta" + message) as caught:
        read_fasta(path, "rna")
    assert str(caught.value).isprintable() and str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(OSError):
        read_fasta(tmp_path / "missing.fasta")
    with pytest.raises(OSError):
        read_fasta(tmp_path)
    with pytest.raises(TypeError, match="path must be a path"):
        read_fasta(3)
    with pytest.raises(TypeError, match="return_names must be True or False"):
        read_fasta(tmp_path / "x", return_names=1)
    for names, message in (
        (["a"], "names must be 2 strings"), ("ab", "names must be 2 strings"), (["a", 3], r"names\[1\] must be a"),
        (["a\nb", "c"], r"names\[0\] must be a string of one line"), (["a", "b\n"], r"names\[1\] must be"),
        (["\udcff", "c"], r"names\[0\] must be"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            write_fasta(tmp_path / "x.fasta", [[1], [2]], names=names)
    assert not list(tmp_path.iterdir())


def test_a_bomb(tmp_path):
    """A packed file of 100 kB that unpacks to 100 MB."""
    path = fasta(gzip.compress(b">a\n" + b"A" * 100_000_000), tmp_path)
    with pytest.raises(ValueError, match="unpacks to far more than it holds: if it is sound, unpack it"):
        read_fasta(path)


def test_mutated_files(tmp_path):
    write_fasta(tmp_path / "x.fasta", RNG.integers(0, 21, (20, 15)))
    write_fasta(tmp_path / "x.fasta.gz", RNG.integers(0, 21, (20, 15)))
    refused = 0
    for path in list(tmp_path.iterdir()):
        for words, content in list(mutations(path.read_bytes(), 60, seed=0)):
            path.write_bytes(content)
            try:
                codes = read_fasta(path)
            except ValueError as error:
                assert str(path) in str(error) and str(error).isprintable(), (words, error)
                refused += 1
            else:
                assert codes.ndim == 2 and codes.max() <= 20
    assert refused > 60


# ---------------------------------------------------------------- similar sequences


def by_definition(codes, similar):
    """Weights by their definition: similar(fraction of sites that differ, fraction that agree)."""
    differ = codes[:, None] != codes[None]
    return 1 / np.array([[similar(d.mean(), (~d).mean()) for d in row] for row in differ]).sum(axis=1)


@pytest.mark.parametrize("n, n_sites, q", [(1, 1, 1), (2, 3, 2), (60, 10, 3), (40, 300, 4), (30, 255, 2)])
def test_weights_by_definition(n, n_sites, q):
    codes = RNG.integers(0, q, (n, n_sites)).astype(np.uint8)
    codes[n // 2 :] = np.where(RNG.random((n - n // 2, n_sites)) < 0.2, codes[n // 2 :], codes[: n - n // 2])
    codes = np.concatenate([codes, codes[::3]])
    for t in (0.05, 0.1, 0.2, 0.3, 1.0):
        assert np.array_equal(sequence_weights(codes, t), by_definition(codes, lambda d, _, t=t: d < t))
        assert np.array_equal(sequence_weights(codes, identity=t), by_definition(codes, lambda _, s, t=t: s >= t))


def test_weights_over_several_blocks():
    """Families that were shuffled: every member's weight is 1 / the size of its family, in float64, exactly."""
    family = np.repeat(np.arange(260), RNG.integers(1, 9, 260))
    codes = RNG.integers(0, 21, (260, 40))[family]
    codes[np.arange(len(codes)), RNG.integers(0, 40, len(codes))] = 20  # at most two sites of a family's pair differ
    order = RNG.permutation(len(codes))
    assert len(codes) > 2 * 512
    sizes = np.bincount(family)[family]
    assert np.array_equal(sequence_weights(codes[order], 0.06), 1 / sizes[order])
    assert sequence_weights(codes, 0.06).sum() == pytest.approx(260, rel=1e-12)


@pytest.mark.parametrize("n_sites", [5, 10, 15, 20, 31, 100])
def test_thresholds_that_fractions_meet(n_sites):
    """d/N < t and s/N >= t of the numbers that people write, such as 0.2 of 15 sites, without an error of rounding."""
    codes = np.tril(np.ones((n_sites + 1, n_sites), int), -1)  # row d differs from row 0 at d sites
    for percent in (5, 10, 20, 30, 60, 80, 90, 100):
        near = sum(100 * d < percent * n_sites for d in range(n_sites + 1))
        assert sequence_weights(codes, percent / 100)[0] == 1 / near
        near = sum(100 * (n_sites - d) >= percent * n_sites for d in range(n_sites + 1))
        assert sequence_weights(codes, identity=percent / 100)[0] == 1 / near


def test_weights_check_what_they_get():
    for wrong in (0, -0.1, 1.5, np.nan):
        for name in ("threshold", "identity"):
            with pytest.raises(ValueError, match=f"{name} must be"):
                sequence_weights([[0, 1]], **{name: wrong})
    with pytest.raises(TypeError, match="threshold must be a number"):
        sequence_weights([[0, 1]], "0.1")


def test_unique_sequences():
    codes = RNG.integers(0, 3, (300, 4))
    rows, counts = unique_sequences(codes)
    assert rows.dtype == np.uint8 and counts.dtype == np.int64 and counts.sum() == 300
    assert list(map(tuple, rows.tolist())) == list(dict.fromkeys(map(tuple, codes.tolist())))
    for row, count in zip(rows, counts, strict=True):
        assert (codes == row).all(axis=1).sum() == count
    # duplicates count as neighbors
    weights = sequence_weights(codes, 0.01)
    assert weights.sum() == pytest.approx(len(rows), rel=1e-12)


# ---------------------------------------------------------------- published data


def independent(codes, weights, n_states):
    """The mean log-likelihood a site of a model whose sites are independent, with the frequencies of the data."""
    total = 0.0
    for site in codes.T:
        frequency = np.bincount(site, weights, n_states) / weights.sum()
        total += (frequency[frequency > 0] * np.log(frequency[frequency > 0])).sum()
    return total / codes.shape[1]


@published
@pytest.mark.parametrize(
    "name, alphabet, threshold, rows, n_unique, effective, weighted, unweighted, of_all",
    [
        ("WW_domain_MSA", "protein", 0.1, (17_233, 31), 7_503, 4265.4, -51.587 / 31, -50.471 / 31, -47.791 / 31),
        ("RF00379", "rna", 0.2, (3_827, 136), 3_646, 1447.0, -125.800 / 136, -121.209 / 136, -121.045 / 136),
    ],
)  # fmt: skip
def test_published_families(name, alphabet, threshold, rows, n_unique, effective, weighted, unweighted, of_all):
    """To the last digit of the figures."""
    codes, names = read_fasta(DATA / f"{name}.fasta", alphabet, return_names=True)
    assert codes.shape == rows and len(names) == rows[0]
    unique, counts = unique_sequences(codes)
    q = Alphabet(alphabet).n_states
    weights = sequence_weights(unique, threshold)
    assert len(unique) == n_unique and weights.sum() == pytest.approx(effective, abs=0.051)
    digit = 5.1e-4 / rows[1]
    assert independent(unique, weights, q) == pytest.approx(weighted, abs=digit)
    assert independent(unique, np.ones(n_unique), q) == pytest.approx(unweighted, abs=digit)
    assert independent(unique, counts.astype(float), q) == pytest.approx(of_all, abs=digit)
    assert independent(codes, np.ones(len(codes)), q) == pytest.approx(of_all, abs=digit)


@published
def test_published_lattice_proteins():
    codes = read_fasta(DATA / "Lattice_Proteins_MSA.fasta", "protein_no_gap")
    assert codes.shape == (46_265, 27) and codes.max() == 19 and len(unique_sequences(codes)[0]) == 46_265
    assert independent(codes[:-10_000], np.ones(36_265), 20) == pytest.approx(-2.27582, abs=5.1e-5)


def test_the_interface():
    """What training needs of an alignment."""
    assert {"Alphabet", "read_fasta", "sequence_weights", "write_fasta"} <= set(fr.datasets.__all__)
