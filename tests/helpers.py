"""What several tests share: models by enumeration, in float64, and the kernels of every ISA level."""

import os
import subprocess
import sys

import numpy as np

import fastrbm as fr
from fastrbm import reference
from fastrbm._core import dispatch

LEVELS = dispatch.available_levels()
TILE = 64


def modules():
    """Every kernel module that this machine can run, by level."""
    return {level: dispatch.load(level) for level in LEVELS}


def random_rbm(n_visible, n_hidden, scale=0.6, seed=0):
    rng = np.random.default_rng(seed)
    return fr.RBM(
        rng.normal(0, scale, (n_visible, n_hidden)), rng.normal(0, scale, n_visible), rng.normal(0, scale, n_hidden)
    )


def all_states(n):
    """Every state of n units, (2^n, n) uint8; unit k is bit k of the row's number."""
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.uint8)


def state_numbers(states):
    return states.astype(np.int64) @ (1 << np.arange(states.shape[1]))


def joint_energies(W, b, c):
    """E(v, h) of every pair of states, straight from its definition, (2^V, 2^H)."""
    v, h = all_states(len(b)).astype(float), all_states(len(c)).astype(float)
    return -(v @ W @ h.T + (v @ b)[:, None] + (h @ c)[None, :])


def logsumexp(x, axis=None):
    peak = x.max(axis=axis, keepdims=True)
    return np.squeeze(peak + np.log(np.exp(x - peak).sum(axis=axis, keepdims=True)), axis=axis)


class Enumerated:
    """A small model by brute force over both layers."""

    def __init__(self, rbm):
        W, b, c = (np.asarray(a, np.float64) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
        self.energies = joint_energies(W, b, c)
        self.log_z = float(logsumexp(-self.energies.reshape(-1)))
        self.p = np.exp(-self.energies - self.log_z)
        self.p_v = self.p.sum(axis=1)
        self.v, self.h = all_states(len(b)).astype(float), all_states(len(c)).astype(float)
        self.hidden_given_v = (self.p @ self.h) / self.p_v[:, None]

    def log_likelihood(self, X):
        return float(np.log(self.p_v[state_numbers(np.asarray(X))]).mean())

    def model_moments(self):
        return self.v.T @ self.p @ self.h, self.p_v @ self.v, self.p.sum(axis=0) @ self.h

    def sample_visible(self, n, seed):
        """n exact samples of v, uint8."""
        return self.v[np.random.default_rng(seed).choice(len(self.p_v), n, p=self.p_v)].astype(np.uint8)


def tiles_for(n_units):
    return -(-n_units // TILE)


BINARY = "bernoulli", "bernoulli"
PAIRS = [("spin", "spin"), ("spin", "bernoulli"), ("bernoulli", "spin")]  # the others


def build_layers(module, weights, visible_bias, hidden_bias, n_threads=1, units=BINARY, layout=None):
    """(to_visible, to_hidden) as fastrbm._core.parameters builds them, from one module's own functions; layout: of the
    visible layer, where it has segments, and units[0] is "bernoulli"."""
    from fastrbm._core.parameters import exponent

    n_visible, n_hidden = weights.shape
    tiles = reference.to_tiles(weights)
    to_hidden = np.empty_like(tiles)
    to_visible = np.empty((tiles_for(n_visible), -(-n_hidden // 8) * 8, TILE), np.float32)
    _, column, row = module.ascend(tiles, tiles, 0.0, 0.0, 0.0, 1e30, to_hidden, to_visible, n_threads)
    segments, hidden_padded = None, placed(hidden_bias, [(k, TILE) for k in range(0, n_hidden, TILE)])
    places = [(k, TILE) for k in range(0, n_visible, TILE)]
    if layout is not None:
        segments = module.Segments(layout)
        places, column = segments.places, module.largest_input(to_hidden, segments)
        to_hidden, tiles = with_slack(to_hidden, segments.n_inputs), to_visible
        to_visible = np.full((segments.n_tiles, *tiles.shape[1:]), np.nan, np.float32)
        module.place_tiles(tiles, segments, to_visible, n_threads)
    eh, ev = exponent(column, n_visible), exponent(row, n_hidden)
    return (
        module.Layer(to_visible, ev, placed(visible_bias, places), n_visible, *units, segments),
        module.Layer(to_hidden, eh, hidden_padded, n_hidden, *units[::-1], None, segments),
    )


def placed(values, places):
    """One number a unit, each in its column of the tiles, which have n units from the first on each."""
    out = np.zeros(len(places) * TILE, np.float32)
    for tile, (first, n) in enumerate(places):
        part = values[first : first + n]
        out[tile * TILE : tile * TILE + len(part)] = part
    return out


def with_slack(tiles, n_inputs):
    """The same with memory behind it for tiles of n_inputs rows. What is there counts for nothing."""
    flat = np.full(tiles.size + max(0, n_inputs - tiles.shape[1]) * TILE, np.nan, np.float32)
    flat[: tiles.size] = tiles.reshape(-1)
    return flat[: tiles.size].reshape(tiles.shape)


def pack(states):
    planes = np.empty((-(-states.shape[1] // 8), states.shape[0]), np.uint8)
    reference.pack(states, planes)
    return planes


def random_planes(layout, n, rng):
    """States of n examples of a layer of segments, (rows, n): any category, any bits."""
    rows = []
    for name, sizes in layout:
        if name == "categorical":
            rows += [rng.integers(0, size, n) for size in sizes]
        else:
            rows += [rng.integers(0, 1 << min(8, sizes - k), n) for k in range(0, sizes, 8)]
    return np.array(rows, np.uint8)


def printed_by_level(script):
    """What a script prints at each instruction set level that this machine runs, all of them at once, by level."""
    runs = {
        level: subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script], env=os.environ | {"FASTRBM_ISA": level}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for level in LEVELS
    }  # fmt: skip
    printed = {level: run.communicate() for level, run in runs.items()}
    for level, run in runs.items():
        assert run.returncode == 0, f"{level}: {printed[level][1]}"
    return {level: out for level, (out, _) in printed.items()}


def printed_at_every_level(script):
    """The texts that a script prints at any level, without the last line's end: one, where they agree."""
    return {out.rstrip("\n") for out in printed_by_level(script).values()}


class Loader:
    """Batches of the user's."""

    def __init__(self, *batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)
