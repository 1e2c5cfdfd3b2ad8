"""fastrbm sample."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._core.output import replace_file
from .._core.reading import shown
from ..datasets.alignments import write_fasta
from ..datasets.categories import code_of
from . import together
from .common import add_common, add_data, model_of, real, whole
from .data import data_of
from .files import OUTPUTS, check_output
from .form import Form, content
from .hints import hint
from .reading import FASTA, is_alignment
from .words import CommandError, say, say_json, tell

if TYPE_CHECKING:
    from ..units.unit import Unit


def add_sample(commands) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "sample",
        help="draw samples from a model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw samples from a model and save them: numbers (.npy, .npz), a table of the model's own "
        "categories\n(.csv), or sequences of its alphabet (.fasta, .fa, .afa, .gz).",
        epilog="examples:\n"
        "  fastrbm sample rbm.npz -n 100 --sweeps 2000 --out samples.npy\n"
        "  fastrbm sample survey.npz --clamp color=red --clamp smokes=no --out samples.csv\n"
        "  fastrbm sample family.npz -n 1000 --out designed.fasta\n"
        "  fastrbm sample rbm.npz --method tempered --out samples.npy",
    )
    parser.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' wrote")
    parser.add_argument("-n", type=whole(1), default=100, metavar="N", help="samples (default %(default)s)")
    parser.add_argument(
        "--sweeps", type=whole(0), default=1000, metavar="K", help="sweeps of each chain (default %(default)s)"
    )
    parser.add_argument(
        "--method", choices=("annealed", "tempered", "gibbs"),
        help="annealed: chains start at the ends of population annealing, where each mode has its weight (default); "
        "tempered: chains at several temperatures, which swap; gibbs: plain chains from the visible biases, or from "
        "--start",
    )  # fmt: skip
    parser.add_argument(
        "--beta", type=real(0), default=1.0, metavar="B", help="inverse temperature (default %(default)s)"
    )
    parser.add_argument(
        "--start",
        metavar="DATA",
        help="with --method gibbs: the examples that chains start at, N or more, in the form that train takes",
    )
    parser.add_argument(
        "--clamp", action="append", default=[], metavar="COLUMN=VALUE",
        help="clamp a column, by its name or its number from 0, at one of its values; may be given several times",
    )  # fmt: skip
    parser.add_argument("--given", action="append", dest="clamp", default=[], help=argparse.SUPPRESS)  # its old name
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="FILE",
        help="samples (N, columns): .npy, .npz, .csv, .tsv (with the names of the columns, if it has any), or FASTA",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_data(parser)
    together.add_mpi(parser)
    add_common(parser)
    parser.set_defaults(run=run_sample)


def run_sample(options: argparse.Namespace) -> None:
    with together.ranks.agreeing():
        kinds = (*OUTPUTS, *(ending + packed for ending in FASTA for packed in ("", ".gz")))
        out = check_output("--out", options.out, kinds, options.model, shown_kinds=(*OUTPUTS, ".fasta"))
        rbm = model_of(options)
        form = Form.of(rbm)
        if is_alignment(options.out) and form.alphabet is None:
            raise CommandError(
                f"--out {options.out}: the model's columns are no letters of one alphabet (RBM.from_data gives it some "
                "by categories=[alphabet.letters] * sites); a .csv has its categories"
            )
        clamp = _clamp(options.clamp, form) if options.clamp else None
        start = None
        if options.start is not None:
            if options.method not in (None, "gibbs"):
                raise CommandError(f"--start is for --method gibbs: with {options.method}, chains start elsewhere")
            start = data_of(options.start, options, form, quiet=options.json)
            if len(start) < options.n:
                raise CommandError(
                    f"--start {options.start} has {len(start):,} examples where -n asks for {options.n:,}"
                )
            start = start[: options.n]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples = rbm.sample(
            options.n, options.sweeps, options.seed, start, options.beta, options.threads, clamp,
            method=options.method, progress=not options.quiet and not options.json, comm=together.comm,
        )  # fmt: skip
    for warning in caught:
        tell(f"fastrbm: {warning.message}")
    where = out.keep(_writer(samples, form, options.out))
    n_columns = samples.shape[1]
    if options.json:
        numbers = {"samples": options.n, "units": rbm.n_visible, "sweeps": options.sweeps, "out": where}
        say_json(numbers | ({"columns": n_columns} if form.coded else {}))
    elif where:
        what = "sites" if form.alphabet else "columns" if form.coded else "units"
        say(f"{options.n:,} samples x {n_columns} {what} after {options.sweeps:,} sweeps. Saved {where}")


def _clamp(pairs: list[str], form: Form) -> np.ndarray:
    """The clamp (columns,) of pairs COLUMN=VALUE."""
    n_columns, names = form.unit.n_columns, list(form.names or ())
    clamp = np.full(n_columns, np.nan)
    for pair in pairs:
        name, equal, value = (part.strip() for part in pair.rpartition("="))
        if not equal or not name:
            raise CommandError(f"--clamp must be COLUMN=VALUE, got {shown(pair)}")
        if name in names:
            column = names.index(name)
        elif name.isdecimal() and int(name) < n_columns:
            column = int(name)
        else:
            there = f"numbers from 0 to {n_columns - 1}" if not names else f"columns {shown(', '.join(names))}"
            raise CommandError(f"--clamp {shown(pair)}: the model has {there}{hint(name, names)}")
        known = None if form.categories is None else form.categories[column]
        code = code_of(value, known)
        labels = list(map(str, _values_of(form.unit, column) if known is None else known))
        if code is None or known is None and labels and f"{code:g}" not in labels:
            which = f"are {shown(', '.join(labels))}" if labels else "are numbers"
            raise CommandError(f"--clamp {shown(pair)}: the values of this column {which}{hint(value, labels)}")
        clamp[column] = code
    return clamp


def _values_of(unit: Unit, column: int) -> list[int]:
    """The values that a column of a layer may have; none where they are real."""
    for segment in unit.segments:
        if column < segment.n_columns:
            states = 0 if segment.real else segment.n_states_of_columns[column]
            return [int(segment.off + segment.step * state) for state in range(states)]
        column -= segment.n_columns
    return []


def _writer(samples: np.ndarray, form: Form, name: str) -> Callable[[Path], object]:
    """What writes the samples to a path, in the form that the name of the file asks for."""
    if is_alignment(name):
        alphabet = form.alphabet
        return lambda path: write_fasta(path, samples, "protein" if alphabet is None else alphabet)
    written = content(samples, Path(name).suffix, form)
    return lambda path: replace_file(path, written)
