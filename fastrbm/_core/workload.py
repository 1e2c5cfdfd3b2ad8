"""How much work a call of a kernel gets: about 100 ms on one thread, since Ctrl-C and progress lines wait for its end.

Work is counted in connections, of which large products do a known number a second: visible units times hidden units
times chains, for each direction. What else a call does counts as so many connections as take the same time. The counts
are right to within a factor of about 3, at any size and ISA level. Cuts never change results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .dispatch import kernels
from .layout import TILE

A_CALL = 7_500_000_000 * max(4, kernels.LEVEL_LANES) // 4  # products run at about 75, 150 and 300 G connections/s

# at level avx512, where a connection takes 3.3 ps; other levels take fewer connections for the same
FRACTION = 12  # a fraction times a weight
_UNIT = 256  # of a layer in whole tiles: its random number and its draw, or its exponential, 0.9 ns
_LOGARITHMS = 3  # units more that a hidden unit counts for, where its softplus is taken twice
_SIDES = 8  # units that the means of a dReLU unit count for
_FEW = 64  # chains whose products take as long as the tables for them
_HALF_STEP = 1 << 18  # beside its units: 0.5 us, and 0.3 to meet another thread
_BYTE = 1 << 6  # of a pass over memory, 0.2 ns

_BLOCKS = 1024, 128  # chains are cut at multiples of the kernels' own blocks, or of fewer where those take too long
_STEPS = 8  # of a part fit a call: from the third sweep on they may use what the others left
_FEW_STEPS = 32  # that a first call may have at once, since they are long whatever other programs run
WAITING = 0.25  # of a call's work, where threads wait for each other within it: one of them may not run
_NUMBERS = 1 << 22  # fractions of which there are copies at a time
_TOO_LONG = 0.2  # seconds of a call, after which the next one is shorter; in half of it, twice as long


class Work(NamedTuple):
    """Of one step of a number of chains, or examples: some whatever their number, and some for each."""

    step: int
    chain: int

    def of(self, n: int) -> int:
        return self.step + self.chain * n


@lru_cache(maxsize=256)
def half_step(n_in: int, n_out: int) -> Work:
    """A layer of n_out units given one of n_in."""
    return Work(_FEW * n_in * n_out + _HALF_STEP, n_in * n_out + _UNIT * _padded(n_out))


@lru_cache(maxsize=256)
def sweep(n_visible: int, n_hidden: int) -> Work:
    """Both layers."""
    down, up = half_step(n_hidden, n_visible), half_step(n_visible, n_hidden)
    return Work(down.step + up.step, down.chain + up.chain)


def annealing(n_visible: int, n_hidden: int) -> Work:
    """A sweep and a weight."""
    step, chain = sweep(n_visible, n_hidden)
    return Work(step, chain + _LOGARITHMS * _UNIT * _padded(n_hidden))


def free_energy(n_visible: int, n_hidden: int) -> Work:
    """A product and a softplus of each hidden unit."""
    step, chain = half_step(n_visible, n_hidden)
    return Work(step, chain + _LOGARITHMS * _UNIT * _padded(n_hidden))


def pseudo(n_visible: int, n_hidden: int) -> Work:
    """A free energy and two multiplications for each weight, in float64."""
    step, chain = free_energy(n_visible, n_hidden)
    return Work(step, chain + _UNIT // 2 * n_visible * _padded(n_hidden, 8))


def labels(n_visible: int, n_hidden: int, n_states: int) -> Work:
    """A half step, and a few multiplications and a division for each state and hidden unit, in float64."""
    step, chain = half_step(n_visible, n_hidden)
    return Work(step, chain + _UNIT // 2 * n_states * _padded(n_hidden, 8))


def moments(n_visible: int, n_hidden: int) -> Work:
    """P(h | v) and its sums with v."""
    step, chain = half_step(n_visible, n_hidden)
    return Work(step, 3 * chain)


def update(n_visible: int, n_hidden: int, batch_size: int, n_chains: int, n_sweeps: int) -> int:
    """A training step: v -> h of the batch, sweeps, sums of both phases, and a pass over the weights."""
    up, both, sums = half_step(n_visible, n_hidden), sweep(n_visible, n_hidden), n_visible * n_hidden
    return up.of(batch_size) + n_sweeps * both.of(n_chains) + sums * (batch_size + n_chains + _UNIT)


def half_step_of_fractions(n_in: int, n_out: int) -> Work:
    """A layer given one that holds fractions."""
    step, chain = half_step(n_in, n_out)
    return Work(step, chain + FRACTION * n_in * n_out)


def free_energy_of_fractions(n_visible: int, n_hidden: int) -> Work:
    """A free energy of a layer that holds fractions."""
    step, chain = free_energy(n_visible, n_hidden)
    return Work(step, chain + FRACTION * n_visible * n_hidden)


def pseudo_of_fractions(n_visible: int, n_hidden: int, every: int) -> Work:
    """A free energy, and an exponential, in float32, for each weight and flip; one unit in so many is flipped."""
    step, chain = free_energy_of_fractions(n_visible, n_hidden)
    return Work(step, chain + _UNIT // 2 * n_visible * _padded(n_hidden, 16) // every)


def means_of_sides(n: int) -> Work:
    """Of n dReLU units the means and second moments of either side, in float64."""
    return Work(_HALF_STEP, _SIDES * _UNIT * n)


def elements(n: int) -> Work:
    """A pass over n numbers of an example."""
    return Work(_HALF_STEP, _BYTE * n)


def exponentials(n: int) -> Work:
    """n exponentials, in float64."""
    return Work(_HALF_STEP, _UNIT * n)


def parts(
    n: int, work: Work, steps: int = 1, most: int = 1 << 32, blocks: tuple[int, ...] = _BLOCKS, size: float = 1
) -> list[slice]:
    """n chains, or examples, cut so that some steps of a part fit a call of a size relative to A_CALL, in parts of
    whole blocks: of the first kind of which one fits, or of the last kind. No part has more than most, if that is a
    block."""
    length = min(most, (int(size * A_CALL) // steps - work.step) // work.chain)
    if 0 < n <= blocks[0] <= length:  # as a rule
        return [slice(0, n)]
    block = next((block for block in blocks if length >= block), blocks[-1])
    length = max(1, length // block) * block
    return [slice(start, min(start + length, n)) for start in range(0, n, length)]


def fraction_parts(n: int, work: Work, n_units: int, block: int = 1) -> list[slice]:
    """n examples of fractions cut for one step a call, in parts of whole blocks, and so that copies of them stay
    small."""
    check_chains(n)
    return parts(n, work, most=max(1, _NUMBERS // n_units), blocks=(block,))


def check_chains(n: int) -> None:
    """Raise where there are more chains than the counter of random numbers can tell apart."""
    if n > 1 << 32:
        raise ValueError(f"at most 2**32 chains have random numbers of their own, got {n}")


def chain_parts(n: int, work: Work, threads: int = 1) -> list[slice]:
    """n chains cut for calls of several steps, in which each of so many threads has as much to do as one would."""
    check_chains(n)
    return parts(n, work, _STEPS, size=threads)


def steps_a_call(work: int, size: float = 1) -> int:
    """How many steps of so much work a call may have; size is its work relative to A_CALL."""
    return max(1, int(size * A_CALL) // work)


def calls(
    n_steps: int, work: int, size: float = 1, threads: Callable[[], int] = lambda: 1
) -> Iterator[tuple[int, int, int]]:
    """(first, how many, threads) of the steps of each call, of n_steps of so much work, for calls of a size relative to
    A_CALL. The caller does them before it asks for the next. Calls start short and double: where they take too long,
    since other programs run too and threads wait for each other, they stay short. So they do anew where there are more
    threads than before: of two threads on one CPU, a step can take a thousand times as long."""
    most = steps_a_call(work, size)
    short = most if most <= _FEW_STEPS else _STEPS
    first, count, before = 0, short, 0
    while first < n_steps:
        used = threads()
        count = min(short if used > before else count, n_steps - first)
        before = used
        started = time.perf_counter()
        yield first, count, used
        passed = time.perf_counter() - started
        first += count
        if passed < _TOO_LONG / 2:
            count = min(most, 2 * count)
        elif passed > _TOO_LONG:
            count = max(1, int(count * _TOO_LONG / passed))


def _padded(n_units: int, to: int = TILE) -> int:
    return -(-n_units // to) * to
