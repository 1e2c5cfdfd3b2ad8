"""fastrbm report, and the report of fastrbm train."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..plot.common import need_matplotlib
from ..report.build import report
from ..states.missing import has_missing
from ..training.data import is_on_disk
from .common import (
    add_common,
    add_data,
    add_sample_weight,
    add_score_options,
    add_sequence_weights,
    add_shape,
    history_of,
    model_of,
    whole,
)
from .data import data_for, drawn_of, weights_of
from .files import Output, check_output
from .hints import BUNDLED
from .words import CommandError, say

if TYPE_CHECKING:
    from ..likelihood import Score
    from ..rbm import RBM

_DISK_EXAMPLES = 10_000  # of examples on disk: those that a report is about


def add_report(commands) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "report",
        help="a page on a model: score, pictures, diagnostics",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write one HTML file on a model and data: a verdict, score, filters, samples, energies, mixing. It "
        "needs no other file and no network. Requires matplotlib: pip install matplotlib.",
        epilog="examples:\n"
        "  fastrbm report rbm.npz digits\n"
        "  fastrbm report rbm.npz test.npy -o test.html --history run.csv\n"
        "  fastrbm report run.npz test.npy --history run.npz         a checkpoint has both\n"
        "  fastrbm report rbm.npz faces.npy --shape 32x24 --tolerance 2 --sweeps 500      quicker, and rougher",
    )
    parser.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' wrote")
    parser.add_argument("data", metavar="DATA", help=f"as for train: {', '.join(BUNDLED)} or a file")
    parser.add_argument("-o", "--out", default="report.html", metavar="FILE", help="the page (default %(default)s)")
    parser.add_argument(
        "--history", metavar="FILE", help="history of the training: .csv, .jsonl, or its checkpoint, .npz"
    )
    parser.add_argument("-n", type=whole(1), default=256, metavar="N", help="samples (default %(default)s)")
    parser.add_argument(
        "--sweeps", type=whole(4), default=1000, metavar="K",
        help="sweeps of the chains before they are looked at, and as many again while they are (default %(default)s)",
    )  # fmt: skip
    add_score_options(parser)
    add_shape(parser)
    add_data(parser, drawn=True)
    add_sequence_weights(parser)
    add_sample_weight(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_common(parser)
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> None:
    out = check_report("--out", options.out, options.model, options.data, options.history)
    rbm = model_of(options)
    X = data_for(rbm, options.data, options)
    if has_missing(X, rbm.visible):
        raise CommandError(f"{options.data} has missing entries: fill them in first (fastrbm inpaint)")
    history = history_of(options.history) if options.history else None
    write_report(
        rbm, X, out, options, history, say, name=Path(options.model).name, data_name=Path(options.data).name,
        n_samples=options.n, n_sweeps=options.sweeps,
        method=options.method, n_chains=options.chains, n_betas=options.betas, tolerance=options.tolerance,
        seconds=options.seconds,
        sample_weight=weights_of(options, X),
    )  # fmt: skip


def check_report(option: str, name: str, *others: str | Path | None) -> Output:
    """Refuse, before any work, a report that could not be written at the end."""
    output = check_output(option, name, (".html", ".htm"), *others)
    try:
        need_matplotlib()
    except ImportError as error:
        raise CommandError(str(error)) from None
    return output


def write_report(
    rbm: RBM, X, out: Output, options: argparse.Namespace, history, say, about: str = "", **more
) -> str | None:
    """Write a report, of what the command's options have and what else its function takes, and say its score.

    Returns what to call the file that was written, None if none was."""
    if is_on_disk(X):
        X = X[np.linspace(0, len(X) - 1, min(len(X), _DISK_EXAMPLES)).astype(np.intp)]
    if getattr(options, "dynamic_binarization", False) or (
        isinstance(X, np.ndarray) and X.dtype.kind == "f" and rbm.visible.layout is None and not np.isnan(X).any()
    ):
        X = drawn_of(X, rbm.visible, options.seed)
    shape = tuple(map(int, options.shape.split("x"))) if options.shape else None
    command, date = shlex.join(["fastrbm", *options.arguments]), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    scores: list[Score] = []

    def write(path: Path) -> None:
        scores.append(report(
            rbm, X, path, history=history, shape=shape, command=command, date=date, seed=options.seed,
            progress=not options.quiet, n_threads=options.threads, **more,
        ))  # fmt: skip

    if where := out.keep(write):
        say(f"{scores[-1]}{about}. Saved {where}")
    return where
