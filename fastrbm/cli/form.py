"""Examples and what their columns are; how they are written."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core.frames import to_frame
from ..datasets.alphabets import Alphabet
from ..units.categorical import Categorical
from ..units.unit import Unit

if TYPE_CHECKING:
    from ..rbm import RBM

_REAL = ".10g"  # how real numbers are written


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
    """The examples of a training, what they are, in words too, their weights, if they bring any, and which column is
    the label."""

    examples: np.ndarray
    form: Form
    words: str = ""
    weights: np.ndarray | None = None
    label: int | None = None  # the number of the column that is the label


def content(states: np.ndarray, kind: str, form: Form, known: np.ndarray | None = None) -> memoryview | bytes:
    """States as a file of this kind, one of OUTPUTS: of .csv and .tsv the labels of categories, below the names of the
    columns, where there are any. known: which of the states are the user's, bool like these: real numbers that keep all
    of their digits."""
    file, mark = io.BytesIO(), "\t" if kind == ".tsv" else ","
    if kind == ".npy":
        np.save(file, states)
    elif kind == ".npz":
        np.savez_compressed(file, samples=states)
    elif form.names is not None or form.categories is not None or states.dtype.kind == "f":
        labels = form.categories or (None,) * form.unit.n_columns
        columns = list(to_frame(states, form.names, labels, like={}).values())
        if states.dtype.kind == "f":
            own = np.zeros(states.shape, bool) if known is None else known
            columns = [
                values if of else [_exact(x) if k else format(x, _REAL) for x, k in zip(values, exact, strict=True)]
                for values, of, exact in zip(columns, labels, own.T, strict=True)
            ]
        text = io.StringIO()
        writer = csv.writer(text, delimiter=mark, lineterminator="\n")
        if form.names is not None:
            writer.writerow(form.names)
        writer.writerows(zip(*columns, strict=True))
        return text.getvalue().encode()
    else:
        np.savetxt(file, states, fmt="%d", delimiter=mark)
    return file.getbuffer()


def _exact(x: float) -> str:
    """A number in as few digits as give it back."""
    short = format(x, _REAL)
    return short if float(short) == x else repr(x)
