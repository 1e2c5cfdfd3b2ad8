"""The files of a command, as they are: numbers, aligned sequences; where in them something is."""

from __future__ import annotations

import argparse
import os

import numpy as np

from .._core.reading import shown
from ..datasets.alignments import read_fasta
from ..datasets.alphabets import Alphabet
from ..datasets.categories import kept_columns
from ..datasets.csv import records, split
from ..datasets.files import TABLES, read_table
from ..datasets.table import Table
from .hints import BUNDLED, beside, hint, order_of
from .words import CommandError

FASTA = (".fasta", ".fa", ".afa", ".fas", ".faa", ".fna", ".a2m", ".a3m")


def is_alignment(name: str) -> bool:
    """Whether a file is one of aligned sequences, by its name."""
    return name.lower().removesuffix(".gz").endswith(FASTA)


def is_csv(name: str) -> bool:
    """Whether a file is a table as text, by its name."""
    return name.lower().endswith(TABLES)


def numbers_of(name: str, options: argparse.Namespace) -> Table:
    """The numbers of a bundled set or a file."""
    if not os.path.lexists(name) and name in BUNDLED:
        return Table(BUNDLED[name]())
    refuse_absent(name, options)
    try:
        return dropped(read_table(name, options.key), name, options)
    except ValueError as error:
        if str(error).endswith(" is a fastrbm model, not data"):
            raise CommandError(f"{error}{order_of(options)}") from None
        raise


def dropped(table: Table, name: str, options: argparse.Namespace) -> Table:
    """The table without the columns that are to be dropped."""
    if not options.drop:
        return table
    if table.names is None:
        raise CommandError(f"--drop needs a .csv with names of columns, which {name} has not")
    kept = kept_columns(table.names, options.drop, name)
    return table._replace(array=table.array[:, kept], names=[table.names[k] for k in kept])


def refuse_absent(name: str, options: argparse.Namespace) -> None:
    """Raise where there is no such file."""
    if not os.path.lexists(name):
        meant = hint(name, [*BUNDLED, *beside(name)]) if name != "-" else "; standard input is not read: give a file"
        raise CommandError(f"no file {shown(name)}, and no bundled set of that name ({', '.join(BUNDLED)}){meant}")


def line_of(name: str, row: int, header: bool) -> str:
    """Where in a file of text a row is."""
    layout, _ = split(name)
    lines = (line for line, _ in records(name, layout))
    return f"line {next(line for count, line in enumerate(lines) if count == row + header)}"


def read_sequences(name: str, alphabet: Alphabet, options: argparse.Namespace) -> np.ndarray:
    try:
        return read_fasta(name, alphabet, options.unknown or "error", options.insertions or "error")
    except ValueError as error:
        said = str(error).replace("choose another one", "choose another one by --alphabet")
        for option in ("unknown", "insertions"):
            said = said.replace(f"by {option}='", f"by --{option} ").replace(f"{option}='", f"--{option} ")
        for value in ("gap", "drop", "match"):
            said = said.replace(f" {value}'", f" {value}")
        raise CommandError(said) from None


def refuse_options_of_sequences(name: str, options: argparse.Namespace) -> None:
    """Raise where there are options that read sequences, and name is not of a file of them."""
    for option in ("alphabet", "sequence_weights", "unknown", "insertions"):
        if getattr(options, option, None) is not None:
            raise CommandError(
                f"--{option.replace('_', '-')} is for aligned sequences, in a file that ends in "
                f"{', '.join(FASTA[:3])} ..., not for {name}"
            )
