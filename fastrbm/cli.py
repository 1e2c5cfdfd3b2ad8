"""The command line: fastrbm train | sample | score | info."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from . import _threads, datasets
from ._config import __version__, get_config
from .datasets._files import binarize, read
from .fit import fit
from .gradient import PCD
from .likelihood import METHODS
from .likelihood import score as likelihood_score
from .optim import SGD, Linear
from .rbm import RBM, load

BUNDLED = {"digits": datasets.load_digits, "bars-and-stripes": lambda: datasets.bars_and_stripes(4)}
OUTPUTS = (".npy", ".npz", ".csv")


class CommandError(Exception):
    """What a user did wrong, in one line that says what to do."""


class Parser(argparse.ArgumentParser):
    """argparse, but with errors of one line."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see '{self.prog} --help')\n")


def whole(minimum: int, maximum: int | None = None):
    """An argparse type: an integer from minimum up."""

    def integer(text: str) -> int:
        value = int(text)
        if value < minimum or maximum is not None and value > maximum:
            limits = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            raise argparse.ArgumentTypeError(f"must be {limits}, got {value}")
        return value

    return integer


def positive(text: str) -> float:
    """An argparse type: a finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def build_parser() -> Parser:
    parser = Parser(prog="fastrbm", description="Train and sample restricted Boltzmann machines.")
    parser.add_argument("--version", action="version", version=f"fastrbm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | sample | score | info")

    train = commands.add_parser(
        "train",
        help="train a model on data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train a model by persistent contrastive divergence and save it.",
        epilog="examples:\n  fastrbm train digits --out digits-rbm.npz\n"
        "  fastrbm train images-idx3-ubyte.gz --hidden 500 --epochs 10 --out rbm.npz",
    )
    train.add_argument(
        "data",
        metavar="DATA",
        help=f"a bundled set ({', '.join(BUNDLED)}) or a file: .npy, .npz, .csv, IDX (.gz); the cases are its rows",
    )
    train.add_argument("--hidden", type=whole(1), default=128, metavar="H", help="hidden units (default %(default)s)")
    train.add_argument(
        "--epochs", type=whole(1), default=100, metavar="E", help="passes through the data (default %(default)s)"
    )
    train.add_argument(
        "--batch-size", type=whole(1), default=128, metavar="B", help="cases an update (default %(default)s)"
    )
    train.add_argument("--chains", type=whole(1), default=256, metavar="M", help="Gibbs chains (default %(default)s)")
    train.add_argument(
        "--sweeps", type=whole(1), default=1, metavar="K", help="sweeps of the chains an update (default %(default)s)"
    )
    train.add_argument(
        "--learning-rate",
        type=positive,
        default=0.1,
        metavar="R",
        help="at the start; it falls linearly to 0 (default %(default)s)",
    )
    train.add_argument("--plain", action="store_true", help="gradients that are not centred")
    _add_data(train)
    train.add_argument("--out", default="rbm.npz", metavar="FILE", help="the model (default %(default)s)")
    train.add_argument("--quiet", action="store_true", help="no progress")
    _add_common(train)
    train.set_defaults(run=run_train)

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
    _add_common(sample)
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
    score.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto: exact up to 20 units in the smaller layer, else bracket, which is AIS from both sides",
    )
    score.add_argument("--betas", type=whole(1), default=10_000, metavar="B", help="steps of AIS (default %(default)s)")
    score.add_argument("--chains", type=whole(1), default=100, metavar="M", help="chains of AIS (default %(default)s)")
    _add_data(score)
    score.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    score.add_argument("--quiet", action="store_true", help="no progress")
    _add_common(score)
    score.set_defaults(run=run_score)

    info = commands.add_parser("info", help="versions, ISA level and threads")
    info.set_defaults(run=run_info)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="grey values from T up are 1 (default: half of 1, 15, 16 or 255)"
    )
    parser.add_argument("--key", help="which array of an .npz file")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=whole(0, 2**64 - 1), default=0, metavar="S", help="same seed, same result (default %(default)s)"
    )
    parser.add_argument("--threads", type=whole(1), metavar="T", help="default: all that this process may use")


def run_train(options: argparse.Namespace) -> None:
    out = check_output(options.out, (".npz",), options.data)
    X = data_of(options)
    rbm = RBM.from_data(X, options.hidden, options.seed)
    untrained = rbm.weights
    threads = _threads.resolve(options.threads)
    say(f"{X.shape[0]:,} cases x {X.shape[1]} units, {options.hidden} hidden units, {threads} threads")
    try:
        history = fit(
            rbm,
            X,
            gradient=PCD(options.chains, options.sweeps, options.seed),
            optimizer=SGD(Linear(options.learning_rate, 0.0)),
            epochs=options.epochs,
            batch_size=options.batch_size,
            seed=options.seed,
            progress=not options.quiet,
            centring=not options.plain,
            n_threads=options.threads,
        )
    except KeyboardInterrupt:
        if rbm.weights is untrained:
            say("interrupted before the first update; nothing is saved")
        else:
            rbm.save(out)
            say(f"interrupted; the model of the last complete update is in {out}")
        raise
    rbm.save(out)
    last = history.last
    say(
        f"{last['update']:,} updates in {last['seconds']:.1f} s. One sweep from data changes "
        f"{last['reconstruction_error']:.1%} of the units; the model finds the data\n"
        f"{last['free_energy_gap']:.1f} nats a case more likely than noise with the same means. Saved {out}"
    )


def run_score(options: argparse.Namespace) -> None:
    rbm = load(options.model)
    X = data_of(options, quiet=options.json)
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
    # JSON has no infinity and no NaN
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in numbers.items()}
    say(json.dumps(finite))


def data_of(options: argparse.Namespace, quiet: bool = False) -> np.ndarray:
    if options.data in BUNDLED and not Path(options.data).exists():
        return BUNDLED[options.data]()
    if not Path(options.data).exists():
        raise CommandError(f"no file {options.data}, and no bundled set of that name ({', '.join(BUNDLED)})")
    X, threshold = binarize(read(options.data, options.key), options.threshold, options.data)
    if threshold is not None and not quiet:
        say(f"grey values: a unit is 1 from {threshold:g} up ({X.mean():.1%} of them)")
    return X


def run_sample(options: argparse.Namespace) -> None:
    out = check_output(options.out, OUTPUTS, options.model)
    rbm = load(options.model)
    samples = rbm.sample(options.n, options.sweeps, options.seed, n_threads=options.threads)
    if out.suffix == ".npy":
        np.save(out, samples)
    elif out.suffix == ".npz":
        np.savez_compressed(out, samples=samples)
    else:
        np.savetxt(out, samples, fmt="%d", delimiter=",")
    say(f"{options.n:,} samples x {rbm.n_visible} units after {options.sweeps:,} sweeps. Saved {out}")


def run_info(options: argparse.Namespace) -> None:
    for name, value in get_config().items():
        print(f"{name:<10} {value}")


def check_output(name: str, kinds: tuple[str, ...], source: str) -> Path:
    """Refuse, before any work, a file that could not be written at the end, or that is the input."""
    path = Path(name)
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise CommandError(f"--out {name} is the file to read from; choose another")
    if path.suffix not in kinds:
        raise CommandError(f"--out {name}: its name must end in {' or '.join(kinds)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise CommandError(f"--out {name}: there is no folder {path.absolute().parent}" if not path.is_dir()
                           else f"--out {name} is a folder")  # fmt: skip
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise CommandError(f"--out {name}: no permission to write there")
    return path


def say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on a user's error, 130 on Ctrl-C."""
    options = build_parser().parse_args(arguments)
    try:
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
