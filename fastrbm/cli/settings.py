"""Settings files of 'fastrbm train': TOML with an option a line."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .._core.reading import open_regular, refusing, shown, size_of
from .hints import hint
from .words import CommandError

_NO_SETTINGS = {"help", "config", "print_config", "resume", "json", "mpi"}
_LARGEST = 1 << 20  # bytes of a file


def settings_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a command that a file may set, by their name there."""
    return {
        action.dest.replace("_", "-"): action for action in parser._actions if action.dest not in _NO_SETTINGS
    }  # fmt: skip


def apply_file(parser: argparse.ArgumentParser, name: str) -> None:
    """Let what the file says be the command's defaults, so that options given on the command line go first."""
    known = settings_of(parser)
    defaults = {}
    for key, value in _read(name).items():
        if key not in known:
            raise CommandError(
                f"{name}: no setting '{shown(key, 40)}'; there are {', '.join(sorted(known))}{hint(key, known)}"
            )
        defaults[known[key].dest] = _checked(known[key], key, value, name)
    parser.set_defaults(**defaults)


def _read(name: str) -> dict:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise CommandError("--config needs Python 3.11 or newer, or the package tomli: pip install tomli") from None
    with open_regular(name) as file, refusing(name, "is not TOML"):
        if size_of(file) > _LARGEST:
            raise ValueError(f"it has {size_of(file):,} bytes, settings have few")
        return tomllib.loads(file.read().decode("utf-8-sig").replace("\r\n", "\n"))


def _checked(action: argparse.Action, key: str, value, name: str):
    """The value as the option itself would have taken it."""
    if isinstance(value, int) and abs(value) >= 1 << 64:
        raise CommandError(f"{name}: {key} is too large a number")
    given = shown(repr(value), 40)
    if isinstance(action, argparse._StoreTrueAction):
        if not isinstance(value, bool):
            raise CommandError(f"{name}: {key} must be true or false, got {given}")
        return value
    if isinstance(action, argparse._AppendAction):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise CommandError(f"{name}: {key} must be a list of strings, got {given}")
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise CommandError(f"{name}: {key} must be a number or a string, got {given}")
    kind: Any = action.type
    if kind is not None:
        try:
            value = kind(str(value))
        except argparse.ArgumentTypeError as error:
            raise CommandError(f"{name}: {key} {shown(str(error))}") from None
        except ValueError:
            required = "a whole number" if kind.__name__ == "integer" else "a number"
            raise CommandError(f"{name}: {key} must be {required}, got {given}") from None
    elif not isinstance(value, str):
        raise CommandError(f"{name}: {key} must be a string, got {given}")
    if action.choices is not None and value not in action.choices:
        raise CommandError(f"{name}: {key} must be one of {', '.join(action.choices)}, got {given}")
    return value


def as_toml(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The settings as a file that --config reads; those without a value as comments."""
    lines = ["# fastrbm train --config THIS-FILE"]
    for key, action in settings_of(parser).items():
        value = getattr(options, action.dest)
        words = (action.help or "").partition(" (default")[0].replace("%%", "%")
        if value is None:
            lines.append(f"# {key} =  # {words}")
        else:
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool, list)) else repr(value)
            text = text.replace("\x7f", "\\u007f")  # the one character that JSON takes as it is and TOML does not
            lines.append(f"{key} = {text}  # {words}")
    return "\n".join(lines)
