"""The generator is Philox4x32-10: the known answers of its authors, at every ISA level and in the twin."""

import numpy as np
import pytest
from helpers import modules

from fastrbm import _random, reference

# counter, key, answer: Random123 (github.com/DEShawResearch/random123), tests/kat_vectors, rows "philox4x32 10"
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(w, 16) for w in text.split()]


@pytest.mark.parametrize("module", [*modules().values(), reference], ids=lambda m: m.__name__)
def test_known_answers(module):
    for counter, key, answer in KNOWN:
        low, high = words(key)
        # many copies, so that every lane of every vector gives the answer
        counters = np.array([words(counter)] * 19, np.uint32)
        out = np.zeros_like(counters)
        module.philox_blocks(counters, high << 32 | low, out, 2)
        assert out.tolist() == [words(answer)] * 19


@pytest.mark.parametrize("module", modules().values(), ids=lambda m: m.__name__)
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 8, 31])
def test_blocks_equal_the_twin(module, n, n_threads):
    counters = np.random.default_rng(n).integers(0, 2**32, (n, 4), dtype=np.uint32)
    ours, twin = np.empty_like(counters), np.empty_like(counters)
    module.philox_blocks(counters, 0x0123456789ABCDEF, ours, n_threads)
    reference.philox_blocks(counters, 0x0123456789ABCDEF, twin)
    assert np.array_equal(ours, twin)


def test_streams_and_sweeps_differ():
    drawn = [_random.words(64, 5, stream, sweep).tobytes() for stream in range(8) for sweep in range(4)]
    assert len(set(drawn)) == len(drawn)
    assert _random.words(64, 5, 1, 2).tobytes() == _random.words(100, 5, 1, 2)[:64].tobytes()


def test_normal_has_the_moments_of_a_normal_law():
    n = 400_000
    x = _random.normal((n,), seed=1, stream=_random.WEIGHTS).astype(np.float64)
    # five standard errors: var(x) = 1, var(x^2) = 2, and twelve uniforms have kurtosis 3 - 0.1
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs((x**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 2.9) < 5 * np.sqrt(96 / n)
    assert _random.normal((3, 70_000), 1, _random.WEIGHTS).reshape(-1)[:100].tolist() == x[:100].tolist()


def test_permutation():
    order = _random.permutation(1000, 3, _random.SHUFFLE, 1)
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, _random.permutation(1000, 3, _random.SHUFFLE, 2))
    assert _random.permutation(1, 3, _random.SHUFFLE, 1).tolist() == [0]
