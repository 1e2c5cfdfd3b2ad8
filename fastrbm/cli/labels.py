"""--labels: which column of the data is the label, or a file of labels that becomes the last one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.reading import shown
from ..datasets.categories import kept_columns, load_codes
from ..datasets.csv import is_word, records, split
from ..datasets.files import read_column
from ..datasets.table import Table
from ..likelihood.labels import label_probabilities
from ..sampling.columns import MISSING, LabelColumn
from ..units.categorical import MOST_STATES, Categorical
from ..units.layer import TYPES, side_by_side, values_of_columns
from .form import Form, Training
from .hints import hint
from .words import CommandError

if TYPE_CHECKING:
    from ..rbm import RBM

METHODS = ("discriminative", "hybrid")  # that learn p(label | the rest)
_NAME = "label"  # of the column that a file of labels becomes


def add_labels(parser: Any, more: str) -> None:
    parser.add_argument(
        "--labels", metavar="COLUMN or FILE",
        help=f"the column that is the label, by its name or its number from 0, or a file of labels, one a row: {more}",
    )  # fmt: skip


def is_file(labels: str) -> bool:
    return os.path.lexists(labels)


def place(labels: str, names: Sequence[str] | None, n_columns: int) -> int:
    """The number of the column that is the label."""
    known = list(names or ())
    if labels in known:
        return known.index(labels)
    try:
        number = int(labels)
    except ValueError:
        number = n_columns
    if -n_columns <= number < n_columns:
        return number % n_columns
    there = f"columns {shown(', '.join(known))}" if known else f"columns 0 to {n_columns - 1}"
    raise CommandError(f"--labels {shown(labels)}: no such file, and the data have {there}{hint(labels, known)}")


def read_labels(name: str) -> np.ndarray:
    """A file of labels, float64 (n,): whole numbers, -1 where there is none."""
    return codes_of(read_column(name), f"--labels {name}")


def codes_of(column: np.ndarray, what: str) -> np.ndarray:
    """A column of labels as whole numbers, float64 (n,), -1 where there is none."""
    labels = column.astype(np.float64)
    labels = np.where(np.isnan(labels), MISSING, labels)
    good = (labels == np.rint(labels)) & (labels >= MISSING) & (labels < MOST_STATES)
    if not good.all():
        raise CommandError(
            f"{what}: labels must be whole numbers from 0 to {MOST_STATES - 1}, or -1 or NaN where there is none; that "
            f"of row {int(np.argmin(good)) + 1} is {labels[np.argmin(good)]:g}"
        )
    if not (labels >= 0).any():
        raise CommandError(f"{what}: there is no label")
    return labels


def words_apart(name: str, labels: str, drop: Sequence[str]) -> tuple[Table, np.ndarray, int, str, tuple[str, ...]]:
    """Of a .csv whose other columns are numbers: (these; labels as codes (n,), -1 where there is none; their column's
    place and name; the words that they are)."""
    lines = records(name, split(name)[0])
    head = [cell.strip() for cell in next(lines)[1]]
    kept = kept_columns(head, drop, name)
    names = [head[k] for k in kept]
    at = place(labels, names, len(names))
    column = {cells[kept[at]].strip() for _, cells in lines if len(cells) == len(head)}
    known = tuple(sorted(cell for cell in column if is_word(cell)))
    if len(known) > MOST_STATES:
        raise CommandError(f"--labels {labels}: there are {len(known):,} labels, and at most {MOST_STATES} can be")
    codes = load_codes(name, names, [known if k == at else None for k in range(len(names))], drop=drop)
    rest, own = Table(codes, names).without(at)
    return rest, np.where(np.isnan(own), MISSING, own), at, names[at], known


def joined(
    training: Training, labels: np.ndarray, at: int | None, name: str | None, what: str,
    known: tuple[str, ...] | None = None,
) -> Training:  # fmt: skip
    """The training's examples with a column more, at this place (None: the last one), of these labels."""
    X, form = training.examples, training.form
    if len(labels) != len(X):
        raise CommandError(f"{what}: there are {len(labels):,} labels of {len(X):,} examples")
    n_states = max(2, int(labels.max()) + 1)
    if known is not None and len(known) < 2:
        raise CommandError(f"{what}: there must be two labels or more, got {', '.join(known) or 'none'}")
    unit = form.unit if form.coded else TYPES[form.unit.name](X.shape[1])
    names, at = form.names, X.shape[1] if at is None else at
    if names is not None:
        name = name or next(
            word for word in (_NAME, *(f"{_NAME}_{k}" for k in range(len(names) + 1))) if word not in names
        )
        names = (*names[:at], name, *names[at:])
    categories = form.categories
    if categories is not None or known is not None:
        categories = values_of_columns(unit) if categories is None else categories
        categories = (*categories[:at], known or tuple(range(n_states)), *categories[at:])
    segments = [*_part(unit, 0, at), Categorical(1, n_states), *_part(unit, at, X.shape[1])]
    whole = side_by_side(segments)
    kind = X.dtype if X.dtype.kind == "f" else np.uint8 if labels.min() >= 0 and X.dtype == np.uint8 else np.int16
    examples = np.concatenate([X[:, :at], labels[:, None], X[:, at:]], axis=1).astype(kind)
    n_known = int((labels >= 0).sum())
    words = f"{n_states} labels" + (f", of {n_known:,} of {len(X):,} examples" if n_known < len(X) else "")
    said = "; ".join(filter(None, (training.words, words)))
    return training._replace(examples=examples, form=Form(whole, names, categories), words=said, label=at)


def _part(unit: Any, start: int, stop: int) -> list[Any]:
    """The segments of some columns of a layer."""
    parts: list[Any] = []
    first = 0
    for segment in unit.segments:
        low, high = max(start - first, 0), min(stop - first, segment.n_columns)
        first += segment.n_columns
        if low >= high:
            continue
        if isinstance(segment, Categorical):
            parts.append(Categorical(high - low, segment.sizes[low:high]))
        else:
            parts.append(segment if high - low == segment.n_columns else type(segment)(high - low))
    return parts


def errors(rbm: RBM, X: Any, column: int, n_threads: int | None) -> dict[str, float]:
    """Of examples that have a label: how many there are, the part of them that p(label | the rest) gets wrong, and its
    mean logarithm, in nats."""
    label = LabelColumn(rbm.visible, column)
    own = label.labels(label.read(rbm, X, labels=True))
    return compared(label_probabilities(rbm, X, column, n_threads, log=True), own)


def compared(log_p: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The same of log p (n, states) and the labels (n,), -1 where there is none."""
    known = np.flatnonzero(labels >= 0)
    if known.size == 0:
        return {"labels": 0}
    log_p, labels = log_p[known], labels[known].astype(np.intp)
    wrong = log_p.argmax(axis=1) != labels
    nats = np.add.accumulate(log_p[np.arange(len(labels)), labels])[-1] / len(labels)
    return {"labels": len(labels), "label_error": float(wrong.mean()), "label_log_likelihood": float(nats)}


def in_words(found: dict[str, float], which: str) -> str:
    if not found["labels"]:
        return f"none of the {which} has a label"
    return (
        f"labels: {found['label_error']:.2%} of {found['labels']:,} {which} wrong, "
        f"log p(label | the rest) {found['label_log_likelihood']:.3f} nats"
    )
