# The product on the matrix unit (AMX) of Intel's servers since 2023. It multiplies bytes: S as bytes 0 and 1, times
# Q = rint(W 2^e) cut into its bytes, q0 + 2^8 q1 + 2^16 q2 + 2^24 q3, all taken as unsigned. So
#
#   S Q = S q0 + 2^8 S q1 + 2^16 S q2 + 2^24 S q3   modulo 2^32,
#
# and since no sum leaves int32 (fastrbm/_core/parameters.py), that is S Q itself: the same integers as by tables.
#
# The unit has eight registers, each a square of 16 rows of 64 bytes. One instruction adds the product of 16 chains by
# 64 inputs and of 64 inputs by 16 columns to 16 x 16 sums. A pass takes up to 8 times 64 inputs: S becomes bytes, then,
# for a few strips of 16 columns, Q is cut, and every 16 chains go through the unit: four sums a strip, which are put
# together.

cdef enum:
    SIDE = 16                   # rows of a square
    SQUARE = 1024               # bytes of a square
    DEEP = 8                    # squares of inputs in a pass: those of a strip's four bytes must live in L1, 32 kB


cdef void product_amx(int32_t *acc, Scratch *scratch, const float *rows, float scale, const uint8_t *planes,
                      Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t n_columns,
                      int limbs) noexcept nogil:
    """product_tile, with these bytes of Q: 4, or 3 where all of Q lies in 0 .. 2^24 - 1."""
    cdef char *cut = scratch.tables     # Q as bytes; no tables here
    cdef char *sums = scratch.squares
    cdef char *bits = scratch.bits
    cdef Py_ssize_t n_squares = ceil_div(n_bytes, 8), deep = ceil_div(n_squares, ceil_div(n_squares, DEEP))
    cdef Py_ssize_t square = 0, stop, count, depth, chain, k
    cdef Py_ssize_t first_column, column, together
    cdef Py_ssize_t first_byte[DEEP]    # of the squares that are not zero in all chains
    cdef bint started = False
    amx_begin()
    while square < n_squares:
        depth = 0
        stop = smaller(n_squares, square + deep)
        while square < stop:
            count = smaller(8, n_bytes - 8 * square)
            gather_words(scratch.words, planes + 8 * square * stride, stride, count, n)
            if count_zeros(scratch.words, n) < n:
                for chain in range(n):
                    spread_bits(bits + ((chain // SIDE) * DEEP + depth) * SQUARE + (chain % SIDE) * 64,
                                scratch.words[chain])
                first_byte[depth] = 8 * square
                depth += 1
            square += 1
        if depth == 0:
            continue
        # as many strips at a time as there is room for: what was just stored is not there for the unit at once
        together = smaller(TILE, SIDE * (DEEP // depth))
        first_column = 0
        while first_column < n_columns:
            stop = smaller(n_columns, first_column + together)
            for k in range(depth):
                cut_squares(cut + 4 * k * SQUARE, rows + 8 * first_byte[k] * TILE + first_column, scale,
                            8 * smaller(8, n_bytes - first_byte[k]), ceil_div(stop - first_column, SIDE),
                            4 * depth * SQUARE, limbs)
            chain = 0
            while chain < n:
                column = first_column
                while column < stop:
                    multiply_squares(sums, bits + chain // SIDE * DEEP * SQUARE,
                                     cut + 4 * (column - first_column) // SIDE * depth * SQUARE, depth, limbs)
                    put_together(acc + chain * TILE + column, <const int32_t *> sums, smaller(SIDE, n - chain), started,
                                 limbs)
                    column += SIDE
                chain += SIDE
            first_column = stop
        started = True
    amx_end()
    if not started:
        memset(acc, 0, n * TILE * 4)


cdef inline void cut_squares(char *out, const float *rows, float scale, Py_ssize_t n_rows, Py_ssize_t n_strips,
                             Py_ssize_t strip_length, int limbs) noexcept nogil:
    """n_rows (a multiple of 8, at most 64) rows of W, 16 columns for each strip, as the bytes of integers:
    for each strip out [limb][16][64 bytes], where four rows lie side by side. Rows past the last one are zero."""
    cdef Py_ssize_t line, strip
    for line in range(SIDE):
        for strip in range(n_strips):
            if 4 * line < n_rows:
                cut_line(<vi *> (out + strip * strip_length + line * 64), rows + 4 * line * TILE + strip * SIDE, scale,
                         limbs)
            else:
                clear_line(<vi *> (out + strip * strip_length + line * 64), limbs)


cdef inline void clear_line(vi *out, int limbs) noexcept nogil:
    cdef int i
    for i in range(limbs):
        out[i * SIDE] = splat_i(0)


cdef inline void cut_line(vi *out, const float *rows, float scale, int limbs) noexcept nogil:
    cdef vi r[4]
    cdef vi low, high, low2, high2, even = splat_i(0x00ff00ff), half = splat_i(0xffff)
    cdef int i
    for i in range(4):
        r[i] = grid_row(rows + i * TILE, scale)
    low = select_i(even, r[0], r[1] << 8)       # bytes 0 of r0 and r1, then bytes 2
    high = select_i(even, r[0] >> 8, r[1])      # bytes 1, then bytes 3
    low2 = select_i(even, r[2], r[3] << 8)
    high2 = select_i(even, r[2] >> 8, r[3])
    out[0] = select_i(half, low, low2 << 16)
    out[SIDE] = select_i(half, high, high2 << 16)
    out[2 * SIDE] = select_i(half, low >> 16, low2)
    if limbs == 4:
        out[3 * SIDE] = select_i(half, high >> 16, high2)


cdef inline void multiply_squares(char *sums, const char *bits, const char *cut, Py_ssize_t depth,
                                  int limbs) noexcept nogil:
    """sums[limb] = bits times the limb's squares, 16 x 16. Registers 0 to 3 sum; the others take turns."""
    cdef Py_ssize_t k
    amx_zero(0)
    amx_zero(1)
    amx_zero(2)
    if limbs == 4:
        amx_zero(3)
    for k in range(depth):
        amx_load(4, bits, 0)
        amx_load(5, cut, 0)
        amx_multiply(0, 4, 5)
        amx_load(6, cut, 1024)
        amx_multiply(1, 4, 6)
        amx_load(7, cut, 2048)
        amx_multiply(2, 4, 7)
        if limbs == 4:
            amx_load(5, cut, 3072)
            amx_multiply(3, 4, 5)
        bits += SQUARE
        cut += 4 * SQUARE
    amx_store(0, sums, 0)
    amx_store(1, sums, 1024)
    amx_store(2, sums, 2048)
    if limbs == 4:
        amx_store(3, sums, 3072)


cdef inline void put_together(int32_t *acc, const int32_t *sums, Py_ssize_t n, bint add, int limbs) noexcept nogil:
    cdef const vi *part = <const vi *> sums
    cdef vi total
    cdef vi *out
    cdef Py_ssize_t row
    for row in range(n):
        out = <vi *> (acc + row * TILE)
        total = part[row] + (part[SIDE + row] << 8) + (part[2 * SIDE + row] << 16)
        if limbs == 4:
            total = total + (part[3 * SIDE + row] << 24)
        out[0] = out[0] + total if add else total
