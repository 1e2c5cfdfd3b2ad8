"""Files of paths: an .npz archive of the model of interest, as model files have it, and of what leads to it."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import model_file, output, validate

if TYPE_CHECKING:
    from ..sampling.path import Path
    from .archive import Archive

FORMAT = 2
_FORMATS = (1, 2)  # that are read; in the first one all models had one gamma
_WRITERS = "Path.save and 'fastrbm train --trajectory' write them"
_PARAMETERS = ("weights", "visible_bias", "hidden_bias")


class Read(NamedTuple):
    """The model of interest, the parameters of those before it, the points, and the bias of the base-rate model."""

    model: model_file.Read
    before: list[tuple[np.ndarray, ...]]
    own: np.ndarray | None  # what else is trained of the hidden units, of each of those before, float32 (n, K, H)
    gammas: np.ndarray | None  # of the visible units, likewise, float32 (n, V)
    points: np.ndarray
    base_bias: np.ndarray


def save(file: str | PathLike[str], path: Path) -> None:
    """Write a path."""
    *before, last = path.models
    arrays = {"fastrbm_path": np.array(FORMAT, np.int64), "path_points": path.points, "path_base_bias": path.base_bias}
    for name in _PARAMETERS:
        values = [getattr(each, name) for each in before]
        arrays[f"path_{name}"] = np.array(values, np.float32).reshape(len(before), *getattr(last, name).shape)
    if last.hidden.own is not None:
        own = [each.hidden.own for each in before]
        arrays["path_own"] = np.array(own, np.float32).reshape(len(before), *last.hidden.own.shape)
    if last.visible.gammas is not None:
        gammas = [each.visible.gammas for each in before]
        arrays["path_gammas"] = np.array(gammas, np.float32).reshape(len(before), last.n_visible)
    output.replace_file(file, output.archive(**arrays, **model_file.entries(last)))


def load(file: str | PathLike[str]) -> Read:
    """Read a path; ValueError names the file and what is wrong with it. Points are for the path to check."""
    with model_file.open_archive(file, "fastrbm_path", _FORMATS, "fastrbm path", _WRITERS) as archive:
        model = model_file.read_model(archive)
        stacks = []
        for name, last in zip(_PARAMETERS, model.parameters, strict=True):
            stacks.append(_numbers(archive, f"path_{name}", last.ndim + 1))
        if any(stack.shape[0] != stacks[0].shape[0] for stack in stacks):
            raise ValueError(f"{file} is damaged: its models have not as many weights as biases")
        before = [
            tuple(
                validate.parameter(values, f"path_{name}[{k}] in {file}", last.shape)
                for name, values, last in zip(_PARAMETERS, each, model.parameters, strict=True)
            )
            for k, each in enumerate(zip(*stacks, strict=True))
        ]
        bias = _numbers(archive, "path_base_bias", 1)
        bias = validate.parameter(bias, f"path_base_bias in {file}", model.parameters[1].shape)
        own, gammas = (
            _numbers(archive, name, n).astype(np.float32) if name in archive else None
            for name, n in (("path_own", 3), ("path_gammas", 2))
        )
        if own is not None and (len(own) != len(before) or own.shape[2] != model.parameters[2].size):
            raise ValueError(f"{file} is damaged: path_own must be of {len(before)} models")
        if gammas is not None and gammas.shape != (len(before), model.parameters[1].size):
            raise ValueError(f"{file} is damaged: path_gammas must be of {len(before)} models")
        return Read(model, before, own, gammas, _numbers(archive, "path_points", 1), bias)


def _numbers(archive: Archive, name: str, n_dimensions: int) -> np.ndarray:
    array = archive.read(name)
    if array.dtype.kind not in "iuf" or array.ndim != n_dimensions:
        raise ValueError(f"{archive.path} is damaged: {name} must hold numbers in {n_dimensions} dimensions")
    return array
