"""What a model keeps of its training: by what, on what, how far, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.describe import describe
from .._core.reading import shown
from .._core.version import __version__
from .data import InMemory
from .history import History

if TYPE_CHECKING:
    from .run import Training

_TIMES = "seconds"  # the one column that two equal trainings do not share
_LARGEST = 1 << 63
_COUNTS = ("epoch", "update")  # which the record has beside its last row
_NAMES = "_name"  # after data and validation: what the command line was given
_TITLES = {"fastrbm": "trained by fastrbm", "data": "trained on"}
_SENTENCE = {
    "trained on": "on {}", "gradient": "by {}", "optimizer": "{}", "updates": "{} updates",
    "batch size": "batches of {}", "seed": "seed {}", "ended": "{}", "trained by fastrbm": "fastrbm {}",
}  # fmt: skip


def settings_of(training: Training) -> dict[str, Any]:
    """What is known beforehand. No number of threads or ranks, and no path: with others the result is the same."""
    loop, measuring, source = training.loop, training.measuring, training.source
    validation = measuring.validation
    callbacks = [each for each in training.callbacks if hasattr(each, "describe")]
    settings = {
        "fastrbm": __version__,
        "data": source.brief(),
        "validation": None if validation is None else InMemory(validation, loop.rbm.visible).describe(),
        "gradient": _words(loop.gradient),
        "optimizer": _words(loop.optimizer),
        "dynamic_binarization": True if source.draws else None,
        "centered": loop.centering is not None,
        "averaging": _words(loop.averaging),
        "trajectory": _words(training.trajectory),
        "callbacks": ", ".join(filter(None, map(_words, callbacks))) or None,
        "learn_variance": loop.learn_variance if loop.rbm.visible.gammas is not None else None,
        "batch_size": training.batch_size if isinstance(source, InMemory) else None,
        "seed": measuring.seed,
    }
    return {name: value for name, value in settings.items() if value is not None}


def outcome_of(training: Training, ended: str) -> dict[str, Any]:
    """What came of it."""
    history, update = training.history, training.loop.update
    outcome: dict[str, Any] = {"epochs": update // training.n_batches, "updates": update, "ended": ended}
    if len(history):
        outcome["last"] = {name: value for name, value in history.last.items() if name != _TIMES}
    return outcome | ({"verdict": history.verdict} if history.verdict else {})


def _words(part: Any) -> str | None:
    """What a part says of itself; of one of a user's own that says nothing, its name."""
    if part is None:
        return None
    try:
        return describe(part, "")
    except Exception:
        return type(part).__name__


def last_row(record: Mapping[str, Any] | None) -> History | None:
    """What a record, which may be of a file, has of the history; None where that is nothing."""
    row = (record or {}).get("last")
    if not isinstance(row, Mapping):
        return None
    numbers = {name: x for name, x in row.items() if type(x) in (int, float) and abs(x) < _LARGEST}
    history = History()
    history.set_state({name: np.array([x]) for name, x in numbers.items()})
    return history if numbers else None


# ---------------------------------------------------------------- in words


def in_words(record: Mapping[str, Any]) -> dict[str, str]:
    """A line for each entry of a record, which may be of a file: whatever it holds can be shown."""
    rows: dict[str, str] = {}
    for name, value in record.items():
        if name == "last" and isinstance(value, Mapping):
            measured = {column: number for column, number in value.items() if column not in _COUNTS}
            rows |= {f"last {_title(column)}": _text(number) for column, number in measured.items()}
        elif not name.endswith(_NAMES):
            known_as = record.get(name + _NAMES)
            words = _text(value, name) if known_as is None else f"{_text(known_as)}: {_text(value)}"
            rows[_title(_TITLES.get(name, name))] = words
    return rows


def in_a_sentence(record: Mapping[str, Any]) -> str:
    """What matters most of it."""
    rows = in_words(record)
    parts = [words.format(rows[name]) for name, words in _SENTENCE.items() if name in rows]
    return f"Trained {', '.join(parts)}." if parts else ""


def _title(name: str) -> str:
    return shown(name.replace("_", " "), 60)


def _text(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if name != "seed" else str(value)
    return shown(" ".join(str(value).split()), 2000)
