"""Checkpoints: one file with all that a training needs to go on to the same bits.

An .npz archive without pickle. Its entries are those of a model file, so that ``fastrbm.load`` reads the model that the
training would offer at this point; beside them, under "part/name", the states of whatever takes part (what its
get_state gave), and a JSON text of how the training was set up.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import model_file, output
from .._core.reading import refusing, shown
from .._core.version import __version__

if TYPE_CHECKING:
    from .._core.archive import Archive
    from ..rbm import RBM

FORMAT = 1
_WRITERS = "fit(checkpoint=) and 'fastrbm train --checkpoint' write them"


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; last: at the end of a training, when none will follow."""

    def __init__(self, message: str, last: bool) -> None:
        super().__init__(message)
        self.last = last


def write(path: str | PathLike[str], rbm: RBM, states: dict[str, dict[str, Any]], setup: dict[str, object]) -> None:
    """Replace the file at path by a checkpoint of these states, wholly or not at all."""
    entries = [(part, name) for part, state in states.items() for name in state]
    text = json.dumps(setup | {"fastrbm": __version__, "numpy": np.__version__, "entries": entries})
    arrays: dict[str, Any] = arrays_of(states) | {
        "fastrbm_checkpoint": np.int64(FORMAT), "setup": np.frombuffer(text.encode(), np.uint8),
    }  # fmt: skip
    output.replace_file(path, output.archive(**arrays, **model_file.entries(rbm)))


def arrays_of(states: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """The states as entries of the file; TypeError for what would need a pickle."""
    arrays = {}
    for part, state in states.items():
        if not isinstance(state, dict):
            raise TypeError(f"the state of {part} must be a dict, not {type(state).__name__}")
        for name, value in state.items():
            array = np.asarray(value)
            if array.dtype.kind not in "biufU":
                raise TypeError(
                    f"the state of {part} must hold numbers, strings and arrays of them; {name} is {value!r}"
                )
            arrays[f"{part}/{name}"] = array
    return arrays


def read(path: str | PathLike[str]) -> tuple[model_file.Read, dict[str, dict[str, Any]], dict[str, object]]:
    """(model, states, setup); ValueError names the file and what is wrong with it.

    Only the entries that the set-up lists are read. They are numbers, strings and arrays of them; their shapes are for
    those to check whose states they are.
    """
    states: dict[str, dict[str, Any]] = {}
    with model_file.open_archive(path, "fastrbm_checkpoint", (FORMAT,), "fastrbm checkpoint", _WRITERS) as archive:
        setup = _setup(archive)
        entries = [tuple(pair) for pair in setup["entries"]]
        missing = [f"{part}/{name}" for part, name in entries if f"{part}/{name}" not in archive]
        if missing:
            raise ValueError(f"{path} is damaged: it lacks {shown(', '.join(missing))}")
        for part, name in entries:
            value = archive.read(f"{part}/{name}")
            states.setdefault(part, {})[name] = value if value.ndim else value.item()
        model = model_file.read_model(archive)
    return model, states, setup


def _setup(archive: Archive) -> dict[str, Any]:
    """How the training was set up: a JSON object, whose "entries" are pairs of strings, each pair once."""
    text = archive.read("setup")
    with refusing(archive.path, "is damaged: its set-up cannot be read"):
        setup = json.loads(text.tobytes().decode())
    entries = setup.get("entries") if isinstance(setup, dict) else None
    if not isinstance(entries, list) or not all(map(_is_pair, entries)) or len(set(map(tuple, entries))) < len(entries):
        raise ValueError(f"{archive.path} is damaged: its set-up does not list the entries of the file")
    return setup


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(word, str) for word in entry)


def refuse_other(path: Path, before: dict[str, object], now: dict[str, object]) -> None:
    """Raise where the training that wrote a checkpoint was set up in another way; epochs may differ."""
    for name, value in now.items():
        if name != "epochs" and before.get(name) != value:
            then = shown(str(before.get(name)), 300)
            raise ValueError(
                f"{path} is of a training with {name} {then}, not {value}: give the same arguments as then, or another "
                "checkpoint file"
            )
