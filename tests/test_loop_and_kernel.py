"""The formulas that the training loop and the kernel of many updates both have, pairwise: equal bits, also at extremes.

The loop goes update by update through gradient, centering and optimizer; the kernel does the same updates in one call.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import PAIRS, modules

import fastrbm as fr
from fastrbm._core import validate
from fastrbm._core.parameters import Parameters
from fastrbm.training import fused
from fastrbm.training import loop as training_loop
from fastrbm.training.by_contents import ByContents
from fastrbm.training.data import InMemory
from fastrbm.training.loop import Loop

MODULES = modules()
V, H, N_CHAINS, BATCH = 70, 66, 9, 12
RANDOM = range(6)


class Setting:
    """A model, data and chains, and how they are trained; every call of sides starts from the same."""

    def __init__(self, seed, units=("bernoulli", "bernoulli"), n_updates=1):
        self.rng = rng = np.random.default_rng(seed)
        self.units, self.n_updates = units, n_updates
        self.weights = rng.normal(0, 0.3, (V, H)).astype(np.float32)
        self.biases = [rng.normal(0, 1, n).astype(np.float32) for n in (V, H)]
        self.bits = (rng.random((n_updates * BATCH, V)) < rng.random(V)).astype(np.uint8)
        self.rates, self.l2, self.l1, self.centering = np.full(n_updates, 0.1), 0.0, 0.0, None

    def _parts(self):
        rbm = fr.RBM(self.weights, *self.biases, visible=self.units[0], hidden=self.units[1])
        optimizer = fr.optim.SGD(lambda progress: self.rates[round(progress * self.n_updates)], l2=self.l2, l1=self.l1)
        centering = None
        if self.centering is not None:
            rate, *offsets = self.centering
            centering = fr.gradient.Centering(rate)
            centering.visible_offset, centering.hidden_offset = offsets
        return rbm, fr.gradient.PCD(N_CHAINS, seed=7), optimizer, centering

    def loop(self):
        rbm, gradient, optimizer, centering = self._parts()
        loop = Loop(rbm, None, gradient, optimizer, centering, self.n_updates, n_threads=2)
        for k in range(self.n_updates):
            batch = fr.BitMatrix.from_states(self.bits[k * BATCH : (k + 1) * BATCH])
            loop.step(batch, None, 1.0)
            loop.update += 1
        return result(rbm, gradient, centering)

    def kernel(self, monkeypatch, module):
        monkeypatch.setattr(fused, "FEWEST", 1)
        monkeypatch.setattr(fused, "kernels", module)
        rbm, gradient, optimizer, centering = self._parts()
        packed = np.ascontiguousarray(fr.BitMatrix.from_states(self.bits).planes.T)
        many = fused.Updates(rbm, gradient, optimizer, centering, n_threads=2)
        ends = np.arange(self.n_updates + 1) * BATCH
        done = many.run(packed, np.arange(len(packed)), ends, np.asarray(self.rates, np.float64))
        assert done == self.n_updates
        return result(rbm, gradient, centering)


def result(rbm, gradient, centering):
    found = {name: getattr(rbm, name) for name in ("weights", "visible_bias", "hidden_bias")}
    if centering is not None:
        found |= {"visible_offset": centering.visible_offset, "hidden_offset": centering.hidden_offset}
    chains = gradient.chains
    return found | {"visible": chains.visible_bits.planes, "hidden": chains.hidden_bits.planes}


def assert_equal(setting, monkeypatch):
    """Bit by bit, NaN and signs of zero included, at every level."""
    wanted = setting.loop()
    for level, module in MODULES.items():
        for name, array in setting.kernel(monkeypatch, module).items():
            assert array.tobytes() == wanted[name].tobytes(), (level, name)
    return wanted


@pytest.mark.parametrize("units", PAIRS, ids=str)
@pytest.mark.parametrize("seed", RANDOM)
def test_an_update(monkeypatch, units, seed):
    setting = Setting(seed, units, n_updates=3)
    setting.rates, setting.l2, setting.l1 = setting.rng.random(3), 10.0**-seed, 10.0**-seed * (seed % 2)
    setting.centering = (0.05, None, None)
    assert_equal(setting, monkeypatch)


# ---------------------------------------------------------------- offsets of the centered gradient


@pytest.mark.parametrize("units", PAIRS, ids=str)
@pytest.mark.parametrize("rate", [0.0, 1e-300, 0.01, 1 / 3, 1.0])
def test_offsets(monkeypatch, units, rate):
    for scale in (0.0, 5e-324, 1e-20, 1.0, 1e7):
        setting = Setting(1, units)
        setting.centering = rate, *(scale * setting.rng.normal(size=n) for n in (V, H))
        setting.rates = np.array([1e-3])
        before = setting.centering[1]
        after = assert_equal(setting, monkeypatch)["visible_offset"]
        assert np.array_equal(after, before) == (rate == 0.0 or rate < 1e-200 and scale > 1e-200)


@pytest.mark.parametrize("units", PAIRS, ids=str)
@pytest.mark.parametrize("value", [0, 1])
def test_the_first_offsets_are_the_means_of_the_batch(monkeypatch, units, value):
    setting = Setting(2, units, n_updates=2)
    setting.bits[:] = value
    setting.centering = (0.5, None, None)
    offset = assert_equal(setting, monkeypatch)["visible_offset"]
    assert (offset == (value if units[0] == "bernoulli" else 2 * value - 1)).all()


# ---------------------------------------------------------------- the exponent of the grid


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("largest", [8, 12, 20, 26])
@pytest.mark.parametrize("side", ["to_hidden", "to_visible"])
def test_the_exponent(monkeypatch, side, largest, beyond):
    """It decides how finely the second update reads the weights, and changes where the largest sum is
    (2^31 - 1 - n_in) / 2^e. Two weights make that sum, exactly; their visible units are off in all data, so that what
    data say of the hidden units hangs on the grid alone. From 2^8 on, 2^-e is no finer than the 22 bits of P(h | v)."""
    setting = Setting(3, n_updates=2)
    setting.rates = np.array([0.0, 0.5])
    whole = 2**31 - 1 - (V if side == "to_hidden" else H) + beyond
    pair = setting.weights[:2, 0] if side == "to_hidden" else setting.weights[0, :2]
    (setting.weights[:, 0] if side == "to_hidden" else setting.weights[0])[:] = 0.0
    pair[:] = [(2**31 - 256) * 2.0 ** (largest - 31), (whole - (2**31 - 256)) * 2.0 ** (largest - 31)]
    assert pair.astype(np.float64).sum() == whole * 2.0 ** (largest - 31)
    setting.bits[:, :2] = 0
    assert_equal(setting, monkeypatch)


# ---------------------------------------------------------------- decay of the weights


@pytest.mark.parametrize("l2", [0.0, 5e-324, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("l1", [0.0, 1e-300, 1e-3, 1.0, 1e6])
def test_decay(monkeypatch, l2, l1):
    for rate in (0.0, 1e-40, 0.1, 10.0):
        setting = Setting(5)
        kinds = np.float32([0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-30, 1e-8, -1.0, 3e4])
        setting.weights = setting.rng.choice(kinds, (V, H))
        setting.rates, setting.l2, setting.l1 = np.array([rate]), l2, l1
        assert_equal(setting, monkeypatch)


# ---------------------------------------------------------------- biases


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-8, 1.0, 1e8, 1e29])
def test_biases(monkeypatch, scale, centered):
    for rate in (0.0, 1e-45, 1e-8, 1 / 3, 1e3):
        setting = Setting(6)
        setting.biases = [(scale * setting.rng.normal(size=n)).astype(np.float32) for n in (V, H)]
        setting.rates = np.array([rate])
        if centered:
            setting.centering = (0.01, *(setting.rng.random(n) for n in (V, H)))
        assert_equal(setting, monkeypatch)


@pytest.mark.parametrize("part", [0, 1])
def test_a_bias_at_the_limit(monkeypatch, part):
    """Where one refuses an update, both do; one float32 below the limit is none too large."""
    limit = np.float32(validate.LARGEST)
    for number in (limit, np.nextafter(limit, np.float32(0))):
        setting = Setting(7)
        setting.rates = np.array([0.0])
        rbm = setting._parts()[0]
        biases = [np.array(rbm.visible_bias), np.array(rbm.hidden_bias)]
        biases[part][3] = number
        refused = number >= limit
        monkeypatch.setattr(validate, "LARGEST", np.inf)  # or the model itself would not take it
        setting.biases = biases
        parts = setting._parts()
        monkeypatch.undo()
        monkeypatch.setattr(setting, "_parts", lambda parts=parts: (parts[0].copy(), *parts[1:]))
        if refused:
            with pytest.raises(FloatingPointError, match=r"_bias\[3\]"):
                setting.loop()
            for module in MODULES.values():
                with pytest.raises(AssertionError):
                    setting.kernel(monkeypatch, module)
        else:
            assert setting.loop()["weights"].shape == (V, H)
            for module in MODULES.values():
                setting.kernel(monkeypatch, module)
        monkeypatch.undo()


# ---------------------------------------------------------------- the learning rate


SCHEDULES = [
    0.1, fr.optim.Linear(0.1, 0.0), fr.optim.Cosine(0.3, 0.01), fr.optim.InverseTime(0.1, 1e-6),
    fr.optim.WarmUp(fr.optim.Linear(1.0, 0.0), 0.3), lambda progress: 0.1 / (1.0 + progress),
]  # fmt: skip


@pytest.mark.parametrize("cooling", [False, True])
@pytest.mark.parametrize("rate", SCHEDULES, ids=lambda rate: type(rate).__name__)
def test_the_learning_rate(monkeypatch, rate, cooling):
    """The rates that a call of the kernel gets are those of the updates one by one."""
    states = (np.random.default_rng(8).random((97, V)) < 0.5).astype(np.uint8)
    rates = {"loop": [], "kernel": []}
    run, move = fused.Updates.run, Parameters.moved

    def spy_on_run(many, packed, rows, ends, given, *weights):
        rates["kernel"] += given.tolist()
        return run(many, packed, rows, ends, given, *weights)

    def spy_on_move(parameters, direction, given, *decay):
        rates["loop"].append(given)
        return move(parameters, direction, given, *decay)

    monkeypatch.setattr(fused.Updates, "run", spy_on_run)
    monkeypatch.setattr(Parameters, "moved", spy_on_move)
    for many in (True, False):
        monkeypatch.setattr(training_loop, "possible", fused.possible if many else lambda *a: False)
        rbm = fr.RBM(np.zeros((V, H)))
        source = InMemory(states, rbm.visible, 10, 3)
        stop = 7 * source.n_batches
        loop = Loop(rbm, source, fr.gradient.PCD(N_CHAINS), fr.optim.SGD(rate), None, stop)
        loop.run(3 * source.n_batches)
        if cooling:
            stop = 5 * source.n_batches
            loop.schedule.shorten(3 * source.n_batches, 5, stop)
        loop.run(stop)
    assert rates["kernel"] == rates["loop"] and len(rates["loop"]) == stop


# ---------------------------------------------------------------- how many updates a call has


@pytest.mark.parametrize("kind", [InMemory, ByContents])
@pytest.mark.parametrize("draw", [False, True])
def test_small_data_go_through_many_epochs_a_call(monkeypatch, kind, draw):
    """And to the bits of one update at a time, whatever is drawn, and in whatever order."""
    numbers = np.random.default_rng(9).random((23, V)).astype(np.float32)
    states = numbers if draw else fr.BitMatrix.from_states(numbers > 0.5)
    results, calls, run = [], [], fused.Updates.run
    monkeypatch.setattr(fused.Updates, "run", lambda *a: calls.append(run(*a)) or calls[-1])
    for many in (True, False):
        monkeypatch.setattr(training_loop, "possible", fused.possible if many else lambda *a: False)
        rbm, pcd = fr.RBM(np.zeros((V, H))), fr.gradient.PCD(N_CHAINS)
        Loop(rbm, kind(states, rbm.visible, 10, 3, None, draw), pcd, fr.optim.SGD(0.1), None, 90).run(90)
        results.append(result(rbm, pcd, None))
    assert calls == [90]
    for name in results[0]:
        assert results[0][name].tobytes() == results[1][name].tobytes()


# ---------------------------------------------------------------- nowhere else


@pytest.mark.parametrize(
    "words, files",
    [
        (r"kernels\.train\(", {"training/fused.py"}),
        (r"kernels\.step\(", {"gradient/base.py"}),  # difference and ascend in one, which Parameters.moved asks for
        (r"kernels\.ascend\(", {"_core/direction.py"}),
        # Parameters ask for it, the others pass it on
        (
            r"\.ascend\(",
            {"_core/parameters.py", "_core/direction.py", "gradient/base.py", "gradient/hybrid.py", "optim/sgd.py"},
        ),
        (r"\.moved\(", {"rbm.py", "optim/base.py"}),
        (r"\._move\(", {"rbm.py", "optim/sgd.py", "optim/adam.py", "gradient/fast_pcd.py"}),
        (r"optimizer\.update\(", {"training/loop.py"}),
        (r"weighted_gradient\(", {"gradient/weighted.py", "training/loop.py"}),
    ],
)
def test_no_other_file_updates_a_model(words, files):
    """But for the oracle, which says what an update is, and NumPy's in the baseline of the benchmarks."""
    package = Path(fr.__file__).parent
    texts = {str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {name for name, text in texts.items() if re.search(words, text) and "reference" not in name} == files
