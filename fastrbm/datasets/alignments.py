"""Sequences that are aligned: FASTA files, alphabets, weights that count similar sequences as one."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, validate
from .._core.output import replace_file
from .._core.reading import largest_content, open_regular, refusing, shown, size_of

ALPHABETS = {
    "protein": "ACDEFGHIKLMNPQRSTVWY-",
    "protein_gap_first": "-ACDEFGHIKLMNPQRSTVWY",
    "protein_no_gap": "ACDEFGHIKLMNPQRSTVWY",
    "rna": "-ACGU",
    "rna_gap_last": "ACGU-",
    "dna": "-ACGT",
    "dna_gap_last": "ACGT-",
}
_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_UNKNOWN = 255  # the code of what is no letter of the alphabet
_GZIP = b"\x1f\x8b"
_BLOCK = 512  # sequences that are compared with as many others at a time
_SITES = 255  # differences that are counted in a byte


class Alphabet:
    """The letters of sequences, in the order of their codes: the first is 0.

    Parameters
    ----------
    letters : str
        Different printable ASCII letters, at most 255, or one of the names "protein" (ACDEFGHIKLMNPQRSTVWY-),
        "protein_gap_first" (-ACDEFGHIKLMNPQRSTVWY), "protein_no_gap", "rna" (-ACGU), "rna_gap_last" (ACGU-), "dna"
        (-ACGT), "dna_gap_last" (ACGT-), in small letters or capitals.

    Attributes
    ----------
    letters : str
    n_states : int
        How many letters: what ``units.Categorical`` needs.
    gap : int or None
        The code of "-", if it is a letter.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.Alphabet("rna"), fr.datasets.Alphabet("HP").n_states
    (Alphabet('-ACGU'), 2)
    """

    __slots__ = ("letters",)
    letters: str

    def __init__(self, letters: str) -> None:
        if not isinstance(letters, str):
            raise TypeError(f"alphabet must be a name or a string of letters, not {validate.kind(letters)}")
        found = ALPHABETS.get(letters.lower(), letters)
        if not 1 <= len(found) <= 255 or len(set(found)) < len(found) or not all("!" <= c <= "~" for c in found):
            raise ValueError(
                f"alphabet must be one of {', '.join(ALPHABETS)}, or from 1 to 255 different printable ASCII letters, "
                f"got {arrays.shown(letters)}"
            )
        if ">" in found:
            raise ValueError("alphabet must not have the letter '>', which starts a name in a FASTA file")
        object.__setattr__(self, "letters", found)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of an alphabet cannot be set: make another one")

    def __reduce__(self) -> tuple[type[Alphabet], tuple[str]]:
        return Alphabet, (self.letters,)

    @property
    def n_states(self) -> int:
        return len(self.letters)

    @property
    def gap(self) -> int | None:
        return self.letters.index("-") if "-" in self.letters else None

    def __len__(self) -> int:
        return len(self.letters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alphabet) and other.letters == self.letters

    def __hash__(self) -> int:
        return hash((Alphabet, self.letters))

    def __repr__(self) -> str:
        return f"Alphabet({self.letters!r})"


# ---------------------------------------------------------------- letters and codes


def encode_sequences(
    sequences: Iterable[str], alphabet: str | Alphabet = "protein",
    unknown: Literal["error", "gap"] = "error", insertions: Literal["error", "drop", "match"] = "error",
) -> np.ndarray:  # fmt: skip
    """The codes of aligned sequences: uint8 (n, sites). Arguments and errors as for :func:`read_fasta`.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.encode_sequences(["AC-U", "ACGU"], "rna")
    array([[1, 2, 0, 4],
           [1, 2, 3, 4]], dtype=uint8)
    """
    if isinstance(sequences, str) or not isinstance(sequences, Iterable):
        one = "one" if isinstance(sequences, str) else validate.kind(sequences)
        raise TypeError(f"sequences must be several strings, not {one}")
    coder = _Coder(alphabet, unknown, insertions)
    parts: list[bytes] = []
    for k, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise TypeError(f"sequences[{k}] must be a string, not {validate.kind(sequence)}")
        where = f"sequences[{k}]"
        codes, bad = coder(sequence.encode("ascii", "replace"))
        if bad is not None:
            raise ValueError(f"{where}: {coder.complaint(next((c for c in sequence if ord(c) > 127), bad))}")
        _check_length(len(codes), parts, where)
        parts.append(codes)
    return _stack(parts, "sequences")


def decode_sequences(codes: ArrayLike, alphabet: str | Alphabet = "protein") -> list[str]:
    """The sequences that codes (n, sites) stand for: a list of n strings.

    Raises
    ------
    TypeError, ValueError
        Where codes are no integers from 0 to the number of letters minus 1.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.decode_sequences([[1, 2, 0, 4]], "rna")
    ['AC-U']
    """
    chosen = _alphabet(alphabet)
    array = _codes(codes, chosen.n_states)
    text = np.frombuffer(chosen.letters.encode(), np.uint8)[array].tobytes().decode()
    n, n_sites = array.shape
    return [text[k * n_sites : (k + 1) * n_sites] for k in range(n)]


class _Coder:
    """What turns a line of letters into a line of codes."""

    def __init__(self, alphabet: str | Alphabet, unknown: str, insertions: str) -> None:
        self.alphabet = _alphabet(alphabet)
        self.unknown = validate.one_of(unknown, "unknown", ("error", "gap"))
        self.insertions = validate.one_of(insertions, "insertions", ("error", "drop", "match"))
        letters = self.alphabet.letters.encode()
        table = bytearray([_UNKNOWN]) * 256
        gap = self.alphabet.gap
        if unknown == "gap":
            if gap is None:
                raise ValueError(f"unknown='gap' needs an alphabet with the letter '-', not {self.alphabet.letters}")
            table[ord("A") : ord("Z") + 1] = bytes([gap]) * 26
            table[ord("*")] = gap
        for code, letter in enumerate(letters):
            table[letter] = code
        insertion = bytes(c for c in _LOWER + b"." if c not in letters)
        if insertions == "match":
            for c in insertion:
                table[c] = table[ord("-") if c == ord(".") else c - 32]
        self.insertion = insertion
        self.dropped = b" \t\r\n\v\f" + (insertion if insertions == "drop" else b"")
        self.table = bytes(table)

    def __call__(self, text: bytes) -> tuple[bytes, str | None]:
        """(codes, the first letter that has none or None)."""
        kept = text.translate(None, self.dropped)
        codes = kept.translate(self.table)
        at = codes.find(_UNKNOWN)
        return codes, None if at < 0 else chr(kept[at])

    def complaint(self, letter: str) -> str:
        """What is wrong with a letter that has no code."""
        words = f"{letter!r} is no letter of the alphabet {self.alphabet.letters}"
        if len(letter.encode()) == 1 and letter.encode() in self.insertion and self.insertions == "error":
            return (
                f"{words}: of an A2M or A3M file leave out lowercase letters and '.' by insertions='drop', or read "
                "them as uppercase letters and '-' by insertions='match'"
            )
        if letter.isascii() and (letter.isupper() or letter == "*") and self.unknown == "error":
            return f"{words}: choose another one, or, with a gap in it, read such letters as gaps by unknown='gap'"
        return words


def _alphabet(alphabet: str | Alphabet) -> Alphabet:
    return alphabet if isinstance(alphabet, Alphabet) else Alphabet(alphabet)


def _check_length(n_sites: int, before: Sequence[bytes], where: str) -> None:
    if n_sites == 0:
        raise ValueError(f"{where}: the sequence is empty")
    if before and n_sites != len(before[0]):
        raise ValueError(
            f"{where}: the sequence has {n_sites} letters, those before have {len(before[0])}; aligned sequences are "
            "required, of one length (of A2M and A3M files by insertions='drop')"
        )


def _stack(parts: list[bytes], name: str) -> np.ndarray:
    if not parts:
        raise ValueError(f"{name} has no sequences")
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8).reshape(len(parts), -1)


def _codes(value: ArrayLike, n_states: int = 255) -> np.ndarray:
    """Codes (n, sites) as uint8, C-contiguous."""
    array = arrays.numbers(value, "codes")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"codes must have shape (sequences, sites), at least one of each, got {array.shape}")
    if array.dtype.kind == "f":
        raise TypeError(f"codes must be integers, not of dtype {array.dtype}")
    good = (array >= 0) & (array < n_states)
    if not bool(good.all()):
        where, bad = validate.first_of(~good, array)
        raise ValueError(f"codes must be integers from 0 to {n_states - 1}; codes[{where}] is {bad:g}")
    return np.ascontiguousarray(array, np.uint8)


# ---------------------------------------------------------------- files


@overload
def read_fasta(
    path: str | PathLike[str], alphabet: str | Alphabet = ..., unknown: Literal["error", "gap"] = ...,
    insertions: Literal["error", "drop", "match"] = ..., return_names: Literal[False] = ...,
) -> np.ndarray: ...  # fmt: skip


@overload
def read_fasta(
    path: str | PathLike[str], alphabet: str | Alphabet = ..., unknown: Literal["error", "gap"] = ...,
    insertions: Literal["error", "drop", "match"] = ..., *, return_names: Literal[True],
) -> tuple[np.ndarray, list[str]]: ...  # fmt: skip


def read_fasta(
    path: str | PathLike[str], alphabet: str | Alphabet = "protein", unknown: Literal["error", "gap"] = "error",
    insertions: Literal["error", "drop", "match"] = "error", return_names: bool = False,
) -> np.ndarray | tuple[np.ndarray, list[str]]:  # fmt: skip
    """Read aligned sequences from a FASTA file, plain or packed by gzip.

    Parameters
    ----------
    path : path
        A regular file: a line ``>name`` for each sequence, then its letters in one or more lines.
    alphabet : str or Alphabet
        The letters in the order of their codes, or a name of :class:`Alphabet`.
    unknown : "error" or "gap"
        "gap": a letter from A to Z, or "*", that the alphabet does not have is read as "-", as X and B of proteins and
        N of RNA. Other signs are an error always.
    insertions : "error", "drop" or "match"
        What lowercase letters and "." are, where the alphabet does not have them. "drop": insertions of an A2M or A3M
        file, which are left out. "match": uppercase letters and "-".
    return_names : bool
        Whether the names are returned, too: each line after its ``>``.

    Returns
    -------
    uint8 (n, sites), codes from 0 to ``alphabet.n_states - 1``; with return_names (codes, list of n str).

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is empty, no FASTA file, damaged, has other letters, or sequences of several lengths. The message names
        the line.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "x.fasta")
    ...     fr.datasets.write_fasta(path, [[0, 1, 20], [0, 19, 20]], names=["one", "two"])
    ...     fr.datasets.read_fasta(path, return_names=True)
    (array([[ 0,  1, 20],
           [ 0, 19, 20]], dtype=uint8), ['one', 'two'])
    """
    coder = _Coder(alphabet, unknown, insertions)
    return_names = validate.flag(return_names, "return_names")
    names: list[str] = []
    parts: list[bytes] = []
    sequence: list[bytes] = []
    start = 0
    where = f"{path}"

    def finish() -> None:
        codes = b"".join(sequence)
        _check_length(len(codes), parts, where)
        parts.append(codes)
        sequence.clear()

    for number, line in _lines(path):
        if line.startswith(b">"):
            if start:
                finish()
            start = number
            names.append(line[1:].decode("utf-8", "replace").strip())
            where = f"{path}, line {number} ({shown(names[-1], 40)!r})"
            continue
        if not line.strip():
            continue
        if not start:
            raise ValueError(
                f"{path}, line {number}: a line '>name' is required above the letters of a sequence (is it a FASTA "
                "file?)"
            )
        codes, bad = coder(line)
        if bad is not None:
            raise ValueError(f"{path}, line {number}: {coder.complaint(bad)}")
        sequence.append(codes)
    if start:
        finish()
    array = _stack(parts, str(path))
    return (array, names) if return_names else array


def guessed_alphabet(path: str | PathLike[str]) -> str:
    """ "dna" or "rna" where a FASTA file has their letters alone (and N, and gaps), else "protein"."""
    letters: set[int] = set()
    for _, line in _lines(path):
        if not line.startswith(b">"):
            letters.update(line.upper())
    letters -= set(b" \t\v\f-.*N")
    return "dna" if letters <= set(b"ACGT") else "rna" if letters <= set(b"ACGU") else "protein"


def _lines(path: str | PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """(number, line) of a file of text, which gzip may have packed."""
    with open_regular(path) as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        most = largest_content(size_of(raw)) if packed else size_of(raw)
        file: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        number = 0
        while True:
            with refusing(path):
                piece = file.readline(most + 1)
            if not piece:
                return
            most -= len(piece)
            if most < 0:
                raise ValueError(f"{path} unpacks to far more than it holds: if it is sound, unpack it (gunzip)")
            if number == 0:
                if piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise ValueError(f"{path} is not UTF-8 text (UTF-16?): save it as UTF-8")
                piece = piece.removeprefix(b"\xef\xbb\xbf")
            for line in piece.splitlines() or [b""]:
                number += 1
                if b"\0" in line:
                    raise ValueError(f"{path}, line {number}: it is not text (it has null characters)")
                yield number, line


def write_fasta(
    path: str | PathLike[str], codes: ArrayLike, alphabet: str | Alphabet = "protein",
    names: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Write sequences as a FASTA file, two lines each; packed by gzip where its name ends in .gz.

    The file is replaced whole, or left as it is.

    Parameters
    ----------
    path : path
    codes : array (n, sites) of integers
        From 0 to the number of letters minus 1, such as samples of a model.
    alphabet : str or Alphabet
        The letters in the order of their codes, or a name of :class:`Alphabet`.
    names : sequence of n str, optional
        In one line each; by default 1, 2, 3 ...

    Raises
    ------
    OSError
        When the file cannot be written.
    TypeError, ValueError
        When codes or names are not as described.
    """
    sequences = decode_sequences(codes, alphabet)
    if names is None:
        names = [str(k + 1) for k in range(len(sequences))]
    if isinstance(names, str) or len(names) != len(sequences):
        raise ValueError(f"names must be {len(sequences)} strings, one for each sequence, got {arrays.shown(names)}")
    for k, name in enumerate(names):
        if not isinstance(name, str) or name.splitlines() != [name][: len(name)] or not _is_text(name):
            raise ValueError(f"names[{k}] must be a string of one line, got {arrays.shown(name)}")
    text = "".join(f">{name}\n{sequence}\n" for name, sequence in zip(names, sequences, strict=True)).encode()
    packed = validate.path(path).name.lower().endswith(".gz")
    replace_file(path, gzip.compress(text, mtime=0) if packed else text)


# ---------------------------------------------------------------- similar sequences


def _is_text(name: str) -> bool:
    """Whether a file of text can hold it."""
    return "\0" not in name and not any("\ud800" <= c <= "\udfff" for c in name)


def unique_sequences(codes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(the different sequences, uint8 (m, sites), in the order in which they come first; how often each is there, int64
    (m,)).

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.unique_sequences([[1, 2], [0, 0], [1, 2]])
    (array([[1, 2],
           [0, 0]], dtype=uint8), array([2, 1]))
    """
    array = _codes(codes)
    first, inverse = _distinct(array)
    return array[first], np.bincount(inverse, minlength=len(first)).astype(np.int64)


def sequence_weights(codes: ArrayLike, threshold: float = 0.1, identity: float | None = None) -> np.ndarray:
    """Weights that count a family of similar sequences as one: 1 / (sequences that are similar, itself included).

    Two sequences are similar where the fraction of sites that differ is below threshold; with identity, where the
    fraction of sites that agree is at least that. The sum of all weights is the effective number of sequences. (Morcos
    et al., PNAS 108, E1293 (2011), equation 2 of the supplement, has identity 0.8.)

    Parameters
    ----------
    codes : array (n, sites) of integers from 0 to 254
        Gaps count as letters.
    threshold : float in (0, 1]
        Below this fraction of differing sites sequences are similar.
    identity : float in (0, 1], optional
        Instead of threshold.

    Returns
    -------
    float64 (n,), for ``sample_weight``: the same bits on any machine. All pairs of different sequences are compared,
    `m^2 sites / 2` steps for m different ones, in small blocks: 7,500 sequences of 31 sites take about 0.1 s.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.sequence_weights([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], threshold=0.3)
    array([0.5, 0.5, 1. ])
    >>> fr.datasets.sequence_weights([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], identity=0.8)
    array([1., 1., 1.])
    """
    array = _codes(codes)
    n_sites = array.shape[1]
    # exact: a fraction of two integers and the number that the user wrote are rounded alike
    fractions = np.arange(n_sites + 1) / n_sites
    if identity is None:
        similar = fractions < validate.positive(threshold, "threshold", 1.0)
    else:
        similar = fractions[::-1] >= validate.positive(identity, "identity", 1.0)
    first, inverse = _distinct(array)
    counts = np.bincount(inverse, minlength=len(first))
    return 1.0 / _similar_to_each(array[first], counts, int(similar.sum()) - 1)[inverse]


def _distinct(array: np.ndarray) -> tuple[list[int], np.ndarray]:
    """(where each different row comes first, which of these each row is)."""
    content, width = array.tobytes(), array.shape[1]
    index: dict[bytes, int] = {}
    inverse = np.empty(len(array), np.intp)
    first: list[int] = []
    for k in range(len(array)):
        inverse[k] = known = index.setdefault(content[k * width : (k + 1) * width], len(index))
        if known == len(first):
            first.append(k)
    return first, inverse


def _similar_to_each(rows: np.ndarray, counts: np.ndarray, most: int) -> np.ndarray:
    """For each of some different rows, the sum of the counts of those that differ from it at most at so many sites."""
    n, n_sites = rows.shape
    sites = np.ascontiguousarray(rows.T)
    found = np.zeros(n, np.int64)
    unequal = np.empty((_BLOCK, _BLOCK), bool)
    few = np.empty((_BLOCK, _BLOCK), np.uint8)
    many = np.empty((_BLOCK, _BLOCK), np.int32)
    for i in range(0, n, _BLOCK):
        a = sites[:, i : i + _BLOCK]
        for j in range(i, n, _BLOCK):
            b = sites[:, j : j + _BLOCK]
            block = np.s_[: a.shape[1], : b.shape[1]]
            differ = _differences(a, b, unequal[block], few[block], many[block])
            rows_i, rows_j = np.nonzero(differ <= most)
            found[i : i + _BLOCK] += _totals(rows_i, counts[j + rows_j], a.shape[1])
            if j > i:
                found[j : j + _BLOCK] += _totals(rows_j, counts[i + rows_i], b.shape[1])
    return found


def _totals(places: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    """The sum of the counts at each of n places: exact, as long as it is below 2^53."""
    return np.bincount(places, counts, n).astype(np.int64)


def _differences(a: np.ndarray, b: np.ndarray, unequal: np.ndarray, few: np.ndarray, many: np.ndarray) -> np.ndarray:
    """How many sites of each sequence of a (sites, n) differ from each of b (sites, m): (n, m), in a buffer."""
    n_sites = len(a)
    many[:] = 0
    for start in range(0, n_sites, _SITES):
        few[:] = 0
        for k in range(start, min(start + _SITES, n_sites)):
            np.not_equal(a[k][:, None], b[k], out=unequal)
            np.add(few, unequal.view(np.uint8), out=few)
        if n_sites > _SITES:
            np.add(many, few, out=many)
    return many if n_sites > _SITES else few
