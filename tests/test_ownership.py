"""Who owns an array: what a model, a gradient or an optimizer holds is never written to by what comes later."""

from types import SimpleNamespace

import numpy as np
import pytest

import fastrbm as fr
from fastrbm.training import fused

X = fr.datasets.load_digits()[:160]


def arrays_of(rbm):
    p = rbm._parameters
    return [p.to_hidden.tiles_array, p.to_visible.tiles_array, p.to_hidden.bias_array, p.to_visible.bias_array]


def packed(X):
    return np.ascontiguousarray(fr.BitMatrix.from_states(X).planes.T)


@pytest.mark.parametrize("n_hidden", [64, 70])  # of 64, W is a view of its tiles, if anybody makes it one
@pytest.mark.parametrize(
    "optimizer",
    [fr.optim.SGD(0.1), fr.optim.SGD(0.1, momentum=0.5), fr.optim.SGD(0.1, max_norm=0.5), fr.optim.Adam(0.01)],
)
def test_parameters_of_an_earlier_time_stay(optimizer, n_hidden):
    rbm = fr.RBM.from_data(X, n_hidden, seed=0)
    held = []
    for epoch in range(4):
        held.append((rbm.weights, rbm.copy(), arrays_of(rbm), rbm.weights.copy(), [a.copy() for a in arrays_of(rbm)]))
        fr.fit(rbm, X, epochs=1, batch_size=10, optimizer=optimizer, seed=epoch)
        optimizer.update(rbm, fr.gradient.CD()(rbm, X))
    for weights, copy, arrays, *then in held:
        assert np.array_equal(weights, then[0]) and np.array_equal(copy.weights, then[0])
        assert all(np.array_equal(now, before) for now, before in zip(arrays, then[1], strict=True))


def test_the_two_places_of_a_fused_training_are_its_own():
    rbm = fr.RBM.from_data(X, 70, seed=0)
    many = fused.Updates(rbm, fr.gradient.PCD(20), fr.optim.SGD(0.1), None)
    for n in (4, 5, 6):  # ends in the one place and in the other
        assert many.run(packed(X), np.arange(10 * n), 10 * np.arange(n + 1), np.full(n, 0.1)) == n
        for place in many._arrays:
            assert not any(np.shares_memory(array, place) for array in arrays_of(rbm))


HUGE = SimpleNamespace(weights=np.full((64, 20), 1e10), visible_bias=np.full(64, 1e10), hidden_bias=np.full(20, 1e10))


def test_an_adam_that_failed_goes_on_as_if_it_had_not_tried():
    def run(fails):
        rbm, adam, cd = fr.RBM.from_data(X, 20, seed=0), fr.optim.Adam(0.01), fr.gradient.CD(seed=3)
        for k in range(6):
            if k in fails:
                adam.learning_rate = 1e38
                with pytest.raises(FloatingPointError):
                    adam.update(rbm, HUGE)
                adam.learning_rate = 0.01
            adam.update(rbm, cd(rbm, X))
        return rbm.weights, *adam.get_state().values()

    for one, other in zip(run(()), run((0, 2, 3)), strict=True):
        assert np.array_equal(one, other)


def test_adam_takes_the_same_two_places_in_turns():
    rbm, adam, cd = fr.RBM.from_data(X, 20, seed=0), fr.optim.Adam(0.01), fr.gradient.CD()
    places = []
    for _ in range(6):
        adam.update(rbm, cd(rbm, X))
        places.append([a.ctypes.data for a in (*adam._means, *adam._squares)])
    assert places[0] == places[2] == places[4] and places[1] == places[3] == places[5] and places[0] != places[1]
