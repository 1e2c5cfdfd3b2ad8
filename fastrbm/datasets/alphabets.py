"""Letters of aligned sequences, and the codes that they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, validate

ALPHABETS = {
    "protein": "ACDEFGHIKLMNPQRSTVWY-",
    "protein_gap_first": "-ACDEFGHIKLMNPQRSTVWY",
    "protein_no_gap": "ACDEFGHIKLMNPQRSTVWY",
    "rna": "-ACGU",
    "rna_gap_last": "ACGU-",
    "dna": "-ACGT",
    "dna_gap_last": "ACGT-",
}
_SAME_BASE = {frozenset("ACGU"): ("T", "U"), frozenset("ACGT"): ("U", "T")}  # (another way to write it, the letter)
_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_UNKNOWN = 255  # the code of what is no letter of the alphabet


class Alphabet:
    """The letters of sequences, in the order of their codes: the first is 0.

    Parameters
    ----------
    letters : str
        Different printable ASCII letters, at most 255, or one of the names "protein" (ACDEFGHIKLMNPQRSTVWY-),
        "protein_gap_first" (-ACDEFGHIKLMNPQRSTVWY), "protein_no_gap", "rna" (-ACGU), "rna_gap_last" (ACGU-), "dna"
        (-ACGT), "dna_gap_last" (ACGT-), in small letters or capitals. Those of RNA read T as U, those of DNA read
        U as T.

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
    coder = Coder(alphabet, unknown, insertions)
    parts: list[bytes] = []
    for k, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise TypeError(f"sequences[{k}] must be a string, not {validate.kind(sequence)}")
        where = f"sequences[{k}]"
        codes, bad = coder(sequence.encode("ascii", "replace"))
        if bad is not None:
            raise ValueError(f"{where}: {coder.complaint(next((c for c in sequence if ord(c) > 127), bad))}")
        parts.append(codes)
    return stacked(parts, "sequences", coder, lambda k: f"sequences[{k}]")


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
    array = codes_of(codes, chosen.n_states)
    text = np.frombuffer(chosen.letters.encode(), np.uint8)[array].tobytes().decode()
    n, n_sites = array.shape
    return [text[k * n_sites : (k + 1) * n_sites] for k in range(n)]


class Coder:
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
        other, base = _SAME_BASE.get(frozenset(self.alphabet.letters) - {"-"}, ("-", "-"))
        table[ord(other)] = table[ord(base)]
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
            other = " ('rna')" if letter == "U" and set("ACG") <= set(self.alphabet.letters) else ""
            gaps = "or, with a gap in it, read such letters as gaps by unknown='gap'"
            return f"{words}: choose another one{other}, {gaps}"
        return words


def _alphabet(alphabet: str | Alphabet) -> Alphabet:
    return alphabet if isinstance(alphabet, Alphabet) else Alphabet(alphabet)


def stacked(parts: list[bytes], name: str, coder: Coder, place: Callable[[int], str]) -> np.ndarray:
    """Coded sequences as an array; ValueError where they are not all of one length. place: where each of them is."""
    if not parts:
        raise ValueError(f"{name} has no sequences")
    lengths = Counter(map(len, parts))
    if lengths[0]:
        raise ValueError(f"{place(parts.index(b''))}: the sequence is empty")
    (usual, count), *others = lengths.most_common()
    if others:
        k, odd = next((k, len(part)) for k, part in enumerate(parts) if len(part) != usual)
        cure = {
            "error": "", "drop": "; where lowercase letters are no insertions, read them by insertions='match'",
            "match": "; of an A2M or A3M file, leave out insertions by insertions='drop'",
        }[coder.insertions]  # fmt: skip
        raise ValueError(
            f"{place(k)}: the sequence has {odd} letters, {count:,} of {len(parts):,} have {usual}; aligned sequences "
            f"are required, of one length: align them, or leave out those of another length{cure}"
        )
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8).reshape(len(parts), -1)


def codes_of(value: ArrayLike, n_states: int = 255) -> np.ndarray:
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
