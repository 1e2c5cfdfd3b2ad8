"""What the commands share: options, data, and how a mistake is reported."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import numpy as np

from .._core import philox
from .._core.reading import refusing, shown
from ..likelihood.results import METHODS
from ..loading import load
from ..rbm import RBM
from ..training import checkpoint
from ..training.history import History
from .hints import BUNDLED, hint, order_of
from .words import CommandError, tell


class Parser(argparse.ArgumentParser):
    """argparse, but with errors of one line, which name what may have been meant."""

    def error(self, message: str):
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", choice[2])
            if not message.startswith("argument -"):
                message = f"no command {choice[1]!r}; there are {', '.join(known)}"
                known += ["--help", "--version"]
            message += hint(choice[1], known)
        elif unknown := re.match(r"unrecognized arguments: (-[^\s=]+)", message):
            message += hint(unknown[1], self._option_string_actions)
        tell(f"{self.prog}: {message} (see '{self.prog} --help')")
        self.exit(2)


def whole(minimum: int, maximum: int = philox.MOST_SWEEPS):
    """An argparse type: an integer from minimum to maximum."""

    def integer(text: str) -> int:
        value = int(text)
        if not minimum <= value <= maximum:
            limits = f"at least {minimum}" if value < minimum else f"at most {maximum}"
            raise argparse.ArgumentTypeError(f"must be {limits}, got {shown(text)}")
        return value

    return integer


def real(minimum: float, maximum: float = float("inf"), strict: bool = False):
    """An argparse type: a finite number from minimum (above it, if strict) to maximum."""

    def number(text: str) -> float:
        value = float(text)
        if not minimum <= value <= maximum or value == float("inf") or strict and value == minimum:
            limits = f"above {minimum:g}" if strict else f"at least {minimum:g}"
            limits += f" and at most {maximum:g}" if maximum < float("inf") else ""
            raise argparse.ArgumentTypeError(f"must be {limits}, got {text}")
        return value

    return number


def add_data(parser, drawn: bool = False) -> None:
    """drawn: whether states are drawn from real values for a model that was trained on such."""
    more = "; drawn from them, where the model was trained by --dynamic-binarization" if drawn else ""
    parser.add_argument(
        "--threshold", type=float, metavar="T",
        help=f"real values from T up are 1 (default: half of 1, 15, 16 or 255{more})",
    )  # fmt: skip
    if drawn:
        parser.add_argument(
            "--scale", type=real(0, strict=True), metavar="S", help="the largest real value there could be"
        )
    parser.add_argument("--key", metavar="NAME", help="the array to read from an .npz file of several")
    add_drop(parser)
    parser.add_argument(
        "--unknown", choices=("error", "gap"),
        help="of FASTA: take letters outside of the alphabet, such as X, as an error or as a gap (default error)",
    )  # fmt: skip
    parser.add_argument(
        "--insertions", choices=("error", "drop", "match"),
        help="of FASTA: take lowercase letters and '.' as an error, leave them out (drop: A2M, A3M), or read them as "
        "uppercase letters and gaps (match) (default error)",
    )  # fmt: skip


def add_sequence_weights(parser) -> None:
    parser.add_argument(
        "--sequence-weights", type=real(0, 1, strict=True), metavar="D",
        help="of FASTA: give sequences that differ at less than this part of their sites, such as 0.2, together the "
        "weight of one",
    )  # fmt: skip


def add_sample_weight(parser) -> None:
    parser.add_argument("--sample-weight", metavar="FILE", help="weights of the examples, one a row: .npy or .csv")


def add_drop(parser) -> None:
    parser.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN",
        help="of a .csv: leave this column out, such as an identifier; may be given several times",
    )  # fmt: skip


def add_score_options(parser) -> None:
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto: exact up to 20 units in the smaller layer, else bidirectional, which anneals chains both ways",
    )
    parser.add_argument(
        "--tolerance", type=real(0.0, strict=True), default=0.5, metavar="NATS",
        help="go on until half of the interval of log Z is at most this (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=real(0.0, strict=True), metavar="T", help="start no further round after this time"
    )
    parser.add_argument(
        "--betas",
        type=whole(1),
        metavar="B",
        help="one run of AIS with this many steps, in place of rounds until the tolerance is met",
    )
    parser.add_argument("--chains", type=whole(1), metavar="M", help="chains of that run (default 100)")


def add_shape(parser) -> None:
    parser.add_argument(
        "--shape",
        type=picture_shape,
        metavar="HxW",
        help="height and width of an example as a picture, such as 28x28 (default: a square)",
    )


def picture_shape(text: str) -> str:
    """An argparse type: 28x28, kept as text, as a settings file has it."""
    if not re.fullmatch(r"\d+x\d+", text):
        raise argparse.ArgumentTypeError(f"must be height and width, such as 28x28, got {text}")
    return text


def add_common(parser) -> None:
    parser.add_argument(
        "--seed", type=whole(0, 2**64 - 1), default=0, metavar="S", help="same seed, same result (default %(default)s)"
    )
    parser.add_argument(
        "--threads",
        type=_threads_asked(),
        metavar="T",
        help="threads (default, and most: as many as this process may use)",
    )


def _threads_asked():
    """An argparse type: more threads than CPUs help nobody, and OpenMP ends the process where it cannot start them."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def integer(text: str) -> int:
        return min(whole(1)(text), cpus)

    return integer


def model_of(options: argparse.Namespace) -> RBM:
    """The model that the command was given; where that is data, the message tells the order of the arguments."""
    name = options.model
    if name in BUNDLED and not os.path.lexists(name):
        raise CommandError(f"{name} is a bundled set of data, not a model{order_of(options)}")
    try:
        return load(name)
    except ValueError as error:
        if " is not a fastrbm model" in str(error):
            raise CommandError(f"{error}{order_of(options)}") from None
        raise


def history_of(name: str) -> History:
    """The history in a file that --history wrote, or in a checkpoint."""
    if Path(name).suffix != ".npz":
        return History.load(name)
    return history_in(checkpoint.read(name)[1], name)


def history_in(states: dict[str, dict], name: str) -> History:
    """The history among the states of the checkpoint of this name."""
    columns = states.get("history", {})
    for column in columns.values():
        if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iuf":
            raise ValueError(f"{name} is damaged: its history is no table of numbers")
    history = History()
    with refusing(name, "is damaged: its history is no table of numbers"):
        history.set_state(columns)
    return history
