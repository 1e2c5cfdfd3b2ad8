"""What the end of a training says in words: what was reached, and what would help. Functions of numbers alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .._core.defaults import UPDATES

# Good trainings of bars-and-stripes, digits, surveys and MNIST by default: inputs of 0.6 to 12, shuffled gaps of 0.2
# to 1.5 nats a unit that rise by up to 4 % in the second half, chains within 0.05 of the means, samples on eight axes
# within 0.3 standard deviations and 2 standard errors, weights of clusters within 0.16 in total variation, excess gaps
# up to 0.1 of the shuffled gap. Thresholds stand apart from these, and below what the faults show.
# mean size of the hidden units' inputs, from which their sigmoids are 0 or 1 to 20 digits; and a visible unit: of
# prototypes that differ in half of 256 units, of which one in 50 changes, the right model has 46
_LARGE_INPUT, _LARGE_INPUT_A_UNIT = 50.0, 0.5
_LARGE_GAP = 10.0  # nats a visible unit
_NOTHING = 0.05  # nats
_WORTH_A_WARNING = 100  # updates; fewer may be a step of a user's loop
_ERRORS, _FAR = 4.0, 0.4  # standard errors, and standard deviations of the data, that samples may be off
_FAR_CLUSTERS = 0.2  # total variation of the weights of clusters
FEWEST_FAMILIES = 8.0  # of annealed chains, from which they say something
_MEANS = 0.1  # mean difference of the units' means
_RISE = 0.15  # of the shuffled gap, in the second half of the updates
_LEFT_OUT = 0.1  # of the updates
_OVERFITTING = 0.25  # of the shuffled gap


class TrainingWarning(UserWarning):
    """A training that ended badly: diverged, nothing learned, samples unlike the data, overfitting."""


@dataclass(frozen=True)
class Finding:
    """One thing that the end of a training shows: its kind, the words, and whether it is a fault."""

    kind: str
    words: str
    fault: bool = True


@dataclass(frozen=True)
class Closing:
    """The numbers at the end of a training.

    n_updates; n_visible: visible units, or more where free energies are larger; hidden_input: mean size of the hidden
    units' inputs, given data; updates, gaps: history of the shuffled gap; excess_gap: the free-energy gap minus that of
    independent units: by how much less likely validation data are than training data, beyond their means, NaN without
    validation data; margin: by how much validation data are more likely than under independent units, as AIS has it
    (too high on average), NaN where that is unknown; off_means: mean difference of the units' means between the chains
    and the data, and means_error, what noise explains of it; off_axis: the mean of samples along a main axis of the
    data, that where it is farthest, from that of the data, in standard deviations of the data, and axis_error, its
    standard error; off_clusters: the total variation between the weights that clusters of the data have in samples and
    in the data, cluster_errors, how many standard errors that is, and n_clusters; families: of these samples, NaN where
    there are none; moving: whether these samples still came nearer to the data when they were taken; too_costly:
    whether what would be needed to know their weights is more than a part of the training's work; score_updates,
    scores, score_error: of a score on validation data, if any; left_out: which part of the updates was left out.
    """

    n_updates: int
    n_visible: float
    hidden_input: float
    updates: np.ndarray
    gaps: np.ndarray
    excess_gap: float = math.nan
    margin: float = math.nan
    off_means: float = math.nan
    means_error: float = math.nan
    off_axis: float = math.nan
    axis_error: float = math.nan
    off_clusters: float = math.nan
    cluster_errors: float = math.nan
    n_clusters: int = 0
    families: float = math.nan
    moving: bool = False
    too_costly: bool = False
    score_name: str = ""
    score_updates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    score_error: float = 0.0
    left_out: float = 0.0


def findings(c: Closing) -> list[Finding]:
    """What these numbers say, the gravest first."""
    gap = float(c.gaps[-1])
    if not c.hidden_input <= _largest_input(c) or not abs(gap) <= _LARGE_GAP * c.n_visible:
        return [Finding("diverged", _diverged(c))]
    found = []
    if c.left_out > _LEFT_OUT:
        found.append(Finding("updates left out", _left_out(c)))
    if c.off_means > max(_MEANS, 4 * c.means_error) or _is_far(c) or _has_other_weights(c):
        found.append(Finding("samples unlike the data", _unlike(c)))
    if gap < _NOTHING and not found:
        return [Finding("nothing learned", _nothing(c, gap), fault=c.n_updates >= _WORTH_A_WARNING)]
    overfitting = _overfitting(c, gap)
    if overfitting:
        found.append(Finding("overfitting", overfitting))
    elif not found and c.n_updates >= _WORTH_A_WARNING:
        rising = _rising(c, gap)
        if rising:
            found.append(Finding("still rising", rising, fault=False))
    if not found and (c.families < FEWEST_FAMILIES or c.too_costly or c.moving):
        found.append(Finding("weights of modes unknown", _unknown(c), fault=False))
    return found


def _left_out(c: Closing) -> str:
    return (
        f"{c.left_out:.0%} of the updates were left out, since they would have made a model that cannot be normalized. "
        "Use a smaller learning rate, or hidden units of two values, which always can."
    )


def _largest_input(c: Closing) -> float:
    return max(_LARGE_INPUT, _LARGE_INPUT_A_UNIT * c.n_visible)


def _diverged(c: Closing) -> str:
    return (
        f"The training has diverged: the inputs of the hidden units are {c.hidden_input:.3g} in size, on average, and "
        f"less than {_largest_input(c):.0f} in a model that has learned well. Its free energies and their gap mean "
        "nothing. Use a smaller learning rate."
    )


def farness(off: float, error: float) -> float:
    """How far samples are off, in units of what is worth a word."""
    return off / max(_FAR, _ERRORS * error)


def _is_far(c: Closing) -> bool:
    return not c.moving and farness(c.off_axis, c.axis_error) > 1.0


def clusters_apart(off: float, errors: float, n_clusters: int) -> float:
    """How far the weights of clusters are off, in units of what is worth a word. Where all is well, errors squared are
    as large as the sum of the squares of n_clusters - 1 normal numbers; beyond 3 and the root of that they are once in
    ten thousand times. That is 4 standard errors of two clusters."""
    return min(off / _FAR_CLUSTERS, errors / (_ERRORS - 1.0 + math.sqrt(max(0, n_clusters - 1))))


def _has_other_weights(c: Closing) -> bool:
    return not c.moving and clusters_apart(c.off_clusters, c.cluster_errors, c.n_clusters) > 1.0


def _unlike(c: Closing) -> str:
    if _has_other_weights(c):
        what = (
            f"Samples of the model are unlike the data: the weights of {c.n_clusters} clusters of the data are off by "
            f"{c.off_clusters:.2f} in total variation. The chains of the training stayed in some modes, and the model "
            "has others, or has them too heavy"
        )
    elif _is_far(c):
        what = (
            "Samples of the model are unlike the data: on a main axis of the data their mean is off by "
            f"{c.off_axis:.1f} standard deviations of the data. The chains of the training stayed in some modes, and "
            "the model has others, or has them too heavy"
        )
    else:
        what = (
            f"The chains of the training are unlike the data: the means of their units are off by {c.off_means:.2f} on "
            "average"
        )
    return (
        f"{what}. Use tempered chains (gradient.Tempered, --method tempered), more sweeps, or a smaller learning rate."
    )


def _unknown(c: Closing) -> str:
    if c.families < FEWEST_FAMILIES:
        why = f"annealed chains, by which it could be seen, are of {c.families:.1f} families"
    elif c.moving:
        why = "annealed chains, by which it could be seen, were still on their way to the data"
    elif c.families >= FEWEST_FAMILIES:
        why = (
            f"those of {c.n_clusters} clusters of the data are off by {c.off_clusters:.2f} in total variation, and "
            f"annealed chains of {c.families:.1f} families cannot tell that from chance; more of them would have taken "
            "more than a tenth of the training"
        )
    else:
        why = "annealed chains, by which it could be seen, would have taken more than a tenth of the training"
    return (
        "Whether the modes of the model have the weights that they have in the data is not known: "
        f"{why}. Compare samples by TemperedChains with the data."
    )


def _nothing(c: Closing, gap: float) -> str:
    words = (
        f"Nothing was learned beyond the means: the model finds the data {abs(gap):.2g} nats per example "
        f"{'more' if gap >= 0 else 'less'} likely than noise with the same means."
    )
    if c.n_updates < UPDATES:
        return f"{words} {c.n_updates:,} updates are few, {UPDATES:,} are usual: train for more epochs."
    return f"{words} A larger learning rate may help, or the columns of the data are independent."


def _overfitting(c: Closing, gap: float) -> str:
    help_ = "Fewer epochs (EarlyStopping, --patience), a larger l1 or l2, fewer hidden units or more data would help."
    if c.margin < 0.0:
        return (
            f"Overfitting: the validation data are {-c.margin:.1f} nats per example less likely than under independent "
            f"units, and {c.excess_gap:.1f} nats less likely than the training data. {help_}"
        )
    if c.scores.size >= 4:
        best, last = float(c.scores.max()), float(c.scores[-1])
        if best - last > max(2 * c.score_error, 0.05 * (best - float(c.scores[0]))):
            at = int(c.score_updates[int(c.scores.argmax())])
            return (
                f"Overfitting: {c.score_name} of the validation data was {best:.2f} after {at:,} updates and fell to "
                f"{last:.2f}. {help_}"
            )
        return ""
    if c.excess_gap > _OVERFITTING * gap:
        return (
            f"Overfitting: the validation data are {c.excess_gap:.1f} nats per example less likely than the "
            f"training data; the training data are {gap:.1f} nats more likely than noise. {help_}"
        )
    return ""


def _rising(c: Closing, gap: float) -> str:
    name, updates, values = "the shuffled gap", c.updates, c.gaps
    whole = gap
    if c.scores.size >= 4:
        name, updates, values = f"{c.score_name} of the validation data", c.score_updates, c.scores
        whole = float(values[-1] - values[0])
    middle = float(values[int(np.searchsorted(updates, updates[-1] / 2))])
    rise = float(values[-1]) - middle
    if len(values) < 4 or not rise > max(_RISE * whole, 2 * c.score_error):
        return ""
    return (
        f"Still rising: {name} went from {middle:.2f} to {values[-1]:.2f} nats in the second half of the "
        f"{c.n_updates:,} updates. More epochs would help."
    )
