"""Half steps and sweeps over any number of chains, in calls short enough that Ctrl-C works.

The random numbers of a chain depend on its number and on the sweep, not on how the work is cut up; so the pieces give
the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, philox, threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, TILE, to_fixed_point
from .._core.segments import placed, placed_shape, segments_of
from ..ranks import own_share
from ..states.bits import BitMatrix, CodeMatrix, packed, zeros

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from .._core.progress import Countdown
    from ..units.unit import Unit
    from .clamp import Clamp

_FEWEST_APART = 32  # chains of a thread that has its own: fewer cost more than twice as much each


def check_capacity(first_sweep: int, n_sweeps: int) -> None:
    """Raise where the counter of sweeps would come round again, and with it the random numbers."""
    if first_sweep + n_sweeps > 1 << 32:
        raise ValueError(
            f"n_sweeps is {n_sweeps}: a chain has at most 2**32 - 1 sweeps under one seed; {first_sweep - 1} are done"
        )


def sweep(
    parameters: Parameters,
    visible: BitMatrix,
    hidden: BitMatrix,
    n_sweeps: int,
    *,
    seed: int,
    stream: int,
    first_sweep: int,
    first_chain: int = 0,
    beta: np.ndarray | None = None,
    clamp: Clamp | None = None,
    fixed: np.ndarray | None = None,
    n_threads: int | None = None,
    countdown: Countdown | None = None,
) -> None:
    """n_sweeps sweeps of chains first_chain, first_chain + 1, ... in place; fixed, if given, gets P(h | v) of the last
    hidden layer as multiples of 2^-22, or what fixed_buffer is for. The states already have what is clamped. countdown:
    of sweeps, times chains."""
    check_capacity(first_sweep, n_sweeps)
    if parameters.division is not None:
        _sweep_by_layers(parameters, visible, hidden, range(first_sweep, first_sweep + n_sweeps), clamp, fixed, {
            "seed": seed, "stream": stream, "first_chain": first_chain, "beta": beta, "n_threads": n_threads,
        })  # fmt: skip
        return
    sizes = visible.n_units, hidden.n_units
    n, connections = len(visible), 2 * sizes[0] * sizes[1]
    with own_share(n, connections * n * n_sweeps, (visible.planes, 1), (hidden.planes, 1), (fixed, 1)) as own:
        n_own, swept = own.stop - own.start, 0
        for some, done, count, used in chain_calls(n_own, n_sweeps, sizes, workload.sweep(*sizes), n_threads):
            part = slice(own.start + some.start, own.start + some.stop)
            v, h = visible.planes[:, part], hidden.planes[:, part]
            b = None if beta is None else beta[part]
            f = None if fixed is None else fixed[:, part]
            free = (None, None) if clamp is None else clamp.free_planes(part)
            last = f if done + count == n_sweeps else None
            kernels.sweep(
                v, h, parameters.to_visible, parameters.to_hidden, b, seed, stream, first_sweep + done, count,
                first_chain + part.start, *free, last, *used,
            )  # fmt: skip
            swept += (part.stop - part.start) * count
            if countdown is not None:
                countdown.done(n * swept // n_own)  # of all ranks, which are about as far as this one


def _sweep_by_layers(
    parameters: Parameters, visible: BitMatrix, hidden: BitMatrix, sweeps: range, clamp: Clamp | None,
    fixed: np.ndarray | None, how: dict[str, Any],
) -> None:  # fmt: skip
    """These sweeps of a divided model, one layer after the other: ranks exchange the states of each."""
    free = (None, None) if clamp is None else clamp.free_planes(slice(0, len(visible)))
    for sweep in sweeps:
        half_step(
            parameters.to_visible, hidden, kind=philox.VISIBLE, sweep=sweep, free=free[0], out=visible, **how
        )  # fmt: skip
        last = fixed if sweep == sweeps[-1] else None
        half_step(
            parameters.to_hidden, visible, kind=philox.HIDDEN, sweep=sweep, free=free[1], out=hidden, fixed=last, **how
        )  # fmt: skip


def chain_calls(
    n: int, n_steps: int, sizes: tuple[int, int], work: workload.Work, n_threads: int | None
) -> Iterator[tuple[slice, int, int, tuple[int, bool]]]:
    """(part of the chains, first step, how many, (threads, whether they stay apart)) of each call that takes n chains
    of layers of these sizes through n_steps steps, each of which is so much work."""
    connections = 2 * sizes[0] * sizes[1]
    most = threads.resolve(n_threads, connections * n, waits=False)
    at_once = most if most == 1 else min(most, threads.default_threads())
    for part in workload.chain_parts(n, work, at_once):
        size = part.stop - part.start
        own = threads.own_chains(size, most)
        cut = work.of(size), at_once if own else workload.WAITING
        that_run = partial(threads.resolve, n_threads, connections * size)
        for first, count, used in workload.calls(n_steps, *cut, (lambda: most) if own else that_run):
            long = connections * size * count >= threads.LONG
            used = that_run() if own and not long else used
            # chains of its own for each thread, too, where others leave no CPUs for threads that wait for each other
            apart = long and most > 1 and (own or used < most <= size // _FEWEST_APART)
            yield part, first, count, (most if apart else used, apart)


def half_step(
    layer: kernels.Layer,
    given: BitMatrix | np.ndarray,
    *,
    kind: int = 0,
    seed: int = 0,
    stream: int = 0,
    sweep: int = 0,
    first_chain: int = 0,
    beta: np.ndarray | None = None,
    free: np.ndarray | None = None,
    out: BitMatrix | None = None,
    fixed: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    n_threads: int | None = None,
) -> None:
    """One layer given the other: bits to out, multiples of 2^-22 to fixed (or what fixed_buffer is for), float32 to
    probabilities, each if given.

    beta: None, or float32 (n,), inverse temperatures of the chains; only of bits. free: None, or planes of the units
    that may change, likewise. ``given`` is a BitMatrix, or float64 (n, U) of fractions. Of a divided layer fixed has
    this rank's tiles; out and probabilities get those of all units.
    """
    if layer.tiles_array.shape[0]:
        _own_half_step(
            layer, given, kind, seed, stream, sweep, first_chain, beta, free, out, fixed, probabilities, n_threads
        )
    if layer.division is not None and out is not None:
        layer.division.gather_planes(out.planes)
    if layer.division is not None and probabilities is not None:
        layer.division.ranks.gather(probabilities, layer.division.units, axis=1)


def _own_half_step(
    layer: kernels.Layer, given: BitMatrix | np.ndarray, kind: int, seed: int, stream: int, sweep: int,
    first_chain: int, beta: np.ndarray | None, free: np.ndarray | None, out: BitMatrix | None,
    fixed: np.ndarray | None, probabilities: np.ndarray | None, n_threads: int | None,
) -> None:  # fmt: skip
    """Of the units that this rank has."""
    n, n_in, n_units = given.shape[0], given.shape[1], min(layer.n_units, TILE * layer.tiles_array.shape[0])
    if isinstance(given, BitMatrix):
        parts, cost = workload.chain_parts(n, workload.half_step(n_in, n_units)), 1
    else:
        parts, cost = (
            workload.fraction_parts(n, workload.half_step_of_fractions(n_in, n_units), n_in),
            workload.FRACTION,
        )
    used = threads.resolve(n_threads, cost * n_in * n_units * n)
    for part in parts:
        to = (
            None if out is None else out._planes[:, part],
            None if fixed is None else fixed[:, part],
            None if probabilities is None else probabilities[part],
        )
        if isinstance(given, BitMatrix):
            planes = given._planes[:, part]
            betas = None if beta is None else beta[part]
            kernels.half_step(
                planes, layer, betas, seed, stream, sweep, kind, first_chain + part.start, *to, used,
                None if free is None else free[:, part],
            )  # fmt: skip
        else:
            numbers = fixed_numbers(given[part], layer)
            kernels.half_step_of_fractions(
                numbers, layer, seed, stream, sweep, kind, first_chain + part.start, *to, used
            )


def refresh(
    parameters: Parameters, visible: BitMatrix, hidden: BitMatrix, seed: int, stream: int, sweep: int, first_chain: int,
    n_threads: int | None,
) -> None:  # fmt: skip
    """h from p(h | v), then v from p(v | h), in place: a sweep of chains that only visible states are known of."""
    n, connections = len(visible), 2 * visible.n_units * hidden.n_units
    with own_share(n, connections * n, (visible.planes, 1), (hidden.planes, 1)) as own:
        v, h = visible[own], hidden[own]
        how: dict[str, Any] = {
            "seed": seed, "stream": stream, "sweep": sweep, "first_chain": first_chain + own.start,
            "n_threads": n_threads,
        }  # fmt: skip
        half_step(parameters.to_hidden, v, kind=philox.HIDDEN, out=h, **how)
        half_step(parameters.to_visible, h, kind=philox.VISIBLE, out=v, **how)


def independent_states(
    unit: Unit, bias: np.ndarray, n: int, seed: int, stream: int, n_threads: int | None, sweep: int = 0,
    first_chain: int = 0,
) -> BitMatrix:  # fmt: skip
    """n draws of independent units with these biases, float32 (U,), from one sweep number of a stream, for chains
    first_chain, first_chain + 1, ..."""
    workload.check_chains(n)
    segments = segments_of(unit.layout)
    in_place = placed(bias, segments)
    no_weights = np.zeros((in_place.size // TILE, 8, TILE), np.float32)
    name = unit.name if segments is None else "bernoulli"
    layer = kernels.Layer(
        no_weights, 0, in_place, bias.size, name, "bernoulli", segments, None, placed_shape(unit, segments)
    )
    out = zeros(n, unit)
    half_step(
        layer, BitMatrix.empty(n, 8), kind=philox.VISIBLE, seed=seed, stream=stream, sweep=sweep, out=out,
        first_chain=first_chain, n_threads=n_threads,
    )  # fmt: skip
    return out


def fixed_numbers(fractions: np.ndarray, layer: kernels.Layer) -> np.ndarray:
    """Fractions of on as half_step_of_fractions takes them: multiples of 2^-22, of a layer of segments what its units
    count for, 0 to 1 or -1 to 1."""
    numbers = to_fixed_point(fractions)
    if layer.given is not None and layer.given.steps is not None:
        steps = np.array(layer.given.steps)
        numbers = numbers * steps - (steps - 1.0) * float(1 << FIXED_BITS)
    return numbers


def fixed_buffer(n: int, parameters: Parameters) -> np.ndarray:
    """An array for what moments need of the hidden layer of n examples, or of this rank's tiles of it: fixed-point
    probabilities, float32, or float64 the fields of dReLU units, of which they need more than the mean. With zeros past
    the last example, as moments need them, and past the last unit, where not all levels write."""
    layer, hidden = parameters.to_hidden, parameters.units[1]
    n_tiles = layer.tiles_array.shape[0]
    out = np.empty((n_tiles, -(-n // 8) * 8, TILE), np.float64 if hidden.trained else np.float32)
    out[:, n:] = 0.0
    past = TILE * (layer.first_tile + n_tiles) - layer.n_units
    if past > 0:
        out[-1:, :, TILE - past :] = 0.0
    return out


def states_given(
    value: Any, n_units: int | None, name: str, fractions: bool = False, rows: np.ndarray | None = None,
    unit: Unit | None = None,
) -> BitMatrix | np.ndarray:  # fmt: skip
    """A user's states, of units of this type (None: 0 and 1), as a BitMatrix, or float64 (n, U) fractions of on where
    they are welcome and there are any. rows: see validate.states."""
    coded = unit is not None and unit.layout is not None
    if isinstance(value, BitMatrix):
        if coded or isinstance(value, CodeMatrix):
            return _of_layer(value, unit, name)
        if n_units is not None and value.n_units != n_units:
            raise ValueError(f"{name} has {value.n_units} units per example where the model has {n_units}")
        return value
    columns = unit.n_columns if coded and unit is not None and n_units is not None else n_units
    states = validate.states(value, columns, name, fractions, rows, unit)
    if states.dtype != np.float64:
        return BitMatrix.of(states, name) if unit is None else packed(states, unit, name)
    return states.toarray() if arrays.is_sparse(states) else states


def _of_layer(states: BitMatrix, unit: Unit | None, name: str) -> BitMatrix:
    """States of a layer of segments as they are; bits, as many as it has units, as its codes."""
    if isinstance(states, CodeMatrix):
        if unit is None or states.unit is not unit and states.unit.plain != unit.plain:
            raise ValueError(f"{name} holds states of {states.unit!r}, the model has {unit!r}")
        return states
    if unit is None or states.n_units != unit.n:
        raise ValueError(f"{name} has {states.n_units} units per example where the model has {unit!r}")
    return packed(
        validate.states(unit.off + unit.step * states.to_states(), unit.n_columns, name, unit=unit), unit, name
    )
