from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL_LANES: int
UNITS: dict[str, int]
REAL_KINDS: dict[str, int]
LEVEL_MANY: int
LEVEL_CHAINS_A_THREAD: int
MOST_RANKS: int
LEVEL_MATRICES: bool

class Segments:
    @property
    def n_units(self) -> int: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_tiles(self) -> int: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def steps(self) -> tuple[float, ...] | None: ...
    @property
    def places(self) -> list[tuple[int, int]]: ...
    @property
    def rows_of_tiles(self) -> list[tuple[int, int]]: ...
    @property
    def real(self) -> bool: ...
    def __init__(self, segments: Iterable[tuple[str, int | Sequence[int]]]) -> None: ...

class Layer:
    @property
    def tiles_array(self) -> NDArray[np.float32]: ...
    @property
    def bias_array(self) -> NDArray[np.float32]: ...
    @property
    def exponent(self) -> int: ...
    @property
    def n_units(self) -> int: ...
    @property
    def unit(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def to(self) -> Segments | None: ...
    @property
    def given(self) -> Segments | None: ...
    @property
    def shape_array(self) -> NDArray[np.float64] | None: ...
    @property
    def fixed_bits(self) -> int: ...
    @property
    def first_tile(self) -> int: ...
    @property
    def division(self) -> Any: ...
    def __init__(
        self,
        tiles: NDArray[np.float32],
        exponent: int,
        bias: NDArray[np.float32],
        n_units: int,
        unit: str,
        sent: str,
        to: Segments | None = None,
        given: Segments | None = None,
        shape: NDArray[np.float64] | None = None,
        fixed_bits: int = 22,
        first_tile: int = 0,
        division: Any = None,
    ) -> None: ...

def team_time() -> tuple[int, int]: ...
def paths() -> dict[str, int]: ...
def barrier_count() -> int: ...
def pack(states: NDArray[np.uint8], planes: NDArray[np.uint8], n_threads: int) -> None: ...
def pack_numbers(numbers: NDArray[np.float32] | NDArray[np.float64], planes: NDArray[np.uint8]) -> bool: ...
def sum_fractions(numbers: NDArray[np.float32] | NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def hash_rows(rows: NDArray[np.uint64], out: NDArray[np.uint64]) -> None: ...
def unpack(planes: NDArray[np.uint8], states: NDArray[np.uint8], n_threads: int) -> None: ...
def transpose(
    planes: NDArray[np.uint8], n_units: int, segments: Segments | None, out: NDArray[np.uint8], n_threads: int
) -> None: ...
def place_tiles(
    tiles: NDArray[np.float32],
    segments: Segments,
    out: NDArray[np.float32],
    n_threads: int,
    first_chunk: int = 0,
    first_tile: int = 0,
) -> None: ...
def join_parts(
    parts: NDArray[np.float32], lengths: Sequence[int], out: NDArray[np.float32], n_threads: int
) -> None: ...
def largest_input(tiles: NDArray[np.float32], segments: Segments) -> float: ...
def product(
    planes: NDArray[np.uint8], tiles: NDArray[np.float32], exponent: int, out: NDArray[np.int32], n_threads: int
) -> None: ...
def words(first: int, seed: int, sweep: int, kind: int, out: NDArray[np.uint32], n_threads: int) -> None: ...
def truncated_moments(a: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def truncated_draws(u: NDArray[np.float64], a: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def normal_draws(t: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def normals(seed: int, sweep: int, kind: int, out: NDArray[np.float32], n_threads: int) -> None: ...
def draw_states(
    fractions: NDArray[np.float32],
    rows: NDArray[np.int64],
    seed: int,
    stream: int,
    sweep: int,
    first: int,
    out: NDArray[np.uint8],
    n_threads: int,
) -> None: ...
def half_step(
    planes: NDArray[np.uint8],
    layer: Layer,
    beta: NDArray[np.float32] | None,
    seed: int,
    stream: int,
    sweep: int,
    kind: int,
    first_chain: int,
    out: NDArray[np.uint8] | None,
    fixed: NDArray[np.float32] | NDArray[np.float64] | None,
    probabilities: NDArray[np.float32] | None,
    n_threads: int,
    free: NDArray[np.uint8] | None = None,
) -> None: ...
def half_step_of_fractions(
    numbers: NDArray[np.float64],
    layer: Layer,
    seed: int,
    stream: int,
    sweep: int,
    kind: int,
    first_chain: int,
    out: NDArray[np.uint8] | None,
    fixed: NDArray[np.float32] | NDArray[np.float64] | None,
    probabilities: NDArray[np.float32] | None,
    n_threads: int,
) -> None: ...
def sweep(
    visible: NDArray[np.uint8],
    hidden: NDArray[np.uint8],
    to_visible: Layer,
    to_hidden: Layer,
    beta: NDArray[np.float32] | None,
    seed: int,
    stream: int,
    first_sweep: int,
    n_sweeps: int,
    first_chain: int,
    free_visible: NDArray[np.uint8] | None,
    free_hidden: NDArray[np.uint8] | None,
    fixed: NDArray[np.float32] | NDArray[np.float64] | None,
    n_threads: int,
    apart: bool = False,
) -> None: ...
def inputs(planes: NDArray[np.uint8], layer: Layer, out: NDArray[np.int32], n_threads: int) -> None: ...
def moments_of_numbers(
    numbers: NDArray[np.float64],
    fixed: NDArray[np.float32],
    rows: int,
    scale: float,
    weights: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def real_means(
    fields: NDArray[np.float64],
    layer: Layer,
    weight: NDArray[np.float64] | None,
    fixed: NDArray[np.float32],
    out: NDArray[np.float64],
    n: int,
    n_threads: int,
) -> None: ...
def moments(
    transposed: NDArray[np.uint8],
    fixed: NDArray[np.float32],
    signed: bool,
    scale: float,
    accumulate: bool,
    weights: NDArray[np.float64],
    hidden: NDArray[np.float64],
    n_threads: int,
    segments: Segments | None = None,
) -> None: ...
def difference(
    positive_bits: NDArray[np.uint8],
    positive: NDArray[np.float32],
    positive_factor: float,
    negative_bits: NDArray[np.uint8],
    negative: NDArray[np.float32],
    negative_factor: float,
    signed: bool,
    centering: tuple[NDArray[np.float64], ...] | None,
    n_hidden: int,
    out: NDArray[np.float32],
    along_hidden: NDArray[np.float64] | None,
    along_visible: NDArray[np.float64] | None,
    n_threads: int,
    by_tile: NDArray[np.float64] | None = None,
    segments: Segments | None = None,
) -> None: ...
def step(
    positive_bits: NDArray[np.uint8],
    positive: NDArray[np.float32],
    positive_factor: float,
    negative_bits: NDArray[np.uint8],
    negative: NDArray[np.float32],
    negative_factor: float,
    signed: bool,
    centering: tuple[NDArray[np.float64], ...] | None,
    n_hidden: int,
    weights: NDArray[np.float32],
    rate: float,
    l2: float,
    l1: float,
    limit: float,
    out: NDArray[np.float32],
    transposed: NDArray[np.float32],
    along_hidden: NDArray[np.float64] | None,
    along_visible: NDArray[np.float64] | None,
    n_threads: int,
    rows: NDArray[np.float64] | None = None,
    by_tile: NDArray[np.float64] | None = None,
    segments: Segments | None = None,
    velocity: tuple[float, bool, NDArray[np.float32] | None, NDArray[np.float32]] | None = None,
) -> tuple[int, float, float]: ...
def train(
    packed: NDArray[np.uint8],
    examples: NDArray[np.int64],
    ends: NDArray[np.int64],
    rates: NDArray[np.float64],
    visible: NDArray[np.uint8],
    hidden: NDArray[np.uint8],
    seed: int,
    stream: int,
    first_sweep: int,
    n_sweeps: int,
    first_chain: int,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    transposed: tuple[NDArray[np.float32], NDArray[np.float32]],
    visible_bias: NDArray[np.float32],
    hidden_bias: NDArray[np.float32],
    to_visible_exponent: int,
    to_hidden_exponent: int,
    n_visible: int,
    n_hidden: int,
    visible_unit: str,
    segments: Segments | None,
    hidden_unit: str,
    centering: tuple[float, NDArray[np.float64], NDArray[np.float64], bool] | None,
    weights_of_examples: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    l2: float,
    l1: float,
    limit: float,
    outcome: NDArray[np.float64],
    n_threads: int,
    processes: tuple[NDArray[np.uint8], int, int, int] | None = None,
) -> None: ...
def training_memory(
    n_visible: int, n_hidden: int, segments: Segments | None, n_chains: int, largest_batch: int, n_threads: int
) -> int: ...
def along(
    direction: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    l2: float,
    l1: float,
    mu: NDArray[np.float64],
    lam: NDArray[np.float64],
    n_visible: int,
    along_hidden: NDArray[np.float64],
    along_visible: NDArray[np.float64],
    n_threads: int,
    by_tile: NDArray[np.float64] | None = None,
) -> None: ...
def ascend(
    weights: NDArray[np.float32],
    direction: NDArray[np.float32],
    rate: float,
    l2: float,
    l1: float,
    limit: float,
    out: NDArray[np.float32],
    transposed: NDArray[np.float32],
    n_threads: int,
    rows: NDArray[np.float64] | None = None,
    velocity: tuple[float, bool, NDArray[np.float32] | None, NDArray[np.float32]] | None = None,
) -> tuple[int, float, float]: ...
def enumerate_states(
    high: NDArray[np.float64],
    high_bias: NDArray[np.float64],
    low: NDArray[np.float64],
    low_bias: NDArray[np.float64],
    unit: str,
    segments: Segments | None,
    n_units: int,
    peak: NDArray[np.float64],
    total: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def pseudo_sums(
    planes: NDArray[np.uint8],
    layer: Layer,
    visible_bias: NDArray[np.float64],
    capacity: int,
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def pseudo_sums_of_fractions(
    numbers: NDArray[np.float64],
    layer: Layer,
    visible_bias: NDArray[np.float64],
    capacity: int,
    every: int,
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def label_terms(
    planes: NDArray[np.uint8] | None,
    numbers: NDArray[np.float64] | None,
    layer: Layer,
    segments: Any,
    row: int,
    bit: int,
    visible_bias: NDArray[np.float64],
    capacity: int,
    log_p: NDArray[np.float64],
    sums: tuple[Any, ...] | None,
    n_threads: int,
) -> None: ...
def prepare_phase(
    planes: NDArray[np.uint8],
    segments: Segments | None,
    fixed: NDArray[np.float32],
    scale: float,
    transposed: NDArray[np.uint8],
    visible: NDArray[np.float64],
    hidden: NDArray[np.float64],
    weight: tuple[NDArray[np.float64], float] | None,
    n_threads: int,
) -> None: ...
def count_bits(
    planes: NDArray[np.uint8], n_units: int, segments: Segments | None, out: NDArray[np.float64], n_threads: int
) -> None: ...
def logs(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def cgf_sums(
    planes: NDArray[np.uint8], layer: Layer, beta: NDArray[np.float64], out: NDArray[np.float64], n_threads: int
) -> None: ...
def cgf_sums_of_fractions(
    numbers: NDArray[np.float64],
    layer: Layer,
    beta: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def anneal(
    visible: NDArray[np.uint8],
    hidden: NDArray[np.uint8],
    to_visible: Layer,
    to_hidden: Layer,
    reference: NDArray[np.float32],
    bias_difference: NDArray[np.float64],
    betas: NDArray[np.float32],
    visible_betas: NDArray[np.float64],
    seed: int,
    stream: int,
    first_sweep: int,
    first_chain: int,
    log_weights: NDArray[np.float64],
    n_threads: int,
    apart: bool = False,
) -> None: ...
def bias_sums(
    planes: NDArray[np.uint8],
    unit: str,
    segments: Segments | None,
    bias: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def zero_sum(
    tiles: NDArray[np.float32],
    segments: Segments,
    out: NDArray[np.float32],
    shift: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def pseudo_of_sites(
    planes: NDArray[np.uint8],
    layer: Layer,
    segments: Segments,
    visible_bias: NDArray[np.float64],
    capacity: int,
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
