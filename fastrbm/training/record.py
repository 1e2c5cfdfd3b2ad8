"""What a model keeps of its training: by what, on what, how far, and what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.describe import describe
from .._core.version import __version__
from .data import InMemory

if TYPE_CHECKING:
    from .run import Training

_TIMES = "seconds"  # the one column that two equal trainings do not share


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
