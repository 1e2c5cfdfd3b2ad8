# Random numbers by themselves, and states drawn from probabilities that are given.

cdef enum:
    RUN = 1024              # blocks of words that one thread makes at a time
    DRAWN = 64              # examples likewise
    STRIP = 1024            # normal numbers likewise
    NORMALS = 65536         # of one sweep number; whole strips


def words(uint64_t first, uint64_t seed, uint32_t sweep, uint32_t kind, uint32_t[::1] out, int n_threads):
    """out OUT (n,): Philox4x32-10 under the key seed, four words of a block after the other, of the counters whose
    first two words are the number first, first + 1, ... (the lower half first) and whose others are sweep and kind."""
    cdef Py_ssize_t n = out.shape[0], run
    cdef Barrier barrier = new_barrier()
    if n == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for run in prange(ceil_div(n, 4 * RUN), schedule="static"):
            words_item(first + <uint64_t> run * RUN, seed, sweep, kind, &out[4 * RUN * run],
                       smaller(4 * RUN, n - 4 * RUN * run))
        leave_team(&barrier)


cdef void words_item(uint64_t first, uint64_t seed, uint32_t sweep, uint32_t kind, uint32_t *out,
                     Py_ssize_t n) noexcept nogil:
    cdef uint32_t some[4 * AT_ONCE]
    cdef Py_ssize_t start = 0
    cdef Keys keys
    philox_keys(<uint32_t> seed, <uint32_t> (seed >> 32), &keys)
    while start < n:
        philox_in_sequence(first + start // 4, sweep, kind, &keys, some)
        memcpy(out + start, some, 4 * smaller(4 * AT_ONCE, n - start))
        start += 4 * AT_ONCE


def normals(uint64_t seed, uint32_t sweep, uint32_t kind, float[::1] out, int n_threads):
    """out OUT (n,): very nearly standard normal numbers, sums of twelve uniforms less six. The m numbers of block b,
    65,536 but in the last one, are made of words k m + i, k = 0 .. 11, of sweep + b."""
    cdef Py_ssize_t n = out.shape[0], strip, first
    cdef Barrier barrier = new_barrier()
    if n == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for strip in prange(ceil_div(n, STRIP), schedule="static"):
            first = strip * STRIP // NORMALS * NORMALS
            normals_item(seed, sweep + <uint32_t> (first // NORMALS), kind, smaller(NORMALS, n - first),
                         strip * STRIP - first, smaller(STRIP, n - strip * STRIP), &out[strip * STRIP])
        leave_team(&barrier)


cdef void normals_item(uint64_t seed, uint32_t sweep, uint32_t kind, Py_ssize_t m, Py_ssize_t first, Py_ssize_t n,
                       float *out) noexcept nogil:
    """Those from the first-th of a block of m on."""
    cdef uint64_t sums[STRIP]
    cdef uint32_t some[4 * AT_ONCE]
    cdef Py_ssize_t k, i, count, done, skipped
    cdef uint64_t block
    cdef Keys keys
    philox_keys(<uint32_t> seed, <uint32_t> (seed >> 32), &keys)
    memset(sums, 0, sizeof(sums))
    for k in range(12):
        block, skipped, done = (k * m + first) // 4, (k * m + first) % 4, 0
        while done < n:
            philox_in_sequence(block, sweep, kind, &keys, some)
            count = smaller(4 * AT_ONCE - skipped, n - done)
            for i in range(count):
                sums[done + i] += some[skipped + i]
            block, skipped, done = block + AT_ONCE, 0, done + count
    for i in range(n):
        out[i] = <float> ((<double> <int64_t> sums[i] + 6.0) * 2.3283064365386963e-10 - 6.0)     # 2^-32


def draw_states(const float[:, ::1] fractions, const int64_t[:, ::1] rows, uint64_t seed, uint32_t stream,
                uint32_t sweep, uint32_t first, uint8_t[:, :, ::1] out, int n_threads):
    """out OUT (m, n, ceil(V/8)): bit k of out[s, i, b] is on with probability fractions[rows[s, i], 8 b + k] IN; below
    0 counts as 0, above 1 as 1. The random numbers are those of sweep + s and of chains first, first + 1, ...
    (activation.pxi)."""
    cdef Py_ssize_t m = rows.shape[0], n = rows.shape[1], n_units = fractions.shape[1], n_blocks = ceil_div(n, DRAWN)
    cdef Py_ssize_t item, s, i
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(out.shape[0] == m and out.shape[1] == n and out.shape[2] == ceil_div(n_units, 8), "draw_states")
        for s in range(m):
            for i in range(n):
                check(0 <= rows[s, i] < fractions.shape[0], "rows")
    if m == 0 or n == 0 or n_units == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(m * n_blocks, schedule="static"):
            draw_item(&fractions[0, 0], &rows[item // n_blocks, 0], n_units, item % n_blocks * DRAWN,
                      smaller(n, (item % n_blocks + 1) * DRAWN), seed, stream << 8,
                      sweep + <uint32_t> (item // n_blocks), first, &out[item // n_blocks, 0, 0])
        leave_team(&barrier)


cdef void draw_item(const float *fractions, const int64_t *rows, Py_ssize_t n_units, Py_ssize_t start, Py_ssize_t stop,
                    uint64_t seed, uint32_t kind, uint32_t sweep, uint32_t first, uint8_t *out) noexcept nogil:
    cdef uint16_t random[BATCH][TILE]
    cdef float last[TILE]
    cdef Keys keys
    cdef Py_ssize_t n_bytes = ceil_div(n_units, 8), tile, unit, row, k
    cdef const float *p
    cdef uint64_t mask
    philox_keys(<uint32_t> seed, <uint32_t> (seed >> 32), &keys)
    memset(last, 0, sizeof(last))
    while start < stop:
        for tile in range(ceil_div(n_units, TILE)):
            unit = tile * TILE
            philox_64_units(<uint32_t> (unit // 8), <uint32_t> (first + start), sweep, kind, &keys, random)
            for row in range(start + BATCH, smaller(start + 2 * BATCH, stop)):
                for k in range(TILE // 16):
                    prefetch(fractions + rows[row] * n_units + unit + 16 * k)
            for row in range(start, smaller(start + BATCH, stop)):
                p = fractions + rows[row] * n_units + unit
                if n_units - unit < TILE:
                    memcpy(last, p, 4 * (n_units - unit))
                    p = last
                mask = draw_64_units(p, random[row - start], <uint32_t> unit, <uint32_t> (first + row), sweep, kind,
                                     &keys)
                memcpy(out + row * n_bytes + unit // 8, &mask, smaller(8, n_bytes - unit // 8))
        start += BATCH


cdef inline uint64_t draw_64_units(const float *p, const uint16_t *random, uint32_t unit, uint32_t chain,
                                   uint32_t sweep, uint32_t kind, const Keys *keys) noexcept nogil:
    """A unit is on where a number of 16 bits is below p 2^16; where it is just below, 24 more bits decide."""
    cdef uint64_t states = 0, ties = 0
    cdef vf y[VECTORS]
    cdef vi whole[VECTORS]
    cdef vi number
    cdef int i
    for i in range(VECTORS):
        y[i] = max_f(-(<const vfu *> (p + i * LANES))[0], splat_f(-1.0)) * splat_f(-65536.0)
        y[i] = max_f(y[i], splat_f(0.0))
        whole[i] = to_int(y[i])
        number = load_u16(random + i * LANES)
        states = states | <uint64_t> mask_lt(number, whole[i]) << (i * LANES)
        ties = ties | <uint64_t> mask_eq(number, whole[i]) << (i * LANES)
    if ties != 0:
        for i in range(VECTORS):
            y[i] = y[i] - to_float(whole[i])
        states = states | break_ties(<const float *> y, ties, unit, chain, sweep, kind, keys)
    return states
