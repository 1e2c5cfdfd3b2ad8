"""The command line: fastrbm train | sample | score | report | info | bench."""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np

from .._version import __version__
from ..likelihood import score as likelihood_score
from ._bench import add_bench
from ._common import (
    BUNDLED,
    CommandError,
    Parser,
    add_common,
    add_data,
    add_score,
    check_output,
    data_of,
    model_of,
    say,
    say_json,
    whole,
)  # fmt: skip
from ._info import add_info
from ._report import add_report
from ._settings import apply_file
from ._train import run_train
from ._train_options import add_train

OUTPUTS = (".npy", ".npz", ".csv")


EPILOG = """examples:
  fastrbm train digits --out rbm.npz        train a model on the bundled digits
  fastrbm sample rbm.npz --out samples.npy  draw from it
  fastrbm score rbm.npz digits              its log-likelihood
  fastrbm report rbm.npz digits             a page with its score, pictures and diagnostics
  fastrbm train --help                      every option of a command

exit codes: 0 done; 2 a mistake in the command, its files or the environment, told in one line; 130 Ctrl-C (train saves
its model first). Progress and warnings go to standard error."""


def build_parser() -> Parser:
    parser = Parser(
        prog="fastrbm",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train, sample, score and look at restricted Boltzmann machines.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"fastrbm {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="train | sample | score | report | info | bench"
    )

    add_train(commands, run_train)

    sample = commands.add_parser(
        "sample",
        help="draw samples from a model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run Gibbs chains of a model and save the visible states they end in.",
        epilog="example:\n  fastrbm sample rbm.npz -n 100 --sweeps 2000 --out samples.npy",
    )
    sample.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' wrote")
    sample.add_argument("-n", type=whole(1), default=100, metavar="N", help="samples (default %(default)s)")
    sample.add_argument(
        "--sweeps", type=whole(0), default=1000, metavar="K", help="sweeps of each chain (default %(default)s)"
    )
    sample.add_argument("--out", required=True, metavar="FILE", help="0 and 1, (N, units): .npy, .npz or .csv")
    sample.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    add_common(sample)
    sample.set_defaults(run=run_sample)

    score = commands.add_parser(
        "score",
        help="log-likelihood of data under a model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print the mean log-likelihood of data under a model, with its interval.",
        epilog="examples:\n  fastrbm score rbm.npz digits\n  fastrbm score rbm.npz test.npy --betas 14500 --json",
    )
    score.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train' wrote")
    score.add_argument("data", metavar="DATA", help=f"as for train: {', '.join(BUNDLED)} or a file")
    add_score(score)
    add_data(score)
    score.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    score.add_argument("--quiet", action="store_true", help="no progress")
    add_common(score)
    score.set_defaults(run=run_score)

    add_report(commands)
    add_info(commands)
    add_bench(commands)
    return parser


def run_score(options: argparse.Namespace) -> None:
    rbm = model_of(options)
    X = data_of(options.data, options, quiet=options.json)
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
        )
    for warning in caught:
        print(f"fastrbm: {warning.message}", file=sys.stderr)
    if not options.json:
        say(str(result))
        return
    z = result.log_partition
    numbers = {
        "mean": result.mean, "standard_error": result.standard_error, "lower": result.lower, "upper": result.upper,
        "cases": len(result.per_case), "method": result.method, "log_z": z.value, "log_z_lower": z.lower,
        "log_z_upper": z.upper, "warning": getattr(z, "warning", ""),
    }  # fmt: skip
    say_json(numbers)


def run_sample(options: argparse.Namespace) -> None:
    out = check_output("--out", options.out, OUTPUTS, options.model)
    rbm = model_of(options)
    samples = rbm.sample(options.n, options.sweeps, options.seed, n_threads=options.threads)
    if out.suffix == ".npy":
        np.save(out, samples)
    elif out.suffix == ".npz":
        np.savez_compressed(out, samples=samples)
    else:
        np.savetxt(out, samples, fmt="%d", delimiter=",")
    if options.json:
        say_json({"samples": options.n, "units": rbm.n_visible, "sweeps": options.sweeps, "out": str(out)})
        return
    say(f"{options.n:,} samples x {rbm.n_visible} units after {options.sweeps:,} sweeps. Saved {out}")


def command_parser(parser: Parser, command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[command]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on a user's error, 130 on Ctrl-C."""
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    try:
        command = command_parser(parser, options.command)
        if unknown:  # told by the command's own parser, which knows what may have been meant
            command.error(f"unrecognized arguments: {' '.join(unknown)}")
        if getattr(options, "config", None):
            apply_file(command, options.config)
            options = parser.parse_args(arguments)
        options.arguments = sys.argv[1:] if arguments is None else arguments
        options.run(options)
    except KeyboardInterrupt:
        print("fastrbm: interrupted", file=sys.stderr)
        return 130
    except (CommandError, ValueError, TypeError, FloatingPointError) as error:
        print(f"fastrbm: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"fastrbm: not enough memory: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        detail = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"fastrbm: {detail}", file=sys.stderr)
        return 2
    return 0
