"""Model files: .npz archives with a format number, read without pickle, written whole or not at all."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from os import PathLike

import numpy as np

from . import _output, _validate

FORMAT = 1
_WRITERS = "RBM.save and 'fastrbm train' write them"
_NAMES = ("weights", "visible_bias", "hidden_bias")


def save(path: str | PathLike[str], weights: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray) -> None:
    """Write the three arrays of a model."""
    arrays = dict(zip(_NAMES, (weights, visible_bias, hidden_bias), strict=True))
    _output.replace_file(path, _output.archive(fastrbm_format=np.int64(FORMAT), **arrays))


def load(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the three arrays of a model; ValueError names the file and what is wrong with it."""
    archive = read_archive(path, "fastrbm_format", FORMAT, "fastrbm model", _WRITERS, _NAMES)
    return checked_parameters(archive, path)


def checked_parameters(
    archive: dict[str, np.ndarray], path: str | PathLike[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights and biases of an archive that was read from path."""
    weights = _validate.parameter(archive["weights"], f"weights in {path}", (None, None))
    visible_bias = _validate.parameter(archive["visible_bias"], f"visible_bias in {path}", (weights.shape[0],))
    hidden_bias = _validate.parameter(archive["hidden_bias"], f"hidden_bias in {path}", (weights.shape[1],))
    return weights, visible_bias, hidden_bias


def read_archive(
    path: str | PathLike[str], key: str, version: int, kind: str, writers: str, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, all or those of these names, whose entry ``key`` holds this format version.

    ValueError names the file and what is wrong with it."""
    foreign = f"{path} is not a {kind} ({writers})"
    with open(path, "rb") as file:
        if file.read(2) != b"PK":  # every .npz is a zip archive
            raise ValueError(foreign)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if key not in archive:
                raise ValueError(foreign)
            found = int(archive[key])
            if found != version:
                cure = "upgrade fastrbm" if found > version else "it is of an older fastrbm"
                raise ValueError(f"{path} has {kind} format {found}; this version reads format {version}: {cure}")
            return {name: archive[name] for name in (names or archive.files)}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged or not a {kind} ({error})") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is damaged or not a {kind} ({error})") from error
