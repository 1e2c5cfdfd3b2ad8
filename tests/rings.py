"""Decorated rings: models of categorical sites of any size whose log Z, marginals and gradient are known exactly.

N sites of q categories on a ring, and a hidden unit for each pair of neighbors, with weights A to the one and B to the
other. With the hidden units summed out, what is left is a ring of factors

    T_i[a, b] = exp(g_ia / 2 + g_(i+1)b / 2 + cgf(c_i + A_ia + B_ib)),

so that Z = trace(T_0 T_1 ... T_(N-1)), and marginals are entries of such products. Products are scaled by their largest
entry. All in float64 NumPy; nothing of the package but its model's class is used.
"""

import math
from functools import cached_property

import numpy as np

import fastrbm as fr

SIZES = [(31, 21), (136, 5), (200, 21)]
# of the hidden units of test rings: theta, and of real ones theta_minus, gamma and gamma_minus
BIAS = {"bernoulli": -0.5, "spin": 0.2, "gaussian": 0.3, "relu": 0.4, "drelu": 0.5}
GAMMA = {"gaussian": 1.5, "relu": 1.2, "drelu": 1.0}
MINUS = -0.3, 1.8  # of the double ReLU
LOG_PARTITION = {  # of the test rings
    "bernoulli": {(31, 21): 119.327382114, (136, 5): 327.166822872, (200, 21): 768.754581086},
    "spin": {(31, 21): 137.792748311, (136, 5): 409.090092613, (200, 21): 888.679876122},
    "gaussian": {(31, 21): 139.963732563, (136, 5): 418.132776431, (200, 21): 902.117990846},
    "relu": {(31, 21): 145.329775101, (136, 5): 424.096108552, (200, 21): 934.329918509},
    "drelu": {(31, 21): 173.546446233, (136, 5): 558.755381342, (200, 21): 1116.617221006},
}
FIRST_MARGINAL = {  # P(site 0 = 0), 31 x 21
    "bernoulli": 0.103811259, "spin": 0.075188084, "gaussian": 0.084943233, "relu": 0.120111014, "drelu": 0.098845678,
}  # fmt: skip


def ring_weights(N, q):
    """(g, A, B), each (N, q), float64: without a random generator."""
    i, a = np.arange(N)[:, None], np.arange(q)
    return 0.3 * np.cos(i + 2 * a), 1.2 * np.cos(1 + 0.7 * i + 1.9 * a), 1.2 * np.sin(0.3 + 1.1 * i + 2.3 * a)


def parameters(g, A, B, bias):
    """(W (N q, N), g (N q,), c (N,)): hidden unit i has weights A_i to site i and B_i to site i + 1."""
    N, q = g.shape
    W = np.zeros((N, q, N))
    for i in range(N):
        W[i, :, i] += A[i]
        W[(i + 1) % N, :, i] += B[i]
    return W.reshape(N * q, N), g.reshape(-1), np.full(N, float(bias))


def half(theta, gamma):
    """(log of the integral, mean, second moment) of exp(theta x - gamma x^2 / 2) over x >= 0, where theta / sqrt(gamma)
    is above -25 or so."""
    a = -theta / np.sqrt(gamma)
    tail = np.vectorize(math.erfc)(a / math.sqrt(2))  # twice the probability above a
    excess = math.sqrt(2 / math.pi) * np.exp(-a * a / 2) / tail - a
    log = a * a / 2 + np.log(tail) + 0.5 * math.log(math.pi / 2) - np.log(gamma) / 2
    return log, excess / np.sqrt(gamma), (1 - a * excess) / gamma


def of_real(x, hidden, strength=1.0, rounded=False):
    """(cgf, mean, second moment) of a real hidden unit of the test rings, whose field is x."""
    gamma = GAMMA[hidden]
    if rounded and hidden != "drelu":
        gamma = float(np.float32(gamma))
    if hidden == "gaussian":
        return x * x / (2 * gamma) + np.log(2 * np.pi / gamma) / 2, x / gamma, 1 / gamma + (x / gamma) ** 2
    if hidden == "relu":
        return half(x, gamma)
    theta, plus, minus, gammas = double_sides(strength, rounded)
    upper, lower = half(x - theta + plus, gammas[0]), half(theta - x - minus, gammas[1])
    log = np.logaddexp(upper[0], lower[0])
    p, q = np.exp(upper[0] - log), np.exp(lower[0] - log)
    return log, p * upper[1] - q * lower[1], p * upper[2] + q * lower[2]


def described(hidden, strength=1.0):
    """(bias, the units as a model takes them) of one unit."""
    if hidden not in GAMMA:
        return strength * BIAS[hidden], hidden
    parameters = {"theta": strength * BIAS[hidden], "gamma": GAMMA[hidden]}
    kind = {"gaussian": fr.units.Gaussian, "relu": fr.units.ReLU, "drelu": fr.units.DReLU}[hidden]
    if hidden == "drelu":
        names = "theta_plus", "theta_minus", "gamma_plus", "gamma_minus"
        values = strength * BIAS[hidden], strength * MINUS[0], GAMMA[hidden], MINUS[1]
        parameters = dict(zip(names, values, strict=True))
    bias, unit = kind.of_parameters(1, parameters)
    return float(bias[0]), unit


def double_sides(strength, rounded):
    """(theta, theta_plus, theta_minus, (gamma_plus, gamma_minus)) of the test rings' double ReLUs; theta is the bias of
    the model. A model keeps delta, xi and gamma as float32."""
    bias, unit = described("drelu", strength)
    plus, minus, gammas = strength * BIAS["drelu"], strength * MINUS[0], (GAMMA["drelu"], MINUS[1])
    if not rounded:
        return bias, plus, minus, gammas
    delta, xi, gamma = (float(x[0]) for x in (unit.delta, unit.xi, unit.gamma))
    upper, lower = 1 + xi / (1 + abs(xi)), 1 - xi / (1 + abs(xi))
    bias = float(np.float32(bias))
    return bias, bias + delta / upper, bias - delta / lower, (gamma / upper, gamma / lower)


def cgf(x, hidden, **options):
    """log sum_h exp(h x), h in {0, 1} or {-1, 1}; of real units their cumulant generating function."""
    if hidden in GAMMA:
        return of_real(x, hidden, **options)[0]
    if hidden == "bernoulli":
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x)))


def mean(x, hidden, **options):
    if hidden in GAMMA:
        return of_real(x, hidden, **options)[1]
    t = np.tanh(x / 2) if hidden == "bernoulli" else np.tanh(x)
    return (1 + t) / 2 if hidden == "bernoulli" else t


class Ring:
    """A decorated ring of at least 3 sites.

    A model keeps float32 parameters, which moves log Z of the test rings by up to 5e-7, with real hidden units by up to
    2e-5; rounded=True is the ring of these.
    """

    def __init__(self, g, A, B, bias, hidden="bernoulli", rounded=True, strength=1.0):
        self.options = {"strength": strength, "rounded": rounded}  # of real hidden units, beside the bias
        kind = np.float32 if rounded else np.float64
        self.g, self.A, self.B = (np.asarray(x, kind).astype(np.float64) for x in (g, A, B))
        self.bias, self.hidden = float(kind(bias)), hidden
        self.N, self.q = self.g.shape
        self.inputs = self.bias + self.A[:, :, None] + self.B[:, None, :]  # of hidden unit i, (N, q, q)
        self.log_factors = self.g[:, :, None] / 2 + np.roll(self.g, -1, axis=0)[:, None, :] / 2
        self.log_factors = self.log_factors + cgf(self.inputs, hidden, **self.options)

    @classmethod
    def of_test(cls, N, q, hidden="bernoulli", rounded=True, strength=1.0):
        """The test ring; its weights times a strength, which makes modes."""
        g, A, B = ring_weights(N, q)
        bias = described(hidden, strength)[0]
        return cls(strength * g, strength * A, strength * B, bias, hidden, rounded, strength)

    def model(self):
        W, g, c = parameters(self.g, self.A, self.B, self.bias)
        hidden = described(self.hidden, self.options["strength"])[1]
        if self.hidden in GAMMA:
            own = {name: np.full(self.N, array[0]) for name, array in hidden._own.items()}
            hidden = type(hidden)(self.N, **own)
        return fr.RBM(W, g, c, visible=fr.units.Categorical(self.N, self.q), hidden=hidden)

    @cached_property
    def _products(self):
        """(T, left, right, log Z - log trace(left[N])): factors and products scaled by their largest entries,
        left[i] = T_0 ... T_(i-1), right[i] = T_i ... T_(N-1)."""
        tops = self.log_factors.max(axis=(1, 2), keepdims=True)
        T, scale = np.exp(self.log_factors - tops), float(tops.sum())
        left, right = [np.eye(self.q)], [np.eye(self.q)]
        for i in range(self.N):
            P, R = left[-1] @ T[i], T[-1 - i] @ right[-1]
            scale += float(np.log(P.max()))
            left.append(P / P.max())
            right.append(R / R.max())
        return T, left, right[::-1], scale

    @property
    def log_z(self):
        _, left, _, scale = self._products
        return float(np.log(np.trace(left[-1]))) + scale

    @cached_property
    def pairs(self):
        """P(site i = a, site i + 1 = b), (N, q, q)."""
        T, left, right, _ = self._products
        out = np.empty((self.N, self.q, self.q))
        for i in range(self.N):
            around = right[i + 1] @ left[i]  # from site i + 1 all the way round to site i
            out[i] = T[i] * around.T
            out[i] /= out[i].sum()
        return out

    @property
    def sites(self):
        """P(site i = a), (N, q)."""
        return self.pairs.sum(axis=2)

    @cached_property
    def moments(self):
        """(<x h'> (N q, N), <x> (N q,), <h> (N,)) of the model, x the one-hot units."""
        weights = np.stack([self._with_hidden(j) for j in range(self.N)], axis=2)
        hidden = (self.pairs * mean(self.inputs, self.hidden, **self.options)).sum(axis=(1, 2))
        return weights.reshape(self.N * self.q, self.N), self.sites.reshape(-1), hidden

    def _with_hidden(self, j):
        """E[x_ia h_j] of all sites (N, q): the factor of pair j times E[h_j | pair], and the way round the ring from
        site j + 1 to site j, cut open at each site in turn."""
        N, q, T = self.N, self.q, self._products[0]
        h = mean(self.inputs[j], self.hidden, **self.options)
        out = np.empty((N, q))
        out[j], out[(j + 1) % N] = (self.pairs[j] * h).sum(axis=1), (self.pairs[j] * h).sum(axis=0)
        way = [(j + k) % N for k in range(1, N)]  # the other factors: way[k] leads from site j + 1 + k to the next
        behind, ahead = [np.eye(q)], [np.eye(q)]
        for k in range(N - 1):
            for products, P in ((behind, behind[-1] @ T[way[k]]), (ahead, T[way[-1 - k]] @ ahead[-1])):
                products.append(P / P.max())
        for k in range(1, N - 1):
            before, after = behind[k], ahead[N - 1 - k]  # site j + 1 to this site, this site to site j
            joint, total = ((before.T * (after @ M)).sum(axis=1) for M in (T[j] * h, T[j]))
            out[way[k]] = joint / total.sum()
        return out

    def data_moments(self, codes):
        """(<x s'>, <x>, <s>) of codes (n, N), with s = E[h | v], in the same shapes."""
        codes = np.asarray(codes, np.int64)
        x = np.zeros((len(codes), self.N, self.q))
        np.put_along_axis(x, codes[:, :, None], 1.0, axis=2)
        x, s = x.reshape(len(codes), -1), mean(self.fields(codes), self.hidden, **self.options)
        return x.T @ s / len(codes), x.mean(axis=0), s.mean(axis=0)

    def gradient(self, codes):
        """Of the mean log-likelihood of codes: (weights, visible bias, hidden bias)."""
        return tuple(ours - theirs for ours, theirs in zip(self.data_moments(codes), self.moments, strict=True))

    def fields(self, codes):
        """c + W'x of each row of codes, (n, N)."""
        own = np.asarray(codes, np.int64)
        return self.inputs[np.arange(self.N), own, np.roll(own, -1, axis=1)]

    def free_energies(self, codes):
        """F(v) of codes (n, N)."""
        biases = self.g[np.arange(self.N), np.asarray(codes, np.int64)]
        return -(biases + cgf(self.fields(codes), self.hidden, **self.options)).sum(axis=1)

    def log_probability(self, codes):
        return -self.free_energies(codes) - self.log_z

    def sample(self, n, seed):
        """n exact samples, codes uint8 (n, N): site 0 by its marginal, each next one given that one and what follows
        (forward filtering, backward sampling)."""
        T, _, right, _ = self._products
        rng = np.random.default_rng(seed)
        out = np.empty((n, self.N), np.uint8)
        diagonal = np.diagonal(right[0])
        out[:, 0] = _draw(np.broadcast_to(diagonal, (n, self.q)), rng)
        first = out[:, 0].astype(np.int64)
        for i in range(1, self.N):
            weight = T[i - 1][out[:, i - 1]] * right[i].T[first]
            out[:, i] = _draw(weight, rng)
        return out


def _draw(weight, rng):
    """A category for each row of weights that need not sum to 1."""
    running = np.cumsum(weight, axis=1)
    u = rng.random(len(running)) * running[:, -1]
    return np.minimum((running <= u[:, None]).sum(axis=1), running.shape[1] - 1)


def homogeneous(N, q, weight, bias):
    """A homogeneous ring of N q Bernoulli hidden units, one a pair and category: (W, g, c), its exact log Z and
    P(neighbors agree).

    e^J = (1 + e^(c + 2w)) (1 + e^c) / (1 + e^(c + w))^2; log Z = N [2 log(1 + e^(c + w)) + (q - 2) log(1 + e^c)] +
    log[(e^J + q - 1)^N + (q - 1) (e^J - 1)^N]: neighbors of different categories switch on two units by w each, alike
    ones one unit by 2w.
    """
    W = np.zeros((N, q, N, q))
    for i in range(N):
        for a in range(q):
            W[i, a, i, a] += weight
            W[(i + 1) % N, a, i, a] += weight
    none, one, two = (np.logaddexp(0, bias + k * weight) for k in (0, 1, 2))
    J = two + none - 2 * one
    large, small = np.exp(J) + q - 1, np.expm1(J)
    ratio = small / large
    log_z = N * (2 * one + (q - 2) * none) + N * np.log(large) + np.log1p((q - 1) * ratio**N)
    # d log Z / dJ = N P(agree)
    total = 1 + (q - 1) * ratio**N
    agree = np.exp(J) * (1 / large + (q - 1) * ratio ** (N - 1) / large) / total
    return (W.reshape(N * q, N * q), np.zeros(N * q), np.full(N * q, float(bias))), float(log_z), float(agree)
