# Many updates in one call: persistent contrastive divergence by plain ascent, with all threads in one parallel region.
# Each update does what half_step, sweep, prepare_phase and step do for fastrbm/gradient and fastrbm/optim, with the
# same items of work and the same arithmetic, so the same bits; small models are spared the way through Python.
#
# An update is a sequence of stages. In each, the threads take items from a counter, then meet.

cdef enum:
    GATHERED = 64           # cases that are gathered by one thread: a cache line of each plane
    TRAIN_SCRATCH = SUMS_AT + 4 * BLOCK * TILE * 4

cdef struct Cases:          # of one phase
    Phase phase
    uint8_t *planes
    Py_ssize_t stride
    Py_ssize_t n
    uint8_t *transposed
    float *fixed
    double *visible         # sums over the cases, padded
    double *hidden

cdef struct Job:
    const uint8_t *packed   # [case][byte]
    Py_ssize_t n_bytes
    const int64_t *cases
    const int64_t *ends
    const double *rates
    Py_ssize_t n_updates
    int n_sweeps
    uint32_t stream
    uint32_t first_sweep
    Py_ssize_t n_visible
    Py_ssize_t n_hidden
    Cases data
    Cases model
    HalfStep positive       # v -> h of the data
    HalfStep down           # h -> v of the chains
    HalfStep up             # v -> h of the chains
    Ascent ascent
    Offsets offsets
    double centring_rate
    bint centred
    bint offsets_known
    double *offsets_before
    double *along_hidden
    double *along_visible
    float *weights[2]
    float *transposed[2]
    float *visible_bias     # padded, as the half steps read them
    float *hidden_bias
    double largest[2]       # sums of |W| over a hidden and over a visible unit's weights
    uint8_t *before         # the chains before the update
    Py_ssize_t n_tiles
    Py_ssize_t n_chunks
    Py_ssize_t share
    Py_ssize_t n_shares
    Py_ssize_t done
    int which               # of weights and transposed: where the model is now
    bint stop
    int next[5]             # items that are taken, stage by stage
    int n_bad


def train(const uint8_t[:, ::1] packed, const int64_t[::1] cases, const int64_t[::1] ends, const double[::1] rates,
          uint8_t[:, ::1] visible, uint8_t[:, ::1] hidden, uint64_t seed, uint32_t stream, uint32_t first_sweep,
          int n_sweeps, weights, transposed, float[::1] visible_bias, float[::1] hidden_bias, int to_visible_exponent,
          int to_hidden_exponent, Py_ssize_t n_visible, Py_ssize_t n_hidden, centring, double l2, double l1,
          float limit, double[::1] outcome, int n_threads):
    """One update for each of rates IN (n,): batch k is the rows cases[ends[k] : ends[k + 1]] of packed IN (cases,
    ceil(V/8)), the chains visible and hidden INOUT (planes) go on for n_sweeps sweeps, from number first_sweep on.

    The model starts as weights[0] (tiles), transposed[0] and padded biases, all INOUT, and ends in one of the two
    weights and transposed, each a pair of float32 arrays. centring is None, or (rate, visible and hidden offsets, padded float64 INOUT, whether they
    are known).

    outcome OUT (4,): updates done, which of the two, largest sums of |W| over a hidden and over a visible unit's weights.
    (Not returned: a Ctrl-C comes up as the call ends, and what was done must be known all the same.) An update that would make a parameter bad is not done, nor any after it; chains and offsets are then as before it."""
    cdef Job job
    cdef Py_ssize_t largest_batch = 0, k
    cdef double[::1] visible_offset, hidden_offset
    cdef float[:, :, ::1] tiles, other
    cdef char *memory
    cdef char *scratch
    memset(&job, 0, sizeof(Job))
    for k in range(rates.shape[0]):
        largest_batch = max(largest_batch, <Py_ssize_t> (ends[k + 1] - ends[k]))
    if DEBUG_CHECKS:
        check(packed.shape[1] == ceil_div(n_visible, 8) and ends.shape[0] == rates.shape[0] + 1
              and ends[rates.shape[0]] <= cases.shape[0] and visible.shape[0] == packed.shape[1]
              and hidden.shape[0] == ceil_div(n_hidden, 8) and hidden.shape[1] == visible.shape[1]
              and visible.shape[1] > 0 and rates.shape[0] > 0 and outcome.shape[0] == 4
              and visible_bias.shape[0] == TILE * ceil_div(n_visible, TILE)
              and hidden_bias.shape[0] == TILE * ceil_div(n_hidden, TILE), "train")
        for k in range(rates.shape[0]):
            check(0 <= ends[k] < ends[k + 1], "ends")
        for k in range(cases.shape[0]):
            check(0 <= cases[k] < packed.shape[0], "cases")
    job.packed, job.n_bytes, job.cases, job.ends = &packed[0, 0], packed.shape[1], &cases[0], &ends[0]
    job.rates, job.n_updates, job.n_sweeps = &rates[0], rates.shape[0], n_sweeps
    job.stream, job.first_sweep, job.n_visible, job.n_hidden = stream, first_sweep, n_visible, n_hidden
    job.n_tiles, job.n_chunks = ceil_div(n_hidden, TILE), ceil_div(n_visible, TILE)
    job.share = share_length(n_visible, job.n_tiles, n_threads)
    job.n_shares = ceil_div(n_visible, job.share)
    for k in range(2):
        tiles, other = weights[k], transposed[k]
        if DEBUG_CHECKS:
            check(tiles.shape[0] == job.n_tiles and tiles.shape[1] == 8 * ceil_div(n_visible, 8)
                  and other.shape[0] == job.n_chunks and other.shape[1] == 8 * ceil_div(n_hidden, 8), "tiles")
        job.weights[k], job.transposed[k] = &tiles[0, 0, 0], &other[0, 0, 0]
    job.visible_bias, job.hidden_bias = &visible_bias[0], &hidden_bias[0]
    if centring is not None:
        job.centring_rate, visible_offset, hidden_offset, job.offsets_known = centring
        job.centred = True
        job.offsets.visible_offset, job.offsets.hidden_offset = &visible_offset[0], &hidden_offset[0]
        if DEBUG_CHECKS:
            check(visible_offset.shape[0] == visible_bias.shape[0] and hidden_offset.shape[0] == hidden_bias.shape[0],
                  "offsets")
    scratch = <char *> aligned_memory(<size_t> n_threads * TRAIN_SCRATCH)
    memory = lay_out(&job, largest_batch, visible.shape[1])
    if scratch == NULL or memory == NULL:
        free(scratch)
        free(memory)
        raise MemoryError("no memory for the scratch space of a training")
    job.model.planes, job.model.stride = &visible[0, 0], visible.strides[0]
    job.ascent.l2, job.ascent.l1, job.ascent.limit = l2, l1, limit
    job.ascent.padded, job.ascent.padded_hidden, job.ascent.n_tiles = tiles.shape[1], other.shape[1], job.n_tiles
    set_half_steps(&job, &hidden[0, 0], seed, n_threads)
    set_exponents(&job, to_visible_exponent, to_hidden_exponent)
    run_training(&job, scratch, n_threads)
    free(scratch)
    free(memory)
    outcome[0], outcome[1], outcome[2], outcome[3] = job.done, job.which, job.largest[0], job.largest[1]


cdef char *lay_out(Job *job, Py_ssize_t batch, Py_ssize_t n_chains) noexcept nogil:
    """One piece of memory for all that an update needs; NULL where there is none. It starts as zeros."""
    cdef Py_ssize_t padded_v = TILE * job.n_chunks, padded_h = TILE * job.n_tiles, p, room
    cdef Py_ssize_t n_doubles = 5 * (padded_v + padded_h) + 2 * job.n_tiles * job.n_chunks * TILE \
        + job.n_tiles * padded_v + job.n_chunks * padded_h
    cdef Py_ssize_t rows[2]
    cdef size_t size = n_doubles * 8
    cdef char *memory
    cdef double *numbers
    cdef float *fixed
    cdef uint8_t *bytes_
    cdef Cases *part
    rows[0], rows[1] = 8 * ceil_div(batch, 8), 8 * ceil_div(n_chains, 8)
    size += (rows[0] + rows[1]) * padded_h * 4
    size += rows[0] * (job.n_bytes + 8) + (rows[0] + rows[1]) // 8 * job.n_visible
    size += n_chains * (job.n_bytes + ceil_div(job.n_hidden, 8))
    memory = <char *> aligned_memory(size + 64)
    if memory == NULL:
        return NULL
    memset(memory, 0, size)
    numbers = <double *> memory
    fixed = <float *> (numbers + n_doubles)
    bytes_ = <uint8_t *> (fixed + (rows[0] + rows[1]) * padded_h)
    for p in range(2):
        part = &job.data if p == 0 else &job.model
        part.fixed = fixed
        part.phase.fixed, part.phase.fixed_length = fixed, rows[p] * TILE
        fixed += rows[p] * padded_h
        part.transposed = bytes_
        part.phase.transposed = bytes_
        bytes_ += rows[p] // 8 * job.n_visible
        part.visible, part.hidden = numbers, numbers + padded_v
        numbers += padded_v + padded_h
    job.data.planes, job.data.stride = bytes_, rows[0]
    job.before = bytes_ + rows[0] * (job.n_bytes + 8)
    job.model.n, job.model.phase.n_bytes = n_chains, ceil_div(n_chains, 8)
    job.offsets.visible_difference, job.offsets.hidden_difference = numbers, numbers + padded_v
    job.along_hidden, job.along_visible = numbers + padded_v + padded_h, numbers + 2 * padded_v + padded_h
    job.offsets_before = numbers + 2 * (padded_v + padded_h)
    numbers += 3 * (padded_v + padded_h)
    job.ascent.rows, job.ascent.columns = numbers, numbers + job.n_tiles * job.n_chunks * TILE
    numbers += 2 * job.n_tiles * job.n_chunks * TILE
    job.offsets.by_tile, job.offsets.by_chunk = numbers, numbers + job.n_tiles * padded_v
    return memory


cdef void set_half_steps(Job *job, uint8_t *hidden, uint64_t seed, int n_threads) noexcept nogil:
    """All of the three half steps that stays as it is from update to update."""
    cdef HalfStep *step
    cdef int k
    for k in range(3):
        step = &job.positive if k == 0 else &job.down if k == 1 else &job.up
        step.key0, step.key1 = <uint32_t> seed, <uint32_t> (seed >> 32)
        step.n_units = job.n_visible if k == 1 else job.n_hidden
        step.n_tiles = ceil_div(step.n_units, TILE)
        step.bias = job.visible_bias if k == 1 else job.hidden_bias
        step.tile_length = TILE * (job.ascent.padded_hidden if k == 1 else job.ascent.padded)
        step.n_bytes = ceil_div(job.n_hidden, 8) if k == 1 else job.n_bytes
    job.positive.planes, job.positive.stride = job.data.planes, job.data.stride
    job.positive.fixed, job.positive.fixed_length = job.data.fixed, job.data.phase.fixed_length
    job.down.planes, job.down.stride, job.down.n = hidden, job.model.n, job.model.n
    job.down.out, job.down.out_stride = job.model.planes, job.model.stride
    job.up.planes, job.up.stride, job.up.n = job.model.planes, job.model.stride, job.model.n
    job.up.out, job.up.out_stride = hidden, job.model.n
    job.down.kind, job.up.kind = job.stream << 8 | VISIBLE, job.stream << 8 | HIDDEN
    job.down.block = block_length(job.model.n, job.down.n_tiles, n_threads)
    job.up.block = block_length(job.model.n, job.up.n_tiles, n_threads)


cdef void set_exponents(Job *job, int to_visible, int to_hidden) noexcept nogil:
    """Let the half steps read the weights where they are now, on these grids."""
    job.positive.tiles = job.up.tiles = job.weights[job.which]
    job.down.tiles = job.transposed[job.which]
    job.positive.grid = job.up.grid = <float> ldexp(1.0, to_hidden)
    job.positive.scale = job.up.scale = <float> ldexp(1.0, -to_hidden)
    job.down.grid, job.down.scale = <float> ldexp(1.0, to_visible), <float> ldexp(1.0, -to_visible)


cdef int exponent_of(double largest_sum, Py_ssize_t n_in) noexcept nogil:
    """fastrbm/_parameters.py::exponent"""
    cdef int e = 61
    if largest_sum != 0.0:
        frexp((2147483647.0 - <double> n_in) / largest_sum, &e)
    return <int> smaller(60, e - 1)
