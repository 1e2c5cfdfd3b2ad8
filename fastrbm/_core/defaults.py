"""What is taken where nothing is chosen: one place for fit, the estimators, the optimizers and the command line.

scikit-learn's own defaults rule in its class. docs/training.md says why these, and bench/defaults.py what they reach.
"""

from __future__ import annotations

BATCH_SIZE = 128
CHAINS = 256
TEMPERED_CHAINS = 128  # at each temperature
BETAS = 10
RATE = 0.1  # of SGD, at the start; it falls linearly to 0
VARIANCE_RATE = 0.03  # of log gamma, likewise; most of the chains' noise in it is averaged out
ADAM_RATE = 0.0005  # likewise
REAL_RATE = 0.01  # the least of SGD where visible units are real (Hinton 2012, section 13.2); see training/rate.py
REALS_RATE = 0.003  # where hidden units are real, too: beyond some weights, no distribution has them
L2 = 1e-3  # of the optimizer that fit takes by itself: what the data do not ask for stays small
MISSING_SWEEPS = 5  # that draw latent values before each use of their example

UPDATES, _MANY = 20_000, 50_000  # updates that small data need, and that are enough for large data
_PASSES = 100  # between these: passes through the data
_LARGE = 1 << 19  # connections of a model above which an update takes long
_LEAST = 2_000  # updates of the largest model


def epochs(n_batches: int, n_visible: int, n_hidden: int) -> int:
    """Passes through the data for a budget in updates: 100 passes, but at least 20,000 updates, and at most 50,000.

    Above 2^19 connections (784 x 500 has fewer) the least number falls with the size of the model, down to 2,000.
    """
    connections = n_visible * n_hidden
    least = UPDATES if connections <= _LARGE else max(_LEAST, UPDATES * _LARGE // connections)
    updates = min(max(_PASSES * n_batches, least), _MANY)
    return -(-updates // n_batches)
