"""The reference implementation: every kernel in plain NumPy, with the same name, arguments and result, bit for bit.

It is the oracle of the tests, the reading copy of the compiled code in ``src/``, and nobody's fast path. Each
function allocates freely and takes ``n_threads`` only to have the kernel's signature. The layouts are those of
``src/README.md``: ``planes[byte, chain]`` for states and ``tiles[tile, unit, 64]`` for weights.

Equality of bits rests on three things: sums of states times weights are exact integers; everything after them is a
sequence of single IEEE operations (+, -, *, /, comparison, rounding to integer) done in the same order here and there;
and random numbers are a pure function of what they are for.
"""

from . import categorical
from .activation import FIXED_BITS, exp_negative, fixed_probability, less_likely, probability
from .energies import (
    anneal,
    bias_sums,
    cgf_sums,
    cgf_sums_of_fractions,
    enumerate_states,
    logs,
    pseudo_sums,
    pseudo_sums_of_fractions,
    real_means,
)
from .floats import exp_negative_d, log, softplus
from .fused import train
from .numbers import hash_rows, pack_numbers, sum_fractions
from .sampling import (
    HIDDEN,
    LEVEL_LANES,
    LEVEL_MANY,
    TIE,
    VISIBLE,
    Layer,
    blocks,
    draw,
    draw_states,
    fields,
    half_step,
    half_step_of_fractions,
    inputs,
    normals,
    pack,
    philox_blocks,
    product,
    sent_sums,
    sums_of_fractions,
    sweep,
    transpose,
    units_on,
    unpack,
    words,
)
from .segments import Segments, largest_input, place_tiles
from .sites import label_terms, pseudo_of_sites, zero_sum
from .steps import (
    ROWS,
    along,
    ascend,
    count_bits,
    difference,
    join_parts,
    moments,
    moments_of_numbers,
    prepare_phase,
    step,
)
from .tiles import TILE, from_tiles, quantized_weights, to_tiles
from .truncated import normal_at, normal_draws, tail_draw, truncated, truncated_draws, truncated_moments

__all__ = [
    "FIXED_BITS", "HIDDEN", "LEVEL_LANES", "LEVEL_MANY", "Layer", "ROWS", "Segments", "TIE", "TILE", "VISIBLE",
    "along", "anneal", "ascend", "bias_sums", "blocks", "categorical", "cgf_sums", "cgf_sums_of_fractions",
    "count_bits", "difference", "draw", "draw_states", "enumerate_states", "exp_negative", "exp_negative_d",
    "fields", "fixed_probability", "from_tiles", "half_step", "half_step_of_fractions", "hash_rows", "inputs",
    "join_parts", "label_terms", "largest_input", "less_likely", "log", "logs", "moments", "moments_of_numbers",
    "normal_at", "normal_draws", "normals", "pack", "pack_numbers", "philox_blocks", "place_tiles",
    "prepare_phase", "probability", "product", "pseudo_of_sites", "pseudo_sums", "pseudo_sums_of_fractions",
    "quantized_weights", "real_means", "sent_sums", "softplus", "step", "sum_fractions", "sums_of_fractions",
    "sweep", "tail_draw", "to_tiles", "train", "transpose", "truncated", "truncated_draws", "truncated_moments",
    "units_on", "unpack", "words", "zero_sum",
]  # fmt: skip
