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

import numpy as np

from . import _model_file
from ._config import __version__

FORMAT = 1
_WRITERS = "fit(checkpoint=) and 'fastrbm train --checkpoint' write them"


def write(path: str | PathLike, rbm, states: dict[str, dict], setup: dict[str, object]) -> None:
    """Replace the file at path by a checkpoint of these states, wholly or not at all."""
    path = Path(path)
    arrays = {
        f"{part}/{name}": np.asarray(value) for part, state in states.items() for name, value in state.items()
    }  # fmt: skip
    text = json.dumps(setup | {"fastrbm": __version__, "numpy": np.__version__, "entries": sorted(arrays)})
    arrays |= {
        "fastrbm_format": np.int64(_model_file.FORMAT), "fastrbm_checkpoint": np.int64(FORMAT),
        "weights": rbm.weights, "visible_bias": rbm.visible_bias, "hidden_bias": rbm.hidden_bias,
        "setup": np.frombuffer(text.encode(), np.uint8),
    }  # fmt: skip
    # one name for all attempts: what a killed process left behind is overwritten
    temporary = path.with_name(f".{path.name}.part")
    _model_file.replace_file(path, lambda file: np.savez(file, **arrays), temporary)


def read(path: str | PathLike) -> tuple[tuple[np.ndarray, ...], dict[str, dict], dict[str, object]]:
    """(parameters, states, setup); ValueError names the file and what is wrong with it."""
    archive = _model_file.read_archive(path, "fastrbm_checkpoint", FORMAT, "fastrbm checkpoint", _WRITERS)
    states: dict[str, dict] = {}
    for name, value in archive.items():
        part, slash, key = name.rpartition("/")
        if slash:
            states.setdefault(part, {})[key] = value if value.ndim else value.item()
    try:
        setup = json.loads(archive["setup"].tobytes())
        missing = [name for name in setup["entries"] if name not in archive]
        if missing:
            raise ValueError(f"{path} is damaged: it lacks {', '.join(missing)}")
        parameters = _model_file.checked_parameters(archive, path)
    except (KeyError, ValueError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is damaged ({error})") from error
    return parameters, states, setup


def refuse_other(path, before: dict[str, object], now: dict[str, object]) -> None:
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
