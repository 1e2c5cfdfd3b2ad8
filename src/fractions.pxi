# Fractions in place of bits: rows of whole numbers from 0 to 2^22, in units of 2^-22, times the integers of Q. Their
# sums are below 2^53, so that float64 holds them exactly: in any order, with fused multiply-adds or without. Where all
# numbers are 0 or 2^22, everything that follows has the bits that the states of a BitMatrix give. Of a layer of
# segments the numbers are what its units count for, from -2^22 to 2^22: a fraction x of a spin is 2 x - 1.

cdef enum:
    NUMBERS_BLOCK = 128     # most rows in a block: their sums are 64 kB
    NUMBERS_TOGETHER = 4    # rows whose sums, of LANES columns, stay in registers

cdef struct NumbersScratch:     # what a thread needs
    double integers[INPUTS * TILE]
    double sums[NUMBERS_BLOCK * TILE]
    float floats[NUMBERS_BLOCK * TILE]  # the sums, rounded
    uint64_t masks[NUMBERS_BLOCK]


cdef HalfStep prepare_numbers(const double[:, ::1] numbers, Layer layer, uint64_t seed, Py_ssize_t first_chain,
                              int n_threads, bint parts=False):
    """As prepare, for numbers (n, units of the sending layer)."""
    cdef HalfStep step = prepare_layer(layer, numbers.shape[0], seed, first_chain, n_threads, parts)
    if DEBUG_CHECKS:
        check(layer.given.n_units == numbers.shape[1] if layer.given is not None
              else layer.tiles.shape[1] == 8 * ceil_div(numbers.shape[1], 8), "units of the sending layer")
    step.n_in = numbers.shape[1]
    step.numbers = &numbers[0, 0] if step.n and step.n_in else NULL
    step.block = smaller(step.block, NUMBERS_BLOCK)
    return step


cdef void numbers_tile(double *sums, double *integers, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                       Py_ssize_t n) noexcept nogil:
    """sums OUT [n][64], room for n rounded up to 4: the product of n (at most NUMBERS_BLOCK) rows with a tile. integers
    is room for INPUTS rows of a tile."""
    cdef Py_ssize_t start = 0, count, strip, row
    cdef Py_ssize_t n_strips = ceil_div(columns_of(step, tile).n, LANES)
    while start < step.n_in:
        count = smaller(INPUTS, step.n_in - start)
        widen_rows(integers, step.tiles + tile * step.tile_length + start * TILE, step.grid, count, n_strips)
        for strip in range(n_strips):
            row = 0
            while row < n:
                add_products(sums + row * TILE + strip * LANES, integers + strip * INPUTS * LANES,
                             step.numbers + (first + row) * step.n_in + start, step.n_in, n - 1 - row, count, start > 0)
                row += NUMBERS_TOGETHER
        start += count


cdef void widen_rows(double *integers, const float *rows, float scale, Py_ssize_t n,
                     Py_ssize_t n_strips) noexcept nogil:
    """integers OUT [strip][n of INPUTS][LANES]: Q of n rows of a tile, as float64."""
    cdef int32_t whole[LANES]
    cdef Py_ssize_t strip, row
    cdef vd *out
    for strip in range(n_strips):
        for row in range(n):
            (<viu *> whole)[0] = grid_row(rows + row * TILE + strip * LANES, scale)
            out = <vd *> (integers + (strip * INPUTS + row) * LANES)
            out[0] = to_double(whole)
            out[1] = to_double(whole + HALF)


cdef void add_products(double *sums, const double *integers, const double *numbers, Py_ssize_t stride, Py_ssize_t last,
                       Py_ssize_t n, bint started) noexcept nogil:
    """Add to LANES columns of four rows of sums the products of n inputs. Rows of numbers past the last, whose sums
    nobody reads, are replaced by it."""
    cdef const double *a = numbers
    cdef const double *b = numbers + smaller(1, last) * stride
    cdef const double *c = numbers + smaller(2, last) * stride
    cdef const double *d = numbers + smaller(3, last) * stride
    cdef const vd *q = <const vd *> integers
    cdef vd s[2 * NUMBERS_TOGETHER]
    cdef Py_ssize_t i
    for i in range(2 * NUMBERS_TOGETHER):
        s[i] = (<const vd *> (sums + (i // 2) * TILE))[i % 2] if started else splat_d(0.0)
    for i in range(n):
        s[0] = multiply_and_add(splat_d(a[i]), q[2 * i], s[0])
        s[1] = multiply_and_add(splat_d(a[i]), q[2 * i + 1], s[1])
        s[2] = multiply_and_add(splat_d(b[i]), q[2 * i], s[2])
        s[3] = multiply_and_add(splat_d(b[i]), q[2 * i + 1], s[3])
        s[4] = multiply_and_add(splat_d(c[i]), q[2 * i], s[4])
        s[5] = multiply_and_add(splat_d(c[i]), q[2 * i + 1], s[5])
        s[6] = multiply_and_add(splat_d(d[i]), q[2 * i], s[6])
        s[7] = multiply_and_add(splat_d(d[i]), q[2 * i + 1], s[7])
    for i in range(2 * NUMBERS_TOGETHER):
        (<vd *> (sums + (i // 2) * TILE))[i % 2] = s[i]


def half_step_of_fractions(const double[:, ::1] numbers, Layer layer, uint64_t seed, uint32_t stream, uint32_t sweep,
                           int kind, Py_ssize_t first_chain, out, fixed, probabilities, int n_threads):
    """half_step, given numbers IN (n, units of the other layer), whole, from 0 to 2^22."""
    cdef HalfStep step = prepare_numbers(numbers, layer, seed, first_chain, n_threads, True)
    cdef Py_ssize_t item
    cdef _Memory memory
    cdef NumbersScratch *scratch
    cdef Barrier barrier = new_barrier()
    give_out(&step, out, fixed, probabilities)
    if step.n == 0:
        return
    step.sweep = sweep
    step.kind = stream << 8 | kind
    memory = memory_for(n_threads, sizeof(NumbersScratch), "a half step")
    scratch = <NumbersScratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(step.n_tiles * ceil_div(step.n, step.block), schedule="dynamic", chunksize=1):
            numbers_item(&step, item, scratch + threadid())
        leave_team(&barrier)


cdef void numbers_item(const HalfStep *step, Py_ssize_t item, NumbersScratch *scratch) noexcept nogil:
    """As half_step_item."""
    cdef Py_ssize_t tile = step.first_tile + item % step.n_tiles, first = (item // step.n_tiles) * step.block, i
    cdef Py_ssize_t n = smaller(step.block, step.n - first)
    cdef HalfStep own
    if step.to != NULL:
        own = step[0]
        own.unit = step.to.tiles[tile].kind
        if own.unit == CATEGORICAL:
            sites_of_numbers(step, tile, first, n, scratch)
            return
        step = &own
    sent_tile(scratch.sums, scratch.integers, step, tile, first, n)
    if step.to != NULL and is_real(step.unit):
        draw_reals(step, step.unit, scratch.sums, True, 2.384185791015625e-7, tile, first, n)   # 2^-22
        return
    for i in range(n * TILE):
        scratch.floats[i] = <float> (scratch.sums[i] * 2.384185791015625e-7)    # 2^-22
    activate_sums(step, <const int32_t *> scratch.floats, tile, first, n, True, NULL, scratch.masks, NULL)


cdef void sites_of_numbers(const HalfStep *step, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
                           NumbersScratch *scratch) noexcept nogil:
    """As sites_item."""
    cdef Py_ssize_t span = step.to.tiles[tile].span, start, count, k, i, together
    cdef float *floats
    if span == 0:
        return
    together = NUMBERS_BLOCK // span // LANES * LANES
    start = 0
    while start < n:
        count = smaller(together, n - start)
        for k in range(span):
            sent_tile(scratch.sums, scratch.integers, step, tile + k, first + start, count)
            floats = scratch.floats + k * together * TILE
            for i in range(count * TILE):
                floats[i] = <float> (scratch.sums[i] * 2.384185791015625e-7)    # 2^-22
        draw_sites(step, <const int32_t *> scratch.floats, together * TILE, tile, first + start, count, True, NULL)
        start += together


cdef void sent_tile(double *sums, double *integers, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                    Py_ssize_t n) noexcept nogil:
    """sums OUT [n][64], integers in units of 2^-22: what n (at most NUMBERS_BLOCK) rows of fractions of units that are
    on send to a tile; of a layer of segments, rows of what its units count for."""
    cdef int32_t input_sums[TILE]
    cdef Py_ssize_t i
    numbers_tile(sums, integers, step, tile, first, n)
    if takes_sums(step.sent):
        sum_inputs(step.tiles + tile * step.tile_length, step.grid, step.n_in, input_sums)
        for i in range(n * TILE):
            sums[i] = sent_by_d(step.sent, sums[i], <double> input_sums[i % TILE] * 4194304.0)


cdef void log_odds_tile(double *out, Scratch *scratch, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                        Py_ssize_t n) noexcept nogil:
    """out OUT [n][64]: the log odds of the units of a tile, float64, given n (at most NUMBERS_BLOCK) rows of bits or of
    numbers."""
    cdef int32_t *acc = scratch.sums
    cdef const float *bias = step.bias + tile * TILE
    cdef double scale = step.scale
    cdef Py_ssize_t n_columns = smaller(TILE, step.n_units - tile * TILE), row, k
    if step.numbers != NULL:
        # the room that a product's sums would have: INPUTS rows of doubles, or BLOCK of integers
        sent_tile(out, <double *> scratch.sums, step, tile, first, n)
        scale = scale * 2.384185791015625e-7
        for row in range(n):
            for k in range(n_columns):
                out[row * TILE + k] = log_odds_d(step.unit, out[row * TILE + k] * scale + <double> bias[k])
        return
    if step.given != NULL and step.given.real:
        row = 0
        while row < n:
            real_sums(out + row * TILE, scratch, step, tile, first + row, smaller(REAL_BLOCK, n - row), row > 0)
            row += REAL_BLOCK
        for row in range(n):
            for k in range(n_columns):
                out[row * TILE + k] = log_odds_d(step.unit, out[row * TILE + k] * scale + <double> bias[k])
        return
    sum_tile(acc, scratch, step, tile, first, n)
    turn_to_sent(acc, step, tile, n)
    for row in range(n):
        for k in range(n_columns):
            out[row * TILE + k] = log_odds_d(step.unit, <double> acc[row * TILE + k] * scale + <double> bias[k])
