"""fastrbm inpaint."""

from __future__ import annotations

import argparse

import numpy as np

from .._core.output import replace_file
from ..datasets.categories import load_codes
from ..datasets.files import read_table
from ..rbm import RBM
from ..states.missing import known_parts
from .common import add_common, add_drop, model_of, whole
from .files import OUTPUTS, check_output
from .form import Form, content
from .reading import is_csv
from .words import say, say_json


def add_inpaint(commands) -> None:
    parser = commands.add_parser(
        "inpaint",
        help="fill in what is missing of data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fill in the missing entries of data, given the others: with the most probable values, or a draw.",
        epilog="examples:\n  fastrbm inpaint rbm.npz survey.csv --out complete.csv\n"
        "  fastrbm inpaint rbm.npz x.npy --fill draw --seed 3 --out y.npy",
    )
    parser.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' or RBM.save wrote")
    parser.add_argument(
        "data", metavar="DATA",
        help="a table, .csv: cells that are empty, NA, NaN, N/A, null or ? are missing; of a model of categories, "
        "their labels; or numbers in .npy or .npz, of which NaN are missing",
    )  # fmt: skip
    parser.add_argument(
        "--fill", choices=("most-probable", "draw"), default="most-probable",
        help="fill in the value of the largest probability, or a draw, which keeps the spread of the data (default "
        "%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--draws",
        type=whole(1),
        metavar="N",
        help="with most-probable: draws that the probabilities are the mean of (default 30)",
    )
    parser.add_argument(
        "--sweeps", type=whole(0), default=1000, metavar="K", help="sweeps before each draw (default %(default)s)"
    )
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="FILE",
        help="the complete data: .csv, with names and labels; .npy or .npz, with codes",
    )
    parser.add_argument("--key", metavar="NAME", help="the array to read from an .npz file of several")
    add_drop(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_common(parser)
    parser.set_defaults(run=run_inpaint)


def run_inpaint(options: argparse.Namespace) -> None:
    out = check_output("--out", options.out, OUTPUTS, options.model, options.data)
    rbm = model_of(options)
    form = Form.of(rbm)
    X = _data(options, rbm)
    gone = known_parts(X, rbm.visible, options.data)[1]  # raises where X does not fit, with its name
    how = {} if options.fill == "draw" else {"most_probable": True, "n_draws": options.draws}
    show = not options.quiet and not options.json
    filled = rbm.inpaint(X, options.sweeps, options.seed, options.threads, progress=show, **how)
    where = out.keep(lambda path: replace_file(path, content(filled, path.suffix, form, ~gone)))
    if options.json:
        say_json({"examples": len(filled), "missing": int(gone.sum()), "fill": options.fill, "out": where})
    elif where:
        say(
            f"{int(gone.sum()):,} missing entries of {len(filled):,} examples filled in ({options.fill}). Saved {where}"
        )


def _data(options: argparse.Namespace, rbm: RBM) -> np.ndarray:
    """The examples, NaN where an entry is missing."""
    if is_csv(options.data):
        known = rbm.visible_categories or (None,) * rbm.visible.n_columns
        return load_codes(options.data, rbm.visible_names, known, drop=options.drop)
    return read_table(options.data, options.key).array
