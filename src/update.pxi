# The training step on arrays of the size of W, in tiles [tile][unit][64] as the product has them.


cdef enum:
    FEW_ITEMS = 16          # a share of the work is smaller while there are fewer of them than this
    SMALLEST_SHARE = 128    # but no smaller: a table must serve many units


cdef Py_ssize_t share_length(Py_ssize_t n_units, Py_ssize_t n_tiles) noexcept nogil:
    """Units in a share of a tile: a matter of the shape alone, never of threads, since sums are kept by share."""
    cdef Py_ssize_t n_shares = ceil_div(n_units, BLOCK)
    while n_units > SMALLEST_SHARE * n_shares and n_tiles * n_shares < FEW_ITEMS:
        n_shares *= 2
    return 8 * ceil_div(ceil_div(n_units, n_shares), 8)


cdef struct Phase:
    const uint8_t *transposed
    Py_ssize_t n_bytes
    const float *fixed
    Py_ssize_t fixed_length
    double factor


cdef struct Offsets:
    # NULL in visible_offset: not centred
    const double *visible_offset
    const double *hidden_offset
    const double *visible_difference
    const double *hidden_difference


def difference(const uint8_t[:, ::1] positive_bits, const float[:, :, ::1] positive, double positive_factor,
               const uint8_t[:, ::1] negative_bits, const float[:, :, ::1] negative, double negative_factor, centring,
               Py_ssize_t n_hidden, float[:, :, ::1] out, double[::1] along_hidden, double[::1] along_visible,
               int n_threads):
    """out OUT in tiles (tiles, 8 ceil(V/8), 64) = positive_factor sum_r v_r p_r' over the positive cases minus the
    same of the negative ones, rounded once to float32, zero in the padding.

    Bits (ceil(n/8), V) and fixed-point probabilities (tiles, 8 ceil(n/8), 64) are as moments takes them. centring is
    None or four float64 arrays, padded with zeros to the padding of out: offsets mu (V,) and lambda (H,), differences
    of means dv (V,) and dh (H,); then mu_i dh_j + dv_i lambda_j is subtracted, along_hidden OUT (V,) = out lambda and
    along_visible OUT (H,) = out' mu."""
    cdef Py_ssize_t n_visible = positive_bits.shape[1], n_tiles = out.shape[0], padded = out.shape[1]
    cdef Py_ssize_t share = share_length(n_visible, n_tiles), n_shares = ceil_div(n_visible, share), item, i, j
    cdef Phase phases[2]
    cdef Offsets offsets
    cdef const double[::1] mu, lam, dv, dh
    cdef size_t size = SUMS_AT + 4 * BLOCK * TILE * 4
    cdef char *scratch
    cdef double *by_tile
    cdef double *by_share
    cdef Meeting meeting = no_meeting()
    memset(&offsets, 0, sizeof(Offsets))
    if DEBUG_CHECKS:
        check(negative_bits.shape[1] == n_visible and positive.shape[0] == n_tiles and negative.shape[0] == n_tiles
              and positive.shape[1] == 8 * positive_bits.shape[0] and negative.shape[1] == 8 * negative_bits.shape[0]
              and padded == 8 * ceil_div(n_visible, 8) and n_tiles == ceil_div(n_hidden, TILE), "difference")
    phases[0] = Phase(&positive_bits[0, 0], positive_bits.shape[0], &positive[0, 0, 0], positive.shape[1] * TILE,
                      positive_factor)
    phases[1] = Phase(&negative_bits[0, 0], negative_bits.shape[0], &negative[0, 0, 0], negative.shape[1] * TILE,
                      -negative_factor)
    if centring is not None:
        mu, lam, dv, dh = centring
        if DEBUG_CHECKS:
            check(mu.shape[0] == padded and dv.shape[0] == padded and lam.shape[0] == n_tiles * TILE
                  and dh.shape[0] == n_tiles * TILE and along_hidden.shape[0] == padded
                  and along_visible.shape[0] == n_tiles * TILE, "centring")
        offsets = Offsets(&mu[0], &lam[0], &dv[0], &dh[0])
    scratch = <char *> aligned_memory(n_threads * size)
    by_tile = <double *> aligned_memory((n_tiles * padded + n_shares * n_tiles * TILE) * sizeof(double))
    if scratch == NULL or by_tile == NULL:
        free(scratch)
        free(by_tile)
        raise MemoryError("no memory for the scratch space of a difference of moments")
    by_share = by_tile + n_tiles * padded
    with nogil, parallel(num_threads=n_threads):
        spread_out()
        for item in prange(n_tiles * n_shares, schedule="dynamic", chunksize=1):
            difference_item(phases, &offsets, n_visible, n_hidden, item % n_tiles, (item // n_tiles) * share, share,
                            &out[item % n_tiles, 0, 0], by_tile + (item % n_tiles) * padded,
                            by_share + (item // n_tiles) * n_tiles * TILE, scratch + threadid() * size)
        meet(&meeting)
    if offsets.visible_offset != NULL:
        add_in_order(by_tile, n_tiles, padded, &along_hidden[0])
        add_in_order(by_share, n_shares, n_tiles * TILE, &along_visible[0])
        for i in range(n_visible, padded):
            along_hidden[i] = 0
    for i in range(n_tiles):
        for j in range(n_visible, padded):
            memset(&out[i, j, 0], 0, TILE * 4)
    free(scratch)
    free(by_tile)


cdef void add_in_order(const double *rows, Py_ssize_t n_rows, Py_ssize_t n, double *out) noexcept nogil:
    cdef Py_ssize_t row, i
    for i in range(n):
        out[i] = rows[i]
    for row in range(1, n_rows):
        for i in range(n):
            out[i] += rows[row * n + i]


cdef void difference_item(const Phase *phases, const Offsets *offsets, Py_ssize_t n_visible, Py_ssize_t n_hidden,
                          Py_ssize_t tile, Py_ssize_t first, Py_ssize_t share, float *out, double *by_tile,
                          double *by_share, char *scratch) noexcept nogil:
    """One share of a tile. The columns past the last hidden unit come out as zeros."""
    cdef int32_t *acc[2]
    cdef double *sums = <double *> (scratch + SUMS_AT + 2 * BLOCK * TILE * 4)
    cdef Py_ssize_t n = smaller(share, n_visible - first), n_columns = smaller(TILE, n_hidden - tile * TILE)
    cdef Py_ssize_t byte, count, unit, k
    cdef const Phase *phase
    cdef bint folded = False
    cdef int p
    for p in range(2):
        phase = phases + p
        acc[p] = <int32_t *> (scratch + SUMS_AT) + p * BLOCK * TILE
        byte = 0
        while byte < phase.n_bytes:
            count = smaller(ROWS // 8, phase.n_bytes - byte)
            product_tile(acc[p], scratch, phase.fixed + tile * phase.fixed_length + 8 * byte * TILE, 1.0,
                         phase.transposed + byte * n_visible + first, n_visible, count, n, n_columns)
            byte += count
            if byte < phase.n_bytes:    # int32 has no room for more: on to float64
                if folded:
                    for k in range(n * TILE):
                        sums[k] += <double> acc[p][k] * phase.factor
                else:
                    for k in range(n * TILE):
                        sums[k] = <double> acc[p][k] * phase.factor
                folded = True
    for unit in range(n):
        finish_row(sums + unit * TILE if folded else NULL, acc[0] + unit * TILE, acc[1] + unit * TILE, phases[0].factor,
                   phases[1].factor, n_columns, out + (first + unit) * TILE)
    if offsets.visible_offset != NULL:
        centre_share(offsets, n, tile, first, out, by_tile, by_share + tile * TILE)


cdef inline void finish_row(const double *sums, const int32_t *acc0, const int32_t *acc1, double factor0,
                            double factor1, Py_ssize_t n_columns, float *out) noexcept nogil:
    cdef Py_ssize_t k
    if sums == NULL:
        for k in range(TILE):
            out[k] = <float> (<double> acc0[k] * factor0 + <double> acc1[k] * factor1)
    else:
        for k in range(TILE):
            out[k] = <float> ((sums[k] + <double> acc0[k] * factor0) + <double> acc1[k] * factor1)
    for k in range(n_columns, TILE):
        out[k] = 0


cdef void centre_share(const Offsets *offsets, Py_ssize_t n, Py_ssize_t tile, Py_ssize_t first, float *out,
                       double *by_tile, double *by_share) noexcept nogil:
    """Subtract mu_i dh_j + dv_i lambda_j, and take the share's part of out lambda and out' mu."""
    cdef Py_ssize_t unit, k, lane
    cdef const double *lam = offsets.hidden_offset + tile * TILE
    cdef const double *dh = offsets.hidden_difference + tile * TILE
    cdef double mu, dv
    cdef double columns[TILE]
    cdef double lanes[8]
    cdef float *row
    for k in range(TILE):
        columns[k] = 0
    for unit in range(first, first + n):
        row = out + unit * TILE
        mu = offsets.visible_offset[unit]
        dv = offsets.visible_difference[unit]
        for lane in range(8):
            lanes[lane] = 0
        for k in range(TILE):
            row[k] = <float> (<double> row[k] - (mu * dh[k] + dv * lam[k]))
            columns[k] += <double> row[k] * mu
        for k in range(TILE // 8):
            for lane in range(8):
                lanes[lane] += <double> row[8 * k + lane] * lam[8 * k + lane]
        by_tile[unit] = sum8(lanes)
    for k in range(TILE):
        by_share[k] = columns[k]


cdef inline double sum8(double *x) noexcept nogil:
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]))


def ascend(const float[:, :, ::1] weights, const float[:, :, ::1] direction, double rate, double l2, double l1,
           float limit, float[:, :, ::1] out, float[:, :, ::1] transposed, int n_threads):
    """out OUT = weights + rate (direction - l2 weights - l1 sign(weights)), in tiles, computed in float64 and rounded
    once to float32; transposed OUT is the same the other way round, in tiles (ceil(V/64), 8 ceil(H/8), 64).

    Returns how many of the numbers are not finite or not below limit in size, and the largest sums of |out| over a
    hidden unit's and over a visible unit's weights, float64, always added in the same order."""
    cdef Py_ssize_t n_tiles = out.shape[0], padded = out.shape[1], n_shares = transposed.shape[0], item, bad = 0
    cdef double *rows = <double *> aligned_memory(2 * n_tiles * n_shares * TILE * sizeof(double))
    cdef double *columns = rows + n_tiles * n_shares * TILE
    cdef double largest_column, largest_row
    cdef Meeting meeting = no_meeting()
    if rows == NULL:
        raise MemoryError("no memory for the sums of the weights")
    if DEBUG_CHECKS:
        check(weights.shape[0] == n_tiles and weights.shape[1] == padded and direction.shape[0] == n_tiles
              and direction.shape[1] == padded and n_shares == ceil_div(padded, TILE)
              and n_tiles == ceil_div(transposed.shape[1], TILE), "ascend")
    with nogil, parallel(num_threads=n_threads):
        spread_out()
        for item in prange(n_tiles * n_shares, schedule="static"):
            bad += ascend_item(&weights[0, 0, 0], &direction[0, 0, 0], rate, l2, l1, limit, item // n_shares,
                               item % n_shares, padded, transposed.shape[1], &out[0, 0, 0], &transposed[0, 0, 0],
                               rows + item * TILE, columns + ((item % n_shares) * n_tiles + item // n_shares) * TILE)
        meet(&meeting)
    largest_column = largest_sum(columns, n_shares, n_tiles * TILE)
    largest_row = largest_sum(rows, n_tiles, n_shares * TILE)
    free(rows)
    return bad, largest_column, largest_row


cdef double largest_sum(double *rows, Py_ssize_t n_rows, Py_ssize_t n) noexcept nogil:
    """The largest element of the sum of the rows; the first row is overwritten."""
    cdef Py_ssize_t row, i
    cdef double largest = 0
    for row in range(1, n_rows):
        for i in range(n):
            rows[i] += rows[row * n + i]
    for i in range(n):
        if rows[i] > largest:
            largest = rows[i]
    return largest


cdef Py_ssize_t ascend_item(const float *weights, const float *direction, double rate, double l2, double l1,
                            float limit, Py_ssize_t tile, Py_ssize_t share, Py_ssize_t padded,
                            Py_ssize_t padded_hidden, float *out, float *transposed, double *rows,
                            double *columns) noexcept nogil:
    """64 visible units by a tile of 64 hidden ones, which is also a piece of a tile the other way round."""
    cdef Py_ssize_t first = tile * padded + share * TILE, n = smaller(TILE, padded - share * TILE), unit, k, lane
    cdef Py_ssize_t n_hidden = smaller(TILE, padded_hidden - tile * TILE)
    cdef double lanes[8]
    cdef float block[TILE * TILE]
    cdef float *line
    cdef int32_t good = 0
    cdef const float *w
    cdef const float *d
    for k in range(TILE):
        columns[k] = 0
    for unit in range(n):
        w = weights + (first + unit) * TILE
        d = direction + (first + unit) * TILE
        line = block + unit * TILE
        if l1 == 0.0:
            for k in range(TILE):
                line[k] = <float> (<double> w[k] + rate * (<double> d[k] - l2 * <double> w[k]))
        else:
            for k in range(TILE):
                line[k] = <float> (<double> w[k] + rate * ((<double> d[k] - l2 * <double> w[k])
                                                           - l1 * <double> ((w[k] > 0) - (w[k] < 0))))
        for lane in range(8):
            lanes[lane] = 0
        for k in range(TILE):
            good += abs_scalar(line[k]) < limit  # false for NaN
            columns[k] += <double> abs_scalar(line[k])
        for k in range(TILE // 8):
            for lane in range(8):
                lanes[lane] += <double> abs_scalar(line[8 * k + lane])
        rows[unit] = sum8(lanes)
        memcpy(out + (first + unit) * TILE, line, TILE * 4)
    for unit in range(n, TILE):
        rows[unit] = 0
    memset(block + n * TILE, 0, (TILE - n) * TILE * 4)
    for k in range(0, n_hidden, 4):
        for unit in range(0, TILE, 4):
            transpose_4x4(block + unit * TILE + k, TILE,
                          transposed + (share * padded_hidden + tile * TILE + k) * TILE + unit, TILE)
    return n * TILE - good


cdef inline float abs_scalar(float x) noexcept nogil:
    return x if x > 0 else -x
