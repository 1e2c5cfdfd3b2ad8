"""What bench/real.py checks its contenders by: conditional distributions by their formula, in float64."""

import numpy as np
from turns import check

import fastrbm as fr


class Exact:
    """The conditional distributions by their formula, in float64."""

    def __init__(self, W, b, c, visible, hidden):
        self.W, self.b, self.c = (a.astype(np.float64) for a in (W, b, c))
        self.visible, self.hidden = visible, hidden

    def hidden_moments(self, v):
        return moments(self.hidden, numbers(self.visible, v) @ self.W + self.c)

    def visible_moments(self, h):
        return moments(self.visible, h @ self.W.T + self.b)

    def check_sweep(self, before, v, h):
        """v was drawn given the hidden states before, and then h given v."""
        before, v, h = before.astype(np.float64), v.astype(np.float64), h.astype(np.float64)
        check_draws("visible", self.visible, numbers(self.visible, v), self.visible_moments(before), before)
        check_draws("hidden", self.hidden, h, self.hidden_moments(v), numbers(self.visible, v))

    def check_means(self, rbm, v, h):
        """The means that rbm gives: float32, with weights on their grids."""
        for name, given, exact, senders, grid in (
            ("hidden", rbm.mean_hidden(v), self.hidden_moments(v), numbers(self.visible, v), rbm.grid[0]),
            ("visible", rbm.mean_visible(h), self.visible_moments(h), h, rbm.grid[1]),
        ):
            mean, second = exact
            field = np.abs(senders).sum(axis=1).max() * grid / 2  # by how much a field may be off
            off, allowed = np.abs(given - mean), field * (second - mean**2).max() + 1e-6 * np.maximum(1, np.abs(mean))
            check((off <= allowed).all(), f"a {name} mean is off by {off.max():g}")

    def check_gradient(self, rbm, gradient, data, v):
        """Of batches data and v."""
        expected = data.T @ self.hidden_moments(data)[0] / len(data) - v.T @ self.hidden_moments(v)[0] / len(v)
        off = np.abs(gradient.weights - expected).max()
        # the means of either batch are off by half a unit of their fixed point at most
        check(off < 2.0**-rbm._parameters.to_hidden.fixed_bits + 1e-5, f"the gradient is off by {off:g}")


def numbers(unit, states):
    """What units count for in a product with weights, float64: a one-hot row of a category."""
    if isinstance(unit, fr.units.Categorical):
        states = (states[:, :, None] == np.arange(unit.n_states)).reshape(len(states), -1)
    return states.astype(np.float64)


def moments(unit, field):
    """(E[x], E[x^2]) of units with these fields."""
    if unit.real:
        return unit.moments_of(field)
    if isinstance(unit, fr.units.Categorical):
        field = field.reshape(len(field), unit.n_sites, unit.n_states)
        p = np.exp(field - field.max(axis=2, keepdims=True))
        p = (p / p.sum(axis=2, keepdims=True)).reshape(len(field), -1)
    else:
        p = 1 / (1 + np.exp(-field))
    return p, p


def check_draws(name, unit, x, expected, others):
    """x (n, units) were drawn with these moments, given others (n, units of the other layer)."""
    mean, second = expected
    given = np.concatenate([np.ones((len(x), 1)), others], axis=1)
    off = np.abs(given.T @ (x - mean))
    allowed = 6 * np.sqrt((given**2).T @ (second - mean**2))
    if not unit.real:  # no count of events so rare that one is beyond six standard errors is looked at so closely
        allowed += 6 * np.abs(given).max(axis=0)[:, None]
    check((off <= allowed).all(), f"the sweep's {name} units do not have their means")
    for what, off in (("means", x - mean), ("second moments", x**2 - second)) if unit.real else ():
        for axes in (0, None):  # each unit's, and those of all together
            right = np.abs(off.sum(axis=axes)) <= 6 * np.sqrt((off**2).sum(axis=axes))
            check(np.all(right), f"the sweep's {name} units do not have their {what}")
