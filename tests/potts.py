"""Small models by brute force: any row of visible segments, hidden units of 0 and 1 or spins, every joint state.

A segment is ("bernoulli", n), ("spin", n) or ("categorical", sizes), with the numbers of categories of its sites.
Visible states come in two forms: columns, as users have them (bits, spins, codes), and units, of which a site has one a
category. All in float64 NumPy from the definition of the energy; nothing of the package but its model's class is used.
"""

import itertools

import numpy as np

import fastrbm as fr

VALUES = {"bernoulli": (0, 1), "spin": (-1, 1)}


def columns_of(segments):
    """Of each column its values, in the order of the segments."""
    found = []
    for kind, size in segments:
        found += [tuple(range(q)) for q in size] if kind == "categorical" else [VALUES[kind]] * size
    return found


def places_of(segments):
    """Of each column (kind, first unit, number of units)."""
    found, unit = [], 0
    for kind, size in segments:
        for q in size if kind == "categorical" else [1] * size:
            found.append((kind, unit, q))
            unit += q
    return found


def n_units(segments):
    return sum(q for _, _, q in places_of(segments))


def units_of(segments, columns):
    """Columns (n, n_columns) as units, float64 (n, V)."""
    columns = np.asarray(columns)
    out = np.zeros((len(columns), n_units(segments)))
    for column, (kind, unit, _) in enumerate(places_of(segments)):
        if kind == "categorical":
            out[np.arange(len(columns)), unit + columns[:, column].astype(np.int64)] = 1.0
        else:
            out[:, unit] = columns[:, column]
    return out


def dtype_of(segments):
    """Of samples."""
    kinds = {kind for kind, _ in segments}
    if kinds == {"spin"}:
        return np.int8
    return np.int16 if "spin" in kinds else np.uint8


def described(segments):
    """The layer as a model takes it."""
    kinds = {"bernoulli": lambda n: fr.units.Bernoulli(n), "spin": lambda n: fr.units.Spin(n)}

    def unit(kind, size):
        if kind != "categorical":
            return kinds[kind](size)
        same = len(set(size)) == 1
        return fr.units.Categorical(len(size), size[0] if same else list(size))

    found = [unit(*segment) for segment in segments]
    return found[0] if len(found) == 1 else found


def hidden_mean(field, hidden):
    t = np.tanh(field / 2) if hidden == "bernoulli" else np.tanh(field)
    return (1 + t) / 2 if hidden == "bernoulli" else t


def hidden_cgf(field, hidden):
    if hidden == "bernoulli":
        return np.maximum(field, 0) + np.log1p(np.exp(-np.abs(field)))
    return np.abs(field) + np.log1p(np.exp(-2 * np.abs(field)))


def log_sum_exp(x, axis=-1):
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True)), axis=axis)


def parameters(segments, n_hidden, scale=0.6, seed=0):
    """(W, b, c) of N(0, scale^2), float32 values as float64."""
    V = n_units(segments)
    rng = np.random.default_rng([seed, V, n_hidden])
    shapes = (V, n_hidden), V, n_hidden
    return tuple(rng.normal(0, scale, shape).astype(np.float32).astype(np.float64) for shape in shapes)


def model(segments, n_hidden, hidden="bernoulli", scale=0.6, seed=0):
    """(the package's model, the same one by brute force)."""
    W, b, c = parameters(segments, n_hidden, scale, seed)
    return fr.RBM(W, b, c, visible=described(segments), hidden=hidden), Brute(segments, W, b, c, hidden)


class Brute:
    """A model whose joint states are all listed.

    Attributes
    ----------
    v : int64 (S, n_columns)
        Every visible state, as users have it.
    x : float64 (S, V)
        The same as units.
    h : float64 (2^H, H)
    energies, p : float64 (S, 2^H)
    p_v, free : float64 (S,)
    log_z : float
    """

    def __init__(self, segments, W, b, c, hidden="bernoulli"):
        self.segments, self.hidden = list(segments), hidden
        self.W, self.b, self.c = (np.asarray(a, np.float64) for a in (W, b, c))
        self.columns = columns_of(segments)
        self.v = np.array(list(itertools.product(*self.columns)), np.int64).reshape(-1, len(self.columns))
        self.x = units_of(segments, self.v)
        self.h = np.array(list(itertools.product(VALUES[hidden], repeat=len(self.c))), np.float64)
        self.energies = -(self.x @ self.W @ self.h.T + (self.x @ self.b)[:, None] + (self.h @ self.c)[None, :])
        self.log_z = float(log_sum_exp(-self.energies.reshape(-1)))
        self.p = np.exp(-self.energies - self.log_z)
        self.p_v = self.p.sum(axis=1)
        self.free = -log_sum_exp(-self.energies)
        self._sizes = [len(values) for values in self.columns]

    def numbers(self, v):
        """The numbers of these states (n, n_columns) among all."""
        v, out = np.asarray(v), 0
        for column, values in enumerate(self.columns):
            at = np.searchsorted(values, v[:, column])
            assert np.array_equal(np.asarray(values)[np.minimum(at, len(values) - 1)], v[:, column])
            out = out * len(values) + at
        return np.broadcast_to(out, len(v))

    def units(self, v):
        return units_of(self.segments, v)

    def as_users(self, states):
        return states.astype(dtype_of(self.segments))

    # ------------------------------------------------------------ conditional distributions

    def mean_hidden(self, v):
        """E[h | v] (n, H)."""
        rows = self.numbers(v)
        return (self.p @ self.h)[rows] / self.p_v[rows, None]

    def mean_visible(self):
        """E[x | h] of every hidden state, (2^H, V)."""
        return (self.p.T @ self.x) / self.p.sum(axis=0)[:, None]

    def given(self, clamp):
        """p(v | clamped columns) over all states: clamp (n_columns,) has NaN where a column is free."""
        clamp = np.asarray(clamp, np.float64)
        kept = np.where((np.isnan(clamp) | (self.v == clamp)).all(axis=1), self.p_v, 0.0)
        return kept / kept.sum()

    def of_hidden(self, clamp):
        """p(v | clamped hidden units), likewise."""
        clamp = np.asarray(clamp, np.float64)
        kept = self.p @ (np.isnan(clamp) | (self.h == clamp)).all(axis=1)
        return kept / kept.sum()

    def marginal(self, columns, p=None):
        """The distribution of some columns, with the numbers that reduced() gives."""
        p = self.p_v if p is None else p
        return np.bincount(self.reduced(self.v, columns), p, int(np.prod([self._sizes[k] for k in columns])))

    def reduced(self, v, columns):
        """The numbers of the states of some columns alone."""
        out = np.zeros(len(v), np.int64)
        for column in columns:
            out = out * self._sizes[column] + np.searchsorted(self.columns[column], np.asarray(v)[:, column])
        return out

    # ------------------------------------------------------------ likelihoods

    def log_probability(self, v):
        """log p of each row, (n,): of the columns that are there, where others are NaN (missing)."""
        v = np.asarray(v, np.float64)
        if not np.isnan(v).any():
            return np.log(self.p_v[self.numbers(v)])
        fits = (np.isnan(v)[:, None, :] | (v[:, None, :] == self.v[None])).all(axis=2)
        return np.log(fits @ self.p_v)

    def log_likelihood(self, v, weight=None):
        return float(np.average(self.log_probability(v), weights=weight))

    def conditional(self, v, columns):
        """log p(these columns | the others) of each row, (n,)."""
        rest = np.array(v, np.float64)
        rest[:, columns] = np.nan
        return self.log_probability(v) - self.log_probability(rest)

    def pseudo(self, v):
        """sum over columns of log p(column | the others) of each row, (n,)."""
        return sum(self.conditional(v, [column]) for column in range(len(self.columns)))

    # ------------------------------------------------------------ moments and the gradient

    def moments(self):
        """(<x h'>, <x>, <h>) of the model."""
        return self.x.T @ self.p @ self.h, self.p_v @ self.x, self.p.sum(axis=0) @ self.h

    def variances(self, binary=False):
        """Of x s', x and s, s = E[h | v], or with binary of x h', x and h: what a mean over n exact samples has, times
        n."""
        s = (self.p @ self.h) / self.p_v[:, None]
        first = self.moments()
        if binary:
            second = (self.x**2).T @ self.p @ self.h**2, self.p_v @ self.x**2, self.p.sum(axis=0) @ self.h**2
        else:
            second = (self.x**2).T @ (s**2 * self.p_v[:, None]), self.p_v @ self.x**2, self.p_v @ s**2
        return tuple(np.maximum(b - a**2, 0.0) for a, b in zip(first, second, strict=True))

    def data_moments(self, v, weight=None):
        """(<x s'>, <x>, <s>) of data."""
        w = np.ones(len(v)) if weight is None else np.asarray(weight, np.float64)
        x, s = self.units(v), self.mean_hidden(v)
        return (x * w[:, None]).T @ s / w.sum(), w @ x / w.sum(), w @ s / w.sum()

    def gradient(self, v, weight=None):
        """Of the mean log-likelihood of data: (weights, visible bias, hidden bias)."""
        return tuple(a - b for a, b in zip(self.data_moments(v, weight), self.moments(), strict=True))

    # ------------------------------------------------------------ samples

    def sample(self, n, seed, p=None):
        """n exact samples of v, as users have them."""
        p = self.p_v if p is None else p
        return self.as_users(self.v[np.random.default_rng(seed).choice(len(p), n, p=p)])

    def sweep(self, v, rng, draw=None):
        """One sweep of plain Gibbs sampling of states v, h first: draw(p, rng), if given, draws categories from
        probabilities (n, q)."""
        draw = draw or draw_category
        low, high = VALUES[self.hidden]
        field = units_of(self.segments, v) @ self.W + self.c
        on = rng.random(field.shape) < hidden_mean((high - low) * field, "bernoulli")
        field = (low + (high - low) * on) @ self.W.T + self.b
        out = np.empty(v.shape, np.int64)
        for column, (kind, unit, q) in enumerate(places_of(self.segments)):
            if kind == "categorical":
                p = np.exp(field[:, unit : unit + q] - field[:, unit : unit + q].max(axis=1, keepdims=True))
                out[:, column] = draw(p / p.sum(axis=1, keepdims=True), rng)
            else:
                low_v, high_v = VALUES[kind]
                u = rng.random(len(v))
                up = u < hidden_mean((high_v - low_v) * field[:, unit], "bernoulli")
                out[:, column] = np.where(up, high_v, low_v)
        return self.as_users(out)


def draw_category(p, rng):
    """A category for each row of probabilities."""
    running = np.cumsum(p, axis=1)
    u = rng.random(len(p)) * running[:, -1]
    return np.minimum((running <= u[:, None]).sum(axis=1), p.shape[1] - 1)


def total_variation(numbers, p):
    return float(np.abs(np.bincount(numbers, minlength=len(p)) / len(numbers) - p).sum() / 2)


def floor(p, n):
    """The expected total variation between p and n exact samples is at most this."""
    return float(np.sqrt(np.maximum(p * (1 - p), 0.0) / n).sum() / 2)  # 1 - 1 may be below 0
