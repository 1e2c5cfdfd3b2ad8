# What real-valued units send, and their moments: products of their integers, held in float64.
#
# What a real unit sends is H Q with Q on the grid of the weights, so a sum over units is an integer: below 2^52, since
# |H| < 2^23 and the |Q| of a column sum to less than 2^29 (fastrbm/_core/parameters.py). float64 holds all partial sums
# exactly, in any order, fused or not: an error-free product, as in the Ozaki scheme (arXiv 2504.08009). The grid of
# values is 2^-12.

cdef enum:
    REAL_TOGETHER = 4 + 4 * (LANES // 16)   # of REAL_BLOCK chains, those whose sums of LANES columns stay in registers


cdef void real_sums(double *sums, Scratch *scratch, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                    Py_ssize_t n, bint again) noexcept nogil:
    """sums OUT [n][64], for n (at most REAL_BLOCK) chains: 2^e times what the sending layer, some of whose units are
    real, sends to the columns of a tile. again: whether this scratch was last used for the same tile."""
    cdef const float *rows = step.tiles + tile * step.tile_length
    cdef Py_ssize_t n_columns = columns_of(step, tile).n, k, i
    cdef const Run *run
    cdef bint started = False, widened = again and step.given.n_runs == 1 and (
        step.given.n_rows <= REAL_BYTES * INPUTS)
    for k in range(step.given.n_runs):
        started = started or not is_real(step.given.runs[k].kind)
    if started:
        sum_tile(scratch.sums, scratch, step, tile, first, n)       # of the units that are not real
        for i in range(n * TILE):
            sums[i] = <double> scratch.sums[i] * 4096.0
    for k in range(step.given.n_runs):
        run = step.given.runs + k
        if is_real(run.kind):
            add_reals(sums, scratch, rows + run.unit * TILE, step.grid, step.planes + run.row * step.stride + first,
                      step.stride, run.n_rows // REAL_BYTES, n, n_columns, started, widened)
            started = True
    for i in range(n * TILE):
        sums[i] = sums[i] * 0.000244140625      # 2^-12


cdef void add_reals(double *sums, Scratch *scratch, const float *rows, float grid, const uint8_t *planes,
                    Py_ssize_t stride, Py_ssize_t n_units, Py_ssize_t n, Py_ssize_t n_columns, bint started,
                    bint widened) noexcept nogil:
    """Add to sums INOUT [n][64] (started: they have something) the products of n_units units' integers and those of
    their rows of a tile (widened: scratch.integers has these)."""
    cdef Py_ssize_t unit = 0, count, n_strips = ceil_div(n_columns, LANES)
    while unit < n_units:
        count = smaller(INPUTS, n_units - unit)
        if not widened:
            widen_rows(scratch.integers, rows + unit * TILE, grid, count, n_strips)
        read_reals(scratch.numbers, planes + REAL_BYTES * unit * stride, stride, count, n)
        multiply_block(sums, scratch, n, count, n_strips, started)
        started = True
        unit += count


cdef void multiply_block(double *sums, Scratch *scratch, Py_ssize_t n, Py_ssize_t n_units, Py_ssize_t n_strips,
                         bint started) noexcept nogil:
    """Add to sums the products of scratch.numbers, of n chains and n_units units, and scratch.integers."""
    cdef Py_ssize_t strip, chain
    for strip in range(n_strips):
        chain = 0
        while chain < n:
            add_real_products(sums + chain * TILE + strip * LANES, scratch.integers + strip * INPUTS * LANES,
                              scratch.numbers + chain, n_units, started, REAL_TOGETHER)
            chain += REAL_TOGETHER


cdef inline int32_t integer_of(const uint8_t *planes, Py_ssize_t stride) noexcept nogil:
    """A real unit's, of the three rows of planes that it has."""
    return <int32_t> (<uint32_t> planes[0] << 8 | <uint32_t> planes[stride] << 16
                      | <uint32_t> planes[2 * stride] << 24) >> 8


cdef void read_reals(double *out, const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_units,
                     Py_ssize_t n) noexcept nogil:
    """out OUT [unit][REAL_BLOCK]: the integers of n chains, zeros up to a multiple of REAL_TOGETHER."""
    cdef Py_ssize_t unit, chain
    cdef const uint8_t *low
    cdef double *line
    for unit in range(n_units):
        low = planes + REAL_BYTES * unit * stride
        line = out + unit * REAL_BLOCK
        for chain in range(n):
            line[chain] = <double> integer_of(low + chain, stride)
        for chain in range(n, REAL_TOGETHER * ceil_div(n, REAL_TOGETHER)):
            line[chain] = 0


cdef inline void add_real_products(double *sums, const double *integers, const double *numbers, Py_ssize_t n,
                                   bint started, int together) noexcept nogil:
    """Add to LANES columns of the sums of so many chains, a literal, the products of n units."""
    cdef const vd *q = <const vd *> integers
    cdef vd s[2 * REAL_TOGETHER]
    cdef vd x
    cdef Py_ssize_t i
    cdef int k
    for k in range(2 * together):
        s[k] = (<const vdu *> (sums + (k // 2) * TILE))[k % 2] if started else splat_d(0.0)
    for i in range(n):
        for k in range(together):
            x = splat_d(numbers[k])
            s[2 * k] = multiply_and_add(x, q[0], s[2 * k])
            s[2 * k + 1] = multiply_and_add(x, q[1], s[2 * k + 1])
        numbers += REAL_BLOCK
        q += 2
    for k in range(2 * together):
        (<vdu *> (sums + (k // 2) * TILE))[k % 2] = s[k]


cdef void real_senders_item(const HalfStep *step, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
                            Scratch *scratch) noexcept nogil:
    """half_step_item where units of the sending layer are real."""
    cdef Columns where = columns_of(step, tile)
    cdef Py_ssize_t start = 0, count, k, i, together
    cdef HalfStep own = step[0]
    cdef float bound = 0
    cdef bint rough, widened = False        # whether rows of this tile are in scratch.integers
    if where.span == 0:
        return
    own.unit = where.kind
    together = REAL_BLOCK // where.span // LANES * LANES
    rough = may_be_rough(step, &where)
    if rough:
        bound = bound_of_tiles(step, tile, where.span)
    while start < n:
        count = smaller(together, n - start)
        rough = rough and draw_roughly(&own, tile, first + start, count, together, bound, scratch)
        if rough:
            start += count
            continue
        for k in range(where.span):
            real_sums(scratch.reals, scratch, step, tile + k, first + start, count, widened)
            widened = where.span == 1
            if is_real(where.kind):
                draw_reals(step, where.kind, scratch.reals, True, 1.0, tile, first + start, count)
                break
            for i in range(count * TILE):
                scratch.floats[k * together * TILE + i] = <float> scratch.reals[i]
        if where.kind == CATEGORICAL:
            draw_sites(step, <const int32_t *> scratch.floats, together * TILE, tile, first + start, count, True, NULL)
        elif not is_real(where.kind):
            activate_sums(&own, <const int32_t *> scratch.floats, tile, first + start, count, True, NULL,
                          scratch.masks, NULL)
        start += count


def moments_of_numbers(const double[:, ::1] numbers, const float[:, :, ::1] fixed, Py_ssize_t rows, double scale,
                       double[:, ::1] weights, int n_threads):
    """Add to weights INOUT (V, H) scale times the sums over examples of numbers IN (n, V) and fixed IN (tiles, >= n,
    64), whole numbers whose products over so many rows sum to less than 2^53: these sums are exact, and then added
    up."""
    cdef Py_ssize_t n_tiles = fixed.shape[0], n_blocks = ceil_div(weights.shape[0], REAL_BLOCK), item
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    cdef Scratch *scratch
    if DEBUG_CHECKS:
        check(numbers.shape[1] == weights.shape[0] and fixed.shape[1] >= numbers.shape[0]
              and n_tiles == ceil_div(weights.shape[1], TILE), "moments_of_numbers")
    if numbers.shape[0] == 0:
        return
    memory = memory_for(n_threads, sizeof(Scratch), "the moments")
    scratch = <Scratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_tiles * n_blocks, schedule="dynamic", chunksize=1):
            moments_of_numbers_item(&numbers[0, 0], numbers.shape[0], numbers.shape[1], &fixed[item % n_tiles, 0, 0],
                                    rows, scale, &weights[0, 0], weights.shape[1], item % n_tiles,
                                    item // n_tiles * REAL_BLOCK, scratch + threadid())
        leave_team(&barrier)


cdef void moments_of_numbers_item(const double *numbers, Py_ssize_t n, Py_ssize_t n_visible, const float *fixed,
                                  Py_ssize_t rows, double scale, double *weights, Py_ssize_t n_hidden, Py_ssize_t tile,
                                  Py_ssize_t first, Scratch *scratch) noexcept nogil:
    """A tile's columns of a block of visible units. Examples are what units are to a half step."""
    cdef Py_ssize_t length = smaller(REAL_BLOCK, n_visible - first), n_columns = smaller(TILE, n_hidden - tile * TILE)
    cdef Py_ssize_t start = 0, stop, row, count, unit, k, n_strips = ceil_div(n_columns, LANES)
    cdef double *out
    while start < n:
        stop, row = smaller(start + rows, n), start
        while row < stop:
            count = smaller(INPUTS, stop - row)
            for k in range(count):
                memcpy(scratch.numbers + k * REAL_BLOCK, numbers + (row + k) * n_visible + first,
                       length * sizeof(double))
                memset(scratch.numbers + k * REAL_BLOCK + length, 0, (REAL_BLOCK - length) * sizeof(double))
            widen_rows(scratch.integers, fixed + row * TILE, 1.0, count, n_strips)
            multiply_block(scratch.reals, scratch, length, count, n_strips, row > start)
            row += count
        for unit in range(length):
            out = weights + (first + unit) * n_hidden + tile * TILE
            for k in range(n_columns):
                out[k] += scratch.reals[unit * TILE + k] * scale
        start = stop
