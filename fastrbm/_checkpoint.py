"""Checkpoints: one file with all that a training needs to go on to the same bits.

An .npz archive without pickle. Its entries are those of a model file, so that ``fastrbm.load`` reads the model that the
training would offer at this point; beside them, under "part/name", the states of whatever takes part (what its
get_state gave), and a JSON text of how the training was set up.
"""

from __future__ import annotations

import json
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _model_file, _output
from ._version import __version__

if TYPE_CHECKING:
    from .rbm import RBM

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
        "fastrbm_format": np.int64(_model_file.FORMAT), "fastrbm_checkpoint": np.int64(FORMAT),
        "weights": rbm.weights, "visible_bias": rbm.visible_bias, "hidden_bias": rbm.hidden_bias,
        "setup": np.frombuffer(text.encode(), np.uint8),
    }  # fmt: skip
    _output.replace_file(path, _output.archive(**arrays))


def arrays_of(states: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """The states as entries of the file; TypeError for what would need a pickle."""
    arrays = {}
    for part, state in states.items():
        for name, value in state.items():
            array = np.asarray(value)
            if array.dtype.kind not in "biufU":
                raise TypeError(
                    f"the state of {part} must hold numbers, strings and arrays of them; {name} is {value!r}"
                )
            arrays[f"{part}/{name}"] = array
    return arrays


def read(path: str | PathLike[str]) -> tuple[tuple[np.ndarray, ...], dict[str, dict[str, Any]], dict[str, object]]:
    """(parameters, states, setup); ValueError names the file and what is wrong with it."""
    archive = _model_file.read_archive(path, "fastrbm_checkpoint", FORMAT, "fastrbm checkpoint", _WRITERS)
    states: dict[str, dict[str, Any]] = {}
    try:
        setup = json.loads(archive["setup"].tobytes())
        missing = [f"{part}/{name}" for part, name in setup["entries"] if f"{part}/{name}" not in archive]
        if missing:
            raise ValueError(f"{path} is damaged: it lacks {', '.join(missing)}")
        for part, name in setup["entries"]:
            value = archive[f"{part}/{name}"]
            states.setdefault(part, {})[name] = value if value.ndim else value.item()
        parameters = _model_file.checked_parameters(archive, path)
    except (KeyError, ValueError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is damaged ({error})") from error
    return parameters, states, setup


def refuse_other(path: Path, before: dict[str, object], now: dict[str, object]) -> None:
    """Raise where the training that wrote a checkpoint was set up in another way; epochs may differ."""
    for name, value in now.items():
        if name != "epochs" and before.get(name) != value:
            raise ValueError(
                f"{path} is of a training with {name} {before.get(name)}, not {value}: give the same arguments as "
                "then, or another checkpoint file"
            )


def describe(thing: object) -> str:
    """How a part of the set-up is written down, without addresses in memory."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(thing))
