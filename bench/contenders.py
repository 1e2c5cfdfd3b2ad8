"""Who is timed, and at what: each contender is a function of (parameters, states) that checks itself against fastrbm or
its reference implementation and returns its steps by name. What a contender does not offer, it leaves out."""

import numpy as np
from ais import numpy_ais
from checks import check_sweep

import fastrbm as fr
from fastrbm._core.threads import default_threads
from fastrbm.cli.speed import NumpyRBM, check_mean_hidden, check_update, problem

ANNEALED = 11  # betas of the timed annealing: ten steps
RATE = 1e-9


def fastrbm(parameters, states):
    rbm = fr.RBM(*parameters)
    checked = states[:256]
    check_sweep(rbm, checked)
    check_update(rbm.copy(), NumpyRBM(*parameters, checked), checked, checked)
    chains = fr.Chains(rbm, len(states), start=states)
    trained, pcd, cd, sgd = rbm.copy(), fr.gradient.PCD(len(states)), fr.gradient.CD(1), fr.optim.SGD(RATE)
    data, betas = fr.BitMatrix.from_states(states), np.linspace(0, 1, ANNEALED)
    bias = np.zeros(rbm.n_visible, np.float32)
    return {
        "sweep": chains.sweep,
        "PCD-1 update": lambda: sgd.update(trained, pcd(trained, data)),
        "CD-1 update": lambda: sgd.update(trained, cd(trained, data)),
        "moments": lambda: fr.Moments.of_data(rbm, data),
        "free energy": lambda: rbm.free_energy(data),
        "AIS, ten steps": lambda: fr.likelihood.ais(rbm, len(states), betas=betas, base_bias=bias),
    }


def numpy(parameters, states):
    baseline, data = NumpyRBM(*parameters, states), states.astype(np.float32)
    rbm = fr.RBM(*parameters)
    check_mean_hidden(rbm, states, baseline.mean_hidden(data), "NumPy")
    assert np.allclose(baseline.free_energy(data), rbm.free_energy(states), rtol=1e-4), "NumPy's free energy is wrong"
    betas, bias = np.linspace(0, 1, ANNEALED), np.zeros(rbm.n_visible, np.float32)
    return {
        "sweep": baseline.sweep,
        "PCD-1 update": lambda: baseline.pcd_update(data, RATE),
        "CD-1 update": lambda: baseline.cd_update(data, RATE),
        "moments": lambda: baseline.moments(data),
        "free energy": lambda: baseline.free_energy(data),
        "AIS, ten steps": lambda: numpy_ais(rbm, bias, betas, len(states)),
    }


def scikit_learn(parameters, states):
    from sklearn.neural_network import BernoulliRBM

    weights, visible_bias, hidden_bias = parameters
    data = states.astype(np.float32)
    model = BernoulliRBM(weights.shape[1], learning_rate=RATE, batch_size=len(states), n_iter=1, random_state=0)
    model.fit(data)
    model.components_ = np.ascontiguousarray(weights.T)
    model.intercept_hidden_, model.intercept_visible_ = hidden_bias, visible_bias
    check_mean_hidden(fr.RBM(*parameters), states, model.transform(data), "scikit-learn")
    return {
        "sweep": lambda: model.gibbs(data),
        "PCD-1 update": lambda: model.partial_fit(data),
        "free energy": lambda: model._free_energy(data),
    }


def pytorch(parameters, states):
    import torch

    torch.set_num_threads(default_threads())
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

    def follow(positive, v, negative):
        W.addmm_(data.T, positive, alpha=RATE / len(data)).addmm_(v.T, negative, alpha=-RATE / len(v))
        b.add_(data.mean(0) - v.mean(0), alpha=RATE)
        c.add_(positive.mean(0) - negative.mean(0), alpha=RATE)

    def pcd_update():
        positive, negative = mean_hidden(data), sweep()
        follow(positive, chains["v"], negative)

    def cd_update():
        positive = mean_hidden(data)
        v = bernoulli(torch.addmm(b, bernoulli(positive), W.T).sigmoid_())
        follow(positive, v, mean_hidden(v))

    return {
        "sweep": sweep,
        "PCD-1 update": pcd_update,
        "CD-1 update": cd_update,
        "moments": lambda: (data.T @ mean_hidden(data), data.sum(0)),
        "free energy": lambda: -(data @ b) - torch.nn.functional.softplus(torch.addmm(c, data, W)).sum(1),
    }


def rbms(parameters, states):
    import torch
    from rbms.bernoulli_bernoulli.implement import _sample_hiddens, _sample_visibles

    torch.set_num_threads(default_threads())
    torch.set_grad_enabled(False)
    W, b, c = (torch.from_numpy(p.copy()) for p in parameters)
    v = torch.from_numpy(states.astype(np.float32))
    _, mean = _sample_hiddens(v, W, c)
    check_mean_hidden(fr.RBM(*parameters), states, mean, "rbms")

    def sweep():
        h, _ = _sample_hiddens(v, W, c)
        _sample_visibles(h, W, b)

    return {"sweep": sweep}


# name: (function, what its process finds in the environment)
CONTENDERS = {
    "NumPy": (numpy, {}),
    "NumPy, SkylakeX": (numpy, {"OPENBLAS_CORETYPE": "SkylakeX"}),  # OpenBLAS's AVX-512 kernels; see NOTES.md
    "fastrbm": (fastrbm, {}),
    "fastrbm, AVX-512": (fastrbm, {"FASTRBM_ISA": "avx512"}),
    "fastrbm, AVX2": (fastrbm, {"FASTRBM_ISA": "avx2"}),
    "scikit-learn": (scikit_learn, {}),
    "PyTorch": (pytorch, {}),
    "rbms": (rbms, {}),
}


def build(name, n_chains, n_visible, n_hidden):
    """A contender's steps, or None where its library is not installed."""
    *parameters, states = problem(n_chains, n_visible, n_hidden)
    try:
        return CONTENDERS[name][0](parameters, states)
    except ImportError:
        return None
