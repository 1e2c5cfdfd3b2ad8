"""EarlyStopping: what counts as better, and what follows when the score stalls."""

import math

import numpy as np
import pytest

import fastrbm as fr

X = fr.datasets.load_digits()
RISING = [-5.0, -4.0, -3.0, -2.0, -1.0]


class Given:
    """A metric with the values that it is given, one an epoch; the last one from then on."""

    columns, every = ("score", "score_error"), 1

    def __init__(self, values, errors=()):
        self.values, self.errors = list(values), list(errors)

    def __call__(self, snapshot):
        k = snapshot.epoch - 1
        error = self.errors[min(k, len(self.errors) - 1)] if self.errors else 0.0
        return {"score": self.values[min(k, len(self.values) - 1)], "score_error": error}

    def __repr__(self):
        return "Given()"


def run(metric, stop, epochs=60, optimizer=None, **options):
    rbm = fr.RBM.from_data(X[:100], 4)
    callbacks = [*options.pop("callbacks", []), stop]
    optimizer = optimizer or fr.optim.SGD(0.05)
    history = fr.fit(rbm, X[:100], fr.gradient.PCD(8), optimizer, epochs, 50, metrics=metric, callbacks=callbacks,
                     **options)  # fmt: skip
    return rbm, history


@pytest.mark.parametrize("error", [math.inf, math.nan, 30.0])
def test_measurements_with_a_large_error_do_not_count(error):
    """Neither as better (the 9) nor as worse (all the others)."""
    values = [1.0, 2.0, 9.0] + [1.5] * 20 + [5.0]
    errors = [0.1, 0.1] + [error] * 21 + [0.1]
    stop = fr.EarlyStopping("score", patience=3)
    _, history = run(Given(values, errors), stop)
    assert stop.best == 5.0 and stop.best_epoch == 24 and history["epoch"][-1] == 27


def test_an_error_below_the_change_or_a_part_of_the_gain_counts():
    stop = fr.EarlyStopping("score", patience=2)
    _, history = run(Given([0.0, 10.0, 10.3, 10.0, 10.2], [0.4]), stop)  # 5 % of 10 is 0.5
    assert stop.best == 10.3 and history["epoch"][-1] == 5
    stop = fr.EarlyStopping("score", patience=2, min_delta=1.0)
    _, history = run(Given([0.0, 0.5, 0.5], [0.9]), stop)  # an error below what counts as better: no better, twice
    assert stop.best == 0.0 and history["epoch"][-1] == 3
    stop = fr.EarlyStopping("score", patience=2)
    _, history = run(Given([-5.0, -40.0, -50.0], [13.0]), stop)  # worse, however large the errors
    assert stop.best == -5.0 and history["epoch"][-1] == 3


def test_both_sides_that_disagree_are_not_averaged():
    """A model of modes that short annealing does not reach: the lower end, of which the error is not known."""
    rbm = fr.RBM(np.full((40, 30), 1.0), np.full(40, -12.0), np.full(30, -16.0))
    metric = fr.metrics.LogLikelihood("bidirectional", n_chains=20, n_betas=10, every=1)
    bits = fr.BitMatrix.from_states(np.eye(40, dtype=np.uint8))
    row = metric(fr.metrics.Snapshot(rbm, bits, None, None, 1, 0, 1))
    score = fr.likelihood.score(rbm, bits, "bidirectional", 20, 10, 0)
    assert not score.log_partition.agree
    assert row == {"log_likelihood": score.lower, "log_likelihood_error": math.inf}


# ---------------------------------------------------------------- the rate falls when the score stalls


class Rates:
    """A callback that notes the rates, and the model, epoch by epoch."""

    def __init__(self):
        self.weights = {}

    def __call__(self, state):
        self.weights[state.epoch] = state.rbm.weights
        self.wanted = state.epochs, state.n_updates


def test_a_stalled_score_lets_the_rate_fall_before_the_end():
    stop, seen = fr.EarlyStopping("score", patience=4), Rates()
    rate = fr.optim.SGD(fr.optim.Linear(0.2, 0.0))
    rbm, history = run(Given([*RISING, 1.0, 0.0]), stop, 100, rate, callbacks=[seen])
    # best at 6; stalled at 10, of which half: 5 more
    assert history["epoch"].tolist() == list(range(1, 16)) and seen.wanted == (15, 30)
    rates = history["learning_rate"]
    before = 0.2 * (1 - np.arange(1, 20, 2) / 200)
    after = 0.2 * (1 - (0.1 + 0.9 * np.arange(1, 10, 2) / 10))
    assert np.allclose(rates, np.concatenate([before, after]), rtol=1e-12)
    # an exact score: the best one stays the best, and is the result
    assert stop.best == 1.0 and np.array_equal(rbm.weights, seen.weights[6])


def test_the_rate_falls_from_the_best_model_and_uncertain_scores_are_forgotten():
    stop, seen = fr.EarlyStopping("score", patience=4), Rates()
    still = fr.optim.SGD(lambda progress: 0.2 if progress < 0.1 else 1e-30 * (1 - progress))  # which moves nothing
    metric = Given([*RISING, 10.0, *[0.0] * 4, 3.0, 4.0, 2.0], [0.25])
    rbm, _ = run(metric, stop, 100, still, callbacks=[seen])
    assert np.array_equal(rbm.weights, seen.weights[6]) and not np.array_equal(rbm.weights, seen.weights[10])
    assert stop.best == 4.0 and stop.best_epoch == 12


def test_an_average_starts_anew_where_the_training_goes_back():
    """To the best average, and nothing moves from there: no model between epochs 6 and 10 is a part of later ones."""
    stop, seen = fr.EarlyStopping("score", patience=4), Rates()
    still = fr.optim.SGD(lambda progress: 0.2 if progress < 0.1 else 1e-30 * (1 - progress))
    metric = Given([*RISING, 10.0, *[0.0] * 4, 3.0, 4.0, 2.0], [0.25])
    averaging = fr.optim.Averaging(1.0, 1)
    rbm, history = run(metric, stop, 100, still, callbacks=[seen], averaging=averaging)
    assert not np.array_equal(seen.weights[10], seen.weights[6])
    assert history["epoch"][-1] == 15 and averaging.get_state()["t"] == 10  # of 5 epochs
    for epoch in range(11, 16):
        assert np.array_equal(seen.weights[epoch], seen.weights[6])
    assert stop.best_epoch == 12 and np.array_equal(rbm.weights, seen.weights[6])


def test_a_constant_rate_or_no_cool_down_ends_at_once():
    falling = fr.optim.SGD(fr.optim.Linear(0.2, 0.0))
    for optimizer, cool_down in ((fr.optim.SGD(0.1), 0.5), (falling, 0.0)):
        stop = fr.EarlyStopping("score", patience=4, cool_down=cool_down)
        _, history = run(Given([1.0, 0.0]), stop, 100, optimizer)
        assert history["epoch"][-1] == 5
    _, history = run(Given([1.0, 0.0]), fr.EarlyStopping("score", patience=4, cool_down=9.0), 12, falling)
    assert history["epoch"][-1] == 12  # no longer than it was to be
    ends = fr.EarlyStopping("score", patience=4)
    _, history = run(Given([1.0, 0.0]), ends, 100, falling, callbacks=[lambda state: state.epoch == 6])
    assert history["epoch"][-1] == 6  # another callback's word is the last


class Stop(Exception):
    pass


@pytest.mark.parametrize("at, averaged", [(5, False), (11, False), (13, True)])
def test_a_training_that_cools_down_is_resumed_to_the_same_bits(tmp_path, at, averaged):
    def go(breaks=None, **options):
        options["averaging"] = fr.optim.Averaging(0.5, 4) if averaged else None
        rbm, stop = fr.RBM.from_data(X[:300], 6), fr.EarlyStopping("score", patience=4)

        def interrupt(state):
            if state.epoch == breaks:
                raise Stop

        values = Given([*RISING, 1.0, 0.0])
        history = fr.fit(rbm, X[:300], fr.gradient.PCD(8), fr.optim.SGD(fr.optim.Linear(0.2, 0.0)), 100, 50,
                         metrics=values, callbacks=[stop, interrupt], **options)  # fmt: skip
        return rbm, history

    whole, history = go()
    path = tmp_path / "c.npz"
    with pytest.raises(Stop):
        go(at, checkpoint=path, checkpoint_seconds=0.0)
    rbm, again = go(checkpoint=path, checkpoint_seconds=0.0, resume=True)
    assert np.array_equal(rbm.weights, whole.weights)
    for column in set(history.columns) - {"seconds"}:
        assert np.array_equal(history[column], again[column])
    rbm, again = go(checkpoint=path, resume=True)  # it stays ended
    assert np.array_equal(rbm.weights, whole.weights) and len(again) == len(history)


@pytest.mark.slow
def test_early_stopping_throws_no_nats_away():
    """At fit's own schedule: within 0.3 nats of the same training without."""
    scores = []
    for watched in (False, True):
        rbm = fr.RBM.from_data(X[:1200], 64, seed=0)
        options = {"metrics": fr.metrics.LogLikelihood(), "callbacks": fr.EarlyStopping("log_likelihood")}
        fr.fit(rbm, X[:1200], epochs=600, validation=X[1200:1500], **(options if watched else {}))
        scores.append(fr.likelihood.score(rbm, X[1500:], n_betas=2000).mean)
    assert scores[1] > scores[0] - 0.3
