"""--validation: examples to measure on, from a file, or a part of the training data that is held out."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

import numpy as np

from .._core import philox
from ..states.bits import places
from .data import data_of
from .form import Form, Training
from .words import CommandError


def held_out_part(options: argparse.Namespace) -> float | None:
    """The part of the data that is to be held out; None where --validation is a file, or is not there."""
    name = options.validation
    if name is None or os.path.lexists(name):
        return None
    with suppress(ValueError):
        part = float(name)
        if not 0.0 < part < 1.0:
            raise CommandError(
                f"--validation {name}: the part of the examples to hold out must be above 0 and below 1, such as 0.2 "
                "(and there is no such file)"
            )
        if options.on_disk:
            raise CommandError(
                f"--validation {name} would read all of the examples that --on-disk leaves on the disk: give a file"
            )
        return part
    return None


def split(training: Training, part: float, seed: int) -> tuple[Training, np.ndarray, np.ndarray]:
    """(what is trained on, which rows it is, the examples that are held out), by the seed."""
    n = len(training.examples)
    count = round(part * n)
    if not 0 < count < n:
        raise CommandError(f"--validation {part:g} of {n:,} examples is {count:,}, and must leave some on both sides")
    order = philox.permutation(n, seed, philox.HELD_OUT, 0)
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    words = f"{count:,} of {n:,} examples are held out for validation, chosen by --seed {seed}"
    said = "\n".join(filter(None, (training.words, words)))
    weights = None if training.weights is None else training.weights[kept]
    rest = training._replace(examples=training.examples[kept], weights=weights, words=said)
    return rest, kept, training.examples[held]


def validation_of(options: argparse.Namespace, form: Form, held: np.ndarray | None) -> dict[str, np.ndarray]:
    """What fit is given."""
    if options.validation is None:
        return {}
    if held is None:
        return {"validation": data_of(options.validation, options, form, options.json)}
    if options.missing != "absent" and held.dtype.kind == "f" and bool(np.isnan(held).any()):
        raise CommandError(
            f"--validation {options.validation} would hold out examples with missing entries: give a file of complete "
            "ones"
        )
    if options.dynamic_binarization:
        held = held.copy()
        for segment, _, columns in places(form.unit):
            if segment.layout is None:
                held[:, columns] = segment.off + segment.step * (held[:, columns] >= segment.off + 0.5 * segment.step)
    return {"validation": held}


def names_of(options: argparse.Namespace, held: np.ndarray | None) -> dict[str, str]:
    """What the record of the training calls its data."""
    name = os.path.basename(options.data)
    names = {"data_name": name}
    if options.validation is not None:
        given = os.path.basename(options.validation)
        names["validation_name"] = given if held is None else f"{options.validation} of {name}, held out"
    return names
