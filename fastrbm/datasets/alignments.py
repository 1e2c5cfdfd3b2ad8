"""Files of aligned sequences: FASTA."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, validate
from .._core.output import replace_file
from .._core.reading import largest_content, open_regular, refusing, shown, size_of
from .._core.warn import warn
from .alphabets import ALPHABETS, Alphabet, Coder, decode_sequences, stacked

_GZIP = b"\x1f\x8b"
_FEW = 100  # sequences, or letters, that tell DNA from protein
_BASES = {ALPHABETS["protein"].index(letter) for letter in "ACGT-"}


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
        file, which are left out. "match": uppercase letters and "-", as in soft-masked sequences.
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
        the line, and how many sequences have the usual length.

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
    coder = Coder(alphabet, unknown, insertions)
    return_names = validate.flag(return_names, "return_names")
    names: list[str] = []
    lines: list[int] = []  # where each sequence starts
    parts: list[bytes] = []
    sequence: list[bytes] = []
    for number, line in _lines(path):
        if line.startswith(b">"):
            if lines:
                parts.append(b"".join(sequence))
                sequence.clear()
            lines.append(number)
            names.append(line[1:].decode("utf-8", "replace").strip())
            continue
        if not line.strip():
            continue
        if not lines:
            raise ValueError(
                f"{path}, line {number}: a line '>name' is required above the letters of a sequence (is it a FASTA "
                "file?)"
            )
        codes, bad = coder(line)
        if bad is not None:
            raise ValueError(f"{path}, line {number}: {coder.complaint(bad)}")
        sequence.append(codes)
    if lines:
        parts.append(b"".join(sequence))
    array = stacked(parts, str(path), coder, lambda k: f"{path}, line {lines[k]} ({shown(names[k], 40)!r})")
    some = np.unique(array[:_FEW])
    if coder.alphabet.letters == ALPHABETS["protein"] and array[:_FEW].size >= _FEW and set(some) <= _BASES:
        warn(f"{path} is read as protein, but has the letters A, C, G and T alone: of DNA give alphabet='dna'")
    return (array, names) if return_names else array


def guessed_alphabet(path: str | PathLike[str]) -> str:
    """ "dna" or "rna" where a FASTA file has their letters alone (and N, and gaps), else "protein"."""
    letters: set[int] = set()
    for _, line in _lines(path):
        if not line.startswith(b">"):
            letters.update(line.upper())
    letters -= set(b" \t\v\f-.*N")
    return "dna" if letters <= set(b"ACGT") else "rna" if letters <= set(b"ACGTU") else "protein"


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


def _is_text(name: str) -> bool:
    """Whether a file of text can hold it."""
    return "\0" not in name and not any("\ud800" <= c <= "\udfff" for c in name)
