"""Data: bundled digits, bars and stripes, readers for common files, tables of categories, aligned sequences."""

from .._core.frames import CodedTable, describe_frame, encode_frame, to_frame
from .alignments import read_fasta, write_fasta
from .alphabets import Alphabet, decode_sequences, encode_sequences
from .bundled import bars_and_stripes, load_digits
from .categories import load_categories, load_codes
from .files import load, load_fractions
from .similarity import sequence_weights, unique_sequences

__all__ = [
    "Alphabet", "CodedTable", "bars_and_stripes", "decode_sequences", "describe_frame", "encode_frame",
    "encode_sequences", "load", "load_categories", "load_codes", "load_digits", "load_fractions", "read_fasta",
    "sequence_weights", "to_frame", "unique_sequences", "write_fasta",
]  # fmt: skip
