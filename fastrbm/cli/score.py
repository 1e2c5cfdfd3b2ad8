"""fastrbm score."""

from __future__ import annotations

import argparse
import warnings

from ..likelihood.score import score as likelihood_score
from ..loading import load_path
from . import together
from .common import add_common, add_data, add_sample_weight, add_score_options, add_sequence_weights, model_of
from .data import data_for, weights_of
from .hints import BUNDLED
from .words import say, say_json, tell


def add_score(commands) -> None:
    """Add the command to those of the parser."""
    score = commands.add_parser(
        "score",
        help="log-likelihood of data under a model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print the mean log-likelihood of data under a model, with its interval.",
        epilog="examples:\n  fastrbm score rbm.npz digits\n  fastrbm score rbm.npz test.npy --tolerance 0.1 --json",
    )
    score.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' wrote")
    score.add_argument("data", metavar="DATA", help=f"as for train: {', '.join(BUNDLED)} or a file")
    add_score_options(score)
    score.add_argument(
        "--path", metavar="FILE",
        help="anneal along the models of a training, from 'fastrbm train --trajectory', and not along temperatures",
    )  # fmt: skip
    add_data(score, drawn=True)
    add_sequence_weights(score)
    add_sample_weight(score)
    score.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    score.add_argument("--quiet", action="store_true", help="no progress")
    together.add_mpi(score)
    add_common(score)
    score.set_defaults(run=run_score)


def run_score(options: argparse.Namespace) -> None:
    with together.ranks.agreeing():
        rbm = model_of(options)
        X = data_for(rbm, options.data, options, quiet=options.json)
        weight = weights_of(options, X)
        path = None if options.path is None else load_path(options.path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = likelihood_score(
            rbm,
            X,
            options.method,
            options.chains,
            options.betas,
            options.seed,
            progress=not options.quiet and not options.json,
            n_threads=options.threads,
            tolerance=options.tolerance,
            seconds=options.seconds,
            path=path,
            sample_weight=weight,
            comm=together.comm,
        )
    for warning in caught:
        if options.json or str(warning.message) not in f"score: {result}":
            tell(f"fastrbm: {warning.message}")
    if not options.json:
        say(str(result))
        return
    z = result.log_partition
    numbers = {
        "mean": result.mean, "standard_error": result.standard_error, "log_z_error": result.log_z_error,
        "lower": result.lower, "upper": result.upper,
        "examples": len(result.per_example), "method": result.method, "log_z": z.value, "log_z_lower": z.lower,
        "log_z_upper": z.upper, "warning": getattr(z, "warning", ""),
    }  # fmt: skip
    say_json(numbers | ({} if result.total_weight is None else {"total_weight": result.total_weight}))
