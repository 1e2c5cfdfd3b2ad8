# Quantisation: W on the integer grids of the product, once for each direction.


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
