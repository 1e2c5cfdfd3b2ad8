# Half steps and sweeps. A sweep draws the visible layer given the hidden one, then the hidden layer given the visible
# one, so that between sweeps (visible, hidden) is a joint state, and the last field computed is that of p(h | v): what
# the moments need.

cdef enum:
    VISIBLE = 0
    HIDDEN = 1


cdef class Layer:
    """What it takes to draw a layer given the other: its tiles of weights, their exponent and its padded bias, and the
    types of the units of both."""
    cdef readonly object tiles_array, bias_array
    cdef const float[:, :, ::1] tiles
    cdef const float[::1] bias
    cdef readonly int exponent
    cdef readonly Py_ssize_t n_units
    cdef readonly int unit, sent

    def __init__(self, tiles, int exponent, bias, Py_ssize_t n_units, str unit, str sent):
        """tiles float32 (ceil(n_units/64), units of the other layer rounded up to 8, 64); bias float32 (64 tiles,).
        unit is the type of the layer's units, sent that of the other layer's."""
        self.tiles_array, self.bias_array = tiles, bias
        self.tiles, self.bias, self.exponent, self.n_units = tiles, bias, exponent, n_units
        self.unit, self.sent = UNITS[unit], UNITS[sent]
        if DEBUG_CHECKS:
            check(self.tiles.shape[0] == ceil_div(n_units, TILE) and self.tiles.shape[2] == TILE
                  and self.bias.shape[0] == TILE * self.tiles.shape[0], "Layer")


cdef HalfStep prepare(const uint8_t[:, :] planes, Layer layer, beta, uint64_t seed, Py_ssize_t first_chain,
                      int n_threads):
    """A half step but for what it gives out and for the place in the stream of random numbers."""
    cdef HalfStep step = prepare_layer(layer, planes.shape[1], seed, first_chain, n_threads)
    cdef const float[::1] betas
    step.stride = planes.strides[0]
    step.n_bytes = planes.shape[0]
    step.planes = &planes[0, 0] if step.n else NULL
    if DEBUG_CHECKS:
        check(layer.tiles.shape[1] == 8 * step.n_bytes, "units of the sending layer")
    if beta is not None:
        betas = beta
        if DEBUG_CHECKS:
            check(betas.shape[0] == step.n, "beta")
        step.beta = &betas[0] if step.n else NULL
        step.beta_stride = 1
    return step


cdef HalfStep prepare_layer(Layer layer, Py_ssize_t n, uint64_t seed, Py_ssize_t first_chain, int n_threads):
    """The same but for the sending layer's states."""
    cdef HalfStep step
    memset(&step, 0, sizeof(HalfStep))
    step.n = n
    step.tiles = &layer.tiles[0, 0, 0]
    step.tile_length = layer.tiles.shape[1] * TILE
    step.grid = <float> ldexp(1.0, layer.exponent)
    step.scale = <float> ldexp(1.0, -layer.exponent)
    step.bias = &layer.bias[0]
    step.unit, step.sent = layer.unit, layer.sent
    step.n_units = layer.n_units
    step.n_tiles = layer.tiles.shape[0]
    step.first_chain = first_chain
    step.block = block_length(step.n, step.n_tiles, n_threads)
    step.key0 = <uint32_t> seed
    step.key1 = <uint32_t> (seed >> 32)
    return step


cdef int give_out(HalfStep *step, planes, fixed, probabilities) except -1:
    """Set where a half step writes; each of the three may be None."""
    cdef uint8_t[:, :] bits
    cdef float[:, :, :] numbers
    cdef float[:, ::1] floats
    if step.n == 0:
        return 0
    if planes is not None:
        bits = planes
        if DEBUG_CHECKS:
            check(bits.shape[0] == ceil_div(step.n_units, 8) and bits.shape[1] == step.n, "planes out")
        step.out = &bits[0, 0]
        step.out_stride = bits.strides[0]
    if fixed is not None:
        numbers = fixed
        if DEBUG_CHECKS:
            check(numbers.shape[0] == step.n_tiles and numbers.shape[1] >= step.n and numbers.shape[2] == TILE, "fixed")
        step.fixed = &numbers[0, 0, 0]
        step.fixed_length = numbers.strides[0] // 4
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
        check(planes.shape[0] == ceil_div(step.n_units, 8) and planes.shape[1] == step.n, "free units")
    step.free = &planes[0, 0]
    step.free_stride = planes.strides[0]
    return 0


def half_step(const uint8_t[:, :] planes, Layer layer, beta, uint64_t seed, uint32_t stream, uint32_t sweep, int kind,
              Py_ssize_t first_chain, out, fixed, probabilities, int n_threads):
    """Draw one layer given planes IN (bytes, n) of the other. Any of the outputs may be None: out OUT planes of the
    layer, fixed OUT float32 (tiles, >= n, 64) and probabilities OUT float32 (n, n_units). beta is None or float32
    (n,)."""
    cdef HalfStep step = prepare(planes, layer, beta, seed, first_chain, n_threads)
    cdef Py_ssize_t item
    cdef _Memory memory
    cdef Scratch *scratch
    cdef Barrier barrier = new_barrier()
    give_out(&step, out, fixed, probabilities)
    if step.n == 0:
        return
    step.sweep = sweep
    step.kind = stream << 8 | kind
    memory = memory_for(n_threads, sizeof(Scratch), "a half step")
    scratch = <Scratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(step.n_tiles * ceil_div(step.n, step.block), schedule="dynamic", chunksize=1):
            half_step_item(&step, item, scratch + threadid())
        leave_team(&barrier)


def sweep(uint8_t[:, :] visible, uint8_t[:, :] hidden, Layer to_visible, Layer to_hidden, beta, uint64_t seed,
          uint32_t stream, uint32_t first_sweep, int n_sweeps, Py_ssize_t first_chain, free_visible, free_hidden, fixed,
          int n_threads):
    """n_sweeps sweeps of n chains in place: visible INOUT, hidden INOUT. The random numbers are those of sweeps
    first_sweep, first_sweep + 1, ... of chains first_chain, first_chain + 1, ... free_visible and free_hidden IN are
    None, or planes of the units that may change. fixed as in half_step, of the last hidden layer."""
    cdef HalfStep down = prepare(hidden, to_visible, beta, seed, first_chain, n_threads)
    cdef HalfStep up = prepare(visible, to_hidden, beta, seed, first_chain, n_threads)
    cdef Flips flips
    cdef _Memory memory
    cdef Scratch *scratch
    give_out(&down, visible, None, None)
    give_out(&up, hidden, fixed, None)
    clamp(&down, free_visible)
    clamp(&up, free_hidden)
    if down.n == 0 or n_sweeps == 0:
        return
    memory = memory_for(n_threads, sizeof(Scratch), "a sweep")
    scratch = <Scratch *> memory.start
    memset(&flips, 0, sizeof(Flips))
    with nogil:
        make_flips(&flips, &up, n_sweeps)
        run_sweeps(&down, &up, &flips, stream, first_sweep, n_sweeps, scratch, n_threads)
    free(flips.sums)


cdef void run_sweeps(HalfStep *down, HalfStep *up, Flips *flips, uint32_t stream, uint32_t first_sweep, int n_sweeps,
                     Scratch *scratch, int n_threads) noexcept nogil:
    cdef int s = 0
    cdef Py_ssize_t item, part, other
    cdef Barrier barrier = new_barrier()
    with parallel(num_threads=n_threads):
        join_team()
        for s in range(n_sweeps):
            for item in prange(down.n_tiles * ceil_div(down.n, down.block), schedule="dynamic", chunksize=1):
                sweep_item(down, NULL, item, first_sweep, s, stream << 8 | VISIBLE, False,
                           scratch + threadid())
            # no thread starts a layer before the other layer is complete (a prange need not wait: some Cythons say
            # nowait)
            wait_at(&barrier)
            if flips.sums != NULL:
                for part in prange(ceil_div(up.n, PART), schedule="dynamic", chunksize=1):
                    compare_part(up, flips, part, s == 0)
                wait_at(&barrier)
            for other in prange(up.n_tiles * ceil_div(up.n, up.block), schedule="dynamic", chunksize=1):
                sweep_item(up, flips, other, first_sweep, s, stream << 8 | HIDDEN, s == n_sweeps - 1,
                           scratch + threadid())
            wait_at(&barrier)
        leave_team(&barrier)


cdef void sweep_item(const HalfStep *step, Flips *flips, Py_ssize_t item, uint32_t first_sweep, int s, uint32_t kind,
                     bint last, Scratch *scratch) noexcept nogil:
    """A half step under its own place in the stream; only the last sweep writes probabilities."""
    cdef HalfStep now = step[0]
    now.sweep = first_sweep + <uint32_t> s
    now.kind = kind
    if not last:
        now.fixed = NULL
    if flips == NULL or flips.sums == NULL:
        half_step_item(&now, item, scratch)
    else:
        half_step_of_flips(&now, flips, item, s & 1, scratch)
