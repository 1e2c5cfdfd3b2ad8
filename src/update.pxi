# The training step on arrays of the size of W, in tiles [tile][unit][64] as the product has them.


cdef enum:
    HALVES = TILE // HALF   # vectors of doubles in a row of a tile
    LANES_OF_8 = 8 // HALF  # and in eight of them
    AHEAD = 4               # rows that are prefetched
    CHUNK = 64              # visible units for which centering keeps sums, and an update turns tiles round


cdef Py_ssize_t length_of_slice(Py_ssize_t n_units, Py_ssize_t n_tiles, int n_threads) noexcept nogil:
    """Visible units in an item of work: whole chunks."""
    return CHUNK * ceil_div(block_length(n_units, n_tiles, n_threads), CHUNK)


cdef struct Phase:
    const Plan *plan                # NULL, or of the visible units
    const uint8_t *transposed
    Py_ssize_t n_bytes
    const float *fixed
    Py_ssize_t fixed_length
    double factor
    int limbs


cdef struct Offsets:
    # NULL in visible_offset: not centered, and bits are values
    const double *visible_offset
    const double *hidden_offset
    const double *visible_shift     # offset less the value of a unit that is off
    const double *hidden_shift
    const double *visible_difference
    const double *hidden_difference
    # products of the direction, less the decay of an update
    double *by_tile                 # (tiles, padded): a row's with hidden_offset, tile by tile
    double *by_chunk                # (chunks, 64 tiles): a column's with visible_offset, chunk by chunk


cdef struct UpdateScratch:          # what a thread needs
    Scratch product                 # the positive phase's sums are its own
    int32_t negative[BLOCK * TILE]  # the sums of the other phase
    double sums[BLOCK * TILE]       # of both, beyond 504 rows


cdef struct Ascent:
    # NULL in weights: no update
    const float *weights
    double rate
    double l2
    double l1
    float limit
    float *out
    float *transposed
    Py_ssize_t padded
    Py_ssize_t padded_hidden
    Py_ssize_t n_tiles
    double *rows                    # (tiles, 64 chunks) and (chunks, 64 tiles): sums of |out|
    double *columns
    bint rows_given                 # whether the caller adds up the rows
    bint cold                       # whether what is written to is not in the cache
    Py_ssize_t bad
    # NULL in new_velocity: no momentum
    double momentum
    bint nesterov
    const float *velocity           # NULL: 0
    float *new_velocity


def difference(const uint8_t[:, ::1] positive_bits, const float[:, :, ::1] positive, double positive_factor,
               const uint8_t[:, ::1] negative_bits, const float[:, :, ::1] negative, double negative_factor,
               bint signed, centering, Py_ssize_t n_hidden, float[:, :, ::1] out, double[::1] along_hidden,
               double[::1] along_visible, int n_threads, by_tile=None, Segments segments=None):
    """out OUT in tiles (tiles, 8 ceil(V/8), 64) = positive_factor sum_r v_r p_r' over the positive examples minus the
    same of the negative ones, rounded once to float32, zero in the padding.

    Bits (ceil(n/8), V), transposed by these segments, and fixed-point probabilities (tiles, 8 ceil(n/8), 64) are as
    moments takes them. centering is
    None or six float64 arrays, padded with zeros to the padding of out: offsets mu (V,) and lambda (H,), the same less
    the values off_v and off_h of units that are off, differences of means dv (V,) and dh (H,). Then
    (mu_i - off_v) dh_j + dv_i (lambda_j - off_h) is subtracted, along_hidden OUT (V,) = out lambda and along_visible
    OUT (H,) = out' mu. by_tile OUT is None, or float64 (tiles, padding of V): what along_hidden adds up, tile by tile.
    With factors times the steps between the values of both layers' units, and dv, dh and offsets in
    these values, out is the difference of <(x - mu)(y - lambda)'>, x and y the values."""
    cdef Phase phases[2]
    cdef Ascent ascent
    cdef Py_ssize_t n_visible = positive_bits.shape[1], i, j
    phases[0] = phase_of(positive_bits, positive, positive_factor, signed, segments)
    phases[1] = phase_of(negative_bits, negative, -negative_factor, signed, segments)
    memset(&ascent, 0, sizeof(Ascent))
    if DEBUG_CHECKS:
        check(negative_bits.shape[1] == n_visible and out.shape[0] == ceil_div(n_hidden, TILE)
              and out.shape[1] == 8 * ceil_div(n_visible, 8), "difference")
    run_difference(phases, centering, n_visible, n_hidden, &out[0, 0, 0], along_hidden, along_visible, by_tile, &ascent,
                   n_threads)


def step(const uint8_t[:, ::1] positive_bits, const float[:, :, ::1] positive, double positive_factor,
         const uint8_t[:, ::1] negative_bits, const float[:, :, ::1] negative, double negative_factor,
         bint signed, centering, Py_ssize_t n_hidden, const float[:, :, ::1] weights, double rate, double l2,
         double l1, float limit, float[:, :, ::1] out, float[:, :, ::1] transposed, double[::1] along_hidden,
         double[::1] along_visible, int n_threads, rows=None, by_tile=None, Segments segments=None, velocity=None):
    """difference and ascend in one: the difference itself is never written down. along_hidden and along_visible are
    products of the difference less l2 weights + l1 sign(weights)."""
    cdef Phase phases[2]
    cdef Ascent ascent
    cdef Py_ssize_t n_visible = positive_bits.shape[1]
    cdef _Memory sums = memory_of_sums(out, transposed)
    phases[0] = phase_of(positive_bits, positive, positive_factor, signed, segments)
    phases[1] = phase_of(negative_bits, negative, -negative_factor, signed, segments)
    ascent = ascent_of(weights, rate, l2, l1, limit, out, transposed, rows, sums)
    ascent.cold = True
    accelerate(&ascent, velocity)
    run_difference(phases, centering, n_visible, n_hidden, NULL, along_hidden, along_visible, by_tile, &ascent,
                   n_threads)
    return outcome(&ascent)


cdef Phase phase_of(const uint8_t[:, ::1] bits, const float[:, :, ::1] fixed, double factor, bint signed,
                    Segments segments) except *:
    if DEBUG_CHECKS:
        check(fixed.shape[1] == 8 * bits.shape[0] and bits.shape[0] > 0, "a phase")
    return Phase(plan_of(segments), &bits[0, 0], bits.shape[0], &fixed[0, 0, 0], fixed.shape[1] * TILE, factor,
                 limbs_of(signed))


cdef _Memory memory_of_sums(float[:, :, ::1] out, float[:, :, ::1] transposed):
    """For the sums of |out| of an Ascent."""
    return memory_for(2 * out.shape[0] * transposed.shape[0], TILE * sizeof(double), "a training step")


cdef Ascent ascent_of(const float[:, :, ::1] weights, double rate, double l2, double l1, float limit,
                      float[:, :, ::1] out, float[:, :, ::1] transposed, rows_given, _Memory sums) except *:
    cdef Py_ssize_t n_tiles = out.shape[0], padded = out.shape[1], n_chunks = transposed.shape[0]
    cdef double *own = <double *> sums.start
    cdef double *rows = own
    cdef double[:, ::1] given
    if rows_given is not None:
        given = rows_given
        rows = &given[0, 0]
        if DEBUG_CHECKS:
            check(given.shape[0] == n_tiles and given.shape[1] == n_chunks * TILE, "rows")
    if DEBUG_CHECKS:
        check(weights.shape[0] == n_tiles and weights.shape[1] == padded and n_chunks == ceil_div(padded, TILE)
              and n_tiles == ceil_div(transposed.shape[1], TILE), "an update")
    return Ascent(&weights[0, 0, 0], rate, l2, l1, limit, &out[0, 0, 0], &transposed[0, 0, 0], padded,
                  transposed.shape[1], n_tiles, rows, own + n_tiles * n_chunks * TILE, rows_given is not None, False, 0,
                  0.0, False, NULL, NULL)


cdef int accelerate(Ascent *ascent, velocity) except -1:
    """Let the update have momentum: velocity as ascend takes it."""
    cdef const float[:, :, ::1] old
    cdef float[:, :, ::1] new
    if velocity is None:
        return 0
    ascent.momentum, ascent.nesterov, before, new = velocity
    ascent.new_velocity = &new[0, 0, 0]
    if DEBUG_CHECKS:
        check(new.shape[0] == ascent.n_tiles and new.shape[1] == ascent.padded, "velocity out")
    if before is not None:
        old = before
        ascent.velocity = &old[0, 0, 0]
        if DEBUG_CHECKS:
            check(old.shape[0] == ascent.n_tiles and old.shape[1] == ascent.padded, "velocity")
    return 0


cdef outcome(Ascent *ascent):
    """What ascend returns."""
    cdef Py_ssize_t n_chunks = ceil_div(ascent.padded, TILE)
    cdef double largest_column = largest_sum(ascent.columns, n_chunks, ascent.n_tiles * TILE, ascent.n_tiles * TILE)
    cdef double largest_row = 0
    if not ascent.rows_given:
        largest_row = largest_sum(ascent.rows, ascent.n_tiles, n_chunks * TILE, n_chunks * TILE)
    return ascent.bad, largest_column, largest_row


cdef int run_difference(const Phase *phases, centering, Py_ssize_t n_visible, Py_ssize_t n_hidden, float *out,
                        double[::1] along_hidden, double[::1] along_visible, by_tile, Ascent *ascent,
                        int n_threads) except -1:
    cdef Py_ssize_t n_tiles = ceil_div(n_hidden, TILE), padded = 8 * ceil_div(n_visible, 8), item, bad = 0
    cdef Py_ssize_t slice_length = length_of_slice(n_visible, n_tiles, n_threads)
    cdef Py_ssize_t n_slices = ceil_div(n_visible, slice_length)
    cdef Py_ssize_t n_chunks = ceil_div(n_visible, CHUNK)
    cdef Offsets offsets
    cdef const double[::1] mu, lam, mu_shift, lam_shift, dv, dh
    cdef double[:, ::1] tile_sums
    cdef _Memory memory = memory_for(n_threads, sizeof(UpdateScratch), "a training step"), sums
    cdef UpdateScratch *scratch = <UpdateScratch *> memory.start
    cdef Barrier barrier = new_barrier()
    memset(&offsets, 0, sizeof(Offsets))
    if centering is not None:
        mu, lam, mu_shift, lam_shift, dv, dh = centering
        if DEBUG_CHECKS:
            check(mu.shape[0] == padded and dv.shape[0] == padded and mu_shift.shape[0] == padded
                  and lam.shape[0] == n_tiles * TILE and lam_shift.shape[0] == n_tiles * TILE
                  and dh.shape[0] == n_tiles * TILE and along_hidden.shape[0] == padded
                  and along_visible.shape[0] == n_tiles * TILE, "centering")
        sums = memory_for(n_tiles * (padded // 8 + 8 * n_chunks), 8 * sizeof(double), "a training step")
        offsets = Offsets(&mu[0], &lam[0], &mu_shift[0], &lam_shift[0], &dv[0], &dh[0], <double *> sums.start,
                          <double *> sums.start + n_tiles * padded)
        if by_tile is not None:
            tile_sums = by_tile
            if DEBUG_CHECKS:
                check(tile_sums.shape[0] == n_tiles and tile_sums.shape[1] == padded, "by_tile")
            tile_sums[:, n_visible:] = 0
            offsets.by_tile = &tile_sums[0, 0]
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_tiles * n_slices, schedule="dynamic", chunksize=1):
            bad += difference_item(phases, &offsets, ascent, n_visible, n_hidden, item % n_tiles,
                                   (item // n_tiles) * slice_length, slice_length, out, scratch + threadid())
        leave_team(&barrier)
    ascent.bad = bad
    if centering is not None:
        add_along(&offsets, n_tiles, padded, n_visible, &along_hidden[0], &along_visible[0])
    return 0


cdef Py_ssize_t difference_item(const Phase *phases, const Offsets *offsets, const Ascent *ascent,
                                Py_ssize_t n_visible, Py_ssize_t n_hidden, Py_ssize_t tile, Py_ssize_t first,
                                Py_ssize_t slice_length, float *out, UpdateScratch *scratch) noexcept nogil:
    """A slice of a tile's visible units, up to its padding. Returns how many weights of an update are bad."""
    cdef int32_t *acc[2]
    cdef double *sums = scratch.sums
    cdef Py_ssize_t n = smaller(slice_length, n_visible - first), n_columns = smaller(TILE, n_hidden - tile * TILE)
    cdef Py_ssize_t padded = 8 * ceil_div(n_visible, 8), chunk, length, byte, count, unit, k, bad = 0
    cdef float block[CHUNK * TILE]
    cdef float *d
    cdef const Phase *phase
    cdef bint folded = False
    cdef int p
    acc[0], acc[1] = scratch.product.sums, scratch.negative
    for p in range(2):
        phase = phases + p
        byte = 0
        while byte < phase.n_bytes:
            count = smaller(ROWS // 8, phase.n_bytes - byte)
            sum_examples(acc[p], &scratch.product, phase.plan, phase.transposed + byte * n_visible, n_visible, count,
                         first, n, phase.fixed + tile * phase.fixed_length + 8 * byte * TILE, n_columns, phase.limbs)
            byte += count
            if byte < phase.n_bytes:    # int32 has no room for more: on to float64
                if folded:
                    for k in range(n * TILE):
                        sums[k] += <double> acc[p][k] * phase.factor
                else:
                    for k in range(n * TILE):
                        sums[k] = <double> acc[p][k] * phase.factor
                folded = True
                ran(SUMS_FOLDED)
    chunk = 0
    while chunk < n:
        length = smaller(CHUNK, n - chunk)
        d = &block[0] if out == NULL else out + (tile * padded + first + chunk) * TILE
        for unit in range(length):
            k = (chunk + unit) * TILE
            finish_row(sums + k if folded else NULL, acc[0] + k, acc[1] + k, phases[0].factor, phases[1].factor,
                       n_columns, d + unit * TILE)
        if offsets.visible_offset != NULL:
            along_chunk(offsets, ascent, length, tile, first + chunk, ceil_div(n_hidden, TILE), padded, d, True)
        length = smaller(CHUNK, padded - first - chunk)
        for unit in range(n - chunk, length):
            memset(d + unit * TILE, 0, TILE * 4)
        if ascent.weights != NULL:
            bad += ascend_chunk(ascent, d, tile, (first + chunk) // CHUNK)
        chunk += CHUNK
    return bad


cdef inline void finish_row(const double *sums, const int32_t *acc0, const int32_t *acc1, double factor0,
                            double factor1, Py_ssize_t n_columns, float *out) noexcept nogil:
    cdef Py_ssize_t k
    cdef vd x, y
    for k in range(HALVES):
        x = to_double(acc0 + k * HALF) * splat_d(factor0)
        y = to_double(acc1 + k * HALF) * splat_d(factor1)
        if sums != NULL:
            x = (<const vdu *> (sums + k * HALF))[0] + x
        narrow(x + y, out + k * HALF)
    for k in range(n_columns, TILE):
        out[k] = 0


cdef inline double sum8(double *x) noexcept nogil:
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]))


def ascend(const float[:, :, ::1] weights, const float[:, :, ::1] direction, double rate, double l2, double l1,
           float limit, float[:, :, ::1] out, float[:, :, ::1] transposed, int n_threads, rows=None, velocity=None):
    """out OUT = weights + rate (direction - l2 weights - l1 sign(weights)), in tiles, computed in float64 and rounded
    once to float32; transposed OUT is the same the other way round, in tiles (ceil(V/64), 8 ceil(H/8), 64).

    With velocity, (momentum, nesterov, old IN or None, new OUT), both in tiles: new = momentum old + direction less
    decay, computed in float64 and rounded once to float32, is what rate multiplies; where nesterov is true, momentum
    new + direction less decay.

    Returns how many of the numbers are not finite or not below limit in size, and the largest sums of |out| over a
    hidden unit's and over a visible unit's weights, float64, always added in the same order. With rows OUT float64
    (tiles, 64 ceil(V/64)) the latter sums are the caller's affair: it gets what they add up, tile by tile, and 0 is
    returned."""
    cdef Py_ssize_t n_chunks = transposed.shape[0], item, bad = 0
    if DEBUG_CHECKS:
        check(direction.shape[0] == out.shape[0] and direction.shape[1] == out.shape[1], "a direction")
    cdef _Memory sums = memory_of_sums(out, transposed)
    cdef Ascent ascent = ascent_of(weights, rate, l2, l1, limit, out, transposed, rows, sums)
    cdef Barrier barrier = new_barrier()
    accelerate(&ascent, velocity)
    ascent.cold = True
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ascent.n_tiles * n_chunks, schedule="static"):
            bad += ascend_chunk(&ascent, &direction[item // n_chunks, (item % n_chunks) * CHUNK, 0], item // n_chunks,
                                item % n_chunks)
        leave_team(&barrier)
    ascent.bad = bad
    return outcome(&ascent)


cdef double largest_sum(double *rows, Py_ssize_t n_rows, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    """The largest element of the sum of the rows of n numbers; the first row is overwritten."""
    cdef Py_ssize_t row, i
    for row in range(1, n_rows):
        for i in range(n):
            rows[i] += rows[row * stride + i]
    return largest_of(rows, n)


cdef double largest_of(const double *numbers, Py_ssize_t n) noexcept nogil:
    """None of them negative."""
    cdef Py_ssize_t i
    cdef double largest = 0
    for i in range(n):
        if numbers[i] > largest:
            largest = numbers[i]
    return largest


cdef Py_ssize_t ascend_chunk(const Ascent *ascent, const float *direction, Py_ssize_t tile,
                             Py_ssize_t chunk) noexcept nogil:
    """64 visible units by a tile of 64 hidden ones, which is also a piece of a tile the other way round. direction is
    the chunk's. Returns how many of the new weights are bad."""
    cdef Py_ssize_t first = (tile * ascent.padded + chunk * CHUNK) * TILE
    cdef Py_ssize_t n = smaller(CHUNK, ascent.padded - chunk * CHUNK), unit, k
    cdef Py_ssize_t n_hidden = smaller(TILE, ascent.padded_hidden - tile * TILE)
    cdef double *rows = ascent.rows + (tile * ceil_div(ascent.padded, CHUNK) + chunk) * CHUNK
    cdef double *columns = ascent.columns + (chunk * ascent.n_tiles + tile) * TILE
    cdef float *transposed = ascent.transposed + (chunk * ascent.padded_hidden + tile * TILE) * TILE
    cdef vd lines[CHUNK * LANES_OF_8]   # eight doubles a unit
    cdef vd totals[HALVES]
    cdef vd sums[LANES_OF_8]            # of a unit; an array in memory would wait for its own stores
    cdef vd rate = splat_d(ascent.rate), l2 = splat_d(ascent.l2), l1 = splat_d(ascent.l1)
    cdef vd size, w, d, u, momentum = splat_d(ascent.momentum)
    cdef bint sparse = ascent.l1 != 0.0, moving = ascent.new_velocity != NULL
    cdef double all_sizes = 0
    cdef float block[CHUNK * TILE]
    cdef float *line
    cdef float *new
    cdef const float *old
    for k in range(HALVES):
        totals[k] = splat_d(0)
    for unit in range(n):
        if ascent.cold:                 # stores that miss wait for each other
            for k in range(TILE // 16):
                prefetch_to_write(ascent.out + first + (unit + AHEAD) * TILE + 16 * k)
                prefetch_to_write(transposed + unit * TILE + 16 * k)
                if moving:
                    prefetch_to_write(ascent.new_velocity + first + (unit + AHEAD) * TILE + 16 * k)
        old = ascent.weights + first + unit * TILE
        new = ascent.out + first + unit * TILE
        line = block + unit * TILE
        for k in range(HALVES):
            w = widen(old + k * HALF)
            d = widen(direction + unit * TILE + k * HALF) - l2 * w
            if sparse:
                d = d - l1 * sign_d(w)
            if moving:
                u = d
                if ascent.velocity != NULL:
                    u = momentum * widen(ascent.velocity + first + unit * TILE + k * HALF) + d
                narrow(u, ascent.new_velocity + first + unit * TILE + k * HALF)
                u = rounded(u)
                d = momentum * u + d if ascent.nesterov else u
            w = w + rate * d
            narrow(w, line + k * HALF)
            narrow(w, new + k * HALF)   # a copy of line would wait for its stores
            size = abs_d(rounded(w))
            totals[k] = totals[k] + size
            sums[k % LANES_OF_8] = size if k < LANES_OF_8 else sums[k % LANES_OF_8] + size
        for k in range(LANES_OF_8):
            lines[unit * LANES_OF_8 + k] = sums[k]
    for k in range(HALVES):
        (<vdu *> columns)[k] = totals[k]
    for unit in range(n):
        rows[unit] = sum8(<double *> lines + 8 * unit)
        all_sizes += rows[unit]
    for unit in range(n, CHUNK):
        rows[unit] = 0
    memset(block + n * TILE, 0, (CHUNK - n) * TILE * 4)
    for k in range(0, n_hidden, 4):
        for unit in range(0, CHUNK, 4):
            transpose_4x4(block + unit * TILE + k, TILE, transposed + k * TILE + unit, TILE)
    return 0 if all_sizes < <double> ascent.limit else count_bad(block, n * TILE, ascent.limit)


cdef Py_ssize_t count_bad(const float *values, Py_ssize_t n, float limit) noexcept nogil:
    cdef Py_ssize_t k, bad = n
    for k in range(n):
        bad -= abs_scalar(values[k]) < limit  # false for NaN
    return bad


cdef inline float abs_scalar(float x) noexcept nogil:
    return x if x > 0 else -x


def join_parts(const float[::1] parts, lengths, float[:, :, ::1] out, int n_threads):
    """out OUT (tiles, inputs, 64): parts IN side by side, part k of which is (tiles, lengths[k], 64), one part after
    the other; the lengths add up to the inputs."""
    cdef Py_ssize_t n_tiles = out.shape[0], n_inputs = out.shape[1], first = 0, length, item
    cdef Barrier barrier = new_barrier()
    cdef const float *part
    cdef float *to
    if DEBUG_CHECKS:
        check(sum(lengths) == n_inputs and parts.shape[0] == n_tiles * n_inputs * TILE, "join_parts")
    for length in lengths:
        if n_tiles == 0 or length == 0:
            continue
        part, to = &parts[n_tiles * first * TILE], &out[0, first, 0]
        with nogil, parallel(num_threads=n_threads):
            join_team()
            for item in prange(n_tiles, schedule="static"):
                memcpy(to + item * n_inputs * TILE, part + item * length * TILE, length * TILE * sizeof(float))
            leave_team(&barrier)
        first += length
