# The product: acc = S Q for binary S, by table lookup (Arlazarov, Dinic, Kronrod & Faradzev 1970, the "four
# Russians"). Four input units at a time: tabulate the 16 sums of their rows of Q, then every chain adds the one row
# that its four bits choose. Q is int32 on a grid so coarse that no sum overflows (fastrbm/_parameters.py), so sums
# are exact in any order.
#
# Q lies in tiles [tile][unit][64]: the 64 columns of a tile are one contiguous row of 256 bytes, the rows of units
# past the last one, up to a multiple of 8, are zero. The accumulators of a block of chains are [chain][64].

cdef enum:
    GRAIN = 16 // LANES                 # vectors in the smallest strip, 16 columns
    PASS_BYTES = 4                      # bytes of input a pass: 8 tables, 32 kB at 64 columns, must live in L1
    TABLE = 16 * TILE * 4               # bytes from one table to the next
    BLOCK = 512                         # most chains in a block: their accumulators are 128 kB, in L2

# what one thread needs: tables, then accumulators
cdef enum:
    TABLES_SIZE = 2 * PASS_BYTES * TABLE
    SCRATCH = TABLES_SIZE + BLOCK * TILE * 4


cdef inline void build_tables(char *tables, const int32_t *rows, Py_ssize_t n_nibbles, Py_ssize_t width) noexcept nogil:
    """tables[g][m] = the sum of those of rows 4g .. 4g + 3 whose bit is set in m; width vectors wide."""
    cdef Py_ssize_t g, t, k
    cdef vi q0, q1, q2, q3, s2, s4, s6, s8, s10, s12, s14
    cdef vi *out
    cdef const viu *q
    for g in range(n_nibbles):
        for t in range(width):
            q = <const viu *> (rows + 4 * g * TILE) + t
            out = <vi *> (tables + g * TABLE) + t
            k = TILE // LANES
            q0 = q[0]
            q1 = q[k]
            q2 = q[2 * k]
            q3 = q[3 * k]
            s2 = q1
            s4 = q2
            s6 = q2 + q1
            s8 = q3
            s10 = q3 + q1
            s12 = q3 + q2
            s14 = q3 + s6
            out[0] = splat_i(0)
            out[k] = q0
            out[2 * k] = s2
            out[3 * k] = s2 + q0
            out[4 * k] = s4
            out[5 * k] = s4 + q0
            out[6 * k] = s6
            out[7 * k] = s6 + q0
            out[8 * k] = s8
            out[9 * k] = s8 + q0
            out[10 * k] = s10
            out[11 * k] = s10 + q0
            out[12 * k] = s12
            out[13 * k] = s12 + q0
            out[14 * k] = s14
            out[15 * k] = s14 + q0


cdef inline void add_rows(char *acc, const char *tables, const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n,
                          Py_ssize_t n_bytes, Py_ssize_t width, bint first) noexcept nogil:
    """Add to each chain's accumulators the table rows chosen by its n_bytes bytes. Called with literal n_bytes, width
    and first, so that the compiler unrolls the inner loops and keeps the sums in registers."""
    cdef Py_ssize_t chain, byte, t
    cdef uint32_t bits
    cdef vi sums[STRIP]
    cdef vi *out
    cdef const vi *low
    cdef const vi *high
    for chain in range(n):
        out = <vi *> (acc + chain * TILE * 4)
        for t in range(width):
            sums[t] = splat_i(0) if first else out[t]
        for byte in range(n_bytes):
            bits = planes[byte * stride + chain]
            low = <const vi *> (tables + 2 * byte * TABLE + (bits & 15) * (TILE * 4))
            high = <const vi *> (tables + (2 * byte + 1) * TABLE + (bits >> 4) * (TILE * 4))
            for t in range(width):
                sums[t] = sums[t] + low[t] + high[t]
        for t in range(width):
            out[t] = sums[t]


cdef inline void product_strip(char *acc, char *tables, const int32_t *rows, const uint8_t *planes, Py_ssize_t stride,
                               Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t width) noexcept nogil:
    """acc[chain][columns] = sum over units of bit times row, in a strip of width vectors (a literal)."""
    cdef Py_ssize_t byte = 0
    if n_bytes >= PASS_BYTES:
        build_tables(tables, rows, 2 * PASS_BYTES, width)
        add_rows(acc, tables, planes, stride, n, PASS_BYTES, width, True)
        byte = PASS_BYTES
        while byte + PASS_BYTES <= n_bytes:
            build_tables(tables, rows + 8 * byte * TILE, 2 * PASS_BYTES, width)
            add_rows(acc, tables, planes + byte * stride, stride, n, PASS_BYTES, width, False)
            byte += PASS_BYTES
    while byte < n_bytes:
        build_tables(tables, rows + 8 * byte * TILE, 2, width)
        if byte == 0:
            add_rows(acc, tables, planes, stride, n, 1, width, True)
        else:
            add_rows(acc, tables, planes + byte * stride, stride, n, 1, width, False)
        byte += 1


cdef void product_tile(int32_t *acc, char *tables, const int32_t *rows, const uint8_t *planes, Py_ssize_t stride,
                       Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t n_columns) noexcept nogil:
    """The first n_columns (at most 64, rounded up to 16) columns of a tile, for n (at most BLOCK) chains."""
    cdef Py_ssize_t column = 0, grains
    while column < n_columns:
        grains = smaller(ceil_div(n_columns - column, 16), STRIP // GRAIN)
        if grains == 1:
            product_strip(<char *> (acc + column), tables, rows + column, planes, stride, n_bytes, n, GRAIN)
        elif grains == 2:
            product_strip(<char *> (acc + column), tables, rows + column, planes, stride, n_bytes, n, 2 * GRAIN)
        elif grains == 3:
            product_strip(<char *> (acc + column), tables, rows + column, planes, stride, n_bytes, n,
                          smaller(3 * GRAIN, STRIP))
        else:
            product_strip(<char *> (acc + column), tables, rows + column, planes, stride, n_bytes, n,
                          smaller(4 * GRAIN, STRIP))
        column += 16 * grains


cdef Py_ssize_t block_length(Py_ssize_t n, Py_ssize_t n_tiles, int n_threads) noexcept nogil:
    """Chains in a block: as many as BLOCK allows, fewer while there are too few blocks to share out among the threads.
    Results do not depend on it."""
    cdef Py_ssize_t block = BLOCK
    while block > 64 and n_tiles * ceil_div(n, block) < 2 * n_threads:
        block //= 2
    return block


def product(const uint8_t[:, :] planes, const int32_t[:, :, ::1] tiles, int32_t[:, ::1] out, int n_threads):
    """out OUT (n, n_out) = S Q, exactly; planes IN (bytes, n), tiles IN (ceil(n_out/64), 8 bytes, 64)."""
    cdef Py_ssize_t n = out.shape[0], n_out = out.shape[1], n_tiles = tiles.shape[0], n_bytes = planes.shape[0]
    cdef Py_ssize_t block = block_length(n, n_tiles, n_threads), item, chain
    cdef char *scratch
    if DEBUG_CHECKS:
        check(planes.shape[1] == n and n_tiles == ceil_div(n_out, TILE) and tiles.shape[1] == 8 * n_bytes
              and tiles.shape[2] == TILE, "product")
    if n == 0 or n_out == 0:
        return
    scratch = <char *> aligned_memory(<size_t> n_threads * SCRATCH)
    if scratch == NULL:
        raise MemoryError("no memory for the scratch space of a matrix product")
    with nogil, parallel(num_threads=n_threads):
        for item in prange(n_tiles * ceil_div(n, block), schedule="dynamic", chunksize=1):
            product_item(&planes[0, 0], planes.strides[0], n_bytes, n, &tiles[item % n_tiles, 0, 0], &out[0, 0], n_out,
                         item % n_tiles, (item // n_tiles) * block, block, scratch + <size_t> threadid() * SCRATCH)
    free(scratch)


cdef void product_item(const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, const int32_t *rows,
                       int32_t *out, Py_ssize_t n_out, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t block,
                       char *scratch) noexcept nogil:
    cdef int32_t *acc = <int32_t *> (scratch + TABLES_SIZE)
    cdef Py_ssize_t length = smaller(block, n - first), n_columns = smaller(TILE, n_out - tile * TILE), chain
    product_tile(acc, scratch, rows, planes + first, stride, n_bytes, length, n_columns)
    for chain in range(length):
        memcpy(out + (first + chain) * n_out + tile * TILE, acc + chain * TILE, 4 * n_columns)


# ---------------------------------------------------------------- quantisation


def absolute_sums(const float[:, ::1] weights, double[::1] columns, double[::1] rows, int n_threads):
    """columns OUT (H,) and rows OUT (V,): sums of |W|, always added in the same order."""
    cdef Py_ssize_t n_visible = weights.shape[0], n_hidden = weights.shape[1], tile, i
    if DEBUG_CHECKS:
        check(columns.shape[0] == n_hidden and rows.shape[0] == n_visible, "absolute_sums")
    with nogil, parallel(num_threads=n_threads):
        for tile in prange(ceil_div(n_hidden, TILE), schedule="static"):
            column_sums(&weights[0, tile * TILE], n_visible, n_hidden, smaller(TILE, n_hidden - tile * TILE),
                        &columns[tile * TILE])
        for i in prange(n_visible, schedule="static"):
            rows[i] = row_sum(&weights[i, 0], n_hidden)


cdef void column_sums(const float *weights, Py_ssize_t n_rows, Py_ssize_t stride, Py_ssize_t width,
                      double *out) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef double sums[TILE]
    for k in range(TILE):
        sums[k] = 0
    for i in range(n_rows):
        for k in range(width):
            sums[k] += <double> abs_scalar(weights[i * stride + k])
    for k in range(width):
        out[k] = sums[k]


cdef inline float abs_scalar(float x) noexcept nogil:
    return x if x > 0 else -x


cdef double row_sum(const float *row, Py_ssize_t n) noexcept nogil:
    """Eight interleaved partial sums: the order a vector unit likes, fixed here for all of them."""
    cdef Py_ssize_t j, lane
    cdef double sums[8]
    for lane in range(8):
        sums[lane] = 0
    for j in range(n // 8):
        for lane in range(8):
            sums[lane] += <double> abs_scalar(row[8 * j + lane])
    for lane in range(n % 8):
        sums[lane] += <double> abs_scalar(row[8 * (n // 8) + lane])
    return sum8(sums)


cdef inline double sum8(double *x) noexcept nogil:
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]))


def quantize(const float[:, ::1] weights, int hidden_exponent, int visible_exponent, int32_t[:, :, ::1] to_hidden,
             int32_t[:, :, ::1] to_visible, int n_threads):
    """Both integer copies of W IN (V, H): to_hidden OUT holds rint(W 2^hidden_exponent) in tiles, to_visible OUT
    rint(W' 2^visible_exponent). Every element of both is written, the padding with zeros."""
    cdef Py_ssize_t n_visible = weights.shape[0], n_hidden = weights.shape[1], tile
    cdef Py_ssize_t padded_visible = to_hidden.shape[1], padded_hidden = to_visible.shape[1]
    cdef float hidden_scale = <float> ldexp(1.0, hidden_exponent)
    cdef float visible_scale = <float> ldexp(1.0, visible_exponent)
    if DEBUG_CHECKS:
        check(to_hidden.shape[0] == ceil_div(n_hidden, TILE) and padded_visible == 8 * ceil_div(n_visible, 8)
              and to_visible.shape[0] == ceil_div(n_visible, TILE) and padded_hidden == 8 * ceil_div(n_hidden, 8),
              "quantize")
    with nogil, parallel(num_threads=n_threads):
        for tile in prange(to_hidden.shape[0], schedule="static"):
            quantize_tile(&weights[0, tile * TILE], n_hidden, n_visible, smaller(TILE, n_hidden - tile * TILE),
                          hidden_scale, &to_hidden[tile, 0, 0], padded_visible)
        for tile in prange(to_visible.shape[0], schedule="static"):
            quantize_transposed(&weights[tile * TILE, 0], n_hidden, smaller(TILE, n_visible - tile * TILE),
                                visible_scale, &to_visible[tile, 0, 0], padded_hidden)


cdef inline int32_t to_grid(float x) noexcept nogil:
    """To the nearest integer, ties to even: adding 1.5 * 2^52 leaves a double no room for a fraction."""
    return <int32_t> ((<double> x + 6755399441055744.0) - 6755399441055744.0)


cdef void quantize_tile(const float *weights, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t width, float scale,
                        int32_t *out, Py_ssize_t padded) noexcept nogil:
    cdef Py_ssize_t i, k
    for i in range(n_rows):
        for k in range(width):
            out[i * TILE + k] = to_grid(weights[i * stride + k] * scale)
        for k in range(width, TILE):
            out[i * TILE + k] = 0
    memset(out + n_rows * TILE, 0, (padded - n_rows) * TILE * 4)


cdef void quantize_transposed(const float *weights, Py_ssize_t n_columns, Py_ssize_t width, float scale, int32_t *out,
                              Py_ssize_t padded) noexcept nogil:
    cdef Py_ssize_t j, k, start, stop
    for start in range(0, n_columns, 16):
        stop = smaller(start + 16, n_columns)
        for k in range(width):
            for j in range(start, stop):
                out[j * TILE + k] = to_grid(weights[k * n_columns + j] * scale)
        for j in range(start, stop):
            for k in range(width, TILE):
                out[j * TILE + k] = 0
    memset(out + n_columns * TILE, 0, (padded - n_columns) * TILE * 4)
