"""Published figures on published data. Slow; needs the data, in the folder that FASTRBM_DATA names.

FASTRBM_DATA=... python -m pytest -m slow tests/test_published.py

The model and the binarized MNIST are Salakhutdinov & Murray's, "On the quantitative analysis of deep belief networks"
(ICML 2008): sm2008/sm2008_rbm_cd25_500.npz (W, vbias, hbias) and sm2008/sm2008_binarized_mnist_bits.npz (train, test,
packed by numpy.packbits along axis 1).
"""

import os
from pathlib import Path

import numpy as np
import pytest

import fastrbm as fr

DATA = Path(os.environ.get("FASTRBM_DATA", "nowhere")) / "sm2008"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="FASTRBM_DATA does not name the folder of published data"),
]


@pytest.fixture(scope="module")
def published():
    with np.load(DATA / "sm2008_rbm_cd25_500.npz") as model:
        rbm = fr.RBM(model["W"], model["vbias"], model["hbias"])
    with np.load(DATA / "sm2008_binarized_mnist_bits.npz") as bits:
        return rbm, np.unpackbits(bits["train"], axis=1), np.unpackbits(bits["test"], axis=1)


def test_unnormalized_log_likelihoods(published):
    """log p* = -F: 364.926 on the test set, 368.172 on the training set (to the figures' last digit)."""
    rbm, train, test = published
    assert -rbm.free_energy(test).mean() == pytest.approx(364.926, abs=5.1e-4)
    assert -rbm.free_energy(train).mean() == pytest.approx(368.172, abs=5.1e-4)


def test_log_z_of_the_cd25_model(published):
    """Published: log Z = 451.28, by AIS with 100 chains and 14,500 betas; test log-likelihood -86.35."""
    rbm, train, test = published
    forward = fr.likelihood.ais(rbm, n_chains=100, n_betas=14_500, data=train)
    assert forward.lower <= 451.28 <= forward.upper and abs(forward.value - 451.28) < 0.5
    reverse = fr.likelihood.reverse_ais(rbm, test, n_chains=100, n_betas=14_500, data=train)
    assert reverse.lower <= 451.28 <= reverse.upper
    score = fr.likelihood.score(rbm, test, n_betas=14_500)
    assert score.lower <= -86.35 <= score.upper and abs(score.mean - -86.35) < 0.5
    assert score.log_partition.agree


def test_log_z_of_the_cd25_model_to_a_tolerance(published):
    """Nothing chosen but the tolerance: the published figure is in an interval of at most 0.2 nats."""
    rbm, _, test = published
    z = fr.likelihood.score(rbm, test, tolerance=0.1).log_partition
    assert z.agree and z.lower <= 451.28 <= z.upper and z.upper - z.lower <= 0.2


def exact_after(images, centering, seed=0):
    """784 x 16, 30,000 PCD-1 updates with 100 chains, batches of 100 and rate 0.01, as Melchior, Fischer & Wiskott did
    ("How to center deep Boltzmann machines", JMLR 2016): mean log-likelihood of the test set, exactly."""
    train, test = images
    rbm = fr.RBM.from_data(train, 16, seed=seed)
    pcd, sgd = fr.gradient.PCD(n_chains=100, seed=seed), fr.optim.SGD(0.01)
    fr.fit(rbm, train, gradient=pcd, optimizer=sgd, epochs=50, batch_size=100, seed=seed, centered=centering)
    return fr.likelihood.score(rbm, test).mean


def test_centering_on_mnist_and_its_negative():
    """Published: centered -142.56 and -142.09 (test); not centered -149.05 and -183.36. Those are means over trainings;
    from seed to seed a centered one varies by 1 nat, so here too it is a mean that counts."""
    folder = DATA.parent / "mnist"
    images = [fr.datasets.load(folder / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k")]
    negative = [1 - part for part in images]
    for data in (images, negative):
        assert np.mean([exact_after(data, True, seed) for seed in range(4)]) > -143.0
    assert exact_after(negative, False) < -175.0


# data set: (published test log-likelihood, epochs, rate, l1, l2); the settings that bench/small.py chooses on the
# validation examples. Published: Larochelle & Murray, "The neural autoregressive distribution estimator" (AISTATS
# 2011), RBM with 23 hidden units; nltcs: 0.06 below the best densities known.
SMALL = {
    "dna": (-96.74, 400, 0.05, 3e-4, 1e-3),
    "mushrooms": (-15.15, 1500, 0.1, 0.0, 0.0),
    "nips": (-277.37, 400, 0.05, 3e-4, 1e-3),
    "nltcs": (-6.05, 400, 0.1, 0.0, 0.0),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_sets_are_better_than_published(name):
    """23 hidden units, early stopping on the validation examples, exact log Z: the test examples are looked at once."""
    published, epochs, rate, l1, l2 = SMALL[name]
    with np.load(DATA.parent / "debd" / f"{name}.npz") as bits:
        train, valid, test = (
            np.unpackbits(bits[k], axis=1)[:, : int(bits["n_vis"])] for k in ("train", "valid", "test")
        )
    rbm = fr.RBM.from_data(train, 23, seed=0)
    score = fr.metrics.LogLikelihood("ais", n_betas=1000, every=epochs // 20)
    stop = fr.EarlyStopping("log_likelihood", patience=5)
    sgd = fr.optim.SGD(fr.optim.Linear(rate, 0.0), l1=l1, l2=l2)
    fr.fit(rbm, train, fr.gradient.PCD(500), sgd, epochs, 50, validation=valid, metrics=score, callbacks=stop)
    assert fr.likelihood.score(rbm, test, "exact").mean > published
