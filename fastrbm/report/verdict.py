"""What a report begins with: is the model fitted, do its chains mix, can its likelihood be trusted, does it overfit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..training.verdict import Closing, Finding, findings

if TYPE_CHECKING:
    from ..diagnostics.meeting import Meeting
    from ..diagnostics.summary import Summary
    from ..likelihood import Score
    from ..training.history import History

RHAT = 1.1  # of chains that forget their starts, R-hat^2 - 1 is about tau over half of the sweeps: they are 10 tau long
_WIDE = 1.0  # nats: an interval of a likelihood that is wider says little
_NOT_FITTED = ("diverged", "nothing learned", "samples unlike the data")


class Answer(NamedTuple):
    """A line: the question, the answer in a word or two, whether that is good (None: not known), numbers and advice."""

    question: str
    answer: str
    good: bool | None
    words: str


def answers(
    score: Score, alone: np.ndarray, reported: list[str], found: Summary, met: Meeting, history: History | None,
    n_visible: float,
) -> list[Answer]:  # fmt: skip
    """The four lines. alone: the log-likelihood of each example under independent units, (n,); reported: warnings of
    the score."""
    judged = _judged(history, n_visible)
    return [
        _fitted(score, alone, judged),
        _mixing(found, met),
        _trusted(score, reported, met),
        _overfitting(history, judged),
    ]


def nats(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}" if math.isfinite(value) else "no bound"  # + 0.0: not -0.00


def interval(lower: float, upper: float) -> str:
    return f"{nats(lower)} to {nats(upper)} nats"


def _more(gain: float) -> str:
    return "more" if gain > 0 else "less"


def _judged(history: History | None, n_visible: float) -> dict[str, str]:
    """The words of each kind of finding; of a history from a file, of those that its columns show."""
    found: tuple[Finding, ...] | list[Finding] = ()
    if history is not None and history.findings is not None:
        found = history.findings
    elif history is not None and len(history) and {"update", "shuffled_gap"} <= set(history.columns):
        updates, gaps = (history[name].astype(np.float64) for name in ("update", "shuffled_gap"))
        if bool(np.isfinite(updates).all()):
            gap = float(history.last.get("free_energy_gap", math.nan))
            found = findings(Closing(int(updates[-1]), n_visible, 0.0, updates, gaps, excess_gap=gap))
    return {finding.kind: finding.words for finding in found}


def _fitted(score: Score, alone: np.ndarray, judged: dict[str, str]) -> Answer:
    question, base = "Fitted?", float(alone.mean())
    gain, gains = score.mean - base, score.per_example - alone
    numbers = f"{nats(score.mean)} nats per example, {nats(abs(gain))} {_more(gain)} than independent units."
    for kind in _NOT_FITTED:
        if kind in judged:
            return Answer(question, "no", False, f"{numbers} {judged[kind]}")
    noise = 2.0 * float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    if score.lower - base > noise:
        if "still rising" in judged:
            return Answer(question, "not yet", False, f"{numbers} {judged['still rising']}")
        return Answer(question, "yes", True, numbers)
    if score.upper - base > noise:
        uncertain = f"By the uncertainty of log Z and of the mean, {interval(score.lower, score.upper)}."
        return Answer(question, "not known", None, f"{numbers} {uncertain}")
    advice = "It overfits, see below." if "overfitting" in judged else "More epochs, or another learning rate."
    return Answer(question, "no", False, f"{numbers} {advice}")


def _mixing(found: Summary, met: Meeting) -> Answer:
    question = "Mixing?"
    if math.isnan(found.rhat):
        return Answer(question, "not known", None, "No trace of the chains varies.")
    numbers = f"Worst R-hat {found.rhat:.3f} ({found.worst}), smallest effective sample size {found.ess:,.0f}."
    if met.agree and not found.rhat <= RHAT:
        advice = (
            "Chains stay where they are for a large part of the run: more sweeps help, or tempered chains "
            "(TemperedChains, gradient.Tempered)."
        )
        return Answer(question, "no", False, f"{numbers} {advice}")
    return Answer(question, "yes" if met.agree else "no", met.agree, f"{numbers} {met.words}")


def _trusted(score: Score, reported: list[str], met: Meeting) -> Answer:
    question = "Trusted likelihood?"
    numbers = f"{nats(score.mean)} nats, {interval(score.lower, score.upper)} by {score.method}"
    if score.lower == score.upper:
        return Answer(question, "yes", True, f"{nats(score.mean)} nats: log Z is exact.")
    warnings = [words for words in [getattr(score.log_partition, "warning", ""), *reported] if words]
    width = score.upper - score.lower
    if warnings:
        return Answer(question, "no", False, f"{numbers}. {warnings[0]}.")
    if not width <= _WIDE:
        wide = f"{width:.1f} nats wide" if math.isfinite(width) else "without an end"
        advice = "More betas (n_betas, --betas) and chains make it narrower."
        return Answer(question, "no", False, f"{numbers}: {wide}. {advice}")
    if score.method == "AIS":
        advice = "It errs upward, and by how much the method bidirectional shows."
        return Answer(question, "not known", None, f"{numbers} alone. {advice}")
    but = "" if met.agree else " But chains do not mix, and modes that neither of the two reaches would not show."
    return Answer(question, "yes", True, f"{numbers}, which agree.{but}")


def _overfitting(history: History | None, judged: dict[str, str]) -> Answer:
    question = "Overfitting?"
    if "overfitting" in judged:
        words = judged["overfitting"].removeprefix("Overfitting: ")
        return Answer(question, "yes", False, words[0].upper() + words[1:])
    if history is None or not len(history):
        return Answer(question, "not known", None, "A history of a training with validation data would show it.")
    gap = float(history.last.get("free_energy_gap", math.nan))
    if math.isnan(gap):
        advice = "Nothing was held out: train with validation data (fit(validation=...), --validation 0.2)."
        return Answer(question, "not known", None, advice)
    numbers = f"Validation data are {nats(abs(gap))} nats per example {_more(-gap)} likely than training data"
    if any(kind in judged for kind in _NOT_FITTED):
        return Answer(question, "not known", None, f"{numbers}, of a model that is not fitted.")
    whole = float(history.last.get("shuffled_gap", math.nan))
    beside = "" if math.isnan(whole) else f"; these are {nats(whole)} nats more likely than noise with the same means"
    return Answer(question, "no", True, f"{numbers}{beside}.")
