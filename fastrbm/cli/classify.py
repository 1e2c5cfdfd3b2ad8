"""fastrbm classify."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from .._core import floatmath
from .._core.output import replace_file
from ..datasets.categories import load_codes
from ..datasets.csv import split
from ..datasets.table import Table
from ..likelihood.labels import label_probabilities
from ..sampling.columns import LabelColumn
from ..units.unit import Unit
from .common import add_common, add_data, model_of
from .data import data_of, of_binary
from .files import OUTPUTS, check_output
from .form import Form
from .labels import add_labels, codes_of, compared, in_words, is_file, place, read_labels
from .reading import is_alignment, is_csv, numbers_of, refuse_absent
from .words import CommandError, say, say_json


def add_classify(commands) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "classify",
        help="labels of data: the most probable ones, with their probabilities",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the most probable label of each example, given its other columns, and the probabilities of "
        "all labels,\nwhich are exact. Where the data have labels, say how many of them it gets wrong.",
        epilog="examples:\n"
        "  fastrbm classify rbm.npz new.csv --out labels.csv\n"
        "  fastrbm classify rbm.npz test.csv --labels species --out labels.csv\n"
        "  fastrbm classify mnist.npz t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz --out labels.csv",
    )
    parser.add_argument("model", metavar="MODEL", help="a model that 'fastrbm train --labels' wrote")
    parser.add_argument("data", metavar="DATA", help="as for train, with or without the column that is the label")
    add_labels(parser, "the same column as for train (default: the last one), or labels to compare with")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE",
        help=".csv: the label and the probabilities of all labels, a row an example; .npy or .npz: probabilities "
        "(examples, labels)",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    add_common(parser)
    parser.set_defaults(run=run_classify)


def run_classify(options: argparse.Namespace) -> None:
    labels = options.labels
    given = read_labels(labels) if labels is not None and is_file(labels) else None
    out = check_output("--out", options.out, OUTPUTS, options.model, options.data, None if given is None else labels)
    rbm = model_of(options)
    form = Form.of(rbm)
    column = place("-1" if labels is None or given is not None else labels, form.names, form.unit.n_columns)
    label = LabelColumn(rbm.visible, column)
    X, own = _data(options, form, label)
    own = own if given is None else given
    if own is not None and len(own) != len(X):
        raise CommandError(f"--labels {labels}: there are {len(own):,} labels of {len(X):,} examples")
    log_p = label_probabilities(rbm, X, column, options.threads, log=True)
    known = (form.categories[column] if form.categories else None) or tuple(range(label.n_states))
    title = form.names[column] if form.names else "label"
    where = out.keep(lambda path: replace_file(path, _content(log_p, path, title, known)))
    found: dict[str, Any] = {} if own is None else compared(log_p, own)
    if options.json:
        say_json({"examples": len(X)} | found | {"out": where})
    elif where:
        said = f"; {in_words(found, 'examples')}" if found else ""
        say(f"{len(X):,} examples, {label.n_states} labels{said}. Saved {where}")


def _data(options: argparse.Namespace, form: Form, label: LabelColumn) -> tuple[np.ndarray, np.ndarray | None]:
    """(the examples without their label, their labels where they have any)."""
    name, n, k = options.data, form.unit.n_columns, label.index
    if is_alignment(name):
        letters = None if form.categories is None else (*form.categories[:k], *form.categories[k + 1 :])
        return data_of(name, options, Form(label.others, None, letters)), None
    if is_csv(name) and form.categories is not None:
        refuse_absent(name, options)
        width = len(split(name)[0].first) - len(set(options.drop))
        known: tuple[Any, ...] = form.categories
        if label.others.layout is None:  # numbers, which need not be of two values yet
            known = (*(None,) * k, known[k], *(None,) * (n - k - 1))
        names = form.names
        if width == n - 1:
            known = (*known[:k], *known[k + 1 :])
            names = None if names is None else (*names[:k], *names[k + 1 :])
        table, labels = Table(_complete(load_codes(name, names, known, drop=options.drop), name, width == n, k)), None
        if width == n:
            table, labels = table.without(k)
            labels = np.where(np.isnan(labels), -1.0, labels)
            labels = labels if (labels >= 0).any() else None
    else:
        table, labels = numbers_of(name, options), None
        if table.array.shape[1] == n:
            table, column = table.without(k)
            labels = codes_of(column, f"{name}, column {k + 1}") if label.can_miss else _values(column, label)
        if table.array.shape[1] != n - 1:
            raise CommandError(
                f"{name} has {table.array.shape[1]} columns where the model has {n}, or {n - 1} without the label"
            )
    others: Unit = label.others
    if others.layout is None and not others.real:
        return of_binary(table, name, options, others, options.json)[0], labels
    if options.threshold is not None:
        raise CommandError("--threshold is for real values; the model takes these columns as they are")
    return table.array, labels


def _values(column: np.ndarray, label: LabelColumn) -> np.ndarray:
    """Labels of two values as codes."""
    return (column > label.segment.off).astype(np.float64)


def _complete(X: np.ndarray, name: str, labeled: bool, k: int) -> np.ndarray:
    """X, of which nothing but labels is missing."""
    gone = np.isnan(np.delete(X, k, axis=1) if labeled else X).any(axis=1)
    if gone.any():
        raise CommandError(
            f"{name}: entries are missing, first of example {int(np.argmax(gone)) + 1}: fill them in (fastrbm inpaint)"
        )
    return X


def _content(log_p: np.ndarray, path: Path, title: str, known: tuple[Any, ...]) -> memoryview | bytes:
    p, file = floatmath.exp(np.maximum(log_p, -708.0)), io.BytesIO()
    if path.suffix == ".npy":
        np.save(file, p)
    elif path.suffix == ".npz":
        np.savez_compressed(file, probabilities=p)
    else:
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writerow([title, *(f"p({label})" for label in known)])
        for best, row in zip(log_p.argmax(axis=1), p, strict=True):
            writer.writerow([known[best], *(format(x, ".6g") for x in row)])
        return text.getvalue().encode()
    return file.getbuffer()
