"""Model files: .npz archives with a format number, read without pickle, written whole or not at all."""

from __future__ import annotations

import json
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import output, record, validate
from .archive import Archive
from .layout import REAL_UNITS
from .reading import refusing

if TYPE_CHECKING:
    from ..rbm import RBM

FORMAT = 2
_FORMATS = (1, 2)  # that are read; the first one was of units of 0 and 1 alone
_WRITERS = "RBM.save and 'fastrbm train' write them"
_NAMES = ("weights", "visible_bias", "hidden_bias")
_VISIBLE_NAMES = "visible_names"
_CATEGORIES = "visible_categories"  # JSON: a list of labels for each column, or null of one of real numbers
_UNITS = ("visible_units", "hidden_units")  # JSON: [{"type": "spin", "n": 64}], a list of segments
_RECORD = "training_record"  # JSON: an object


def save(path: str | PathLike[str], rbm: RBM) -> None:
    """Write a model."""
    output.replace_file(path, output.archive(**entries(rbm)))


def entries(rbm: RBM) -> dict[str, np.ndarray]:
    """What the file of a model holds: the format, the parameters, the units, the names of visible ones that have any,
    and the record of the training, where there was one."""
    arrays = {"fastrbm_format": np.array(FORMAT, np.int64)} | {name: getattr(rbm, name) for name in _NAMES}
    for name, unit in zip(_UNITS, (rbm.visible, rbm.hidden), strict=True):
        arrays[name] = np.array(json.dumps([segment.describe() for segment in unit.segments]), np.str_)
    if rbm.visible_names is not None:
        arrays[_VISIBLE_NAMES] = np.array(rbm.visible_names, np.str_)
    if rbm.visible_categories is not None:
        arrays[_CATEGORIES] = np.array(json.dumps(rbm.visible_categories), np.str_)
    if rbm._record is not None:
        arrays[_RECORD] = np.array(rbm._record, np.str_)
    return arrays


class Read(NamedTuple):
    """What the file of a model holds: the three arrays; the segments of either layer, what each says of itself; the
    names of the data's columns or None; the labels of their categories or None; the text of the training's record or
    None."""

    parameters: tuple[np.ndarray, np.ndarray, np.ndarray]
    segments: list[list[dict[str, Any]]]
    names: tuple[str, ...] | None
    categories: tuple[tuple[Any, ...] | None, ...] | None
    record: str | None


def load(path: str | PathLike[str]) -> Read:
    """Read a model; ValueError names the file and what is wrong with it."""
    with open_archive(path, "fastrbm_format", _FORMATS, "fastrbm model", _WRITERS) as archive:
        return read_model(archive)


def read_model(archive: Archive) -> Read:
    """The model of an open file that has one."""
    parameters = read_parameters(archive)
    segments = [_read_segments(archive, name, n) for name, n in zip(_UNITS, parameters[0].shape, strict=True)]
    sizes = _states_of_columns(segments[0])
    names, categories = _read_names(archive, len(sizes)), _read_categories(archive, sizes)
    return Read(parameters, segments, names, categories, _read_record(archive))


def _read_segments(archive: Archive, name: str, n: int) -> list[dict[str, Any]]:
    if name not in archive:
        return [{"type": "bernoulli", "n": n}]
    found, wrong = archive.read(name), f"is damaged: {name} must describe {n} units"
    if found.dtype.kind != "U" or found.shape != ():
        raise ValueError(f"{archive.path} {wrong}")
    with refusing(archive.path, wrong):
        segments = [dict(segment) for segment in json.loads(str(found))]
        pairs = [(segment["type"], segment["n"]) for segment in segments]
    counts = [(size, n) for _, size in pairs]
    # a site has one unit or more; else a short file could ask for any number of columns
    counts += [(segment["n_sites"], segment["n"]) for segment in segments if "n_sites" in segment]
    if not all(isinstance(kind, str) for kind, _ in pairs):
        raise ValueError(f"{archive.path} {wrong}")
    if not all(type(k) is int and type(most) is int and 0 < k <= most for k, most in counts):
        raise ValueError(f"{archive.path} {wrong}")
    if not pairs or sum(size for _, size in pairs) != n:
        raise ValueError(f"{archive.path} {wrong}")
    return segments


def _states_of_columns(segments: list[dict[str, Any]]) -> list[int]:
    """How many states each column of the data has; 0 where it holds real values."""
    sizes: list[int] = []
    for segment in segments:
        of_type = 0 if segment["type"] in REAL_UNITS else 2
        states, n_sites = segment.get("n_states", of_type), segment.get("n_sites", segment["n"])
        sizes += states if isinstance(states, list) else [states] * n_sites
    return sizes


def _read_categories(archive: Archive, sizes: list[int]) -> tuple[tuple[Any, ...] | None, ...] | None:
    if _CATEGORIES not in archive:
        return None
    found, wrong = archive.read(_CATEGORIES), f"is damaged: {_CATEGORIES} must be the labels of {len(sizes)} columns"
    if found.dtype.kind != "U" or found.shape != ():
        raise ValueError(f"{archive.path} {wrong}")
    with refusing(archive.path, wrong):
        labels = tuple(tuple(column or ()) for column in json.loads(str(found)))
        good = [len(set(column)) for column in labels] == sizes == [len(column) for column in labels]
    if not good or not all(isinstance(label, (str, int, float)) for column in labels for label in column):
        raise ValueError(f"{archive.path} {wrong}")
    return tuple(column or None for column in labels)


def _read_names(archive: Archive, n_columns: int) -> tuple[str, ...] | None:
    if _VISIBLE_NAMES not in archive:
        return None
    names = archive.read(_VISIBLE_NAMES)
    if names.dtype.kind != "U" or names.shape != (n_columns,):
        raise ValueError(f"{archive.path} is damaged: {_VISIBLE_NAMES} must be {n_columns} names")
    return tuple(names.tolist())


def _read_record(archive: Archive) -> str | None:
    if _RECORD not in archive:
        return None
    found, wrong = archive.read(_RECORD, 4 * record.LONGEST), f"is damaged: {_RECORD} must be a JSON object"
    if found.dtype.kind != "U" or found.shape != ():
        raise ValueError(f"{archive.path} {wrong}")
    with refusing(archive.path, wrong):
        return record.checked(str(found))


def read_parameters(archive: Archive) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights and biases of a model or a checkpoint."""
    weights, visible_bias, hidden_bias = (_read_numbers(archive, name) for name in _NAMES)
    weights = validate.parameter(weights, f"weights in {archive.path}", (None, None))
    visible_bias = validate.parameter(visible_bias, f"visible_bias in {archive.path}", (weights.shape[0],))
    hidden_bias = validate.parameter(hidden_bias, f"hidden_bias in {archive.path}", (weights.shape[1],))
    return weights, visible_bias, hidden_bias


def _read_numbers(archive: Archive, name: str) -> np.ndarray:
    array = archive.read(name)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{archive.path} is damaged: {name} must hold numbers, not {array.dtype}")
    return array


def open_archive(path: str | PathLike[str], key: str, versions: tuple[int, ...], kind: str, writers: str) -> Archive:
    """An .npz file whose entry ``key`` holds one of these versions; ValueError names the file and what is wrong."""
    foreign = f"is not a {kind} ({writers})"
    archive = Archive(path, foreign, f"is damaged or not a {kind}")
    try:
        if key not in archive:
            raise ValueError(f"{path} {foreign}")
        found = archive.read(key)
        if found.shape != () or found.dtype.kind not in "iu":
            raise ValueError(f"{path} is damaged or not a {kind} ({key} is not one whole number)")
        if found not in versions:
            cure = "upgrade fastrbm" if found > versions[-1] else "it is of an older fastrbm"
            read = " and ".join(map(str, versions))
            raise ValueError(f"{path} has {kind} format {found}; this version reads format {read}: {cure}")
    except BaseException:
        archive.close()
        raise
    return archive
