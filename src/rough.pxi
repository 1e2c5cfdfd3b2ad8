# Draws by rough fields, of sites and of units of two values to which a layer of real units sends. What real units send
# is a product in float64 (real_product.pxi). In float32 it takes half of the time, and nearly always decides: where the
# random number is farther from what it is compared with than the error can move that. Else it is made anew in
# float64. So the draws are those of exact fields, all of them.
#
# A bound on the error. Let n_i be the value of unit i times 2^e, W_ij its weight, u = 2^-24, that of a rounding. Sums
# of ROUGH_RUN products, m of which are added up, are off by at most (ROUGH_RUN + m) u sum_i |n_i W_ij| (Higham 2002,
# "Accuracy and Stability of Numerical Algorithms", section 3.1), which is at most |n| |W_j| (Cauchy-Schwarz). Q_ij is
# rounded to whole numbers, which is at most sqrt(N) |n| / 2 for N units. All other roundings, of biases and betas too,
# are at most 8 u of what is rounded. This is d, of fields. It holds where nothing that counts underflows: the square of
# 2^-12 2^e, the least n_i beside 0, must be a normal number, and so must beta d, since 0 and -0 are of two signs.
#
# The probability p of the categories up to one then moves by at most 2 d p (1 - p) <= d / 2, that of a unit by d / 4.
# How probabilities are made of fields is off by 2e-6 (exp_negative), and of categories by q 2^-S more, as their weights
# are rounded (categorical.pxi): each of it for rough fields and for exact ones.

cdef enum:
    ROUGH_RUN = 64          # units whose products are added up in registers; their numbers and rows are in L1
    MOST_ROUGH = 65536      # units: the bound on the error is a sum over them in float32, too


cdef bint may_be_rough(const HalfStep *step, const Columns *where) noexcept nogil:
    """Whether rough fields can do for a tile."""
    return step.out != NULL and step.probabilities == NULL and step.fixed == NULL and not is_real(where.kind) and (
        step.given.n_runs == 1 and step.given.n_rows <= REAL_BYTES * MOST_ROUGH and step.scale < <float> 1e15)


cdef bint draw_roughly(const HalfStep *step, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n, Py_ssize_t together,
                       float bound, Scratch *scratch) noexcept nogil:
    """Draw a tile, or all the tiles of one site, for n chains, at most so many as are drawn together. False, and
    nothing drawn, where add_roundings says so. bound: bound_of_tiles."""
    cdef Columns where = columns_of(step, tile)
    cdef Py_ssize_t k
    cdef float errors[REAL_BLOCK]
    memset(errors, 0, sizeof(errors))   # of lanes past the last chain, too
    for k in range(where.span):
        rough_sums(scratch.floats + k * together * TILE, errors, scratch, step, tile + k, first, n, bound)
    if not add_roundings(errors, step, tile, where.span, first, n):
        return False
    ran(ROUGH_FIELDS)
    if where.kind == CATEGORICAL:
        draw_sites(step, <const int32_t *> scratch.floats, together * TILE, tile, first, n, True, errors)
    else:
        draw_rough_units(step, scratch.floats, errors, tile, first, n, scratch.masks)
    return True


cdef void draw_rough_units(const HalfStep *step, float *sums, const float *errors, Py_ssize_t tile, Py_ssize_t first,
                           Py_ssize_t n, uint64_t *masks) noexcept nogil:
    """The same of units of two values, by sums INOUT [n][64]: where they do not decide, they are made exact."""
    cdef uint64_t unsure[REAL_BLOCK]
    cdef Py_ssize_t chain, n_columns = columns_of(step, tile).n
    cdef int unit
    memset(unsure, 0, sizeof(unsure))
    activate_sums(step, <const int32_t *> sums, tile, first, n, True, errors, masks, unsure)
    for chain in range(n):
        unsure[chain] &= <uint64_t> 0xffffffffffffffffu >> (64 - n_columns)
        if unsure[chain] == 0:
            continue
        ran(ROUGH_REDRAWN)
        while unsure[chain] != 0:
            unit = lowest_bit(unsure[chain])
            put_exact_sums(step, tile, unit, 1, first + chain, sums + chain * TILE, 1)
            unsure[chain] &= unsure[chain] - 1
        activate_sums(step, <const int32_t *> (sums + chain * TILE), tile, first + chain, 1, True, NULL, masks, NULL)


cdef inline uint32_t may_differ(vf x, vf y, vi number, vf off) noexcept nogil:
    """The lanes in which a unit may be drawn otherwise if its log odds, x, are off: where they may have the other sign,
    or y, 2^16 P(its less likely state), may be on the other side of a number of 16 bits, or tie."""
    cdef vf away = minus_abs_f(y - to_float(number) - splat_f(0.5))
    cdef vf margin = off * splat_f(<float> (0.26 * 65536)) + splat_f(<float> (0.5 + 65536 * 4e-6))
    return mask_sign(splat_f(0.0) - minus_abs_f(x) - off - off) | mask_sign(splat_f(0.0) - away - margin)


cdef void rough_sums(float *sums, float *errors, Scratch *scratch, const HalfStep *step, Py_ssize_t tile,
                     Py_ssize_t first, Py_ssize_t n, float bound) noexcept nogil:
    """sums OUT [n][64]: about what real_sums gives, for n (at most REAL_BLOCK) chains; errors OUT (n,): by how much
    what is sent may be off, as a field. bound: bound_of_tiles."""
    cdef const float *rows = step.tiles + tile * step.tile_length
    cdef const uint8_t *planes = step.planes + step.given.runs[0].row * step.stride + first
    cdef float *numbers = <float *> scratch.numbers
    cdef Py_ssize_t n_units = step.given.n_rows // REAL_BYTES, unit = 0, count, chain, column
    cdef Py_ssize_t n_columns = columns_of(step, tile).n
    cdef float squares[REAL_BLOCK]
    memset(squares, 0, sizeof(squares))
    while unit < n_units:
        count = smaller(ROUGH_RUN, n_units - unit)
        read_rough(numbers, planes + REAL_BYTES * unit * step.stride, step.stride, step.grid, count, n)
        add_squares(squares, numbers, count, n)
        column = 0
        while column < n_columns:
            chain = 0
            while chain < n:
                add_rough_products(sums + chain * TILE + column, rows + unit * TILE + column, numbers + chain, count,
                                   unit > 0, REAL_TOGETHER)
                chain += REAL_TOGETHER
            column += 2 * LANES
        unit += count
    for chain in range(n):
        errors[chain] = bound * <float> sqrt(squares[chain])


cdef float bound_of_tiles(const HalfStep *step, Py_ssize_t tile, Py_ssize_t span) noexcept nogil:
    """By how much what is sent to a column of so many tiles may be off, as a field, over the norm of the numbers of the
    units."""
    cdef const float *rows
    cdef Py_ssize_t n_units = step.given.n_rows // REAL_BYTES, unit, k, t
    cdef vf squares[VECTORS]
    cdef vf x
    cdef float most = 0
    for t in range(span):
        rows = step.tiles + (tile + t) * step.tile_length
        for k in range(VECTORS):
            squares[k] = splat_f(0.0)
        for unit in range(n_units):
            for k in range(VECTORS):
                x = (<const vfu *> (rows + unit * TILE + k * LANES))[0]
                squares[k] = squares[k] + x * x
        for k in range(TILE):
            most = (<const float *> squares)[k] if (<const float *> squares)[k] > most else most
    return <float> (1.01 * step.scale * (
        sqrt(most) * 5.960464477539063e-08 * (ROUGH_RUN + ceil_div(n_units, ROUGH_RUN) + 8)     # 2^-24
        + sqrt(<double> n_units) * 0.5 * step.scale))


cdef void read_rough(float *out, const uint8_t *planes, Py_ssize_t stride, float grid, Py_ssize_t n_units,
                     Py_ssize_t n) noexcept nogil:
    """out OUT [unit][REAL_BLOCK]: the values of n chains times grid, zeros up to a multiple of LANES."""
    cdef Py_ssize_t unit, chain
    cdef const uint8_t *low
    cdef float *line
    cdef float step = grid * <float> 0.000244140625     # 2^-12
    for unit in range(n_units):
        low = planes + REAL_BYTES * unit * stride
        line = out + unit * REAL_BLOCK
        for chain in range(n):
            line[chain] = step * <float> integer_of(low + chain, stride)
        for chain in range(n, LANES * ceil_div(n, LANES)):
            line[chain] = 0


cdef void add_squares(float *squares, const float *numbers, Py_ssize_t n_units, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t unit, chain = 0
    cdef vf sum, x
    while chain < n:
        sum = (<const vfu *> (squares + chain))[0]
        for unit in range(n_units):
            x = (<const vfu *> (numbers + unit * REAL_BLOCK + chain))[0]
            sum = sum + x * x
        (<vfu *> (squares + chain))[0] = sum
        chain += LANES


cdef inline void add_rough_products(float *sums, const float *rows, const float *numbers, Py_ssize_t n, bint started,
                                    int together) noexcept nogil:
    """Add to 2 LANES columns of the sums of so many chains, a literal, the products of n units."""
    cdef vf s[2 * REAL_TOGETHER]
    cdef vf x, q0, q1
    cdef Py_ssize_t i
    cdef int k
    for k in range(2 * together):
        s[k] = splat_f(0.0)
    for i in range(n):
        q0, q1 = (<const vfu *> rows)[0], (<const vfu *> rows)[1]
        for k in range(together):
            x = splat_f(numbers[k])
            s[2 * k] = rough_multiply_and_add(x, q0, s[2 * k])
            s[2 * k + 1] = rough_multiply_and_add(x, q1, s[2 * k + 1])
        numbers += REAL_BLOCK
        rows += TILE
    for k in range(2 * together):
        if started:
            s[k] = s[k] + (<vfu *> (sums + (k // 2) * TILE))[k % 2]
        (<vfu *> (sums + (k // 2) * TILE))[k % 2] = s[k]


cdef bint add_roundings(float *errors, const HalfStep *step, Py_ssize_t tile, Py_ssize_t span, Py_ssize_t first,
                        Py_ssize_t n) noexcept nogil:
    """errors INOUT (n,): from those of what is sent to those of fields, with bias and beta. False where one is too
    small for float32, or so large that too many would be drawn twice (bench/NOTES.md), or not a number."""
    cdef float bias = 0, reference = 0, beta, sent
    cdef Py_ssize_t k
    for k in range(tile * TILE, (tile + span) * TILE):
        bias = fabsf(step.bias[k]) if fabsf(step.bias[k]) > bias else bias
        if step.reference != NULL and fabsf(step.reference[k]) > reference:
            reference = fabsf(step.reference[k])
    for k in range(n):
        beta = 1 if step.beta == NULL else fabsf(step.beta[(first + k) * step.beta_stride])
        sent = beta * errors[k]
        if errors[k] > 0 and sent < <float> 1e-37:
            return False
        errors[k] = sent + <float> 5e-7 * (beta * bias + (1 + beta) * reference)
        if not errors[k] < <float> 0.004:
            return False
    return True


cdef void put_exact_sums(const HalfStep *step, Py_ssize_t tile, Py_ssize_t unit, Py_ssize_t size, Py_ssize_t chain,
                         float *out, Py_ssize_t stride) noexcept nogil:
    """out[stride (unit + k)] OUT, k < size: what is sent to the columns from this one on, of a tile and of those that
    follow it, exactly, for a chain."""
    cdef Py_ssize_t n_units = step.given.n_rows // REAL_BYTES, column = unit // LANES * LANES, k, i
    cdef const uint8_t *planes
    cdef const float *rows
    cdef int32_t whole[LANES]
    cdef double sums[LANES]
    cdef vd x, low, high
    while column < unit + size:
        planes = step.planes + step.given.runs[0].row * step.stride + chain
        rows = step.tiles + (tile + column // TILE) * step.tile_length + column % TILE
        low = high = splat_d(0.0)
        for i in range(n_units):
            x = splat_d(<double> integer_of(planes, step.stride))
            (<viu *> whole)[0] = grid_row(rows, step.grid)
            low = multiply_and_add(x, to_double(whole), low)
            high = multiply_and_add(x, to_double(whole + HALF), high)
            planes += REAL_BYTES * step.stride
            rows += TILE
        memcpy(sums, &low, WIDTH)
        memcpy(sums + HALF, &high, WIDTH)
        for k in range(column if column > unit else unit, smaller(unit + size, column + LANES)):
            out[stride * k] = <float> (sums[k - column] * 0.000244140625)   # 2^-12
        column += LANES
