"""The generator is Philox4x32-10: the known answers of its authors, at every ISA level and in the reference
implementation."""

import numpy as np
import pytest
from helpers import modules

from fastrbm import reference
from fastrbm._core import philox

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
        (low, high), (w0, w1, w2, w3) = words(key), words(counter)
        for before in range(35):  # so that every lane of every vector gives the answer
            out = np.zeros(4 * (before + 1), np.uint32)
            first = (w1 << 32 | w0) - before & 2**64 - 1
            module.words(first, high << 32 | low, w2, w3, out, 2)
            assert out[4 * before :].tolist() == words(answer)


@pytest.mark.parametrize("module", modules().values(), ids=lambda m: m.__name__)
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 31, 127, 4097, 20_000])
def test_words_equal_the_reference(module, n, n_threads):
    for first in (0, 5, 2**32 - 3, 2**64 - 7):  # the lower half of the number overflows into the upper one
        ours, expected = np.empty(n, np.uint32), np.empty(n, np.uint32)
        module.words(first, 0x0123456789ABCDEF, 2**32 - 1, 700, ours, n_threads)
        reference.words(first, 0x0123456789ABCDEF, 2**32 - 1, 700, expected)
        assert np.array_equal(ours, expected)


def test_streams_and_sweeps_differ():
    drawn = [philox.words(64, 5, stream, sweep).tobytes() for stream in range(8) for sweep in range(4)]
    assert len(set(drawn)) == len(drawn)
    assert philox.words(64, 5, 1, 2).tobytes() == philox.words(100, 5, 1, 2)[:64].tobytes()


@pytest.mark.parametrize("module", modules().values(), ids=lambda m: m.__name__)
@pytest.mark.parametrize("n", [0, 1, 3, 1023, 1026, 70_001])
def test_normals_equal_the_reference(module, n):
    expected = np.empty(n, np.float32)
    reference.normals(2**40 + 3, 9, 700, expected)
    for n_threads in (1, 2, 7):
        ours = np.empty(n, np.float32)
        module.normals(2**40 + 3, 9, 700, ours, n_threads)
        assert np.array_equal(ours, expected)


def test_normal_has_the_moments_of_a_normal_distribution():
    n = 400_000
    x = philox.normal((n,), seed=1, stream=philox.WEIGHTS).astype(np.float64)
    # five standard errors: var(x) = 1, var(x^2) = 2, and twelve uniforms have kurtosis 3 - 0.1
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs((x**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 2.9) < 5 * np.sqrt(96 / n)
    assert philox.normal((3, 70_000), 1, philox.WEIGHTS).reshape(-1)[:100].tolist() == x[:100].tolist()


def test_permutation():
    order = philox.permutation(1000, 3, philox.SHUFFLE, 1)
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, philox.permutation(1000, 3, philox.SHUFFLE, 2))
    for n in (0, 1, 2, 63, 64, 65):
        assert sorted(philox.permutation(n, 3, philox.SHUFFLE, 1)) == list(range(n))
    # every order of three is as likely as the others: 5 standard errors
    n = 6000
    orders = np.array([philox.permutation(3, 1, philox.SHUFFLE, k) for k in range(n)])
    counts = np.bincount(orders @ [9, 3, 1], minlength=27)
    counts = counts[counts > 0]
    assert len(counts) == 6 and np.abs(counts - n / 6).max() < 5 * np.sqrt(n / 6 * 5 / 6)
