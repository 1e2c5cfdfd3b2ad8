"""What the commands share: options, data, checks of files, and how a mistake is told."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import re
from pathlib import Path

import numpy as np

from .. import _checkpoint, datasets
from .._reading import refusing, shown
from ..datasets._files import read_table
from ..datasets._scales import binarize, scaled
from ..history import History
from ..likelihood import METHODS
from ..rbm import RBM, load

BUNDLED = {"digits": datasets.load_digits, "bars-and-stripes": lambda: datasets.bars_and_stripes(4)}


class CommandError(Exception):
    """What a user did wrong, in one line that says what to do."""


def hint(word: str, known) -> str:
    """What the user may have meant, to be added to a message: a name of these initials, or one that is near, if any."""
    initials = [name for name in known if word.strip("-") == "".join(part[0] for part in re.findall(r"\w+", name))]
    near = (len(word.strip("-")) > 1 and initials) or difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Parser(argparse.ArgumentParser):
    """argparse, but with errors of one line, which name what may have been meant."""

    def error(self, message: str):
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            message += hint(choice[1], re.findall(r"[\w-]+", choice[2]))
        elif unknown := re.match(r"unrecognized arguments: (-[^\s=]+)", message):
            message += hint(unknown[1], self._option_string_actions)
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


def add_data(parser) -> None:
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="grey values from T up are 1 (default: half of 1, 15, 16 or 255)"
    )
    parser.add_argument("--key", help="which array of an .npz file")


def add_score(parser) -> None:
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto: exact up to 20 units in the smaller layer, else bracket, which is AIS from both sides",
    )
    parser.add_argument("--betas", type=whole(1), default=10_000, metavar="B", help="AIS steps (default %(default)s)")
    parser.add_argument("--chains", type=whole(1), default=100, metavar="M", help="AIS chains (default %(default)s)")


def add_shape(parser) -> None:
    parser.add_argument(
        "--shape", type=picture_shape, metavar="HxW", help="height and width of a case as a picture (default: square)"
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
    parser.add_argument("--threads", type=whole(1), metavar="T", help="default: all that this process may use")


def data_of(name: str, options: argparse.Namespace, quiet: bool = False, draw: bool = False) -> np.ndarray:
    """The cases of a bundled set or a file, 0 and 1; with draw, fractions from 0 to 1."""
    if not os.path.lexists(name):
        if name in BUNDLED:
            return BUNDLED[name]()
        meant = hint(name, [*BUNDLED, *_beside(name)])
        raise CommandError(f"no file {shown(name)}, and no bundled set of that name ({', '.join(BUNDLED)}){meant}")
    try:
        table = read_table(name, options.key)
    except ValueError as error:
        if str(error).endswith(" is a fastrbm model, not data"):
            raise CommandError(f"{error}{_order(options)}") from None
        raise
    scale = getattr(options, "scale", None)
    if draw:
        fractions, top = scaled(table, name, scale)
        if top != 1.0 and not quiet:
            say(f"grey values: fractions of {top:g}")
        return fractions
    threshold = scale / 2 if options.threshold is None and scale is not None else options.threshold
    X, threshold = binarize(table, threshold, name)
    if threshold is not None and not quiet:
        say(f"grey values: a unit is 1 from {threshold:g} up ({X.mean():.1%} of them)")
    return X


def model_of(options: argparse.Namespace) -> RBM:
    """The model that the command was given; where that is data, the message tells the order of the arguments."""
    name = options.model
    if name in BUNDLED and not os.path.lexists(name):
        raise CommandError(f"{name} is a bundled set of data, not a model{_order(options)}")
    try:
        return load(name)
    except ValueError as error:
        if " is not a fastrbm model" in str(error):
            raise CommandError(f"{error}{_order(options)}") from None
        raise


def _order(options: argparse.Namespace) -> str:
    return ": MODEL comes first, then DATA" if hasattr(options, "model") and hasattr(options, "data") else ""


def _beside(name: str) -> list[str]:
    """The files in the folder where one was looked for, written as it was."""
    folder = Path(name).parent
    try:
        return [str(folder / other.name) for other in folder.iterdir()]
    except (OSError, ValueError):
        return []


def history_of(name: str) -> History:
    """The history in a file that --history wrote, or in a checkpoint."""
    if Path(name).suffix != ".npz":
        return History.load(name)
    return history_in(_checkpoint.read(name)[1], name)


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


def check_output(option: str, name: str, kinds: tuple[str, ...], *others: str | None) -> Path:
    """Refuse, before any work, a file that could not be written at the end, or that is one of the others, which are
    read or written too."""
    path = Path(name)
    for other in others:
        if other is not None and os.path.realpath(path) == os.path.realpath(other):  # resolve fails at a loop of links
            raise CommandError(f"{option} {name} is also a file to read from, or to write something else to")
    if path.suffix not in kinds:
        raise CommandError(f"{option} {name}: its name must end in {' or '.join(kinds)}")
    if path.is_dir():
        raise CommandError(f"{option} {name} is a folder")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"{option} {name}: there is no folder {path.absolute().parent}")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise CommandError(f"{option} {name}: no permission to write there")
    return path


def say(line: str) -> None:
    print(line, flush=True)


def say_json(values: dict) -> None:
    """One JSON object on a line. JSON has no infinity and no NaN: they are null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    say(json.dumps(finite))
