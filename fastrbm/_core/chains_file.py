"""Files of chains: an .npz archive of their model, as model files have it, and of where the chains are."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from . import model_file, output

if TYPE_CHECKING:
    from ..rbm import RBM

FORMAT = 1
_WRITERS = "Chains.save and TemperedChains.save write them"
_PREFIX = "chains/"  # of the entries of their state
# what a state may have, beside what it has always
_ENTRIES = (
    "visible", "hidden", "seed", "stream", "n_sweeps_done", "first_chain", "beta", "clamped_visible", "free_visible",
    "clamped_hidden", "free_hidden", "betas", "log_gaps", "rates", "swap_attempts", "trip", "round_trips", "n_swaps",
    "swap_stream", "target_rate", "least_gain",
)  # fmt: skip


def save(file: str | PathLike[str], rbm: RBM, state: dict[str, Any]) -> None:
    """Write chains of a model."""
    arrays = {"fastrbm_chains": np.array(FORMAT, np.int64)} | model_file.entries(rbm)
    output.replace_file(file, output.archive(**arrays, **{_PREFIX + name: state[name] for name in state}))


def load(file: str | PathLike[str]) -> tuple[model_file.Read, dict[str, Any]]:
    """(model, state); ValueError names the file and what is wrong with it. The state is for the chains to check."""
    with model_file.open_archive(file, "fastrbm_chains", (FORMAT,), "file of fastrbm chains", _WRITERS) as archive:
        model = model_file.read_model(archive)
        found = {name: archive.read(_PREFIX + name) for name in _ENTRIES if _PREFIX + name in archive}
    return model, {name: value if value.ndim else value.item() for name, value in found.items()}
