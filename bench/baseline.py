"""The baseline: one Gibbs sweep and one PCD-1 update in well-written float32 NumPy.

In-place sigmoid, float32 uniforms, matrix products by BLAS. The order is fastrbm's: v given h, then h given v, so that
the chains' own P(h | v) serves the negative phase and neither side computes it twice.
"""

import numpy as np


def sigmoid_(x):
    """1 / (1 + exp(-x)), in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


class NumpyRBM:
    """Model and chains as float32 arrays."""

    def __init__(self, weights, visible_bias, hidden_bias, visible, seed=0):
        self.W, self.b, self.c = (np.array(a, np.float32) for a in (weights, visible_bias, hidden_bias))
        self.rng = np.random.default_rng(seed)
        self.v = visible.astype(np.float32)
        self.h = self.bernoulli(self.mean_hidden(self.v))

    def bernoulli(self, p):
        return (self.rng.random(p.shape, dtype=np.float32) < p).astype(np.float32)

    def mean_hidden(self, v):
        x = v @ self.W
        x += self.c
        return sigmoid_(x)

    def mean_visible(self, h):
        x = h @ self.W.T
        x += self.b
        return sigmoid_(x)

    def sweep(self):
        """One sweep of every chain; returns the last P(h | v)."""
        self.v = self.bernoulli(self.mean_visible(self.h))
        p = self.mean_hidden(self.v)
        self.h = self.bernoulli(p)
        return p

    def moments(self, data):
        """Sums of v p', v and p over data."""
        p = self.mean_hidden(data)
        return data.T @ p, data.sum(axis=0), p.sum(axis=0)

    def free_energy(self, v):
        """-b'v - sum_j softplus(c_j + (v'W)_j), with softplus(x) = max(x, 0) + log1p(exp(-|x|))."""
        x = v @ self.W
        x += self.c
        total = np.maximum(x, 0).sum(axis=1)
        np.abs(x, out=x)
        np.negative(x, out=x)
        np.exp(x, out=x)
        np.log1p(x, out=x)
        return -(v @ self.b) - total - x.sum(axis=1)

    def pcd_update(self, data, learning_rate):
        """One update by persistent contrastive divergence with one sweep."""
        positive, negative = self.mean_hidden(data), self.sweep()
        self.follow(data, positive, self.v, negative, learning_rate)

    def cd_update(self, data, learning_rate):
        """One update by contrastive divergence with one sweep."""
        positive = self.mean_hidden(data)
        v = self.bernoulli(self.mean_visible(self.bernoulli(positive)))
        self.follow(data, positive, v, self.mean_hidden(v), learning_rate)

    def follow(self, data, positive, v, negative, learning_rate):
        """theta <- theta + learning_rate (<v p'>_data - <v p'>_model), and likewise for the biases."""
        gradient = data.T @ positive
        gradient *= np.float32(learning_rate / len(data))
        other = v.T @ negative
        other *= np.float32(learning_rate / len(v))
        gradient -= other
        self.W += gradient
        self.b += np.float32(learning_rate) * (data.mean(axis=0) - v.mean(axis=0))
        self.c += np.float32(learning_rate) * (positive.mean(axis=0) - negative.mean(axis=0))
