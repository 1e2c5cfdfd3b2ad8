# Moments: sum over rows of v_i p_j by the product kernel, with the rows as its input units: S is the transposed bits of
# v, Q the fixed-point probabilities. 504 rows at a time fit int32; the blocks add up in float64, where multiples of
# 2^-22 below 2^31 are exact, so the sums do not depend on how the rows are split.

cdef enum:
    ROWS = 504              # 8 * 63; 504 * 2^22 < 2^31
    VECTORS = TILE // LANES  # in a row of a tile


def moments(const uint8_t[:, ::1] transposed, const float[:, :, ::1] fixed, bint signed, double scale, bint accumulate,
            double[:, ::1] weights, double[::1] hidden, int n_threads, Segments segments=None):
    """weights OUT (V, H) = scale * sum_r v_ri fixed_rj and hidden OUT (H,) = scale * sum_r fixed_rj; with accumulate
    these are added to what is there.

    transposed IN (ceil(n/8), V) from transpose() by these segments; fixed IN (tiles, 8 ceil(n/8), 64), rows past the
    n-th zero; n and
    what sums are exact: see above. signed: whether numbers of fixed may be negative, as means of real units are.
    scale is a power of two."""
    cdef Py_ssize_t n_visible = weights.shape[0], n_hidden = weights.shape[1], n_bytes = transposed.shape[0]
    cdef Py_ssize_t n_tiles = fixed.shape[0], block = block_length(n_visible, n_tiles, n_threads), item
    cdef const Plan *plan = plan_of(segments)
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    cdef Scratch *scratch
    if DEBUG_CHECKS:
        check(transposed.shape[1] == n_visible and hidden.shape[0] == n_hidden and fixed.shape[1] == 8 * n_bytes
              and n_tiles == ceil_div(n_hidden, TILE), "moments")
    if n_bytes == 0:
        return
    memory = memory_for(n_threads, sizeof(Scratch), "the moments")
    scratch = <Scratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_tiles * ceil_div(n_visible, block), schedule="dynamic", chunksize=1):
            moments_item(plan, &transposed[0, 0], n_visible, n_bytes, &fixed[item % n_tiles, 0, 0], limbs_of(signed),
                         scale, accumulate, &weights[0, 0], n_hidden, item % n_tiles, (item // n_tiles) * block, block,
                         scratch + threadid())
        for item in prange(n_tiles, schedule="static"):
            hidden_item(&fixed[item, 0, 0], 8 * n_bytes, scale, accumulate, &hidden[item * TILE],
                        smaller(TILE, n_hidden - item * TILE))
        leave_team(&barrier)


cdef inline int limbs_of(bint signed) noexcept nogil:
    return ALL_LIMBS if signed else POSITIVE_LIMBS


cdef void moments_item(const Plan *plan, const uint8_t *transposed, Py_ssize_t n_visible, Py_ssize_t n_bytes,
                       const float *fixed, int limbs, double scale, bint accumulate, double *weights,
                       Py_ssize_t n_hidden, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t block,
                       Scratch *scratch) noexcept nogil:
    cdef int32_t *acc = scratch.sums
    cdef Py_ssize_t n = smaller(block, n_visible - first), n_columns = smaller(TILE, n_hidden - tile * TILE)
    cdef Py_ssize_t byte = 0, unit, k
    cdef double *out
    while byte < n_bytes:
        sum_examples(acc, scratch, plan, transposed + byte * n_visible, n_visible, smaller(ROWS // 8, n_bytes - byte),
                     first, n, fixed + 8 * byte * TILE, n_columns, limbs)
        for unit in range(n):
            out = weights + (first + unit) * n_hidden + tile * TILE
            if accumulate or byte > 0:
                for k in range(n_columns):
                    out[k] += <double> acc[unit * TILE + k] * scale
            else:
                for k in range(n_columns):
                    out[k] = <double> acc[unit * TILE + k] * scale
        byte += ROWS // 8


cdef void hidden_item(const float *fixed, Py_ssize_t n_rows, double scale, bint accumulate, double *out,
                      Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t start = 0, row, k, t
    cdef vi sums[VECTORS]
    cdef int32_t numbers[TILE]
    if not accumulate:
        for k in range(width):
            out[k] = 0
    while start < n_rows:
        for t in range(VECTORS):
            sums[t] = splat_i(0)
        for row in range(start, smaller(start + ROWS, n_rows)):
            for t in range(VECTORS):
                sums[t] = sums[t] + to_nearest((<const vfu *> (fixed + row * TILE + t * LANES))[0])
        memcpy(numbers, sums, sizeof(numbers))
        for k in range(width):
            out[k] += <double> numbers[k] * scale
        start += ROWS


def prepare_phase(const uint8_t[:, :] planes, Segments segments, float[:, :, ::1] fixed, double scale,
                  uint8_t[:, ::1] transposed, double[::1] visible, double[::1] hidden, weight, int n_threads):
    """What a phase of the gradient needs beside its products: transposed OUT (ceil(n/8), V) as transpose gives it,
    visible OUT (V,) the number of examples in which each unit is on, hidden OUT (H,) = scale * sum_r fixed_rj. segments
    as transpose takes them.

    weight: None, or IN (n,) of whole numbers up to 2^22, and what one of them stands for; then each example counts by
    its weight, also in fixed INOUT, whose numbers are taken times weight 2^-22 and rounded."""
    cdef const Plan *plan = plan_of(segments)
    cdef Py_ssize_t n = planes.shape[1], n_visible = visible.shape[0], n_hidden = hidden.shape[0], item
    cdef Py_ssize_t n_bytes = planes.shape[0], n_tiles = fixed.shape[0]
    cdef Barrier barrier = new_barrier()
    cdef const double[::1] whole
    cdef const double *weights = NULL
    cdef double one = 1.0
    if weight is not None:
        whole, one = weight
        weights = &whole[0]
    if DEBUG_CHECKS:
        check(n > 0 and (weights == NULL or whole.shape[0] == n)
              and n_bytes == (ceil_div(n_visible, 8) if plan == NULL else plan.n_rows)
              and n_tiles == ceil_div(n_hidden, TILE)
              and fixed.shape[1] == 8 * ceil_div(n, 8) and transposed.shape[0] == ceil_div(n, 8)
              and transposed.shape[1] == n_visible, "prepare_phase")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_bytes + n_tiles, schedule="static"):
            if item < n_bytes:
                transpose_and_count(&planes[item, 0], n, row_of(plan, n_visible, BERNOULLI, item), n_visible,
                                    &transposed[0, 0], &visible[0])
                if weights != NULL:
                    weigh_counts(&planes[item, 0], n, row_of(plan, n_visible, BERNOULLI, item), 0, n_visible, weights,
                                 one, &visible[0])
            else:
                if weights != NULL:
                    weigh_rows(&fixed[item - n_bytes, 0, 0], weights, n)
                hidden_item(&fixed[item - n_bytes, 0, 0], fixed.shape[1], scale, False,
                            &hidden[(item - n_bytes) * TILE], smaller(TILE, n_hidden - (item - n_bytes) * TILE))
        leave_team(&barrier)


cdef void transpose_and_count(const uint8_t *states, Py_ssize_t n, Row row, Py_ssize_t n_units, uint8_t *out,
                              double *counts) noexcept nogil:
    """transpose_row, and in how many chains each of the row's units is on, in counts OUT of all units."""
    cdef Py_ssize_t block = 0, stop, k
    cdef uint64_t word, sums
    cdef int64_t totals[8]
    if row.kind == CATEGORICAL:
        transpose_codes(states, n, row, n_units, out)
        memset(counts + row.unit, 0, row.size * sizeof(double))
        count_codes(states, n, row.size, counts + row.unit)
        return
    memset(totals, 0, sizeof(totals))
    while block < ceil_div(n, 8):
        stop = smaller(block + 31, ceil_div(n, 8))  # 31 counts of at most 8 fit a byte
        sums = 0
        while block < stop:
            word = transposed_word(states, n, block)
            put_transposed(out + block * n_units + row.unit, word, row.size)
            sums += count_in_bytes(word)
            block += 1
        for k in range(8):
            totals[k] += <int64_t> ((sums >> (8 * k)) & 255)
    for k in range(row.size):
        counts[row.unit + k] = <double> totals[k]


cdef void weigh_rows(float *fixed, const double *weight, Py_ssize_t n) noexcept nogil:
    """Rows of a tile, whole numbers below 2^23, times weights in units of 2^-22; to the nearest, ties to even."""
    cdef double magic = 6755399441055744.0, factor     # 1.5 * 2^52: adding it rounds to an integer
    cdef Py_ssize_t row, k
    for row in range(n):
        factor = weight[row] * 2.384185791015625e-7    # 2^-22
        for k in range(TILE):
            fixed[row * TILE + k] = <float> ((<double> fixed[row * TILE + k] * factor + magic) - magic)


cdef void weigh_counts(const uint8_t *states, Py_ssize_t n, Row row, Py_ssize_t first, Py_ssize_t stop,
                       const double *weight, double one, double *counts) noexcept nogil:
    """counts OUT of those of a row's units that are from first up to stop: by weight, in units of one."""
    cdef Py_ssize_t low = first - row.unit if first > row.unit else 0, high = smaller(stop - row.unit, row.size)
    cdef Py_ssize_t chain, k
    cdef double totals[CATEGORIES]
    memset(totals, 0, sizeof(totals))
    if row.kind == CATEGORICAL:
        for chain in range(n):
            totals[states[chain]] += weight[chain]  # also of absent sites, where nobody looks
    else:
        for chain in range(n):
            for k in range(8):
                totals[k] += weight[chain] if (states[chain] >> k) & 1 else 0.0
    for k in range(low, high):
        counts[row.unit + k] = totals[k] * one


cdef inline uint64_t count_in_bytes(uint64_t x) noexcept nogil:
    """The number of ones in each byte."""
    x = x - ((x >> 1) & 0x5555555555555555u)
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u)
    return (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu


def count_bits(const uint8_t[:, :] planes, Py_ssize_t n_units, Segments segments, double[::1] out, int n_threads):
    """Add to out INOUT (U,) the number of chains in which each unit is on; planes IN and segments as transpose takes
    them."""
    cdef const Plan *plan = plan_of(segments)
    cdef Py_ssize_t byte, n = planes.shape[1]
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(planes.shape[0] == (ceil_div(n_units, 8) if plan == NULL else plan.n_rows) and out.shape[0] == n_units,
              "count_bits")
    if n == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for byte in prange(planes.shape[0], schedule="static"):
            count_row(&planes[byte, 0], n, row_of(plan, n_units, BERNOULLI, byte), &out[0])
        leave_team(&barrier)


cdef void count_row(const uint8_t *states, Py_ssize_t n, Row row, double *out) noexcept nogil:
    cdef int64_t counts[8]
    cdef uint64_t word
    cdef Py_ssize_t chain, k
    if row.kind == CATEGORICAL:
        count_codes(states, n, row.size, out + row.unit)
        return
    memset(counts, 0, sizeof(counts))
    for chain in range(0, n, 8):
        word = transposed_word(states, n, chain // 8)
        for k in range(8):
            counts[k] += popcount8(<uint8_t> (word >> (8 * k)))
    for k in range(row.size):
        out[row.unit + k] += <double> counts[k]
