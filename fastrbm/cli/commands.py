"""The command line: what runs a command, and says what became of it."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

from .._core.agreement import is_agreed
from .._core.signals import Ended, Signals
from .._core.version import __version__
from ..training.checkpoint import CheckpointWarning
from . import together
from .common import Parser
from .settings import apply_file
from .words import CommandError, failures, fill_gaps, leave, reason, settle, tell

EPILOG = """examples:
  fastrbm train digits --out rbm.npz          train a model on the bundled digits
  fastrbm sample rbm.npz --out samples.npy    draw from it
  fastrbm inpaint rbm.npz x.csv --out y.csv   fill in what is missing of a table
  fastrbm classify rbm.npz x.csv --out y.csv  the most probable label of each row
  fastrbm score rbm.npz digits                its log-likelihood
  fastrbm report rbm.npz digits               a page with its score, pictures and diagnostics
  fastrbm train --help                        every option of a command

exit codes: 0 done; 2 a mistake in the command, its files or the environment, reported in one line, or an output that
could not be written as asked; 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP (train saves its model first). Progress and warnings
go to standard error."""


# each adds one to the parser's; fastrbm/cli/__init__.py says which there are
COMMANDS: list[Callable[[Any], None]] = []


def build_parser() -> Parser:
    parser = Parser(
        prog="fastrbm",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train, sample, score and look at restricted Boltzmann machines.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"fastrbm {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="train | sample | inpaint | classify | score | report | info | bench"
    )

    for add in COMMANDS:
        add(commands)
    return parser


def command_parser(parser: Parser, command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[command]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on a user's error or where an output could not be written, 130 on Ctrl-C,
    143 on SIGTERM, 129 on SIGHUP."""
    fill_gaps()
    failures.clear()
    try:
        with Signals(held=False) as signals, warnings.catch_warnings():
            warnings.showwarning = _tell_warning
            return _run(build_parser(), arguments, signals) or (2 if failures else 0)
    except KeyboardInterrupt as error:
        return leave(error, "interrupted", 130)
    except Ended as error:
        return leave(error, f"ended by {error.name}", 128 + error.number)
    except Exception as error:
        leave(error, None, 1)
        raise
    finally:
        settle()


def _run(parser: Parser, arguments: list[str] | None, signals: Signals) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    try:
        together.start("--mpi" in given)  # before a mistake is reported, by one of them
        options, unknown = parser.parse_known_args(given)
        if options.command is None and not unknown:
            parser.print_help(sys.stderr)
            return 2
        if options.command is None:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        command = command_parser(parser, options.command)
        if unknown:  # reported by the command's own parser, which knows what may have been meant
            command.error(f"unrecognized arguments: {' '.join(unknown)}")
        if getattr(options, "config", None):
            apply_file(command, options.config)
            options = parser.parse_args(given)
        for name, value in vars(options).items():
            if isinstance(value, str) and (not value or "\0" in value):  # a variable of the shell that is not set
                command.error(f"{name} must not {'hold a null character' if value else 'be empty'}")
        options.arguments, options.signals = given, signals
        if getattr(options, "mpi", False) and together.comm is None:  # in short
            together.start(True)
        if getattr(options, "mpi", True) is False and together.each_alone():
            tell(f"fastrbm: {together.each_alone()}")
        options.run(options)
    except OSError as error:
        return leave(error, f"{error.filename}: {error.strerror}" if error.filename else str(error), 2)
    except MemoryError as error:
        return leave(error, f"not enough memory: {error}", 2)
    except (CommandError, ValueError, TypeError, ArithmeticError, RecursionError, EOFError) as error:
        return leave(error, reason(error), 2)
    except RuntimeError as error:
        if not is_agreed(error):
            raise
        return leave(error, reason(error), 2)  # another rank's
    return 0


def _tell_warning(message, category, filename, lineno, file=None, line=None) -> None:
    tell(f"fastrbm: {message}")
    if isinstance(message, CheckpointWarning) and message.last:
        failures.append(str(message))
