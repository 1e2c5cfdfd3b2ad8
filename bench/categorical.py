"""Time categorical visible units: fastrbm, NumPy and rbms side by side, at equal threads.

    python bench/categorical.py [--sizes 31x21x100 200x21x200] [--chains 1000 10000] [--threads 2] [--only fastrbm ...]

A size is sites x categories x hidden units. A sweep draws both layers of all chains; a PCD-1 update has as many
examples as chains. As in bench/compare.py each contender lives in a process of its own, they are timed in turns with a
pause between them, and the table has medians. *ratio*: the time of the fastest NumPy over the contender's own. *kB
a chain*: by how much the peak memory of the process grew beyond its libraries, over the chains (and the examples).

Every contender is checked before it is timed, in another process. Its sweep must draw from the exact conditional
distributions, float64 by their formula: each visible unit, and each pair of a visible and a hidden unit, is on as often
as expected, within 6 standard errors. Its update must be that formula's for the states that it has.

rbms (DsysDML, PyTorch) takes part where rbms and torch are installed.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from turns import Bench, check, compare, seconds, table

import fastrbm as fr
from fastrbm._core.threads import default_threads

STEPS = ["sweep", "PCD-1 update"]
RATE = 1e-9  # of the timed updates: the model stays as it is
BLOCK = 1 << 18  # fields of visible units that NumPy works on at a time, 1 MB: they stay in cache


def problem(size, n_chains, seed=0):
    """(W (N q, H), b, c, codes): weights N(0, 0.1^2), biases N(0, 0.5^2), float32; codes uint8 (n_chains, N)."""
    N, q, H = size
    rng = np.random.default_rng(seed)
    W, b = rng.normal(0, 0.1, (N * q, H)), rng.normal(0, 0.5, N * q)
    codes = rng.integers(0, q, (n_chains, N), np.uint8)
    return W.astype(np.float32), b.astype(np.float32), np.zeros(H, np.float32), codes


# ---------------------------------------------------------------- what is right


class Exact:
    """The conditional distributions by their formula, in float64."""

    def __init__(self, size, W, b, c):
        self.N, self.q, self.H = size
        self.W, self.b, self.c = (a.astype(np.float64) for a in (W, b, c))

    def one_hot(self, codes):
        return (codes[:, :, None] == np.arange(self.q)).reshape(len(codes), -1).astype(np.float64)

    def mean_hidden(self, codes):
        return 1 / (1 + np.exp(-(self.one_hot(codes) @ self.W + self.c)))

    def mean_visible(self, h):
        field = (h @ self.W.T + self.b).reshape(len(h), self.N, self.q)
        p = np.exp(field - field.max(axis=2, keepdims=True))
        return (p / p.sum(axis=2, keepdims=True)).reshape(len(h), -1)

    def check_sweep(self, before, codes, h):
        """codes were drawn given the hidden states before, and then h given codes."""
        p, q = self.mean_visible(before.astype(np.float64)), self.mean_hidden(codes)
        x, ones = self.one_hot(codes), np.ones((len(codes), 1))
        for name, states, mean, given in (
            ("visible", x, p, np.concatenate([ones, before], axis=1)),
            ("hidden", h, q, np.concatenate([ones, x], axis=1)),
        ):
            off = np.abs(given.T @ (states - mean))
            # no count of events so rare that one of them is beyond six standard errors is looked at so closely
            allowed = 6 * np.sqrt((given**2).T @ (mean * (1 - mean))) + 6
            check((off <= allowed).all(), f"the sweep's {name} units are not drawn from their distribution")

    def check_update(self, changes, data, codes):
        """changes (V, H): what an update of rate 1 adds to W, with chains at codes."""
        expected = self.one_hot(data).T @ self.mean_hidden(data) / len(data)
        expected -= self.one_hot(codes).T @ self.mean_hidden(codes) / len(codes)
        off = np.abs(changes - expected).max()
        check(off < 1e-5, f"the gradient is off by {off:g}")


# ---------------------------------------------------------------- contenders


def fastrbm(size, parameters, codes, exact=None):
    N, q, _ = size
    rbm = fr.RBM(*parameters, visible=fr.units.Categorical(N, q))
    chains = fr.Chains(rbm, len(codes), start=codes)
    if exact:
        before = chains.hidden
        chains.sweep()
        exact.check_sweep(before, chains.visible, chains.hidden)
        pcd = fr.gradient.PCD(len(codes), seed=2)
        weights = pcd(rbm, codes).weights
        exact.check_update(weights, codes, pcd.chains.visible)
    trained, pcd, sgd = rbm.copy(), fr.gradient.PCD(len(codes)), fr.optim.SGD(RATE)
    return {"sweep": chains.sweep, "PCD-1 update": lambda: sgd.update(trained, pcd(trained, codes))}


class Blocks:
    """Chains in blocks of equal length, as many for each worker, whose fields of width visible units stay in cache."""

    def __init__(self, n_chains, width, workers=1, seed=0):
        count = workers * -(-n_chains * width // (BLOCK * workers))
        length = -(-n_chains // count)
        self.blocks = [slice(start, start + length) for start in range(0, n_chains, length)]
        self.rngs = [np.random.default_rng([seed, k]) for k in range(len(self.blocks))]
        self.workers = ThreadPoolExecutor(workers) if workers > 1 else None

    def each(self, work):
        """work(block number) of every block, by the workers."""
        numbers = range(len(self.blocks))
        return list(self.workers.map(work, numbers) if self.workers else map(work, numbers))

    def sweep_block(self, k):
        self.draw_visible(k)
        return self.draw_hidden(k)

    def sweep(self):
        """One sweep of all chains; returns what draw_hidden does, by blocks."""
        return self.each(self.sweep_block)


def to_probabilities(x):
    """sigmoid in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


class NumpyPotts(Blocks):
    """Model and chains in float32. v -> h by a product with one-hot rows, or by adding up rows of W; h -> v by a
    product, softmax, running sums over the categories and one uniform number a site, in blocks of chains that stay in
    cache.

    The fields of h -> v are kept category by category, (q, N, chains): passes over categories are then whole arrays.
    """

    def __init__(self, size, W, b, c, codes, gather, workers=1, seed=0):
        (self.N, self.q, self.H), self.gather = size, gather
        self.W, self.b, self.c = W.copy(), b.copy(), c.copy()
        self.by_category()
        self.codes = codes.copy()
        self.h = np.empty((len(codes), self.H), np.float32)
        super().__init__(len(codes), self.N * self.q, workers, seed)
        self.each(self.draw_hidden)

    def by_category(self):
        self.W_down = np.ascontiguousarray(self.W.reshape(self.N, self.q, self.H).transpose(1, 0, 2))
        self.W_down = self.W_down.reshape(-1, self.H)
        self.b_down = np.ascontiguousarray(self.b.reshape(self.N, self.q).T)[:, :, None]

    def one_hot(self, codes):
        out = np.zeros((len(codes), self.N * self.q), np.float32)
        rows = np.arange(len(codes))[:, None] * (self.N * self.q)
        out.reshape(-1)[rows + np.arange(self.N) * self.q + codes] = 1
        return out

    def hidden_fields(self, codes, one_hot=None):
        if self.gather:
            W = self.W.reshape(self.N, self.q, self.H)
            x = W[0][codes[:, 0]]
            x += self.c
            for i in range(1, self.N):
                x += W[i][codes[:, i]]
        else:
            x = (self.one_hot(codes) if one_hot is None else one_hot) @ self.W
            x += self.c
        return x

    def mean_hidden(self, codes, one_hot=None):
        return to_probabilities(self.hidden_fields(codes, one_hot))

    def draw_hidden(self, k):
        """h of a block, and its P(h | v)."""
        rows = self.blocks[k]
        p = self.mean_hidden(self.codes[rows])
        np.less(self.rngs[k].random(p.shape, np.float32), p, out=self.h[rows], casting="unsafe")
        return p

    def draw_visible(self, k):
        rows = self.blocks[k]
        h = self.h[rows]
        field = (self.W_down @ h.T).reshape(self.q, self.N, len(h))
        field += self.b_down
        field -= field.max(axis=0)
        np.exp(field, out=field)
        for a in range(1, self.q):
            field[a] += field[a - 1]
        u = self.rngs[k].random((self.N, len(h)), np.float32)
        u *= field[-1]
        # the last running sum is never below u: codes stay below q
        self.codes[rows] = (field[:-1] <= u).sum(axis=0, dtype=np.uint8).T

    def sums(self, codes, p=None):
        """(sum of x p', of x, of p) of a block."""
        x = self.one_hot(codes)
        p = self.mean_hidden(codes, x) if p is None else p
        return x.T @ p, x.sum(axis=0), p.sum(axis=0)

    def update(self, data, rate):
        positive = self.each(lambda k: self.sums(data[self.blocks[k]]))
        swept = self.sweep()
        negative = self.each(lambda k: self.sums(self.codes[self.blocks[k]], swept[k]))
        for array, k in ((self.W, 0), (self.b, 1), (self.c, 2)):
            change = sum(block[k] for block in positive)
            change -= sum(block[k] for block in negative)
            change *= np.float32(rate / len(data))
            array += change
        self.by_category()


def numpy(gather, size, parameters, codes, exact=None):
    """gather: None takes the faster way, by all threads."""
    count = default_threads() if gather is None else 1
    ways = (True, False) if gather is None else (gather,)
    found = [NumpyPotts(size, *parameters, codes, way, count) for way in ways]
    for baseline in found if exact else ():
        before = baseline.h.copy()
        baseline.sweep()
        exact.check_sweep(before, baseline.codes, baseline.h)
        baseline.update(codes, 1.0)
        exact.check_update(baseline.W - parameters[0], codes, baseline.codes)
    baseline = found[0] if len(found) == 1 else min(found, key=lambda one: seconds(one.sweep))
    return {"sweep": baseline.sweep, "PCD-1 update": lambda: baseline.update(codes, RATE)}


def rbms(size, parameters, codes, exact=None):
    import torch
    from rbms.potts_bernoulli.classes import PBRBM

    torch.set_num_threads(default_threads())
    torch.set_grad_enabled(False)
    N, q, H = size
    W, b, c = (torch.from_numpy(p.copy()) for p in parameters)
    model = PBRBM(W.view(N, q, H), b.view(N, q), c)
    model.init_grad()
    data = torch.from_numpy(codes.astype(np.float32))
    chains = model.init_chains(num_samples=len(data), start_v=data)

    def sweep():
        """v given h, then h given v, as the others do."""
        model.sample_visibles(chains)
        model.sample_hiddens(chains)

    def update(rate):
        """The plain gradient: what rbms.training.pcd.fit_batch_pcd does, without its scaling of gradients."""
        batch = model.init_chains(num_samples=len(data), start_v=data)
        sweep()
        model.compute_gradient(batch, chains, centered=False)
        for parameter in model.parameters():
            parameter.add_(parameter.grad, alpha=rate)

    if exact:
        before = chains["hidden"].numpy().copy()
        sweep()
        exact.check_sweep(before, chains["visible"].numpy().astype(np.uint8), chains["hidden"].numpy())
        update(1.0)
        change = model.weight_matrix.numpy().reshape(N * q, H) - parameters[0]
        exact.check_update(change, codes, chains["visible"].numpy().astype(np.uint8))
    return {"sweep": sweep, "PCD-1 update": lambda: update(RATE)}


# name: (function, what its process finds in the environment)
CONTENDERS = {
    "NumPy, one-hot": (partial(numpy, False), {}),
    "NumPy, gather": (partial(numpy, True), {}),
    "NumPy, threads": (partial(numpy, None), {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}),
    "fastrbm": (fastrbm, {}),
    "fastrbm, AVX2": (fastrbm, {"FASTRBM_ISA": "avx2"}),
    "rbms": (rbms, {}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["31x21x100", "200x21x200"], metavar="NxqxH")
    parser.add_argument("--chains", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="contenders (default: all)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2, help="of every contender")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)  # the contenders' processes inherit these
    fr.show_config()
    bench = Bench(CONTENDERS, problem, Exact, STEPS, ("NumPy, one-hot", "NumPy, gather", "NumPy, threads"))
    said = set()
    for text in options.sizes:
        size = tuple(map(int, text.split("x")))
        for n_chains in options.chains:
            names = list(options.only or CONTENDERS)
            times, memory, missing = compare(bench, names, size, n_chains, options.threads, options.repeats)
            for sentence in missing:
                if sentence not in said:
                    print(sentence)
                    said.add(sentence)
            print(f"\n{text}, {n_chains:,} chains, {options.threads} threads; ratio: to the fastest NumPy")
            print("\n".join(table(bench, times, memory)), flush=True)


if __name__ == "__main__":
    main()
