"""What options, commands and keyword arguments are called elsewhere, and a refusal of unknown ones that says so."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# By their names here, without a leading n_; the first that there is, is meant.
_SYNONYMS = {
    "lr": ("learning-rate",), "eta": ("learning-rate",), "rate": ("learning-rate",), "alpha": ("learning-rate",),
    "step-size": ("learning-rate",), "learning-rate-init": ("learning-rate",),
    "hidden-units": ("hidden",), "components": ("hidden",), "weight-cost": ("l2",), "verbose": ("progress",),
    "data": ("x",), "filename": ("path",), "cd-k": ("sweeps",), "max-epochs": ("epochs",), "reg": ("l2",),
    "units": ("hidden",), "hidden-size": ("hidden",), "batch": ("batch-size",), "minibatch": ("batch-size",),
    "minibatch-size": ("batch-size",), "bs": ("batch-size",), "epoch": ("epochs",),
    "iterations": ("epochs",), "iter": ("epochs",), "max-iter": ("epochs",),
    "output": ("out",), "output-file": ("out",), "save": ("out",), "model": ("out",), "file": ("out",),
    "particles": ("chains",),
    "k": ("sweeps",), "steps": ("sweeps",), "gibbs-steps": ("sweeps",),
    "samples": ("n", "chains"), "weight-decay": ("l2",), "decay": ("l2",),
    "jobs": ("threads",), "j": ("threads",), "cpus": ("threads",),
    "workers": ("threads",), "random-state": ("seed",), "random-seed": ("seed",), "algorithm": ("method",),
    "estimator": ("method",), "val": ("validation",), "valid": ("validation",), "test": ("validation",),
    "validation-split": ("validation",), "val-split": ("validation",), "test-size": ("validation",),
    "hold-out": ("validation",), "holdout": ("validation",),
    "early-stopping": ("patience",), "log": ("history",), "log-file": ("history",), "csv": ("history",),
    "settings": ("config",), "weights": ("sample-weight",), "silent": ("quiet",), "q": ("quiet",), "html": ("report",),
    "temperatures": ("betas",), "size": ("shape",), "average-last": ("average",),
    "fit": ("train",), "learn": ("train",), "evaluate": ("score",), "eval": ("score",), "likelihood": ("score",),
    "ais": ("score",), "generate": ("sample",), "draw": ("sample",), "plot": ("report",), "show": ("info",),
    "condition": ("clamp",), "conditional": ("clamp",), "temperature": ("beta",), "init": ("start",),
    "exclude": ("drop",), "ignore": ("drop",), "skip": ("drop",),
    "categories": ("states",), "potts": ("categorical",),
    "softmax": ("categorical",), "multinomial": ("categorical",), "binary": ("bernoulli",), "ising": ("spin",),
    "impute": ("inpaint",), "fill": ("inpaint",), "complete": ("inpaint",),
    "monitor": ("column",), "tol": ("min-delta", "tolerance"), "benchmark": ("bench",),
    "help": ("help",), "version": ("version",),
}  # fmt: skip


def near(word: str, known: Iterable[str]) -> str | None:
    """Which of the known names may have been meant; None where none is near."""
    names = _by_plain(known)
    close = difflib.get_close_matches(_plain(word), names, 1)
    return _called(word, names) or (names[close[0]] if close else None)


def _called(word: str, names: dict[str, str]) -> str | None:
    """Which name says the same in other words."""
    plain = _plain(word)
    initials = [name for name in names if len(plain) > 1 and plain == "".join(re.findall(r"\b\w", name))]
    found = [name for name in (plain, *_SYNONYMS.get(plain, ())) if name in names] or initials
    return names[found[0]] if found else None


def _by_plain(known: Iterable[str]) -> dict[str, str]:
    """Names by their plain forms; of hidden and n_hidden the latter."""
    return {_plain(name): name for name in sorted(known, key=lambda name: name.startswith("n_"))}


def _plain(name: str) -> str:
    return re.sub("^(n|num|nb)-", "", name.lstrip("-").lower().replace("_", "-"))


def keywords(**elsewhere: str) -> Callable[[F], F]:
    """A decorator: unknown keyword arguments are refused with the name that may have been meant. elsewhere: of some,
    where they are given instead."""

    def decorate(function: F) -> F:
        parameters = inspect.signature(function).parameters
        taken = frozenset(parameters)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for word in kwargs:
                if word not in taken:
                    raise TypeError(refusal(word))
            return function(*args, **kwargs)

        def refusal(word: str) -> str:
            names = [name for name in parameters if name not in ("self", "cls")]
            given = elsewhere.get(word) or elsewhere.get(_called(word, _by_plain(elsewhere)) or "")
            meant = near(word, names)
            cure = given or (f"did you mean {meant}?" if meant else f"its arguments are {', '.join(names)}")
            name = function.__qualname__.removesuffix(".__init__")
            return f"{name}() got an unexpected keyword argument {word!r}: {cure}"

        return call  # type: ignore[return-value]

    return decorate
