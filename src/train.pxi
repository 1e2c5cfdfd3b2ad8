# Many updates in one call: persistent contrastive divergence by plain ascent, with all threads in one parallel region.
# Each update does what half_step, sweep, prepare_phase and step do for fastrbm/gradient and fastrbm/optim, with the
# same arithmetic, so the same bits; small models are spared the way through Python.
#
# An update is a sequence of stages (train_stages.pxi). In each, the threads share out items of work, then wait for each
# other. All that an update changes has two places: it reads the one and writes the other, so that one that fails leaves
# no trace.

cdef enum:
    GATHERED = 64           # examples that are gathered by one thread
    APART = 16              # counters: a cache line each
    TRAIN_SCRATCH = SUMS_AT + 4 * BLOCK * TILE * 4

cdef enum:                  # queues of work that threads take items from
    GATHER
    DOWN
    SUMS_OF_CHUNKS
    UP
    SUMS_OF_TILES
    ASCENT
    NEW_OF_CHUNKS
    N_QUEUES

cdef struct Sums:          # of one phase
    float *fixed
    Py_ssize_t fixed_length
    uint8_t *transposed
    double *visible         # sums over the examples, padded
    double *hidden

cdef struct Job:            # what is the same for all updates; pairs are the two places
    const uint8_t *packed   # [example][byte]
    Py_ssize_t n_bytes
    const int64_t *examples
    const int64_t *ends
    const double *rates
    Py_ssize_t n_updates
    int n_sweeps
    uint64_t seed
    uint32_t stream
    uint32_t first_sweep
    Py_ssize_t first_chain
    Py_ssize_t n_visible
    Py_ssize_t n_hidden
    Py_ssize_t n_chunks     # tiles of visible units
    Py_ssize_t n_tiles      # tiles of hidden units
    Py_ssize_t share
    Py_ssize_t n_shares
    Py_ssize_t n_chains
    uint8_t *visible[2]     # planes of the chains and, behind them, of the batch
    Py_ssize_t stride
    uint8_t *hidden[2]      # planes of the chains
    int32_t *parts          # NULL, or [thread][chunk][chain][64] (train_visible.pxi)
    Sums data
    Sums model
    float *weights[2]
    float *transposed[2]
    float *visible_bias[2]  # padded, as the half steps read them
    float *hidden_bias[2]
    int to_visible_exponent     # at first
    int to_hidden_exponent
    Ascent ascent
    Offsets offsets
    bint centered
    bint offsets_known
    double centering_rate
    double *visible_offset[2]
    double *hidden_offset[2]
    double *visible_difference
    double *hidden_difference
    double *largest_of_tile     # sums of |W| over the weights of one of its units
    double *largest_of_chunk
    int n_threads
    int *taken              # items of a queue and a thread that are taken: counter (queue * n_threads + thread) * APART
    int *finished           # of a queue and a tile, ever: counter (queue * n_groups + tile) * APART
    Py_ssize_t n_groups     # tiles, of the layer that has more
    int n_bad               # parameters that would be bad, at least
    Py_ssize_t done
    double largest[2]       # over all hidden and over all visible units, after the last update that was done


def train(const uint8_t[:, ::1] packed, const int64_t[::1] examples, const int64_t[::1] ends, const double[::1] rates,
          uint8_t[:, ::1] visible, uint8_t[:, ::1] hidden, uint64_t seed, uint32_t stream, uint32_t first_sweep,
          int n_sweeps, Py_ssize_t first_chain, weights, transposed, float[::1] visible_bias, float[::1] hidden_bias, int to_visible_exponent,
          int to_hidden_exponent, Py_ssize_t n_visible, Py_ssize_t n_hidden, centering, double l2, double l1,
          float limit, double[::1] outcome, int n_threads):
    """One update for each of rates IN (n,): batch k is the rows examples[ends[k] : ends[k + 1]] of packed IN (examples,
    ceil(V/8)), the chains visible and hidden INOUT (planes) go on for n_sweeps sweeps, from number first_sweep on; they
    are chains first_chain, first_chain + 1, ... (The data draw nothing.)

    The model starts as weights[0] (tiles), transposed[0] and padded biases, all INOUT, and ends in one of the two
    weights and transposed, each a pair of float32 arrays. centering is None, or (rate, visible and hidden offsets,
    padded float64 INOUT, whether they are known).

    outcome OUT (4,): updates done, which of the two, largest sums of |W| over a hidden and over a visible unit's
    weights. (Not returned: a Ctrl-C comes up as the call ends, and what was done must be known all the same.) An update
    that would make a parameter bad is not done, nor any after it; chains and offsets are then as before it."""
    cdef Job job
    cdef Py_ssize_t largest_batch = 0, n_chains = visible.shape[1], k
    cdef double[::1] visible_offset, hidden_offset
    cdef float[:, :, ::1] tiles, other
    cdef char *memory
    cdef char *scratch
    memset(&job, 0, sizeof(Job))
    for k in range(rates.shape[0]):
        largest_batch = max(largest_batch, <Py_ssize_t> (ends[k + 1] - ends[k]))
    if DEBUG_CHECKS:
        check(packed.shape[1] == ceil_div(n_visible, 8) and ends.shape[0] == rates.shape[0] + 1
              and ends[rates.shape[0]] <= examples.shape[0] and visible.shape[0] == packed.shape[1]
              and hidden.shape[0] == ceil_div(n_hidden, 8) and hidden.shape[1] == visible.shape[1]
              and visible.shape[1] > 0 and rates.shape[0] > 0 and outcome.shape[0] == 4
              and visible_bias.shape[0] == TILE * ceil_div(n_visible, TILE)
              and hidden_bias.shape[0] == TILE * ceil_div(n_hidden, TILE), "train")
        for k in range(rates.shape[0]):
            check(0 <= ends[k] < ends[k + 1], "ends")
        for k in range(examples.shape[0]):
            check(0 <= examples[k] < packed.shape[0], "examples")
    job.packed, job.n_bytes, job.examples, job.ends = &packed[0, 0], packed.shape[1], &examples[0], &ends[0]
    job.rates, job.n_updates, job.n_sweeps, job.n_threads = &rates[0], rates.shape[0], n_sweeps, n_threads
    job.seed, job.stream, job.first_sweep, job.first_chain = seed, stream, first_sweep, first_chain
    job.n_visible, job.n_hidden, job.n_chains = n_visible, n_hidden, n_chains
    job.n_tiles, job.n_chunks = ceil_div(n_hidden, TILE), ceil_div(n_visible, TILE)
    job.n_groups = max(job.n_tiles, job.n_chunks)
    job.share = share_length(n_visible, job.n_tiles, n_threads)
    job.n_shares = ceil_div(n_visible, job.share)
    job.to_visible_exponent, job.to_hidden_exponent = to_visible_exponent, to_hidden_exponent
    for k in range(2):
        tiles, other = weights[k], transposed[k]
        if DEBUG_CHECKS:
            check(tiles.shape[0] == job.n_tiles and tiles.shape[1] == 8 * ceil_div(n_visible, 8)
                  and other.shape[0] == job.n_chunks and other.shape[1] == 8 * ceil_div(n_hidden, 8), "tiles")
        job.weights[k], job.transposed[k] = &tiles[0, 0, 0], &other[0, 0, 0]
    job.ascent.l2, job.ascent.l1, job.ascent.limit = l2, l1, limit
    job.ascent.padded, job.ascent.padded_hidden, job.ascent.n_tiles = tiles.shape[1], other.shape[1], job.n_tiles
    if centering is not None:
        job.centering_rate, visible_offset, hidden_offset, job.offsets_known = centering
        if DEBUG_CHECKS:
            check(visible_offset.shape[0] == visible_bias.shape[0] and hidden_offset.shape[0] == hidden_bias.shape[0],
                  "offsets")
        job.centered = True
        job.visible_offset[0], job.hidden_offset[0] = &visible_offset[0], &hidden_offset[0]
    job.hidden[0] = &hidden[0, 0]
    job.visible_bias[0], job.hidden_bias[0] = &visible_bias[0], &hidden_bias[0]
    scratch = <char *> aligned_memory(<size_t> n_threads * TRAIN_SCRATCH)
    memory = lay_out(&job, largest_batch)
    if scratch == NULL or memory == NULL:
        free(scratch)
        free(memory)
        raise MemoryError("no memory for the scratch space of a training")
    run_training(&job, scratch, n_threads)
    if job.done > 0:
        put_in_place(&job, &visible[0, 0])
    free(scratch)
    free(memory)
    outcome[0], outcome[1], outcome[2], outcome[3] = job.done, job.done % 2, job.largest[0], job.largest[1]


cdef char *lay_out(Job *job, Py_ssize_t batch) noexcept nogil:
    """One piece of memory for all that an update needs; NULL where there is none. It starts as zeros."""
    cdef Py_ssize_t padded_v = TILE * job.n_chunks, padded_h = TILE * job.n_tiles, p
    cdef Py_ssize_t n_counters = N_QUEUES * (job.n_threads + job.n_groups) * APART
    # doubles, floats and planes begin on a cache line: all lengths before them are multiples of 64 bytes
    cdef Py_ssize_t n_doubles = 4 * (padded_v + padded_h) + 3 * job.n_tiles * padded_v + job.n_chunks * padded_h \
        + 8 * ceil_div(job.n_tiles + job.n_chunks, 8)
    cdef Py_ssize_t rows[2]
    cdef size_t size = n_counters * 4 + n_doubles * 8, part_size = 0
    cdef char *memory
    cdef double *numbers
    cdef float *floats
    cdef uint8_t *bytes_
    cdef Sums *part
    rows[0], rows[1] = 8 * ceil_div(batch, 8), 8 * ceil_div(job.n_chains, 8)
    job.stride = 64 * ceil_div(job.n_chains + batch, 64)
    size += ((rows[0] + rows[1]) * padded_h + padded_v + padded_h) * 4
    size += 2 * job.n_bytes * job.stride + (rows[0] + rows[1]) // 8 * job.n_visible
    size += job.n_chains * ceil_div(job.n_hidden, 8)
    if sums_in_parts(job):
        part_size = job.n_threads * job.n_chunks * job.n_chains * TILE * 4
    size += part_size
    memory = <char *> aligned_memory(size)
    if memory == NULL:
        return NULL
    memset(memory, 0, size)
    job.taken = <int *> memory
    job.finished = job.taken + N_QUEUES * job.n_threads * APART
    numbers = <double *> (job.taken + n_counters)
    floats = <float *> (numbers + n_doubles)
    bytes_ = <uint8_t *> (floats + (rows[0] + rows[1]) * padded_h + padded_v + padded_h)
    if part_size > 0:
        job.parts = <int32_t *> bytes_
        bytes_ += part_size
    job.visible[0], job.visible[1] = bytes_, bytes_ + job.n_bytes * job.stride
    bytes_ += 2 * job.n_bytes * job.stride
    for p in range(2):
        part = &job.data if p == 0 else &job.model
        part.fixed, part.fixed_length, part.transposed = floats, rows[p] * TILE, bytes_
        part.visible, part.hidden = numbers, numbers + padded_v
        floats += rows[p] * padded_h
        bytes_ += rows[p] // 8 * job.n_visible
        numbers += padded_v + padded_h
    job.visible_bias[1], job.hidden_bias[1] = floats, floats + padded_v
    job.hidden[1] = bytes_
    job.visible_difference, job.hidden_difference = numbers, numbers + padded_v
    numbers += padded_v + padded_h
    job.visible_offset[1], job.hidden_offset[1] = numbers, numbers + padded_v
    numbers += padded_v + padded_h
    job.ascent.rows, job.ascent.columns = numbers, numbers + job.n_tiles * padded_v
    numbers += 2 * job.n_tiles * padded_v
    job.offsets.by_tile, job.offsets.by_chunk = numbers, numbers + job.n_tiles * padded_v
    numbers += job.n_tiles * padded_v + job.n_chunks * padded_h
    job.largest_of_tile, job.largest_of_chunk = numbers, numbers + job.n_tiles
    return memory


cdef void put_in_place(Job *job, uint8_t *visible) noexcept nogil:
    """What an update changed goes to the caller's arrays; but for the weights, of which it has both places."""
    cdef Py_ssize_t byte
    for byte in range(job.n_bytes):
        memcpy(visible + byte * job.n_chains, job.visible[job.done % 2] + byte * job.stride, job.n_chains)
    if job.done % 2 == 0:
        return
    memcpy(job.hidden[0], job.hidden[1], job.n_chains * ceil_div(job.n_hidden, 8))
    memcpy(job.visible_bias[0], job.visible_bias[1], job.n_visible * 4)
    memcpy(job.hidden_bias[0], job.hidden_bias[1], job.n_hidden * 4)
    if job.centered:
        memcpy(job.visible_offset[0], job.visible_offset[1], job.n_visible * 8)
        memcpy(job.hidden_offset[0], job.hidden_offset[1], job.n_hidden * 8)


cdef int exponent_of(double largest_sum, Py_ssize_t n_in) noexcept nogil:
    """fastrbm/_core/parameters.py::exponent"""
    cdef int e = 61
    if largest_sum != 0.0:
        frexp((2147483647.0 - <double> n_in) / largest_sum, &e)
    return <int> smaller(60, e - 1)
