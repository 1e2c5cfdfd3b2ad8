# Half steps and sweeps. A sweep draws the visible layer given the hidden one, then the hidden layer given the visible
# one, so that between sweeps (visible, hidden) is a joint state, and the last field computed is that of p(h | v): what
# the moments need.
#
# The next state of a chain depends on that chain alone. So threads take blocks of chains from one queue, and take each
# block through all sweeps of the call: no thread waits for another before the end, and one that runs less than the
# others passes on half of its chains to one that is through. Where there are too few chains for that, since the tables
# of a product cost the same for few chains as for many, threads share out the tiles of each layer and wait for each
# other between layers.

cdef enum:
    VISIBLE = 0
    HIDDEN = 1

cdef enum:
    CHAINS_A_THREAD = 512   # from which on chains belong to threads; fewer cost more than 5 % (bench/NOTES.md)
    PASSED_ON = 64          # chains that are passed on, at least

LEVEL_CHAINS_A_THREAD = CHAINS_A_THREAD


cdef class Layer:
    """What it takes to draw a layer given the other: its tiles of weights, their exponent and its padded bias, and the
    types of the units of both."""
    cdef readonly object tiles_array, bias_array
    cdef const float[:, :, ::1] tiles
    cdef const float[::1] bias
    cdef readonly int exponent
    cdef readonly Py_ssize_t n_units
    cdef readonly int unit, sent
    cdef readonly Segments to, given
    cdef readonly object shape_array
    cdef const double[:, ::1] shape
    cdef readonly int fixed_bits            # of the fraction of a fixed-point mean or probability
    cdef readonly Py_ssize_t first_tile     # of the layer's, which the tiles begin with
    cdef readonly object division           # None, or how the layer is divided among ranks, which have a part each

    def __init__(self, tiles, int exponent, bias, Py_ssize_t n_units, str unit, str sent, Segments to=None,
                 Segments given=None, shape=None, int fixed_bits=FIXED_BITS, Py_ssize_t first_tile=0, division=None):
        """tiles float32 (ceil(n_units/64), units of the other layer rounded up to 8, 64); bias float32 (64 tiles,).
        unit is the type of the layer's units, sent that of the other layer's; of a layer of segments it is "bernoulli",
        and the segments, to of the layer itself and given of the other one, say the rest: the layer has as many tiles
        as they. Where the other one has segments, there is memory behind the tiles that can be read, up to
        given.n_inputs rows of the last one: see empty_tiles of fastrbm/_core/segments.py. Of a layer of real units
        shape float64 (6, 64 tiles) describes them (real.pxi), and their means are counted in units of
        2^-fixed_bits.

        A part of a layer has some of its tiles, from the first_tile-th on, whole sites, and all else of the whole:
        kernels of parts draw its units as they would among all; the others refuse it. Where it has no tile, none is
        called. division is whatever the caller finds the other parts by."""
        self.tiles_array, self.bias_array = tiles, bias
        self.tiles, self.bias, self.exponent, self.n_units = tiles, bias, exponent, n_units
        self.unit, self.sent, self.to, self.given = UNITS[unit], UNITS[sent], to, given
        self.shape_array, self.fixed_bits = shape, fixed_bits
        self.first_tile, self.division = first_tile, division
        if to is not None and to.real:
            self.shape = shape
        if DEBUG_CHECKS:
            check(to is None or not to.real or (self.shape.shape[0] == SIDES
                                                and self.shape.shape[1] == self.bias.shape[0]), "shape")
            check(first_tile >= 0 and first_tile + self.tiles.shape[0] <= tiles_of(self)
                  and (division is not None or self.tiles.shape[0] == tiles_of(self))
                  and begins_site(self, first_tile) and begins_site(self, first_tile + self.tiles.shape[0])
                  and self.tiles.shape[2] == TILE and self.bias.shape[0] == TILE * tiles_of(self)
                  and (to is None or to.n_units == n_units)
                  and (given is None or 8 * ceil_div(given.n_units, 8) == self.tiles.shape[1]),
                  "Layer")


cdef inline Py_ssize_t tiles_of(Layer layer) noexcept:
    """Of the whole layer."""
    return ceil_div(layer.n_units, TILE) if layer.to is None else layer.to.n_tiles


cdef bint begins_site(Layer layer, Py_ssize_t tile) noexcept:
    """Whether no site of the layer goes on into this tile from the one before."""
    return layer.to is None or tile == layer.to.n_tiles or layer.to.plan.tiles[tile].span > 0


cdef int refuse_part(Layer layer) except -1:
    """RuntimeError where the layer is divided, for kernels that need all of it; on a rank that has all tiles, too, as
    others have none."""
    if layer.division is not None:
        raise RuntimeError(
            "the weights of this model are divided among ranks while it is trained; what needs all of them takes a "
            "copy of the model, such as the rbm of a callback's state")
    return 0


cdef HalfStep prepare(const uint8_t[:, :] planes, Layer layer, beta, uint64_t seed, Py_ssize_t first_chain,
                      int n_threads, bint parts=False):
    """A half step but for what it gives out and for the place in the stream of random numbers. parts: whether it may
    be one of a part of the layer, whose tiles begin with step.first_tile."""
    cdef HalfStep step = prepare_layer(layer, planes.shape[1], seed, first_chain, n_threads, parts)
    cdef const float[::1] betas
    step.stride = planes.strides[0]
    step.n_bytes = planes.shape[0]
    step.planes = &planes[0, 0] if step.n else NULL
    if DEBUG_CHECKS:
        check(layer.given.n_rows == step.n_bytes if layer.given is not None
              else layer.tiles.shape[1] == 8 * step.n_bytes, "units of the sending layer")
    if beta is not None:
        betas = beta
        if DEBUG_CHECKS:
            check(betas.shape[0] == step.n, "beta")
        step.beta = &betas[0] if step.n else NULL
        step.beta_stride = 1
    return step


cdef HalfStep prepare_layer(Layer layer, Py_ssize_t n, uint64_t seed, Py_ssize_t first_chain, int n_threads,
                            bint parts):
    """The same but for the sending layer's states."""
    cdef HalfStep step
    if not parts:
        refuse_part(layer)
    memset(&step, 0, sizeof(HalfStep))
    step.n = n
    step.tile_length = layer.tiles.shape[1] * TILE
    step.first_tile = layer.first_tile
    step.tiles = &layer.tiles[0, 0, 0] - step.first_tile * step.tile_length     # tile numbers are those of the whole
    step.grid = <float> ldexp(1.0, layer.exponent)
    step.scale = <float> ldexp(1.0, -layer.exponent)
    step.bias = &layer.bias[0]
    step.unit, step.sent = layer.unit, layer.sent
    step.to, step.given = plan_of(layer.to), plan_of(layer.given)
    step.fixed_scale = ldexp(1.0, layer.fixed_bits)
    if step.to != NULL and step.to.real:
        step.shape, step.shape_length = &layer.shape[0, 0], layer.shape.shape[1]
    step.n_units = layer.n_units
    step.n_tiles = layer.tiles.shape[0]
    step.first_chain = first_chain
    step.block = block_length(step.n, step.n_tiles, n_threads)
    step.key0 = <uint32_t> seed
    step.key1 = <uint32_t> (seed >> 32)
    return step


cdef inline Py_ssize_t rows_of(const HalfStep *step) noexcept nogil:
    """Of the receiving layer's planes."""
    return step.to.n_rows if step.to != NULL else ceil_div(step.n_units, 8)


cdef inline Py_ssize_t units_of_part(const HalfStep *step) noexcept nogil:
    """How many units the tiles have, of a layer of one type."""
    return smaller(TILE * step.n_tiles, step.n_units - TILE * step.first_tile)


cdef int give_out(HalfStep *step, planes, fixed, probabilities) except -1:
    """Set where a half step writes; each of the three may be None, and fixed float64, for fields."""
    cdef uint8_t[:, :] bits
    cdef float[:, :, :] numbers
    cdef double[:, :, :] fields
    cdef float[:, ::1] floats
    if step.n == 0:
        return 0
    if planes is not None:
        bits = planes
        if DEBUG_CHECKS:
            check(bits.shape[0] == rows_of(step) and bits.shape[1] == step.n, "planes out")
        step.out = &bits[0, 0]
        step.out_stride = bits.strides[0]
    if fixed is not None and fixed.itemsize == sizeof(double):
        fields = fixed
        if DEBUG_CHECKS:
            check(step.to != NULL and is_real(step.to.tiles[0].kind) and fields.shape[0] == step.n_tiles
                  and fields.shape[1] >= step.n and fields.shape[2] == TILE, "fields")
        step.fields_length = fields.strides[0] // 8
        step.fields = &fields[0, 0, 0] - step.first_tile * step.fields_length
    elif fixed is not None:
        numbers = fixed
        if DEBUG_CHECKS:
            check(numbers.shape[0] == step.n_tiles and numbers.shape[1] >= step.n and numbers.shape[2] == TILE, "fixed")
        step.fixed_length = numbers.strides[0] // 4
        step.fixed = &numbers[0, 0, 0] - step.first_tile * step.fixed_length
    if probabilities is not None:
        floats = probabilities
        if DEBUG_CHECKS:
            check(floats.shape[0] == step.n and floats.shape[1] == step.n_units, "probabilities")
        step.probabilities = &floats[0, 0]
    return 0


cdef int clamp(HalfStep *step, free) except -1:
    """Let only the units of these planes change; None: all."""
    cdef const uint8_t[:, :] planes
    if free is None or step.n == 0:
        return 0
    planes = free
    if DEBUG_CHECKS:
        check(planes.shape[0] == rows_of(step) and planes.shape[1] == step.n, "free units")
    step.free = &planes[0, 0]
    step.free_stride = planes.strides[0]
    return 0


cdef HalfStep of_chains(const HalfStep *step, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The same half step, given bits, of n of its chains, from the first-th on, as one block."""
    cdef HalfStep part = step[0]
    part.n, part.block, part.first_chain = n, n, step.first_chain + first
    part.planes += first
    if step.out != NULL:
        part.out += first
    if step.free != NULL:
        part.free += first
    if step.probabilities != NULL:
        part.probabilities += first * step.n_units
    if step.fixed != NULL:
        part.fixed += first * TILE
    if step.fields != NULL:
        part.fields += first * TILE
    if step.beta != NULL:
        part.beta += first * step.beta_stride
    return part


cdef Py_ssize_t chains_of_a_thread(Py_ssize_t n, int n_threads, bint apart) noexcept nogil:
    """Chains in a block that one thread takes through all sweeps of a call: even shares of at most BLOCK, as many for
    each thread. 0 where there are too few chains for that, unless threads are to stay apart."""
    if n < CHAINS_A_THREAD * <Py_ssize_t> n_threads and n_threads > 1 and not apart:
        return 0
    return ceil_div(n, n_threads * ceil_div(n, BLOCK * <Py_ssize_t> n_threads))


def half_step(const uint8_t[:, :] planes, Layer layer, beta, uint64_t seed, uint32_t stream, uint32_t sweep, int kind,
              Py_ssize_t first_chain, out, fixed, probabilities, int n_threads, free=None):
    """Draw one layer given planes IN (bytes, n) of the other. Any of the outputs may be None: out OUT planes of the
    layer, fixed OUT float32 (tiles, >= n, 64) and probabilities OUT float32 (n, n_units). fixed may be float64: then it
    gets the fields of real units, of which real_means() makes what moments need. beta is None or float32 (n,); free IN
    as for sweep. Of a part of a layer, fixed has its tiles alone, and of the other arrays it writes what belongs to its
    units."""
    cdef HalfStep step = prepare(planes, layer, beta, seed, first_chain, n_threads, True)
    cdef _Memory memory
    give_out(&step, out, fixed, probabilities)
    clamp(&step, free)
    if step.n == 0:
        return
    step.sweep = sweep
    step.kind = stream << 8 | kind
    memory = memory_for(n_threads, sizeof(Scratch), "a half step")
    with nogil:
        parallel_for(half_step_task, &step, step.n_tiles * ceil_div(step.n, step.block), memory.start,
                     sizeof(Scratch), n_threads)


cdef void half_step_task(const void *step, Py_ssize_t item, char *scratch) noexcept nogil:
    half_step_item(<const HalfStep *> step, item, <Scratch *> scratch)


def sweep(uint8_t[:, :] visible, uint8_t[:, :] hidden, Layer to_visible, Layer to_hidden, beta, uint64_t seed,
          uint32_t stream, uint32_t first_sweep, int n_sweeps, Py_ssize_t first_chain, free_visible, free_hidden, fixed,
          int n_threads, bint apart=False):
    """n_sweeps sweeps of n chains in place: visible INOUT, hidden INOUT. The random numbers are those of sweeps
    first_sweep, first_sweep + 1, ... of chains first_chain, first_chain + 1, ... free_visible and free_hidden IN are
    None, or planes of the units that may change. fixed as in half_step, of the last hidden layer. apart: chains belong to
    threads, however few they are: more work, but no thread waits for another that does not run."""
    cdef Sweeps job
    cdef _Memory scratch, flips, rows
    memset(&job, 0, sizeof(Sweeps))
    job.down = prepare(hidden, to_visible, beta, seed, first_chain, n_threads)
    job.up = prepare(visible, to_hidden, beta, seed, first_chain, n_threads)
    job.stream, job.first_sweep, job.n_sweeps = stream, first_sweep, n_sweeps
    give_out(&job.down, visible, None, None)
    give_out(&job.up, hidden, fixed, None)
    clamp(&job.down, free_visible)
    clamp(&job.up, free_hidden)
    if job.up.n == 0 or n_sweeps == 0:
        return
    job.block = chains_of_a_thread(job.up.n, n_threads, apart)
    if flips_pay(&job.up, n_sweeps) and job.block > 0:
        job.flips_size = flips_size(&job.up, job.block, 1, 1)
    elif flips_pay(&job.up, n_sweeps):
        job.flips_size = flips_size(&job.up, job.up.n, ceil_div(job.up.n, job.up.block), n_threads)
    scratch = memory_for(n_threads, sizeof(Scratch), "a sweep")
    if job.flips_size > 0:
        flips = memory_for(n_threads if job.block > 0 else 1, job.flips_size, "a sweep")
        rows = memory_for(job.up.n_tiles, job.up.tile_length * sizeof(int32_t), "a sweep")
        job.flips_memory, job.rows = flips.start, <int32_t *> rows.start
    with nogil:
        if job.rows != NULL:
            put_integer_rows(&job.up, job.rows)
        if job.rows != NULL and job.block == 0:
            job.flips = place_flips(job.flips_memory, job.rows, &job.up, job.up.n, ceil_div(job.up.n, job.up.block))
        run_team(sweep_with_others, &job, scratch.start, sizeof(Scratch), n_threads)


cdef struct Sweeps:             # a call of sweep
    HalfStep down
    HalfStep up
    uint32_t stream
    uint32_t first_sweep
    int n_sweeps
    Py_ssize_t block            # chains that a thread takes through all sweeps; 0: threads share out tiles
    Pieces pieces
    WorkQueue tiles[3]
    int32_t *rows               # NULL: nothing is kept from sweep to sweep
    Flips flips                 # of all chains, where tiles are shared out
    char *flips_memory          # else for each thread, of the block that it has
    size_t flips_size


cdef void sweep_with_others(void *call, Barrier *barrier, int rank, char *scratch) noexcept nogil:
    """What one thread does for all sweeps."""
    cdef Sweeps *job = <Sweeps *> call
    cdef Piece mine
    if job.block == 0:
        sweep_tiles(job, barrier, rank, <Scratch *> scratch)
        return
    while take_piece(&job.pieces, job.block, job.up.n, &mine):
        sweep_chains(job, &mine, job.flips_memory + rank * job.flips_size, <Scratch *> scratch)
        finish_piece(&job.pieces)


cdef void sweep_chains(Sweeps *job, Piece *mine, char *flips_memory, Scratch *scratch) noexcept nogil:
    """What is left of the sweeps of one block of chains, or of those of them that are not passed on."""
    cdef HalfStep down, up
    cdef Flips flips
    cdef Py_ssize_t tile, part
    cdef int s
    cdef bint other_chains = True       # than in the sweep before
    memset(&flips, 0, sizeof(Flips))
    for s in range(<int> mine.step, job.n_sweeps):
        if other_chains:
            down, up = of_chains(&job.down, mine.first, mine.n), of_chains(&job.up, mine.first, mine.n)
            if job.rows != NULL:
                flips = place_flips(flips_memory, job.rows, &up, up.n, 1)
        for tile in range(down.n_tiles):
            sweep_item(job, &down, NULL, tile, s, VISIBLE, scratch)
        if flips.sums != NULL:
            for part in range(ceil_div(up.n, PART)):
                compare_part(&up, &flips, part, other_chains)
        for tile in range(up.n_tiles):
            sweep_item(job, &up, &flips, tile, s, HIDDEN, scratch)
        other_chains = s + 1 < job.n_sweeps and share_piece(&job.pieces, mine, PASSED_ON, s + 1)


cdef void sweep_tiles(Sweeps *job, Barrier *barrier, int rank, Scratch *scratch) noexcept nogil:
    """A thread's part of all sweeps of all chains: no thread starts a layer before the other one is complete."""
    cdef int s
    cdef Py_ssize_t item
    cdef Py_ssize_t n_down = job.down.n_tiles * ceil_div(job.down.n, job.down.block)
    cdef Py_ssize_t n_up = job.up.n_tiles * ceil_div(job.up.n, job.up.block), n_parts = ceil_div(job.up.n, PART)
    for s in range(job.n_sweeps):
        item = take_item(&job.tiles[0])
        while item < n_down:
            sweep_item(job, &job.down, NULL, item, s, VISIBLE, scratch)
            item = take_item(&job.tiles[0])
        next_layer(&job.tiles[0], barrier, rank)
        if job.flips.sums != NULL:
            item = take_item(&job.tiles[1])
            while item < n_parts:
                compare_part(&job.up, &job.flips, item, s == 0)
                item = take_item(&job.tiles[1])
            next_layer(&job.tiles[1], barrier, rank)
        item = take_item(&job.tiles[2])
        while item < n_up:
            sweep_item(job, &job.up, &job.flips, item, s, HIDDEN, scratch)
            item = take_item(&job.tiles[2])
        next_layer(&job.tiles[2], barrier, rank)


cdef void next_layer(WorkQueue *done, Barrier *barrier, int rank) noexcept nogil:
    """Wait until all of this one is done. Its queue is used again behind another barrier at the earliest."""
    wait_at(barrier)
    if rank == 0:
        refill(done)


cdef void sweep_item(const Sweeps *job, const HalfStep *step, Flips *flips, Py_ssize_t item, int s, uint32_t layer,
                     Scratch *scratch) noexcept nogil:
    """A half step under its own place in the stream; only the last sweep writes probabilities."""
    cdef HalfStep now = step[0]
    now.sweep = job.first_sweep + <uint32_t> s
    now.kind = job.stream << 8 | layer
    if s < job.n_sweeps - 1:
        now.fixed = NULL
        now.fields = NULL
    if flips == NULL or flips.sums == NULL:
        half_step_item(&now, item, scratch)
    else:
        half_step_of_flips(&now, flips, item, s & 1, scratch)


def inputs(const uint8_t[:, :] planes, Layer layer, int32_t[:, ::1] out, int n_threads):
    """out OUT (n, units of the layer, or of the part of it): 2^e times what planes IN (rows, n) of a layer of segments
    send."""
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads, True)
    cdef Py_ssize_t item
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    if DEBUG_CHECKS:
        check(out.shape[0] == step.n and out.shape[1] == units_of_part(&step) and step.to == NULL
              and step.given != NULL, "inputs")
    if step.n == 0:
        return
    memory = memory_for(n_threads, sizeof(Scratch), "the inputs of a layer")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(step.n_tiles * ceil_div(step.n, step.block), schedule="dynamic", chunksize=1):
            input_item(&step, item, &out[0, 0], out.shape[1], <Scratch *> memory.start + threadid())
        leave_team(&barrier)


cdef void input_item(const HalfStep *step, Py_ssize_t item, int32_t *out, Py_ssize_t stride,
                     Scratch *scratch) noexcept nogil:
    cdef Py_ssize_t own = item % step.n_tiles, first = (item // step.n_tiles) * step.block, chain
    cdef Py_ssize_t tile = step.first_tile + own
    cdef Py_ssize_t n = smaller(step.block, step.n - first), n_columns = columns_of(step, tile).n
    sum_tile(scratch.sums, scratch, step, tile, first, n)
    for chain in range(n):
        memcpy(out + (first + chain) * stride + own * TILE, scratch.sums + chain * TILE, 4 * n_columns)
