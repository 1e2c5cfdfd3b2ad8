"""Data: bundled digits, bars and stripes, and readers for common files."""

from .alignments import (
    Alphabet,
    decode_sequences,
    encode_sequences,
    read_fasta,
    sequence_weights,
    unique_sequences,
    write_fasta,
)
from .bundled import bars_and_stripes, load_digits
from .files import load, load_fractions

__all__ = [
    "Alphabet", "bars_and_stripes", "decode_sequences", "encode_sequences", "load", "load_digits", "load_fractions",
    "read_fasta", "sequence_weights", "unique_sequences", "write_fasta",
]  # fmt: skip
