"""What fit asks of a gradient estimator, an optimizer, a metric and a callback, the package's own or a user's.

docs/extending.md says it in words, and what checkpoints ask beside. Protocols are for readers and type checkers. fit
makes the checks before a training starts: a mistake is an error that names the argument, now and not hours later.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .._core import validate
from .columns import Column

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix
    from .history import History


@dataclass(frozen=True)
class FitState:
    """What a callback is given at the end of an epoch.

    Attributes
    ----------
    rbm : RBM
        The model as the training offers it: the average, where parameters are averaged. A callback may keep
        ``rbm.copy()``; if it ends the training, rbm as it leaves it is the result.
    history : History
        What was measured so far; the newest row may be some epochs old, and at first there is none.
    epoch, epochs : int
        Epochs that are complete, and asked for.
    update, n_updates : int
        Updates that are done, and asked for.
    """

    rbm: RBM
    history: History
    epoch: int
    epochs: int
    update: int
    n_updates: int


@dataclass(frozen=True)
class Snapshot:
    """What a metric is given.

    Attributes
    ----------
    rbm : RBM
        The model as it is offered: the average of parameters, where there is one.
    examples : BitMatrix
        Up to 256 examples of the training data.
    validation : BitMatrix or None
        The validation data.
    chains : BitMatrix or None
        Visible states of the chains of the negative phase, where it has any.
    epoch : int
    seed : int
        Of the training.
    n_threads : int or None
    """

    rbm: RBM
    examples: BitMatrix
    validation: BitMatrix | None
    chains: BitMatrix | None
    epoch: int
    seed: int
    n_threads: int | None


class GradientLike(Protocol):
    """A direction of ascent: a Gradient, or any object with these three arrays, (V, H), (V,) and (H,)."""

    @property
    def weights(self) -> ArrayLike: ...
    @property
    def visible_bias(self) -> ArrayLike: ...
    @property
    def hidden_bias(self) -> ArrayLike: ...


class GradientEstimator(Protocol):
    """Called once an update. X is a batch, BitMatrix or float64 (n, V); sample_weight comes only where fit has one."""

    def __call__(
        self, rbm: RBM, X: Any, /, *, sample_weight: Any = None, n_threads: int | None = None
    ) -> GradientLike: ...


class Optimizer(Protocol):
    """Moves rbm along what the estimator returned. progress: the part of the training that is done, from 0 to 1."""

    def update(self, rbm: RBM, gradient: Any, progress: float, n_threads: int | None, /) -> None: ...
    def rate(self, progress: float, /) -> float: ...


class Metric(Protocol):
    """Called when it is due, with a Snapshot; returns a number for each of its columns, which are names, or a dict of
    names with what each is, a Column. Optional attributes: every, epochs between two calls, and cost, in updates."""

    @property
    def columns(self) -> Collection[str]: ...
    def __call__(self, snapshot: Snapshot, /) -> dict[str, float]: ...


class Callback(Protocol):
    """Called at the end of each epoch; True ends the training. Optional method: finish(rbm)."""

    def __call__(self, state: FitState, /) -> object: ...


def check_parts(gradient: object, optimizer: object, weighted: bool) -> None:
    """TypeError where an estimator or an optimizer cannot be called as fit will. weighted: with weights of examples."""
    if isinstance(gradient, type) or not callable(gradient):
        raise TypeError(f"gradient must be an estimator such as gradient.PCD(), not {gradient!r}")
    more = {"sample_weight": None} if weighted else {}
    _takes(gradient, "gradient", "(rbm, X, sample_weight=, n_threads=)", None, None, n_threads=None, **more)
    if isinstance(optimizer, type) or not (_has(optimizer, "update") and _has(optimizer, "rate")):
        raise TypeError(f"optimizer must be one such as optim.SGD(0.05), with update and rate, not {optimizer!r}")
    _takes(optimizer.update, "optimizer.update", "(rbm, gradient, progress, n_threads)", None, None, 0.0, None)  # type: ignore[attr-defined]
    _takes(optimizer.rate, "optimizer.rate", "(progress)", 0.0)  # type: ignore[attr-defined]


def check_callbacks(callbacks: Iterable[object]) -> None:
    """TypeError where something is no callback."""
    for callback in callbacks:
        if isinstance(callback, type) or not callable(callback):
            raise TypeError(f"callbacks must be functions of a FitState, not {callback!r}")
        _takes(callback, f"callbacks: {callback!r}", "(state)", None)
        if hasattr(callback, "finish"):
            if not callable(callback.finish):
                raise TypeError(f"callbacks: finish of {callback!r} must be a method, not {callback.finish!r}")
            _takes(callback.finish, f"callbacks: finish of {callback!r}", "(rbm)", None)


def check_metrics(metrics: Iterable[Any]) -> None:
    """TypeError or ValueError where something is no metric."""
    for metric in metrics:
        if isinstance(metric, type) or not callable(metric) or not hasattr(metric, "columns"):
            raise TypeError(f"metrics must be such as metrics.PseudoLikelihood(), not {metric!r}")
        columns = metric.columns
        if not isinstance(columns, (tuple, list, Mapping)) or not columns or {type(name) for name in columns} != {str}:
            raise TypeError(f"metrics: columns of {metric!r} must be a tuple of names, not {columns!r}")
        for name, column in columns.items() if isinstance(columns, Mapping) else ():
            if not isinstance(column, Column):
                raise TypeError(f"metrics: columns[{name!r}] of {metric!r} must be a metrics.Column, not {column!r}")
        _takes(metric, f"metrics: {metric!r}", "(snapshot)", None)
        if getattr(metric, "every", None) is not None:
            validate.integer(metric.every, f"every of {metric!r}", 1)
        validate.real(getattr(metric, "cost", 1.0), f"cost of {metric!r}", 0.0)


def check_states(parts: Iterable[tuple[str, Any]]) -> None:
    """TypeError where a part that a checkpoint must keep cannot be kept."""
    for name, part in parts:
        lacking = [method for method in ("get_state", "set_state") if not _has(part, method)]
        if lacking:
            raise TypeError(f"{name} must have get_state and set_state to be kept in checkpoints; {part!r} has not")
        given = ("state", "rbm") if name == "gradient" else ("state",)
        _takes(part.set_state, f"set_state of {name}", f"({', '.join(given)})", *given)


def metric_values(metric: Metric, snapshot: Snapshot) -> dict[str, float]:
    """What a metric says of a model; TypeError where that is not a number for each of its columns."""
    values = metric(snapshot)
    if not isinstance(values, dict) or set(values) != set(metric.columns):
        names = ", ".join(metric.columns)
        raise TypeError(f"metrics: {metric!r} must return a dict of {names}, not {values!r}")
    for name, value in values.items():
        number = value.item() if isinstance(value, (np.generic, np.ndarray)) and np.size(value) == 1 else value
        if not isinstance(number, (int, float)):
            raise TypeError(f"metrics: {name} of {metric!r} must be a number, not {value!r}")
    return values


def _has(thing: object, method: str) -> bool:
    return callable(getattr(thing, method, None))


def _takes(function: Any, name: str, how: str, *arguments: Any, **more: Any) -> None:
    """TypeError where a function cannot be called with these arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some compiled functions nothing is known
        return
    try:
        signature.bind(*arguments, **more)
    except TypeError as error:
        raise TypeError(f"{name} must be callable as {how}: {error}") from None
