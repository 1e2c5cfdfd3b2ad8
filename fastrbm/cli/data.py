"""The examples of a command on a model, in the form that the model has."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox, validate
from ..datasets.categories import load_codes
from ..datasets.files import read_column
from ..datasets.scales import binarize, scaled
from ..datasets.similarity import sequence_weights
from ..datasets.table import Table
from ..states.bits import BitMatrix
from ..states.drawn import drawn_parts
from ..states.fractions import Fractions
from ..units.unit import Unit
from .form import Form
from .reading import is_alignment, is_csv, numbers_of, read_sequences, refuse_absent, refuse_options_of_sequences
from .words import CommandError, say

if TYPE_CHECKING:
    from ..rbm import RBM


def data_for(rbm: RBM, name: str, options: argparse.Namespace, quiet: bool = False) -> np.ndarray:
    """The examples of a bundled set or a file, to compare a model with: of as many columns as it has; states drawn from
    real values, where it was trained on such, and there is no threshold."""
    draw = (rbm.training_record or {}).get("dynamic_binarization") is True and options.threshold is None
    return data_of(name, options, Form.of(rbm), quiet, draw)


def data_of(name: str, options: argparse.Namespace, form: Form, quiet: bool = False, draw: bool = False) -> np.ndarray:
    """The examples of a bundled set or a file, as a model of this form takes them. draw: states from real values."""
    data, unit = _data_of(name, options, form, quiet, draw), form.unit
    if data.shape[1] not in (unit.n_columns, unit.n):
        raise CommandError(_other_width(data, unit, name))
    return data


def _other_width(array: np.ndarray, unit: Unit, name: str) -> str:
    turned = f"; it has {len(array)} rows: are its examples in columns?" if len(array) == unit.n_columns else ""
    return f"{name} has {array.shape[1]} columns where the model has {unit.n_columns}{turned}"


def drawn_of(X: np.ndarray, unit: Unit, seed: int) -> np.ndarray:
    """Values of a layer, those of units of two values drawn from numbers between them."""
    parts = unit.parts(X, True) if unit.layout is None else Fractions.read(X, unit, "X")
    if isinstance(parts, BitMatrix):
        return X
    assert parts is not None  # they are checked
    return unit.values(drawn_parts(parts, unit, seed, philox.COMPARED_STATES))


def _data_of(name: str, options: argparse.Namespace, form: Form, quiet: bool, draw: bool) -> np.ndarray:
    if is_alignment(name):
        refuse_absent(name, options)
        alphabet = form.alphabet
        if alphabet is None:
            raise CommandError(
                f"{name} holds sequences, and the model's columns are no letters of one alphabet: make it by fastrbm "
                "train, or by RBM.from_data with categories=[alphabet.letters] * sites"
            )
        return read_sequences(name, alphabet, options)
    refuse_options_of_sequences(name, options)
    if is_csv(name) and (form.categories is not None or options.drop and form.names is not None):
        refuse_absent(name, options)
        codes = load_codes(name, form.names, form.categories, drop=options.drop)
        return codes if form.unit.real or bool(np.isnan(codes).any()) else codes.astype(np.int16)
    table = numbers_of(name, options)
    if not form.coded:
        examples, own = of_binary(table, name, options, form.unit, quiet, draw)
        validate.check_names(own.names, form.names, name, file=True)
        if draw and examples.dtype.kind == "f" and not quiet:
            say("states are drawn from these real values")
        return drawn_of(examples, form.unit, options.seed) if draw else examples
    if options.threshold is not None:
        what = "takes them as they are" if form.unit.real else "has categories"
        raise CommandError(f"--threshold is for real values; the model {what}")
    validate.check_names(None if table.names is None else tuple(table.names), form.names, name, file=True)
    _check_codes(table.array, form.unit, name)
    return table.array


def of_binary(
    table: Table, name: str, options: argparse.Namespace, unit: Unit, quiet: bool, dynamic_binarization: bool = False
) -> tuple[np.ndarray, Form]:
    """Values of units of two values, and their form; with dynamic_binarization, numbers between them."""
    scale, names = getattr(options, "scale", None), None if table.names is None else tuple(table.names)
    form = Form(unit, names)
    if unit.off and (parts := unit.parts(table.array, dynamic_binarization)) is not None:
        return unit.values(parts), form
    if dynamic_binarization:
        fractions, top = scaled(table, name, scale)
        if top != 1.0 and not quiet:
            say(f"real-valued data: fractions of {top:g}")
        return unit.values(fractions), form
    threshold = scale / 2 if options.threshold is None and scale is not None else options.threshold
    X, threshold = binarize(table, threshold, name)
    if threshold is not None and not quiet:
        say(f"real-valued data: a unit is 1 from {threshold:g} up ({X.mean():.1%} of them)")
    return unit.values(X), form


def weights_of(options: argparse.Namespace, X: np.ndarray) -> np.ndarray | None:
    """The weights of the examples of a model's data, if the options ask for any."""
    refuse_both_weights(options)
    if options.sample_weight:
        return read_column(options.sample_weight)
    return None if options.sequence_weights is None else sequence_weights(X, threshold=options.sequence_weights)


def refuse_both_weights(options: argparse.Namespace) -> None:
    if options.sequence_weights is not None and options.sample_weight:
        raise CommandError("give --sample-weight or --sequence-weights, not both")


def _check_codes(array: np.ndarray, unit: Unit, name: str) -> None:
    if array.shape[1] not in (unit.n_columns, unit.n):
        raise CommandError(_other_width(array, unit, name))
    if unit.parts(array, False) is None:
        raise CommandError(unit.complaint(array, name, False, None))
