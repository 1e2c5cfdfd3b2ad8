"""The examples of a training: binary data, tables of categories, codes, real numbers, aligned sequences."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from .._core.frames import CodedTable, nan_where_missing
from .._core.reading import shown
from ..datasets.alignments import guessed_alphabet
from ..datasets.alphabets import ALPHABETS, Alphabet
from ..datasets.categories import load_categories, read_codes
from ..datasets.csv import NotNumbers, is_word
from ..datasets.files import map_rows
from ..datasets.scales import NoScale, binarize
from ..datasets.similarity import sequence_weights
from ..datasets.table import Table
from ..states.missing import known_parts
from ..units.categorical import Categorical
from ..units.gaussian import Gaussian
from ..units.layer import TYPES, counted, layer, of_table, reader
from ..units.unit import Unit
from .data import of_binary, refuse_both_weights
from .form import Form, Training
from .labels import METHODS as LABEL_METHODS
from .labels import codes_of, joined, place, read_labels, words_apart
from .labels import is_file as labels_are_file
from .reading import (
    is_alignment,
    is_csv,
    line_of,
    numbers_of,
    read_sequences,
    refuse_absent,
    refuse_options_of_sequences,
)
from .words import CommandError

_LOOK = 256  # examples on disk that are looked at beforehand
_NAMED = 8  # columns that a message names
_OTHER_UNITS = (
    "of codes of categories, train with --visible categorical, of real numbers with --visible gaussian, of both with "
    "--real"
)
_MISSING = "train with --missing latent, or leave out its row or column"


def training_data(options: argparse.Namespace) -> Training:
    """The examples that a model is to be made for."""
    labels = options.labels
    if labels is None:
        return _training_data(options)
    what = f"--labels {labels}"
    if labels_are_file(labels):
        return joined(_training_data(options), read_labels(labels), None, None, what)
    if is_alignment(options.data):
        raise CommandError(f"{what}: of sequences, labels are in a file of their own, one a row")
    if options.missing is None and not options.real and (apart := _label_apart(options)) is not None:
        return apart
    training = _training_data(options)
    names, n = training.form.names, training.examples.shape[1]
    return training._replace(label=place(labels, names, n))


def _label_apart(options: argparse.Namespace) -> Training | None:
    """Of a table of numbers, whose other columns are what they would be without the label; None of another table."""
    name, visible = options.data, options.visible
    if is_csv(name) and visible == Categorical.name and options.states is None:
        return None
    what, known = f"--labels {options.labels}", None
    try:
        table = numbers_of(name, options)
        at = place(options.labels, table.names, table.array.shape[1])
        title = table.names[at] if table.names else None
        rest, column = table.without(at)
    except ValueError as error:
        if isinstance(error, CommandError) or not is_csv(name) or options.no_header:
            raise
        try:
            rest, column, at, title, known = words_apart(name, options.labels, options.drop)
        except ValueError:
            return None  # of text
    if rest.array.shape[1] == 0:
        raise CommandError(f"{what}: {name} has no other column")
    try:
        if visible is not None and TYPES[visible].real:
            training = _reals(rest, name, options)
        elif visible == Categorical.name or options.states is not None:
            training = _of_codes(rest, name, options)
        else:
            training = Training(*of_binary(rest, name, options, reader(visible or "bernoulli", "--visible"),
                                           options.json, options.dynamic_binarization))  # fmt: skip
    except ValueError:
        if is_csv(name) and visible is None:
            return None  # of categories that are written as numbers
        raise
    return joined(training, codes_of(column, what), at, title, what, known)


def _training_data(options: argparse.Namespace) -> Training:
    """The same, but for labels."""
    name = options.data
    if is_alignment(name):
        return _sequences(name, options)
    if options.on_disk:
        return _on_disk(options)
    visible = options.visible
    if visible is not None and TYPES[visible].real:
        return _of_reals(name, options)
    coded, missing = visible == Categorical.name or options.states is not None, options.missing is not None
    if is_csv(name) and options.states is None and (coded or visible is None and (missing or options.real)):
        refuse_absent(name, options)
        header = not options.no_header
        try:
            return _of_table(_load_categories(name, options, header), name, header, missing, options.labels)
        except (ValueError, TypeError) as error:
            raise _by_option(error) from None
    if missing:
        return _with_missing(name, options)
    if coded:
        return _of_codes(numbers_of(name, options), name, options)
    binary = options.threshold is not None or options.scale is not None or options.dynamic_binarization
    unit = reader(visible or "bernoulli", "--visible")
    if visible is None and not binary and is_csv(name) and os.path.lexists(name):
        return _of_csv(name, options, unit)
    table = numbers_of(name, options)
    try:
        return Training(*of_binary(table, name, options, unit, options.json, options.dynamic_binarization))
    except NoScale as error:
        if visible is not None or binary:
            raise
        raise CommandError(f"{error}; or, {_OTHER_UNITS}") from None


def refuse_senseless(options: argparse.Namespace) -> None:
    """Options that make no sense with data of this kind are mistakes."""
    name = options.data
    coded = "--visible categorical" if options.visible == Categorical.name else "--states"
    where = f"sequences ({name})" if is_alignment(name) else coded
    if is_alignment(name) or options.visible == Categorical.name or options.states is not None:
        for option, given in (
            ("--threshold", options.threshold is not None), ("--scale", options.scale is not None),
            ("--dynamic-binarization", options.dynamic_binarization),
        ):  # fmt: skip
            if given:
                raise CommandError(f"{option} is for real values, and does nothing with {where}")
    if options.method in LABEL_METHODS and options.labels is None:
        raise CommandError(
            f"--method {options.method} needs --labels: the column that is the label, or a file of labels"
        )
    if options.alpha is not None and options.method != "hybrid":
        raise CommandError("--alpha is of --method hybrid; a learning rate is --learning-rate")
    if options.on_disk and options.labels is not None:
        raise CommandError("--labels does nothing with --on-disk")
    if options.report and options.method == "discriminative":
        raise CommandError("--report is about samples and likelihoods, which --method discriminative does not learn")
    if options.fixed_variance and options.visible != Gaussian.name and not (is_csv(name) and options.visible is None):
        raise CommandError("--fixed-variance is for --visible gaussian")
    if options.real and (not is_csv(name) or options.visible is not None or options.states is not None):
        raise CommandError("--real is for a .csv whose other columns are categories, without --visible and --states")
    if options.visible is not None and TYPES[options.visible].real:
        for option, given in (
            ("--threshold", options.threshold is not None), ("--scale", options.scale is not None),
            ("--dynamic-binarization", options.dynamic_binarization),
        ):  # fmt: skip
            if given:
                raise CommandError(f"{option} is for units of two values, and does nothing with --visible "
                                   f"{options.visible}")  # fmt: skip
        if options.missing == "absent":
            raise CommandError(f"--missing absent is for categorical sites: with --visible {options.visible}, latent")
        if options.score == "pseudo-likelihood":
            raise CommandError(
                f"--score pseudo-likelihood has no closed form with --visible {options.visible}: log-likelihood has"
            )
    if options.states is not None and options.visible not in (None, Categorical.name):
        raise CommandError(f"--states is the number of categories, and does nothing with --visible {options.visible}")
    for option, given in (
        ("--threshold", options.threshold), ("--dynamic-binarization", options.dynamic_binarization or None),
        ("--on-disk", options.on_disk or None),
    ):  # fmt: skip
        if options.missing and given is not None:
            raise CommandError(f"{option} does nothing with --missing")
    if options.missing == "absent" and options.method != "cd":
        raise CommandError("--missing absent needs --method cd, whose chains start at the data")
    if not is_alignment(name):
        refuse_options_of_sequences(name, options)
        if options.no_header and (not is_csv(name) or options.states is not None):
            raise CommandError("--no-header is for a .csv of categories, without --states")
        return
    if options.visible not in (None, Categorical.name):
        raise CommandError(f"{name} holds sequences, whose units are categorical: leave out --visible")
    for option, given in (
        ("--states", options.states), ("--on-disk", options.on_disk), ("--key", options.key),
        ("--no-header", options.no_header), ("--missing", options.missing), ("--drop", options.drop),
    ):  # fmt: skip
        if given:
            raise CommandError(f"{option} does nothing with sequences ({name})")
    refuse_both_weights(options)


def _sequences(name: str, options: argparse.Namespace) -> Training:
    refuse_absent(name, options)
    given = options.alphabet
    alphabet = Alphabet(guessed_alphabet(name) if given is None else given)
    codes = read_sequences(name, alphabet, options)
    n, n_sites = codes.shape
    form = Form(Categorical(n_sites, alphabet.n_states), None, (tuple(alphabet.letters),) * n_sites)
    word = next((word for word, letters in ALPHABETS.items() if letters == alphabet.letters), "")
    words = f"{n_sites:,} sites of {alphabet.n_states} letters, {f'{word} ' if word else ''}{alphabet.letters}"
    words += " (guessed; --alphabet)" if given is None else ""
    weights = None
    if options.sequence_weights is not None:
        weights = sequence_weights(codes, threshold=options.sequence_weights)
        words += f"; effective number of sequences {weights.sum():,.1f}"
    return Training(codes, form, words, weights)


def _on_disk(options: argparse.Namespace) -> Training:
    name = options.data
    if not name.endswith(".npy"):
        raise CommandError(
            f"--on-disk needs a .npy file, got {name}: leave out --on-disk, or convert it first "
            "(datasets.load and numpy.save)"
        )
    X = map_rows(name)
    if options.visible is not None and TYPES[options.visible].real:
        return Training(X, Form(TYPES[options.visible](X.shape[1])))
    if options.visible == Categorical.name or options.states is not None:
        unit = _codes_unit(X, name, options)
        return Training(X, Form(unit), _count_words(unit))
    _refuse_real_values(X, name)
    return Training(X, Form(reader(options.visible or "bernoulli", "--visible")))


def _refuse_real_values(X: np.ndarray, name: str) -> None:
    """Tell now, not when a batch is read, that examples on disk are not of 0 and 1."""
    some = X[np.linspace(0, len(X) - 1, min(len(X), _LOOK)).astype(np.intp)]
    if some.dtype.kind in "iuf" and some.max() > 1:
        middle = binarize(some, None, name)[1]
        raise CommandError(
            f"{name} holds real values, up to {some.max():g}; with --on-disk it must hold 0 and 1, or fractions from 0 "
            f"to 1: save numpy.load({Path(name).name!r}) >= {middle:g} with numpy.save, or leave out --on-disk"
        )


def _of_csv(name: str, options: argparse.Namespace, unit: Unit) -> Training:
    """A .csv: of 0 and 1, or of real values of a known scale, if it is that, else of categories."""
    header = not options.no_header
    try:
        numbers = numbers_of(name, options)
        header = numbers.names is not None
        return Training(*of_binary(numbers, name, options, unit, options.json))
    except ValueError as error:
        plain = error
    try:
        table = _load_categories(name, options, header)
    except (ValueError, TypeError) as error:
        if isinstance(plain, NoScale):
            raise CommandError(f"{plain}; or, {_OTHER_UNITS}") from None
        raise (_by_option(error) if isinstance(plain, NotNumbers) else plain) from None
    labels = {label for known in table.categories for label in known or () if isinstance(label, str)}
    if not isinstance(plain, (NoScale, NotNumbers)) and not any(map(is_word, labels)):
        raise plain  # numbers that something is wrong with
    return _of_table(table, name, header, False, options.labels)


def _load_categories(name: str, options: argparse.Namespace, header: bool) -> CodedTable:
    """The table of a .csv: with --visible categorical, no column is real; else those of --real are, or those that look
    so beside text."""
    real = False if options.visible == Categorical.name else options.real or None
    return load_categories(name, header=header, max_levels=options.max_levels, drop=options.drop, real=real)


def _by_option(error: Exception) -> CommandError:
    """An error of load_categories, with options in place of its arguments."""
    said = str(error).replace("header=False", "--no-header").replace("raise max_levels", "raise --max-levels")
    said = said.replace("visible='gaussian'", "--visible gaussian").replace("real has", "--real names")
    return CommandError(re.sub(r"\b([Ll])eave it out", r"\1eave it out (--drop)", said))


def _of_table(table: CodedTable, name: str, header: bool, missing: bool, labels: str | None) -> Training:
    unit, codes, names, categories = of_table(table)
    names = names if header else None
    if not missing:
        needed = codes
        if labels is not None and not labels_are_file(labels):  # examples need not have one
            needed = codes.copy()
            needed[:, place(labels, names, codes.shape[1])] = 0
        _refuse_missing(needed, name, names, header)
    form = Form(unit, names, categories)
    named = [(shown(title, 30), len(known or ())) for title, known in zip(form.titles, categories, strict=True)]
    sites = [f"{title} {n}" for title, n in named if n not in (0, 2)]
    binary = [title for title, n in named if n == 2]
    real = [title for title, n in named if n == 0]
    parts = [f"categories: {_some(sites)}"] if sites else []
    parts += [f"two values: {_some(binary)}"] if binary else []
    parts += [f"real numbers, standardized: {_some(real)}"] if real else []
    if missing:
        parts.append(f"{_gaps(codes).mean():.1%} of the entries are missing")
    return Training(nan_where_missing(codes), form, "; ".join(parts))


def _some(words: list[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _refuse_missing(codes: np.ndarray, name: str, names: tuple[str, ...] | None, header: bool) -> None:
    """Raise where codes of a table of text are missing."""
    gaps = _gaps(codes)
    if bool(gaps.any()):
        row, column = (int(k) for k in np.unravel_index(int(np.argmax(gaps)), codes.shape))
        title = f" ('{shown(names[column], 40)}')" if names else ""
        n = int(gaps.any(axis=1).sum())
        raise CommandError(
            f"{name}, {line_of(name, row, header)}, column {column + 1}{title}: the value is missing, as in "
            f"{n:,} of {len(codes):,} rows: {_MISSING}"
        )


def _gaps(codes: np.ndarray) -> np.ndarray:
    """Where codes of a table of text, some of whose columns may be real numbers, are missing."""
    return np.isnan(codes) if codes.dtype.kind == "f" else codes < 0


def _of_codes(table: Table, name: str, options: argparse.Namespace) -> Training:
    """An array of codes."""
    codes = table.array
    names = None if table.names is None else tuple(table.names)
    unit = _codes_unit(codes, name, options)
    parts = unit.parts(codes, False)
    if parts is None:
        raise CommandError(unit.complaint(codes, name, False, None))
    return Training(parts, Form(unit, names), _count_words(unit))


def _with_missing(name: str, options: argparse.Namespace) -> Training:
    """An array of codes, bits or spins, in which NaN is missing."""
    table = _with_gaps(name, options) if is_csv(name) else numbers_of(name, options)
    X, names = table.array, None if table.names is None else tuple(table.names)
    if options.visible == Categorical.name or options.states is not None:
        unit: Unit = _codes_unit(X, name, options)
        return Training(X, Form(unit, names), _count_words(unit))
    unit = layer(options.visible or "bernoulli", X.shape[1], "--visible")
    try:
        known_parts(X, unit, name)
    except ValueError as error:
        raise CommandError(f"{error}: {_OTHER_UNITS}") from None
    return Training(X, Form(unit, names))


def _with_gaps(name: str, options: argparse.Namespace) -> Table:
    """The numbers of a .csv in which some are missing, but not all of a column."""
    refuse_absent(name, options)
    table = read_codes(name, drop=options.drop)
    empty = np.isnan(table.array).all(axis=0)
    if empty.any():
        raise CommandError(f"{table.column(name, int(empty.argmax()))} has no values at all: leave it out (--drop)")
    return table


def _of_reals(name: str, options: argparse.Namespace) -> Training:
    """Real numbers as they are, in which NaN is missing."""
    table = _with_gaps(name, options) if options.missing and is_csv(name) else numbers_of(name, options)
    return _reals(table, name, options)


def _reals(table: Table, name: str, options: argparse.Namespace) -> Training:
    good = np.isfinite(table.array) | (np.isnan(table.array) & (options.missing is not None))
    if not bool(good.all()):
        row, column = np.argwhere(~good)[0].tolist()
        raise CommandError(f"{table.cell(name, row, column)}: the value is missing or infinite: {_MISSING}")
    names = None if table.names is None else tuple(table.names)
    kind = TYPES[options.visible]
    how = "standardized" if kind is Gaussian else "as they are"
    return Training(table.array, Form(kind(table.array.shape[1]), names), f"columns of real numbers, {how}")


def _codes_unit(codes: np.ndarray, name: str, options: argparse.Namespace) -> Categorical:
    if options.states is not None:
        return Categorical(codes.shape[1], options.states)
    try:
        return counted(Categorical.name, codes)
    except ValueError as error:
        raise CommandError(str(error).replace("X must hold", f"{name} must hold", 1)) from None


def _count_words(unit: Any) -> str:
    return f"codes of {unit.n_states} categories"
