"""What the user may have meant: the bundled sets, words and files that are near a word."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import datasets
from .._core.synonyms import near

BUNDLED = {"digits": datasets.load_digits, "bars-and-stripes": lambda: datasets.bars_and_stripes(4)}


def hint(word: str, known) -> str:
    """What the user may have meant, to be added to a message; empty where nothing known is near."""
    meant = near(word, known)
    return "" if meant is None else f"; did you mean {meant!r}?"


def order_of(options: argparse.Namespace) -> str:
    return ": MODEL comes first, then DATA" if hasattr(options, "model") and hasattr(options, "data") else ""


def beside(name: str) -> list[str]:
    """The files in the folder where one was looked for, written as it was."""
    folder = Path(name).parent
    try:
        return [str(folder / other.name) for other in folder.iterdir()]
    except (OSError, ValueError):
        return []
