"""Half steps and sweeps over any number of chains, in calls short enough that Ctrl-C works.

The random numbers of a chain depend on its number and on the sweep, not on how the work is cut up; so the pieces give
the same bits as the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _threads, _validate, reference
from ._buffers import Buffers
from ._clamp import Clamp
from ._kernels import FIXED_BITS, TILE, kernels
from ._parameters import Parameters, integer_weights
from .bits import BitMatrix

# Connections (visible units times hidden units times chains, once for each direction) a call: below about 100 ms on one
# thread, at any ISA level (their products run at about 130, 230 and 350 G connections/s).
WORK_A_CALL = 7_500_000_000 * max(4, kernels.LEVEL_LANES) // 4
_BLOCK = 1024  # chains are cut at multiples of the kernels' own blocks
_SWEEPS_A_CALL = 8  # so many sweeps of a part fit a call: from the third on they may use what the others left


def chain_parts(n: int, work_a_chain: int) -> list[slice]:
    if n > 1 << 32:
        raise ValueError(f"at most 2**32 chains have numbers of their own, got {n}")
    step = max(_BLOCK, WORK_A_CALL // (_SWEEPS_A_CALL * work_a_chain) // _BLOCK * _BLOCK)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def check_room(first_sweep: int, n_sweeps: int) -> None:
    """Raise where the counter of sweeps would come round again, and with it the random numbers."""
    if first_sweep + n_sweeps > 1 << 32:
        raise ValueError(f"a chain has at most 2**32 - 1 sweeps under one seed; {first_sweep - 1} are done")


def sweep(
    parameters: Parameters,
    visible: BitMatrix,
    hidden: BitMatrix,
    n_sweeps: int,
    *,
    seed: int,
    stream: int,
    first_sweep: int,
    beta: np.ndarray | None = None,
    clamp: Clamp | None = None,
    fixed: np.ndarray | None = None,
    n_threads: int | None = None,
) -> None:
    """n_sweeps sweeps in place; fixed, if given, gets P(h | v) of the last hidden layer as multiples of 2^-22. The
    states already have what clamp holds."""
    check_room(first_sweep, n_sweeps)
    n = len(visible)
    work_a_chain = 2 * visible.n_units * hidden.n_units
    threads = _threads.resolve(n_threads, work_a_chain * n)
    for part in chain_parts(n, work_a_chain):
        v, h = visible.planes[:, part], hidden.planes[:, part]
        b = None if beta is None else beta[part]
        f = None if fixed is None else fixed[:, part]
        free = (None, None) if clamp is None else clamp.free_planes(part)
        a_call = max(1, WORK_A_CALL // (work_a_chain * (part.stop - part.start)))
        for done in range(0, n_sweeps, a_call):
            count = min(a_call, n_sweeps - done)
            last = f if done + count == n_sweeps else None
            kernels.sweep(
                v, h, parameters.to_visible, parameters.to_hidden, b, seed, stream, first_sweep + done, count,
                part.start, *free, last, threads,
            )  # fmt: skip


def half_step(
    layer: kernels.Layer,
    given: BitMatrix | np.ndarray,
    *,
    kind: int = 0,
    seed: int = 0,
    stream: int = 0,
    sweep: int = 0,
    beta: np.ndarray | None = None,
    out: BitMatrix | None = None,
    fixed: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    n_threads: int | None = None,
) -> None:
    """One layer given the other: bits to out, multiples of 2^-22 to fixed, float32 to probabilities, each if given.

    beta: None, or float32 (n,), inverse temperatures of the chains; only of bits. ``given`` is a BitMatrix, or float64
    (n, U) of fractions, which go through a matrix product of NumPy's and the activation of reference.
    """
    if not isinstance(given, BitMatrix):
        _half_step_of_fractions(layer, given, kind, seed, stream, sweep, out, fixed, probabilities)
        return
    n, n_units = len(given), layer.n_units
    work_a_chain = given.n_units * n_units
    threads = _threads.resolve(n_threads, work_a_chain * n)
    for part in chain_parts(n, work_a_chain):
        kernels.half_step(
            given.planes[:, part], layer, None if beta is None else beta[part], seed, stream, sweep, kind, part.start,
            None if out is None else out.planes[:, part],
            None if fixed is None else fixed[:, part],
            None if probabilities is None else probabilities[part],
            threads,
        )  # fmt: skip


def on_grid(fractions: np.ndarray) -> np.ndarray:
    """Fractions in [0, 1] to the nearest multiple of 2^-22, as float64 integers: sums of their products with 31-bit
    integers are below 2^53, so that BLAS adds them exactly, in whatever order it likes."""
    return np.rint(fractions * float(1 << FIXED_BITS))


def _half_step_of_fractions(layer, given, kind, seed, stream, sweep, out, fixed, probabilities) -> None:
    n, n_units = given.shape[0], layer.n_units
    weights = integer_weights(layer)[: given.shape[1]]
    step = max(1, (1 << 22) // max(given.shape[1], n_units))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        acc = (on_grid(given[rows]) @ weights) * 2.0**-FIXED_BITS
        field = acc.astype(np.float32) * np.float32(2.0**-layer.exponent) + layer.bias_array[:n_units]
        if out is not None:
            reference.pack(reference.draw(field, seed, stream, sweep, kind, start), out.planes[:, rows])
        if fixed is not None:
            numbers = reference.fixed_probability(field)
            for tile in range(fixed.shape[0]):
                part = numbers[:, tile * TILE : (tile + 1) * TILE]
                fixed[tile, rows, : part.shape[1]] = part
        if probabilities is not None:
            probabilities[rows] = reference.probability(field)


def fixed_buffer(n: int, n_units: int, buffers: Buffers) -> np.ndarray:
    """Room for the fixed-point probabilities of n cases, with zeros past the last case, as moments need them."""
    room = buffers.take((-(-n_units // TILE), -(-n // 8) * 8, TILE), np.float32)
    room[:, n:] = 0.0
    return room


def states_given(value: ArrayLike, n_units: int, name: str, fractions: bool = False) -> BitMatrix | np.ndarray:
    """A user's states as a BitMatrix, or float64 (n, U) where fractions are welcome and there are any."""
    if isinstance(value, BitMatrix):
        if value.n_units != n_units:
            raise ValueError(f"{name} has {value.n_units} units a case where the model has {n_units}")
        return value
    array = _validate.states(value, n_units, name, fractions)
    return array if array.dtype == np.float64 else BitMatrix.from_states(array)
