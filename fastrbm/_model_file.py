"""Model files: .npz archives with a format number, read without pickle, written whole or not at all."""

from __future__ import annotations

import os
import zipfile
import zlib
from contextlib import suppress
from os import PathLike
from pathlib import Path

import numpy as np

from . import _validate

FORMAT = 1
_WRITERS = "RBM.save and 'fastrbm train' write them"
_NAMES = ("weights", "visible_bias", "hidden_bias")


def replace_file(path: str | PathLike, write) -> None:
    """Let write(file) fill a temporary file beside path, then rename it: readers see the old file or the new one."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error  # name the file that was asked for
        raise


def save(path: str | PathLike, weights, visible_bias, hidden_bias) -> None:
    """Write the three arrays of a model."""
    arrays = dict(zip(_NAMES, (weights, visible_bias, hidden_bias), strict=True))
    replace_file(path, lambda file: np.savez(file, fastrbm_format=np.int64(FORMAT), **arrays))


def load(path: str | PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the three arrays of a model; ValueError names the file and what is wrong with it."""
    with open(path, "rb") as file:
        if file.read(2) != b"PK":  # every .npz is a zip archive
            raise ValueError(f"{path} is not a fastrbm model ({_WRITERS})")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "fastrbm_format" not in archive:
                raise ValueError(f"{path} is not a fastrbm model ({_WRITERS})")
            version = int(archive["fastrbm_format"])
            if version != FORMAT:
                raise ValueError(
                    f"{path} has model format {version}; this version reads format {FORMAT}: upgrade fastrbm"
                )
            arrays = [archive[name] for name in _NAMES]
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise ValueError(f"{path} is damaged or not a fastrbm model ({error})") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is damaged or not a fastrbm model ({error})") from error
    weights = _validate.parameter(arrays[0], f"weights in {path}", (None, None))
    visible_bias = _validate.parameter(arrays[1], f"visible_bias in {path}", (weights.shape[0],))
    hidden_bias = _validate.parameter(arrays[2], f"hidden_bias in {path}", (weights.shape[1],))
    return weights, visible_bias, hidden_bias
