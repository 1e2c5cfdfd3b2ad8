"""What reads rows of floats as users have them: the reference implementation's bits, whatever the level, dtype and
shape."""

import numpy as np
import pytest
from helpers import modules

from fastrbm import reference
from fastrbm._core import dispatch
from fastrbm.states.bits import BitMatrix
from fastrbm.states.numbers import states_of

MODULES = modules()
SHAPES = [(1, 1), (3, 7), (5, 8), (129, 9), (40, 64), (7, 803), (0, 5), (4, 0)]


def numbers_of(shape, dtype):
    return np.random.default_rng(sum(shape)).random(shape).astype(dtype)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_that_are_bits_are_packed(level, dtype, shape):
    bits = np.rint(numbers_of(shape, dtype))
    bits[bits == 0] = -0.0
    bits.flags.writeable = False
    planes, expected = (np.full((-(-shape[1] // 8), shape[0]), 255, np.uint8) for _ in range(2))
    assert MODULES[level].pack_numbers(bits, planes) is True and reference.pack_numbers(bits, expected) is True
    assert np.array_equal(planes, expected)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, 256.0, np.nan, np.inf, -np.inf, 1e-45, np.nextafter(1.0, 2.0)])
def test_one_number_that_is_no_bit_is_found_wherever_it_is(level, dtype, value):
    value = dtype(np.nextafter(dtype(1), dtype(2))) if 1 < value < 1.1 else dtype(value)
    for shape in ((1, 1), (3, 8), (2, 19)):
        for where in np.ndindex(shape):
            bits = np.ones(shape, dtype)
            bits[where] = value
            planes = np.empty((-(-shape[1] // 8), shape[0]), np.uint8)
            assert MODULES[level].pack_numbers(bits, planes) is False
            assert reference.pack_numbers(bits, planes) is False


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_of_fractions(level, dtype, shape):
    numbers = 3 * numbers_of(shape, dtype) - 1
    some = [0.0, -0.0, 1.0, 2.0**-23, 3 * 2.0**-23, np.nan]  # two ties, and what must not pass for a number
    numbers.reshape(-1)[:6] = some[: numbers.size]
    out, expected = np.full(shape[1], 7.0), np.full(shape[1], 7.0)
    MODULES[level].sum_fractions(numbers, out)
    reference.sum_fractions(numbers.astype(np.float64), expected)
    assert np.array_equal(out, expected, equal_nan=True)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("n", [0, 1, 3, 8, 17])
def test_logarithms(level, n):
    x = np.append(np.exp(np.random.default_rng(n).normal(0, 100, max(0, n - 3))), [2.0**-1022, np.nan, 1.7e308])[:n]
    out, expected = np.zeros(n), np.zeros(n)
    MODULES[level].logs(x, out)
    reference.logs(x, expected)
    assert np.array_equal(out, expected, equal_nan=True)
    assert np.allclose(out, np.log(x), rtol=1e-14, equal_nan=True)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_hashes_of_rows(level, shape):
    rows = np.random.default_rng(1).integers(0, 2**64, shape, np.uint64)
    out, expected = np.ones(shape[0], np.uint64), np.zeros(shape[0], np.uint64)
    MODULES[level].hash_rows(rows, out)
    reference.hash_rows(rows, expected)
    assert np.array_equal(out, expected)


def test_hashes_begin_with_splitmix64():
    """The generator's first output from state 0, as its authors' code gives it."""
    out = np.empty(1, np.uint64)
    dispatch.kernels.hash_rows(np.zeros((1, 1), np.uint64), out)
    assert out[0] == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("kind", ["C", "Fortran", "strided", "bool", "int", "float16", "big-endian", "CSR"])
def test_states_of_all_kinds_of_arrays(kind):
    """Bits are found and packed, and one that is none is found, in arrays of several pieces."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    bits = np.random.default_rng(0).random((300, 70)) < 0.3
    make = {
        "C": lambda x: x.astype(np.float64),
        "Fortran": lambda x: np.asfortranarray(x.astype(np.float32)),
        "strided": lambda x: np.repeat(x.astype(np.float64), 2, axis=1)[:, ::2],
        "bool": lambda x: x,
        "int": lambda x: x.astype(np.int64),
        "float16": lambda x: x.astype(np.float16),
        "big-endian": lambda x: x.astype(">f8"),
        "CSR": lambda x: scipy_sparse.csr_matrix(x.astype(np.float64)),
    }[kind]
    states = states_of(make(bits))
    assert isinstance(states, BitMatrix) and np.array_equal(states.to_states(), bits)
    if kind != "bool":
        other = bits.astype(np.int64)
        other[299, 69] = 2
        given = make(other)
        assert states_of(given) is given
