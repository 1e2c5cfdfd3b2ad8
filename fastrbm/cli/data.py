"""The examples of a command: binary data, tables of categories, codes, aligned sequences."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import validate
from .._core.frames import CodedTable, nan_where_missing, to_frame
from .._core.reading import shown
from ..datasets.alignments import ALPHABETS, Alphabet, guessed_alphabet, read_fasta, sequence_weights
from ..datasets.categories import kept_columns, load_categories, load_codes
from ..datasets.csv import NotNumbers, is_word, records, split
from ..datasets.files import map_rows, read_table
from ..datasets.scales import NoScale, binarize, scaled
from ..datasets.table import Table
from ..units.categorical import Categorical
from ..units.gaussian import Gaussian
from ..units.layer import TYPES, counted, of_table, reader
from ..units.unit import Unit
from .common import BUNDLED, beside, hint, order_of
from .words import CommandError, say

if TYPE_CHECKING:
    from ..rbm import RBM

FASTA = (".fasta", ".fa", ".afa", ".fas", ".faa", ".fna", ".a2m", ".a3m")
_LOOK = 256  # examples on disk that are looked at beforehand
_NAMED = 8  # columns that a message names
_OTHER_UNITS = "of codes of categories, train with --visible categorical, of real numbers with --visible gaussian"
_REAL = ".10g"  # how real numbers are written
_MISSING = "train with --missing latent, or leave out its row or column"


class Form(NamedTuple):
    """What the columns of the data are: their units, and the names and the categories that a model keeps."""

    unit: Unit
    names: tuple[str, ...] | None = None
    categories: tuple[tuple[Any, ...] | None, ...] | None = None

    @classmethod
    def of(cls, rbm: RBM) -> Form:
        return cls(rbm.visible, rbm.visible_names, rbm.visible_categories)

    @property
    def titles(self) -> tuple[str, ...]:
        """What the columns are called: their names, or numbers."""
        return self.names or tuple(map(str, range(self.unit.n_columns)))

    @property
    def coded(self) -> bool:
        """Whether there are categories, or segments."""
        return self.unit.layout is not None

    @property
    def alphabet(self) -> Alphabet | None:
        """The letters of aligned sequences, where those are what the data are."""
        if not isinstance(self.unit, Categorical) or not self.categories or len(set(self.categories)) > 1:
            return None
        letters = self.categories[0]
        if letters is None or not all(
            isinstance(letter, str) and len(letter) == 1 and "!" <= letter <= "~" for letter in letters
        ):
            return None
        return None if ">" in letters else Alphabet("".join(letters))


class Training(NamedTuple):
    """The examples of a training, what they are, in words too, and their weights, if they bring any."""

    examples: np.ndarray
    form: Form
    words: str = ""
    weights: np.ndarray | None = None


# ---------------------------------------------------------------- of a training


def training_data(options: argparse.Namespace) -> Training:
    """The examples that a model is to be made for."""
    name = options.data
    if is_alignment(name):
        return _sequences(name, options)
    if options.on_disk:
        return _on_disk(options)
    visible = options.visible
    if visible is not None and TYPES[visible].real:
        return _of_reals(name, options)
    coded, missing = visible == Categorical.name or options.states is not None, options.missing is not None
    if is_csv(name) and options.states is None and (coded or missing and visible is None):
        _there(name, options)
        header = not options.no_header
        try:
            return _of_table(_load_categories(name, options, header), name, header, missing)
        except (ValueError, TypeError) as error:
            raise _by_option(error) from None
    if missing:
        return _with_missing(name, options)
    if coded:
        return _of_codes(_numbers(name, options), name, options)
    binary = options.threshold is not None or options.scale is not None or options.dynamic_binarization
    unit = reader(visible or "bernoulli", "--visible")
    if visible is None and not binary and is_csv(name) and os.path.lexists(name):
        return _of_csv(name, options, unit)
    table = _numbers(name, options)
    try:
        return _of_binary(table, name, options, unit, options.json, options.dynamic_binarization)
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
    if options.fixed_variance and options.visible != Gaussian.name:
        raise CommandError("--fixed-variance is for --visible gaussian")
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
    if options.sequence_weights is not None and options.sample_weight:
        raise CommandError("give --sample-weight or --sequence-weights, not both")


def refuse_options_of_sequences(name: str, options: argparse.Namespace) -> None:
    """Raise where there are options that read sequences, and name is not of a file of them."""
    for option in ("alphabet", "sequence_weights", "unknown", "insertions"):
        if getattr(options, option, None) is not None:
            raise CommandError(
                f"--{option.replace('_', '-')} is for aligned sequences, in a file that ends in "
                f"{', '.join(FASTA[:3])} ..., not for {name}"
            )


def _sequences(name: str, options: argparse.Namespace) -> Training:
    _there(name, options)
    given = options.alphabet
    alphabet = Alphabet(guessed_alphabet(name) if given is None else given.lower() if given.lower() in ALPHABETS
                        else given)  # fmt: skip
    codes = _read_fasta(name, alphabet, options)
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


def _read_fasta(name: str, alphabet: Alphabet, options: argparse.Namespace) -> np.ndarray:
    try:
        return read_fasta(name, alphabet, options.unknown or "error", options.insertions or "error")
    except ValueError as error:
        said = str(error).replace("choose another one", "choose another one by --alphabet")
        for option in ("unknown", "insertions"):
            said = said.replace(f"by {option}='", f"by --{option} ").replace(f"{option}='", f"--{option} ")
        for value in ("gap", "drop", "match"):
            said = said.replace(f" {value}'", f" {value}")
        raise CommandError(said) from None


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
        numbers = _dropped(read_table(name, options.key), name, options)
        header = numbers.names is not None
        return _of_binary(numbers, name, options, unit, options.json)
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
    return _of_table(table, name, header, missing=False)


def _load_categories(name: str, options: argparse.Namespace, header: bool) -> CodedTable:
    return load_categories(name, header=header, max_levels=options.max_levels, drop=options.drop)


def _by_option(error: Exception) -> CommandError:
    """An error of load_categories, with options in place of its arguments."""
    said = str(error).replace("header=False", "--no-header").replace("raise max_levels", "raise --max-levels")
    said = said.replace("say visible='gaussian'", "say --visible gaussian")
    return CommandError(re.sub(r"\b([Ll])eave it out", r"\1eave it out (--drop)", said))


def _of_table(table: CodedTable, name: str, header: bool, missing: bool) -> Training:
    unit, codes, names, categories = of_table(table)
    names = names if header else None
    if not missing:
        _refuse_missing(codes, name, names, header)
    form = Form(unit, names, categories)
    named = [(shown(title, 30), len(known or ())) for title, known in zip(form.titles, categories, strict=True)]
    sites = [f"{title} {n}" for title, n in named if n != 2]
    binary = [title for title, n in named if n == 2]
    parts = [f"categories: {_some(sites)}"] if sites else []
    parts += [f"two values: {_some(binary)}"] if binary else []
    if missing:
        parts.append(f"{(codes < 0).mean():.1%} of the entries are missing")
    return Training(nan_where_missing(codes), form, "; ".join(parts))


def _some(words: list[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _refuse_missing(codes: np.ndarray, name: str, names: tuple[str, ...] | None, header: bool) -> None:
    """Raise where codes of a table of text are missing."""
    if codes.dtype.kind == "i" and bool((codes < 0).any()):
        row, column = (int(k) for k in np.unravel_index(int(np.argmax(codes < 0)), codes.shape))
        title = f" ('{shown(names[column], 40)}')" if names else ""
        n = int((codes < 0).any(axis=1).sum())
        raise CommandError(
            f"{name}, {line_of(name, row, header)}, column {column + 1}{title}: the value is missing, as in "
            f"{n:,} of {len(codes):,} rows: {_MISSING}"
        )


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
    _there(name, options)
    X = load_codes(name, drop=options.drop) if is_csv(name) else _numbers(name, options).array
    if options.visible == Categorical.name or options.states is not None:
        unit: Unit = _codes_unit(X, name, options)
        return Training(X, Form(unit), _count_words(unit))
    return Training(X, Form(reader(options.visible or "bernoulli", "--visible")))


def _of_reals(name: str, options: argparse.Namespace) -> Training:
    """Real numbers as they are, in which NaN is missing."""
    if options.missing is not None and is_csv(name):
        _there(name, options)
        table = Table(load_codes(name, drop=options.drop))
    else:
        table = _numbers(name, options)
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


def _of_binary(
    table: Table, name: str, options: argparse.Namespace, unit: Unit, quiet: bool, dynamic_binarization: bool = False
) -> Training:
    """Values of units of two values; with dynamic_binarization, numbers between them."""
    scale, names = getattr(options, "scale", None), None if table.names is None else tuple(table.names)
    form = Form(unit, names)
    if unit.off and (parts := unit.parts(table.array, dynamic_binarization)) is not None:
        return Training(unit.values(parts), form)
    if dynamic_binarization:
        fractions, top = scaled(table, name, scale)
        if top != 1.0 and not quiet:
            say(f"real-valued data: fractions of {top:g}")
        return Training(unit.values(fractions), form)
    threshold = scale / 2 if options.threshold is None and scale is not None else options.threshold
    X, threshold = binarize(table, threshold, name)
    if threshold is not None and not quiet:
        say(f"real-valued data: a unit is 1 from {threshold:g} up ({X.mean():.1%} of them)")
    return Training(unit.values(X), form)


# ---------------------------------------------------------------- of a model


def data_for(rbm: RBM, name: str, options: argparse.Namespace, quiet: bool = False) -> np.ndarray:
    """The examples of a bundled set or a file, of as many columns as a model has."""
    data, unit = data_of(name, options, Form.of(rbm), quiet), rbm.visible
    if data.shape[1] not in (unit.n_columns, unit.n):
        raise CommandError(f"{name} has {data.shape[1]} columns where the model has {unit.n_columns}")
    return data


def data_of(name: str, options: argparse.Namespace, form: Form, quiet: bool = False) -> np.ndarray:
    """The examples of a bundled set or a file, as a model of this form takes them."""
    if is_alignment(name):
        _there(name, options)
        alphabet = form.alphabet
        if alphabet is None:
            raise CommandError(f"{name} holds sequences, and the model's columns are no letters of one alphabet")
        return _read_fasta(name, alphabet, options)
    refuse_options_of_sequences(name, options)
    if is_csv(name) and (form.categories is not None or options.drop and form.names is not None):
        _there(name, options)
        codes = load_codes(name, form.names, form.categories, drop=options.drop)
        return codes if bool(np.isnan(codes).any()) else codes.astype(np.int16)
    table = _numbers(name, options)
    if not form.coded:
        given = _of_binary(table, name, options, form.unit, quiet)
        validate.check_names(given.form.names, form.names, name, file=True)
        return given.examples
    if options.threshold is not None:
        what = "takes them as they are" if form.unit.real else "has categories"
        raise CommandError(f"--threshold is for real values; the model {what}")
    validate.check_names(None if table.names is None else tuple(table.names), form.names, name, file=True)
    _check_codes(table.array, form.unit, name)
    return table.array


def _check_codes(array: np.ndarray, unit: Unit, name: str) -> None:
    if array.shape[1] not in (unit.n_columns, unit.n):
        raise CommandError(f"{name} has {array.shape[1]} columns where the model has {unit.n_columns}")
    if unit.parts(array, False) is None:
        raise CommandError(unit.complaint(array, name, False, None))


# ---------------------------------------------------------------- files


def is_alignment(name: str) -> bool:
    """Whether a file is one of aligned sequences, by its name."""
    return name.lower().removesuffix(".gz").endswith(FASTA)


def is_csv(name: str) -> bool:
    return name.lower().endswith(".csv")


def _numbers(name: str, options: argparse.Namespace) -> Table:
    """The numbers of a bundled set or a file."""
    if not os.path.lexists(name) and name in BUNDLED:
        return Table(BUNDLED[name]())
    _there(name, options)
    try:
        return _dropped(read_table(name, options.key), name, options)
    except ValueError as error:
        if str(error).endswith(" is a fastrbm model, not data"):
            raise CommandError(f"{error}{order_of(options)}") from None
        raise


def _dropped(table: Table, name: str, options: argparse.Namespace) -> Table:
    """The table without the columns that are to be dropped."""
    if not options.drop:
        return table
    if table.names is None:
        raise CommandError(f"--drop needs a .csv with names of columns, which {name} has not")
    kept = kept_columns(table.names, options.drop, name)
    return table._replace(array=table.array[:, kept], names=[table.names[k] for k in kept])


def _there(name: str, options: argparse.Namespace) -> None:
    """Raise where there is no such file."""
    if not os.path.lexists(name):
        meant = hint(name, [*BUNDLED, *beside(name)])
        raise CommandError(f"no file {shown(name)}, and no bundled set of that name ({', '.join(BUNDLED)}){meant}")


def line_of(name: str, row: int, header: bool) -> str:
    """Where in a file of text a row is."""
    layout, _ = split(name)
    lines = (line for line, _ in records(name, layout))
    return f"line {next(line for count, line in enumerate(lines) if count == row + header)}"


def content(states: np.ndarray, kind: str, form: Form) -> memoryview | bytes:
    """States as a file of this kind, one of OUTPUTS: of .csv the labels of categories, below the names of the columns,
    where there are any."""
    file = io.BytesIO()
    if kind == ".npy":
        np.save(file, states)
    elif kind == ".npz":
        np.savez_compressed(file, samples=states)
    elif form.names is not None or form.categories is not None:
        known = form.categories or (None,) * form.unit.n_columns
        columns = to_frame(states, form.names, known, like={})
        if states.dtype.kind == "f":
            columns = {
                name: values if labels else [format(x, _REAL) for x in values]
                for (name, values), labels in zip(columns.items(), known, strict=True)
            }
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if form.names is not None:
            writer.writerow(form.names)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue().encode()
    else:
        np.savetxt(file, states, fmt=f"%{_REAL}" if states.dtype.kind == "f" else "%d", delimiter=",")
    return file.getbuffer()
