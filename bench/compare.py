"""Time fastrbm and its peers side by side, and print one table of ratios.

    python bench/compare.py [--chains 1024 128] [--visible 784] [--hidden 500] [--repeats 15] [--threads N]

Compares with NumPy (bench/baseline.py) and, where they are installed, scikit-learn and PyTorch, on the same number of
threads. Each contender lives in a process of its own, since idle threads of one library slow the next; they are timed
in turns, with a pause between them, and the table has medians. Every contender's result is checked first: fastrbm's
bits against its NumPy twin, the others' conditional law against fastrbm's.
"""

import argparse
import multiprocessing
import os
import statistics
import time

import numpy as np
from baseline import NumpyRBM
from problems import check_mean_hidden, check_sweep, check_update, problem

import fastrbm as fr


def contender_fastrbm(parameters, states):
    rbm = fr.RBM(*parameters)
    check_sweep(rbm, states)
    check_update(rbm.copy(), NumpyRBM(*parameters, states), states, states)
    chains = fr.Chains(rbm, len(states), start=states)
    trained, pcd, sgd = rbm.copy(), fr.gradient.PCD(len(states)), fr.optim.SGD(1e-9)
    data = fr.BitMatrix.from_states(states)
    return chains.sweep, lambda: sgd.update(trained, pcd(trained, data))


def contender_numpy(parameters, states):
    baseline, data = NumpyRBM(*parameters, states), states.astype(np.float32)
    check_mean_hidden(fr.RBM(*parameters), states, baseline.mean_hidden(data), "NumPy")
    return baseline.sweep, lambda: baseline.pcd_update(data, 1e-9)


def contender_sklearn(parameters, states):
    from sklearn.neural_network import BernoulliRBM

    weights, visible_bias, hidden_bias = parameters
    data = states.astype(np.float32)
    model = BernoulliRBM(weights.shape[1], learning_rate=1e-9, batch_size=len(states), n_iter=1, random_state=0).fit(
        data
    )
    model.components_ = np.ascontiguousarray(weights.T)
    model.intercept_hidden_, model.intercept_visible_ = hidden_bias, visible_bias
    check_mean_hidden(fr.RBM(*parameters), states, model.transform(data), "scikit-learn")
    return lambda: model.gibbs(data), lambda: model.partial_fit(data)


def contender_torch(parameters, states):
    import torch

    torch.set_num_threads(fr._threads.default_threads())
    torch.set_grad_enabled(False)
    W, b, c = (torch.from_numpy(p.copy()) for p in parameters)
    data = torch.from_numpy(states.astype(np.float32))
    u = {}

    def bernoulli(p):
        shape = tuple(p.shape)
        u.setdefault(shape, torch.empty(shape)).uniform_()
        return (u[shape] < p).float()

    def mean_hidden(v):
        return torch.addmm(c, v, W).sigmoid_()

    chains = {"v": data, "h": bernoulli(mean_hidden(data))}
    check_mean_hidden(fr.RBM(*parameters), states, mean_hidden(data), "PyTorch")

    def sweep():
        chains["v"] = bernoulli(torch.addmm(b, chains["h"], W.T).sigmoid_())
        p = mean_hidden(chains["v"])
        chains["h"] = bernoulli(p)
        return p

    def update(rate=1e-9):
        positive, negative = mean_hidden(data), sweep()
        v = chains["v"]
        W.addmm_(data.T, positive, alpha=rate / len(data)).addmm_(v.T, negative, alpha=-rate / len(v))
        b.add_(data.mean(0) - v.mean(0), alpha=rate)
        c.add_(positive.mean(0) - negative.mean(0), alpha=rate)

    return sweep, update


CONTENDERS = {
    "NumPy": contender_numpy,
    "fastrbm": contender_fastrbm,
    "scikit-learn": contender_sklearn,
    "PyTorch": contender_torch,
}


ROUND = 0.05  # seconds that a round of one contender takes at least
PAUSE = 0.1  # seconds before a round, in which the threads of the contender before stop spinning


def work(name, n_chains, n_visible, n_hidden, pipe):
    """A contender's process: build, check, then time rounds of either step whenever asked."""
    *parameters, states = problem(n_chains, n_visible, n_hidden)
    try:
        steps = dict(zip(("sweep", "update"), CONTENDERS[name](parameters, states), strict=True))
    except ImportError:
        pipe.send(None)
        return
    loops = {}
    for kind, step in steps.items():
        step()
        started = time.perf_counter()
        step()
        loops[kind] = max(1, int(ROUND / (time.perf_counter() - started)))
    pipe.send(True)
    while kind := pipe.recv():
        time.sleep(PAUSE)
        steps[kind]()  # threads and caches wake outside the clock
        started = time.perf_counter()
        for _ in range(loops[kind]):
            steps[kind]()
        pipe.send((time.perf_counter() - started) / loops[kind])


def compare(n_chains, n_visible, n_hidden, repeats):
    """Median seconds of each contender's sweep and update: {name: (sweep, update)}; None where it is not installed."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in CONTENDERS:
        pipes[name], end = context.Pipe()
        context.Process(target=work, args=(name, n_chains, n_visible, n_hidden, end), daemon=True).start()
        end.close()
    present = {name: pipe.recv() for name, pipe in pipes.items()}
    times = {name: {"sweep": [], "update": []} for name in CONTENDERS if present[name]}
    for _ in range(repeats):
        for kind in ("sweep", "update"):
            for name in times:
                pipes[name].send(kind)
                times[name][kind].append(pipes[name].recv())
    for name in times:
        pipes[name].send(None)
    return {
        name: tuple(statistics.median(values) for values in times[name].values()) if name in times else None
        for name in CONTENDERS
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, nargs="+", default=[1024, 128])
    parser.add_argument("--visible", type=int, default=784)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, help="for all contenders (default: all that the process may use)")
    options = parser.parse_args()
    if options.threads:  # the contenders' processes inherit these, and their libraries read them when loaded
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(options.threads)
    fr.show_config()
    print(
        f"\n{options.visible} x {options.hidden}, medians of {options.repeats} rounds; ratio: NumPy's time over its own"
    )
    print(f"{'chains':>6}  {'':<12}  {'sweep ms':>8}  {'ratio':>5}  {'PCD-1 update ms':>15}  {'ratio':>5}")
    for n_chains in options.chains:
        times = compare(n_chains, options.visible, options.hidden, options.repeats)
        for name, measured in times.items():
            if measured is None:
                print(f"{n_chains:>6}  {name:<12}  not installed")
                continue
            s, u = measured
            base_s, base_u = times["NumPy"]
            print(
                f"{n_chains:>6}  {name:<12}  {1e3 * s:>8.3f}  {base_s / s:>5.2f}  {1e3 * u:>15.3f}  {base_u / u:>5.2f}"
            )


if __name__ == "__main__":
    main()
