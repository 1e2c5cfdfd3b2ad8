"""Do the intervals of log Z hold the truth? Random models whose log Z is known by enumeration, 100 ordinary and hard
ones.

python bench/coverage.py                  a line for each kind of model: how many intervals hold the truth
python bench/coverage.py --each           a line for each model, too
"""

import argparse
import time
import warnings

import numpy as np

import fastrbm as fr

KINDS = ("random", "planted", "balanced", "half seen")


def random_model(rng):
    """Weights of independent normal numbers."""
    n_visible, n_hidden = int(rng.integers(12, 61)), int(rng.integers(6, 15))
    weights = rng.uniform(0.3, 3.0) * rng.normal(size=(n_visible, n_hidden))
    b = rng.normal(size=n_visible) - 0.5 * weights.sum(axis=1) * rng.integers(0, 2)
    return fr.RBM(weights, b, rng.normal(size=n_hidden) - 0.5 * weights.sum(axis=0) * rng.integers(0, 2))


def planted_model(rng, balanced):
    """Each hidden unit stands for a pattern of the visible units; balanced: modes of about one weight."""
    n_visible, n_hidden = int(rng.integers(12, 61)), int(rng.integers(6, 15))
    patterns = rng.choice([-1.0, 1.0], size=(n_visible, n_hidden))
    weights = rng.uniform(0.3, 3.0) * patterns * (1.0 + 0.1 * rng.normal(size=patterns.shape))
    b, c = 0.3 * rng.normal(size=n_visible), -np.abs(rng.normal(size=n_hidden))
    rbm = fr.RBM(weights, b, c)
    if balanced:  # log mass of the states of v with one hidden unit on, less that with none, to about 0
        fields = b[:, None] + weights
        mass = np.logaddexp(0.0, fields).sum(axis=0) - np.logaddexp(0.0, b).sum()
        rbm.set_parameters(hidden_bias=c - mass + rng.uniform(-1.0, 1.0, n_hidden))
    return rbm


def exact_samples(rbm, n, rng, half=False):
    """n draws of v from the model, by enumeration of the hidden layer; half: of the heavier hidden states of one sign
    of a random direction alone."""
    H = rbm.n_hidden
    states = (np.arange(1 << H)[:, None] >> np.arange(H)) & 1
    W, b, c = (a.astype(float) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    log_p = states @ c
    for start in range(0, len(states), 1024):
        part = slice(start, start + 1024)
        log_p[part] += np.logaddexp(0.0, b + states[part] @ W.T).sum(axis=1)
    if half:
        axis = rng.normal(size=H)
        top = states[np.argmax(log_p)]
        log_p = np.where((states - top) @ axis <= 1e-12, log_p, -np.inf)
    p = np.exp(log_p - log_p.max())
    h = states[rng.choice(len(states), n, p=p / p.sum())]
    return (rng.random((n, len(b))) < 1.0 / (1.0 + np.exp(-(b + h @ W.T)))).astype(np.uint8)


def models(n=100):
    """(kind, model, data) of each."""
    for k in range(n):
        rng, kind = np.random.default_rng(k), KINDS[k % len(KINDS)]
        rbm = random_model(rng) if kind == "random" else planted_model(rng, kind != "planted")
        yield kind, rbm, exact_samples(rbm, 200, rng, half=kind == "half seen")


def hidden_mode(log_ratio, n_visible=100, n_hidden=21, seed=0):
    """A model and data, all of one mode, that has another one, with all visible units on, heavier by this factor."""
    rng = np.random.default_rng(seed)
    weights = 0.3 * rng.normal(size=(n_visible, n_hidden))
    weights[:, 0] = 6.0
    b = np.full(n_visible, -1.0) + 0.1 * rng.normal(size=n_visible)
    c = np.zeros(n_hidden)
    c[0] = -1e6
    rbm = fr.RBM(weights, b, c)
    off = fr.likelihood.exact(rbm).value
    rbm.set_parameters(hidden_bias=np.r_[0.0, c[1:]])
    both = fr.likelihood.exact(rbm).value
    c[0] = off - (both + np.log1p(-np.exp(off - both))) + log_ratio
    X = fr.RBM(weights[:, 1:], b, c[1:]).sample(200, 500, seed=seed)
    rbm.set_parameters(hidden_bias=c)
    return rbm, X


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--fixed", action="store_true", help="10,000 betas and 100 chains, as before tolerances")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    how = {"n_betas": 10_000, "n_chains": 100} if options.fixed else {}
    rows, started = [], time.perf_counter()
    given = list(models(options.models)) + [(f"hidden mode e^{e}", *hidden_mode(e)) for e in (3, 20, 100)]
    for k, (kind, rbm, X) in enumerate(given):
        truth = fr.likelihood.exact(rbm)
        score = fr.likelihood.score(rbm, X, method="bidirectional", seed=k, **how)
        z = score.log_partition
        error = z.value - truth.value
        rows.append((kind, z.lower <= truth.value <= z.upper, z.agree, error, z.upper - z.lower))
        if options.each:
            print(f"{k:3d} {kind:10s} {rbm.n_visible:3d} x {rbm.n_hidden:2d} error {error:8.3f} width "
                  f"{z.upper - z.lower:8.3f} holds {rows[-1][1]!s:5} agree {z.agree}")  # fmt: skip
    for kind in dict.fromkeys(row[0] for row in rows):
        mine = [row for row in rows if row[0] == kind]
        holds, silent = sum(row[1] for row in mine), sum(row[2] and not row[1] and abs(row[3]) > 0.1 for row in mine)
        widths = np.median([row[4] for row in mine])
        print(f"{kind:20s} {holds} of {len(mine)} intervals hold the truth, {sum(not r[2] for r in mine)} warned of, "
              f"{silent} silently wrong by more than 0.1 nats, median width {widths:.3f}")  # fmt: skip
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
