"""The reference implementation: every kernel in plain NumPy, with the same name, arguments and result, bit for bit.

It is the oracle of the tests, the reading copy of the compiled code in ``src/``, and nobody's fast path. Each
function allocates freely and takes ``n_threads`` only to have the kernel's signature. The layouts are those of
``src/README.md``: ``planes[byte, chain]`` for states and ``tiles[tile, unit, 64]`` for weights.

Equality of bits rests on three things: sums of states times weights are exact integers; everything after them is a
sequence of single IEEE operations (+, -, *, /, comparison, rounding to integer) done in the same order here and there;
and random numbers are a pure function of what they are for.
"""

from .energies import (
    anneal,
    bias_sums,
    enumerate_states,
    exp_negative_d,
    log,
    logs,
    pseudo_sums,
    pseudo_sums_of_fractions,
    softplus,
    softplus_sums,
    softplus_sums_of_fractions,
)
from .fused import train
from .numbers import hash_rows, pack_numbers, sum_fractions
from .sampling import (
    FIXED_BITS,
    HIDDEN,
    LEVEL_LANES,
    LEVEL_MANY,
    TIE,
    TILE,
    VISIBLE,
    Layer,
    blocks,
    draw,
    draw_states,
    exp_negative,
    fields,
    fixed_probability,
    from_tiles,
    half_step,
    half_step_of_fractions,
    less_likely,
    normals,
    pack,
    philox_blocks,
    probability,
    product,
    quantized_weights,
    sums_of_fractions,
    sweep,
    to_tiles,
    transpose,
    unpack,
    words,
)
from .steps import ROWS, ascend, count_bits, difference, moments, prepare_phase, step

__all__ = [
    "FIXED_BITS", "HIDDEN", "LEVEL_LANES", "LEVEL_MANY", "ROWS", "TIE", "TILE", "VISIBLE", "Layer", "anneal",
    "ascend", "bias_sums", "blocks", "count_bits", "difference", "draw", "draw_states", "enumerate_states",
    "exp_negative", "exp_negative_d", "fields", "fixed_probability", "from_tiles", "half_step",
    "half_step_of_fractions", "hash_rows", "less_likely", "log", "logs", "moments", "normals", "pack",
    "quantized_weights",
    "pack_numbers", "philox_blocks", "prepare_phase", "probability", "product", "pseudo_sums",
    "pseudo_sums_of_fractions", "softplus", "softplus_sums", "softplus_sums_of_fractions", "step", "sum_fractions",
    "sums_of_fractions", "sweep", "to_tiles", "train", "transpose", "unpack", "words",
]  # fmt: skip
