# Many updates in one call: persistent contrastive divergence by plain ascent, with all threads in one parallel region.
# Each update does what half_step, sweep, prepare_phase and step do for fastrbm/gradient and fastrbm/optim, with the
# same arithmetic, so the same bits; small models are spared the way through Python.
#
# One update of n rows of data, x (n, V), and m chains, v (m, V) and h (m, H), at learning rate eps:
#
#   gather            x  = the rows of the batch                                     (n, V)  bits, behind the chains'
#                     (with weights w: sums over x, p are by weight, n is their total, D, dv and dh are times a factor)
#   stage_down        v ~ p(v | h)                                                   (m, V)  by chunks of 64 units
#   stage_up          h ~ p(h | v); again down, for each further sweep               (m, H)  by tiles of 64 units
#   stage_of_tiles    p, q = p(h = 1 | x), p(h = 1 | v);  h ~ q                      (n + m, H)  one product for both
#                     dv, dh = mean x - mean v, mean p - mean q                      (V,), (H,)
#                     mu += rate (mean x - mu);  lambda += rate (mean p - lambda)    (V,), (H,)  where centered
#                     D  = x'p / n - v'q / m - mu dh' - dv lambda'                   64 x 64 at a time, never all of it
#                     G  = D - l2 W - l1 sign W;  W += eps G, both ways round        (V, H), (H, V)
#                     c += eps (dh - G'mu)                                           (H,)
#   stage_of_chunks   b += eps (dv - G lambda)                                       (V,)
#   accept            the grids of W from the largest sums of |W|; a parameter that is bad: stop, this update is undone
#
# In each stage the threads share out items of work, then wait for each other (train_stages.pxi). All that an update
# changes has two places: it reads the one and writes the other, so that one that fails leaves no trace.

cdef enum:
    GATHERED = 64           # examples that are gathered by one thread
    APART = 16              # counters: a cache line each

MOST_RANKS = MOST_PROCESSES   # that make an update together

cdef enum:                  # queues of work that threads take items from
    GATHER
    DOWN
    SUMS_OF_CHUNKS
    UP
    SUMS_OF_TILES
    ASCENT
    NEW_OF_CHUNKS
    PLACED
    N_QUEUES

cdef struct Sums:          # of one phase
    float *fixed
    Py_ssize_t fixed_length
    uint8_t *transposed
    double *visible         # sums over the examples, padded
    double *hidden

cdef struct Given:          # the caller's arrays that an update changes, but for the weights
    uint8_t *visible
    uint8_t *hidden
    float *visible_bias
    float *hidden_bias
    double *visible_offset
    double *hidden_offset

cdef struct Job:            # what is the same for all updates; pairs are the two places
    const uint8_t *packed   # [example][byte]
    Py_ssize_t n_bytes
    const int64_t *examples
    const int64_t *ends
    const double *rates
    const double *example_weights   # NULL, or of each of examples
    const double *batches   # NULL, or [update][total weight, what a weight of one stands for, factor of the gradient]
    Py_ssize_t n_updates
    int n_sweeps
    uint64_t seed
    uint32_t stream
    uint32_t first_sweep
    int visible_unit        # types
    int hidden_unit
    Py_ssize_t first_chain
    Py_ssize_t n_visible
    Py_ssize_t n_hidden
    Py_ssize_t n_chunks     # tiles of visible units
    Py_ssize_t n_tiles      # tiles of hidden units
    Py_ssize_t slice_length
    Py_ssize_t n_slices
    Py_ssize_t n_chains
    const Plan *plan        # NULL, or the visible layer's segments, whose units that are off count for nothing,
    float *placed           # and the weights of its tiles
    float *placed_bias
    Given given
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
    bint shifted            # by offsets, or by values of units that are off
    bint offsets_known
    double centering_rate
    double *visible_offset[2]
    double *hidden_offset[2]
    double *visible_shift   # of the offsets that the update uses: see Offsets
    double *hidden_shift
    double *visible_difference
    double *hidden_difference
    double *largest_of_tile     # sums of |W| over the weights of one of its units
    double *largest_of_chunk
    int n_threads
    int *taken              # items of a queue and a thread that are taken: counter (queue * n_threads + thread) * APART
    int *finished           # of a queue and a tile, ever: counter (queue * n_groups + tile) * APART
    Py_ssize_t n_groups     # tiles, of the layer that has more
    int *n_bad              # parameters that would be bad, at least
    Py_ssize_t done
    Processes *processes    # NULL, or of those that work together, in memory that they share, with all that changes
    int n_processes
    int process             # this one
    double largest[2]       # over all hidden and over all visible units, after the last update that was done


def train(const uint8_t[:, ::1] packed, const int64_t[::1] examples, const int64_t[::1] ends, const double[::1] rates,
          uint8_t[:, ::1] visible, uint8_t[:, ::1] hidden, uint64_t seed, uint32_t stream, uint32_t first_sweep,
          int n_sweeps, Py_ssize_t first_chain, weights, transposed, float[::1] visible_bias, float[::1] hidden_bias,
          int to_visible_exponent, int to_hidden_exponent, Py_ssize_t n_visible, Py_ssize_t n_hidden, str visible_unit,
          Segments segments, str hidden_unit, centering, weights_of_examples, double l2, double l1, float limit,
          double[::1] outcome, int n_threads, processes=None):
    """One update for each of rates IN (n,): batch k is the rows examples[ends[k] : ends[k + 1]] of packed IN (examples,
    ceil(V/8)), the chains visible and hidden INOUT (planes) go on for n_sweeps sweeps, from number first_sweep on. They
    are chains first_chain, first_chain + 1, ...; the data draw nothing.

    The model starts as weights[0] (tiles), transposed[0] and padded biases, all INOUT, and ends in one of the two
    weights and transposed, each a pair of float32 arrays. centering is None, or (rate, visible and hidden offsets,
    padded float64 INOUT, whether they are known). visible_unit and hidden_unit are the layers' types, segments
    those of a visible layer that has any, all of units that count for 0 or 1: transposed and biases have its units in a
    row. What is called mean or offset is of their values.

    weights_of_examples is None, or (of each of examples, float64 IN, whole, up to 2^22; and of each update, float64 IN
    (n, 3): their total, what a weight of one stands for, and a factor of the gradient).

    outcome OUT (4,): updates done, which of the two, largest sums of |W| over a hidden and over a visible unit's
    weights. (Not returned: a Ctrl-C comes up as the call ends, and what was done must be known all the same.) An update
    that would make a parameter bad is not done, nor any after it; chains and offsets are then as before it.

    processes is None, or (memory that several processes share, uint8 INOUT, zeros at first, training_memory() bytes;
    how many they are; which one this is; threads of all of them, at most), where all of them make this call with the
    same arguments but for threads, by kernels of one level. weights and transposed are in shared memory, too."""
    cdef Job job
    cdef uint8_t[::1] shared
    cdef Py_ssize_t largest_batch = 0, n_chains = visible.shape[1], k
    cdef double[::1] visible_offset, hidden_offset
    cdef const double[::1] whole
    cdef const double[:, ::1] batches
    cdef float[:, :, ::1] tiles, other
    cdef Arena arena = Arena(NULL, 0)
    cdef _Memory memory, scratch
    memset(&job, 0, sizeof(Job))
    for k in range(rates.shape[0]):
        largest_batch = max(largest_batch, <Py_ssize_t> (ends[k + 1] - ends[k]))
    if DEBUG_CHECKS:
        check(packed.shape[1] == (ceil_div(n_visible, 8) if segments is None else segments.n_rows)
              and (segments is None or segments.n_units == n_visible and segments.steps is None)
              and ends.shape[0] == rates.shape[0] + 1
              and ends[rates.shape[0]] <= examples.shape[0] and visible.shape[0] == packed.shape[1]
              and hidden.shape[0] == ceil_div(n_hidden, 8) and hidden.shape[1] == visible.shape[1]
              and visible.shape[1] > 0 and rates.shape[0] > 0 and outcome.shape[0] == 4
              and visible_bias.shape[0] == TILE * ceil_div(n_visible, TILE)
              and hidden_bias.shape[0] == TILE * ceil_div(n_hidden, TILE), "train")
        for k in range(rates.shape[0]):
            check(0 <= ends[k] < ends[k + 1], "ends")
        for k in range(examples.shape[0]):
            check(0 <= examples[k] < packed.shape[0], "examples")
    job.packed, job.examples, job.ends = &packed[0, 0], &examples[0], &ends[0]
    job.rates, job.n_updates, job.n_sweeps = &rates[0], rates.shape[0], n_sweeps
    job.n_threads = n_threads if processes is None else processes[3]
    job.seed, job.stream, job.first_sweep, job.first_chain = seed, stream, first_sweep, first_chain
    job.visible_unit, job.hidden_unit = UNITS[visible_unit], UNITS[hidden_unit]
    set_sizes(&job, n_visible, n_hidden, n_chains, plan_of(segments))
    job.to_visible_exponent, job.to_hidden_exponent = to_visible_exponent, to_hidden_exponent
    for k in range(2):
        tiles, other = weights[k], transposed[k]
        if DEBUG_CHECKS:
            check(tiles.shape[0] == job.n_tiles and tiles.shape[1] == 8 * ceil_div(n_visible, 8)
                  and other.shape[0] == job.n_chunks and other.shape[1] == 8 * ceil_div(n_hidden, 8), "tiles")
        job.weights[k], job.transposed[k] = &tiles[0, 0, 0], &other[0, 0, 0]
    job.ascent.l2, job.ascent.l1, job.ascent.limit = l2, l1, limit
    if weights_of_examples is not None:
        whole, batches = weights_of_examples
        if DEBUG_CHECKS:
            check(whole.shape[0] >= ends[rates.shape[0]] and batches.shape[0] == rates.shape[0]
                  and batches.shape[1] == 3, "weights")
        job.example_weights, job.batches = &whole[0], &batches[0, 0]
    if centering is not None:
        job.centering_rate, visible_offset, hidden_offset, job.offsets_known = centering
        if DEBUG_CHECKS:
            check(visible_offset.shape[0] == visible_bias.shape[0] and hidden_offset.shape[0] == hidden_bias.shape[0],
                  "offsets")
        job.centered = True
        job.given.visible_offset, job.given.hidden_offset = &visible_offset[0], &hidden_offset[0]
    job.given.visible, job.given.hidden = &visible[0, 0], &hidden[0, 0]
    job.given.visible_bias, job.given.hidden_bias = &visible_bias[0], &hidden_bias[0]
    job.shifted = job.centered or value_of(job.visible_unit, False) != 0.0 or value_of(job.hidden_unit, False) != 0.0
    if processes is not None:
        shared, job.n_processes, job.process, _ = processes
        if DEBUG_CHECKS:
            check(0 <= job.process < job.n_processes <= MOST_PROCESSES
                  and training_memory(n_visible, n_hidden, segments, n_chains, largest_batch, job.n_threads)
                  <= shared.shape[0], "processes")
        job.processes = <Processes *> &shared[0]
        arena = Arena(<char *> &shared[0], whole_lines(sizeof(Processes)))
    else:
        lay_out(&job, largest_batch, &arena)
        memory = memory_for(1, arena.used, "a training")
        arena = Arena(memory.start, 0)
    scratch = memory_for(n_threads, sizeof(UpdateScratch), "a training")
    with nogil:
        begin(&job, largest_batch, &arena)
    run_training(&job, <UpdateScratch *> scratch.start, n_threads)
    if job.done > 0:
        give_back(&job)
    outcome[0], outcome[1], outcome[2], outcome[3] = job.done, job.done % 2, job.largest[0], job.largest[1]


def training_memory(Py_ssize_t n_visible, Py_ssize_t n_hidden, Segments segments, Py_ssize_t n_chains,
                    Py_ssize_t largest_batch, int n_threads):
    """How many bytes of memory several processes of so many threads in all share for train()."""
    cdef Job job
    cdef Arena arena = Arena(NULL, whole_lines(sizeof(Processes)))
    memset(&job, 0, sizeof(Job))
    job.n_threads = n_threads
    set_sizes(&job, n_visible, n_hidden, n_chains, plan_of(segments))
    lay_out(&job, largest_batch, &arena)
    return arena.used


cdef void set_sizes(Job *job, Py_ssize_t n_visible, Py_ssize_t n_hidden, Py_ssize_t n_chains,
                    const Plan *plan) noexcept nogil:
    job.n_visible, job.n_hidden, job.n_chains, job.plan = n_visible, n_hidden, n_chains, plan
    job.n_bytes = ceil_div(n_visible, 8) if plan == NULL else plan.n_rows
    job.n_tiles, job.n_chunks = ceil_div(n_hidden, TILE), ceil_div(n_visible, TILE)
    job.n_groups = job.n_tiles if job.n_tiles > job.n_chunks else job.n_chunks
    job.slice_length = length_of_slice(n_visible, job.n_tiles, job.n_threads)
    job.n_slices = ceil_div(n_visible, job.slice_length)
    job.ascent.padded, job.ascent.padded_hidden = 8 * ceil_div(n_visible, 8), 8 * ceil_div(n_hidden, 8)
    job.ascent.n_tiles = job.n_tiles


cdef void lay_out(Job *job, Py_ssize_t batch, Arena *arena) noexcept nogil:
    """The places of all that an update needs, which starts as zeros."""
    cdef Py_ssize_t padded_v = TILE * job.n_chunks, padded_h = TILE * job.n_tiles, k
    cdef Py_ssize_t hidden_bytes = ceil_div(job.n_hidden, 8)
    job.stride = whole_lines(job.n_chains + batch)
    job.taken = <int *> place_for(arena, N_QUEUES * job.n_threads * APART, sizeof(int))
    job.finished = <int *> place_for(arena, N_QUEUES * job.n_groups * APART, sizeof(int))
    lay_out_examples(job, &job.data, batch, arena)
    lay_out_examples(job, &job.model, job.n_chains, arena)
    job.n_bad = <int *> place_for(arena, 1, sizeof(int))
    for k in range(2):
        job.visible[k] = <uint8_t *> place_for(arena, job.n_bytes, job.stride)
        job.hidden[k] = <uint8_t *> place_for(arena, hidden_bytes, job.n_chains)
        job.visible_bias[k] = <float *> place_for(arena, padded_v, sizeof(float))
        job.hidden_bias[k] = <float *> place_for(arena, padded_h, sizeof(float))
        job.visible_offset[k] = doubles_for(arena, padded_v)    # zeros that stay, where nothing is centered
        job.hidden_offset[k] = doubles_for(arena, padded_h)
    if sums_in_parts(job):
        job.parts = <int32_t *> place_for(arena, job.n_threads * job.n_chunks * job.n_chains * TILE, sizeof(int32_t))
    if job.plan != NULL:
        job.placed = <float *> place_for(arena, job.plan.n_tiles * job.ascent.padded_hidden * TILE, sizeof(float))
        job.placed_bias = <float *> place_for(arena, job.plan.n_tiles * TILE, sizeof(float))
    job.visible_difference = doubles_for(arena, padded_v)
    job.hidden_difference = doubles_for(arena, padded_h)
    job.visible_shift = doubles_for(arena, padded_v)
    job.hidden_shift = doubles_for(arena, padded_h)
    job.ascent.rows = doubles_for(arena, job.n_tiles * padded_v)
    job.ascent.columns = doubles_for(arena, job.n_chunks * padded_h)
    job.offsets.by_tile = doubles_for(arena, job.n_tiles * padded_v)
    job.offsets.by_chunk = doubles_for(arena, job.n_chunks * padded_h)
    job.largest_of_tile = doubles_for(arena, job.n_tiles)
    job.largest_of_chunk = doubles_for(arena, job.n_chunks)


cdef void begin(Job *job, Py_ssize_t batch, Arena *arena) noexcept nogil:
    """Let the first place be as the caller gave it. Of several processes one does so, and the others wait for it."""
    cdef Py_ssize_t first = arena.used, k
    lay_out(job, batch, arena)
    if job.process == 0:
        memset(arena.start + first, 0, arena.used - first)
        memcpy(job.hidden[0], job.given.hidden, job.n_chains * ceil_div(job.n_hidden, 8))
        memcpy(job.visible_bias[0], job.given.visible_bias, job.n_visible * sizeof(float))
        memcpy(job.hidden_bias[0], job.given.hidden_bias, job.n_hidden * sizeof(float))
        if job.centered:
            memcpy(job.visible_offset[0], job.given.visible_offset, job.n_visible * sizeof(double))
            memcpy(job.hidden_offset[0], job.given.hidden_offset, job.n_hidden * sizeof(double))
        if job.plan != NULL:
            for k in range(job.plan.n_tiles):
                place_new_tile(job, 0, k)
        if job.processes != NULL:
            job.processes.counted = 0
    if job.processes != NULL:
        wait_for_all(&job.processes.processes, job.n_processes, 0)


cdef void place_new_tile(Job *job, int place, Py_ssize_t tile) noexcept nogil:
    """The weights and biases of one of these two places, of a tile of visible units, where the half steps read them."""
    cdef const Columns *where = job.plan.tiles + tile
    place_tile(job.transposed[place], job.ascent.padded_hidden, where.unit, where.n,
               job.placed + tile * job.ascent.padded_hidden * TILE)
    memset(job.placed_bias + tile * TILE, 0, TILE * sizeof(float))
    memcpy(job.placed_bias + tile * TILE, job.visible_bias[place] + where.unit, where.n * sizeof(float))


cdef void lay_out_examples(const Job *job, Sums *part, Py_ssize_t n, Arena *arena) noexcept nogil:
    part.fixed_length = 8 * ceil_div(n, 8) * TILE
    part.fixed = <float *> place_for(arena, job.n_tiles * part.fixed_length, sizeof(float))
    part.transposed = <uint8_t *> place_for(arena, ceil_div(n, 8), job.n_visible)
    part.visible = doubles_for(arena, TILE * job.n_chunks)
    part.hidden = doubles_for(arena, TILE * job.n_tiles)


cdef inline double *doubles_for(Arena *arena, Py_ssize_t n) noexcept nogil:
    return <double *> place_for(arena, n, sizeof(double))


cdef void give_back(Job *job) noexcept nogil:
    """What the updates changed goes to the caller's arrays; but for the weights, of which it has both places."""
    cdef int k = job.done % 2
    cdef Py_ssize_t byte
    for byte in range(job.n_bytes):
        memcpy(job.given.visible + byte * job.n_chains, job.visible[k] + byte * job.stride, job.n_chains)
    memcpy(job.given.hidden, job.hidden[k], job.n_chains * ceil_div(job.n_hidden, 8))
    memcpy(job.given.visible_bias, job.visible_bias[k], job.n_visible * sizeof(float))
    memcpy(job.given.hidden_bias, job.hidden_bias[k], job.n_hidden * sizeof(float))
    if job.centered:
        memcpy(job.given.visible_offset, job.visible_offset[k], job.n_visible * sizeof(double))
        memcpy(job.given.hidden_offset, job.hidden_offset[k], job.n_hidden * sizeof(double))


cdef int exponent_of(double largest_sum, Py_ssize_t n_in) noexcept nogil:
    """fastrbm/_core/parameters.py::exponent"""
    cdef int e = 61
    if largest_sum != 0.0:
        frexp((2147483647.0 - <double> n_in) / largest_sum, &e)
    return <int> smaller(60, e - 1)
