# The product on the matrix unit for few inputs. To store sums and put them together takes longer there than to
# multiply, so there are two of them in place of four. Q is cut into fields of 7, 8, 7 and 8 bits, the last one signed,
# which takes |Q| < 2^29; S becomes bytes 0 and 1, to multiply the first and third field, and bytes 0 and 128, to
# multiply the second and fourth:
#
#   S Q = (S f0 + 128 S f1) + 2^15 (S f2 + 128 S f3).
#
# Probabilities, at most 2^22, take three fields, the last one of 8 bits. S as bytes stays in the scratch space, for
# the next tile of the same chains.

cdef enum:
    PAIRED = 2                  # squares of inputs, at most
    PAIRED_FROM = 4             # bytes of inputs; for fewer, tables are as fast


cdef inline int64_t *spread_cache_key(char *scratch) noexcept nogil:
    """The caller's name for the S that the scratch space has as bytes; 0: none."""
    return <int64_t *> (scratch + STAMP_AT)


cdef bint product_pairs(int32_t *acc, char *scratch, const float *rows, float scale, const uint8_t *planes,
                        Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t n_columns, int limbs,
                        int64_t cache_key) noexcept nogil:
    """product_tile for up to 128 inputs; False: Q is too large. Where the cache key is that of the call before, so are
    planes, n_bytes and n."""
    cdef char *sums = scratch + SQUARES_AT
    cdef char *bits = scratch + BITS_AT
    cdef Py_ssize_t depth = ceil_div(n_bytes, 8), n_strips = ceil_div(n_columns, SIDE), block, strip, k
    for k in range(depth):
        if not cut_squares(scratch + 4 * k * SQUARE, rows + 64 * k * TILE, scale, 8 * smaller(8, n_bytes - 8 * k),
                           n_strips, 4 * depth * SQUARE, limbs, True):
            return False
    if cache_key == 0 or spread_cache_key(scratch)[0] != cache_key:
        spread_pairs(bits, <uint64_t *> (scratch + WORDS_AT), planes, stride, n_bytes, n)
    spread_cache_key(scratch)[0] = cache_key
    amx_begin()
    for block in range(ceil_div(n, SIDE)):
        if depth == 1:
            multiply_pairs(sums, bits + 2 * block * SQUARE, scratch, n_strips, 1, limbs)
        else:
            multiply_pairs(sums, bits + 4 * block * SQUARE, scratch, n_strips, 2, limbs)
        for strip in range(n_strips):
            put_pairs(acc + SIDE * (block * TILE + strip), <const int32_t *> (sums + 2 * strip * SQUARE),
                      smaller(SIDE, n - SIDE * block))
    amx_end()
    return True


cdef void spread_pairs(char *bits, uint64_t *words, const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_bytes,
                       Py_ssize_t n) noexcept nogil:
    """S as bytes: for every 16 chains, of each 64 inputs, a square of 0 and 1, then one of 0 and 128."""
    cdef Py_ssize_t depth = ceil_div(n_bytes, 8), k, chain
    cdef char *out
    for k in range(depth):
        gather_words(words, planes + 8 * k * stride, stride, smaller(8, n_bytes - 8 * k), n)
        for chain in range(n):
            out = bits + 2 * (chain // SIDE * depth + k) * SQUARE + chain % SIDE * 64
            spread_bits(out, words[chain], 1)
            spread_bits(out + SQUARE, words[chain], 128)


cdef inline void multiply_pairs(char *sums, const char *bits, const char *cut, Py_ssize_t n_strips, int depth,
                                int limbs) noexcept nogil:
    """The two sums, 16 x 16 each, of 16 chains for every strip of columns; depth and limbs are literals. S stays in
    registers 4 to 7."""
    amx_load(4, bits, 0)
    amx_load(5, bits, 1024)
    if depth == 2:
        amx_load(6, bits, 2048)
        amx_load(7, bits, 3072)
    while n_strips > 0:
        amx_zero(0)
        amx_zero(1)
        amx_load(2, cut, 0)
        amx_multiply(0, 4, 2)
        amx_load(3, cut, 2048)
        amx_multiply(1, 4, 3)
        amx_load(2, cut, 1024)
        amx_multiply(0, 5, 2)
        if limbs == 4:
            amx_load(3, cut, 3072)
            amx_multiply_signed(1, 5, 3)
        if depth == 2:
            amx_load(2, cut, 4096)
            amx_multiply(0, 6, 2)
            amx_load(3, cut, 6144)
            amx_multiply(1, 6, 3)
            amx_load(2, cut, 5120)
            amx_multiply(0, 7, 2)
            if limbs == 4:
                amx_load(3, cut, 7168)
                amx_multiply_signed(1, 7, 3)
        amx_store(0, sums, 0)
        amx_store(1, sums, 1024)
        cut += 4 * depth * SQUARE
        sums += 2 * SQUARE
        n_strips -= 1


cdef inline void put_pairs(int32_t *acc, const int32_t *sums, Py_ssize_t n) noexcept nogil:
    cdef const vi *part = <const vi *> sums
    cdef Py_ssize_t row
    for row in range(n):
        (<vi *> (acc + row * TILE))[0] = part[row] + (part[SIDE + row] << 15)
