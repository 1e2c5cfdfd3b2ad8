# Real-valued units: Gaussian, ReLU and dReLU units. A unit's state is an integer H of 24 bits, its value x = 2^-12 H.
#
# With field f = bias + input, s = 1/sqrt(gamma), and R the Mills ratio (truncated.pxi):
#   Gaussian   p(x) ~ exp(f x - gamma x^2 / 2): x = f / gamma + s y, y normal; cgf = (f s)^2 / 2 - log(gamma / 2 pi) / 2
#   ReLU       the same for x >= 0: x = s (y - a), a = -f s, y normal and at least a; cgf = log R(a) - log(gamma) / 2
#   dReLU      two of these: for x >= 0 with field f + theta_plus and gamma_plus, for x < 0 with f + theta_minus and
#              gamma_minus, mirrored; cgf = log(exp(cgf_plus) + exp(cgf_minus)), P(x >= 0) = exp(cgf_plus - cgf)
# (Tubiana, Cocco & Monasson, eLife 2019). An inverse temperature beta multiplies f, theta_plus and theta_minus, and
# never gamma: so all distributions of a path can be normalized.
#
# A unit is drawn by one uniform number of 52 bits, by inversion of its distribution, and rounded to the grid.

cdef enum:
    REAL = 4                    # added to the kind of draw (word 3 of the counter): two units share a block
    REAL_COLUMNS = 16           # units that are drawn at a time: what stages hand on stays in the cache
    # numbers that describe a unit: theta beyond the bias, 1 / sqrt(gamma) and log(gamma) / 2, each of the positive side
    # and then of the negative one
    SIDES = 6


cdef inline double value_of_byte(int byte, uint8_t x) noexcept nogil:
    """What a byte of a unit's integer stands for."""
    if byte == 2:
        return <double> <int8_t> x * 16.0                           # 2^16 2^-12
    return <double> x * (0.0625 if byte == 1 else 0.000244140625)   # 2^8 2^-12, 2^-12


# ---------------------------------------------------------------- how they are drawn


cdef struct Unit:                       # a real one: what it takes to draw it
    vd theta_plus
    vd theta_minus
    vd width_plus
    vd width_minus
    vd log_plus


cdef inline Unit unit_at(const HalfStep *step, Py_ssize_t place) noexcept nogil:
    """The unit of this column of all tiles, the same in all lanes."""
    cdef const double *x = step.shape + place
    cdef Py_ssize_t k = step.shape_length
    return Unit(splat_d(x[0]), splat_d(x[k]), splat_d(x[2 * k]), splat_d(x[3 * k]), splat_d(x[4 * k]))


cdef inline Unit units_at(const HalfStep *step, Py_ssize_t place) noexcept nogil:
    """The units of HALF columns, from this one on."""
    cdef const double *x = step.shape + place
    cdef Py_ssize_t k = step.shape_length
    return Unit((<const vdu *> x)[0], (<const vdu *> (x + k))[0], (<const vdu *> (x + 2 * k))[0],
                (<const vdu *> (x + 3 * k))[0], (<const vdu *> (x + 4 * k))[0])


cdef inline vd bounded_d(vd a) noexcept nogil:
    """What truncated() takes: at most 1e8 in size."""
    a = max_d(a, splat_d(-1e8))
    return splat_d(0.0) - max_d(splat_d(0.0) - a, splat_d(-1e8))


cdef inline void sides_of(int kind, const Unit *unit, vd field, vd beta, vd *a, vd *b) noexcept nogil:
    """a of the positive side, b that of the negative one, mirrored."""
    if kind == RELU:
        a[0] = bounded_d(splat_d(0.0) - field * unit.width_plus)
        return
    a[0] = bounded_d(splat_d(0.0) - (field + unit.theta_plus * beta) * unit.width_plus)
    b[0] = bounded_d((field + unit.theta_minus * beta) * unit.width_minus)


cdef inline void weigh_sides(const Unit *unit, vd a, vd b, vd *plus, vd *minus) noexcept nogil:
    """plus, minus INOUT: T(a) and T(b) of a dReLU unit's sides; then exp(cgf_plus - h) and exp(cgf_minus - h), where h
    is log_scale(a, b)."""
    cdef vd x = mode_of(a), y = mode_of(b)
    cdef vd log_ratio = splat_d(0.5) * (x - y) * (x + y)
    cdef vd e = exp_negative_d(max_d(splat_d(0.0) - abs_d(log_ratio), splat_d(-600.0)))
    cdef vq negative = mask_lt_d(log_ratio, splat_d(0.0))
    plus[0] = plus[0] * unit.width_plus * select_d(negative, e, splat_d(1.0))
    minus[0] = minus[0] * unit.width_minus * select_d(negative, splat_d(1.0), e)


cdef inline vd log_scale(vd a, vd b) noexcept nogil:
    """log(2 pi) / 2, and the log density at the higher one of the two modes, less that at x = 0."""
    cdef vd m = max_d(mode_of(a), mode_of(b))
    return splat_d(0.9189385332046727) + splat_d(0.5) * m * m


cdef inline vd real_cgf(int kind, const Unit *unit, vd field, vd beta) noexcept nogil:
    """The cumulant generating function at beta; field has beta in it."""
    cdef vd a, b, plus, minus
    if kind == GAUSSIAN:
        a = field * unit.width_plus
        return a * a * splat_d(0.5) + (splat_d(0.9189385332046727) - unit.log_plus)     # log(2 pi) / 2
    sides_of(kind, unit, field, beta, &a, &b)
    plus = scaled_tail(a, bell(a))
    if kind == RELU:
        return log_mills(a, plus) - unit.log_plus
    minus = scaled_tail(b, bell(b))
    weigh_sides(unit, a, b, &plus, &minus)
    return log_d(plus + minus) + log_scale(a, b)


cdef inline vd real_mean(int kind, const Unit *unit, vd field, vd beta) noexcept nogil:
    """E[x] given the field."""
    cdef vd a, b, plus, minus, mean_plus, mean_minus, second
    if kind == GAUSSIAN:
        return field * unit.width_plus * unit.width_plus
    sides_of(kind, unit, field, beta, &a, &b)
    truncated(a, &plus, &mean_plus, &second)
    if kind == RELU:
        return mean_plus * unit.width_plus
    truncated(b, &minus, &mean_minus, &second)
    weigh_sides(unit, a, b, &plus, &minus)
    return mean_of_sides(unit, plus, minus, mean_plus, mean_minus)


cdef struct Side:                       # of units [column][half]: what stages hand on
    vd bounds[2 * REAL_COLUMNS]         # a
    vd scaled[2 * REAL_COLUMNS]         # T(a), then what the side weighs
    vd tails[2 * REAL_COLUMNS]          # Q(a)

cdef struct Draws:                      # of REAL_COLUMNS units for LANES chains
    Side plus                           # in the end the side that is drawn,
    Side minus
    vd widths[2 * REAL_COLUMNS]         # its 1 / sqrt(gamma), with its sign,
    vd uniforms[2 * REAL_COLUMNS]       # and the uniform number that is left for it


cdef inline void prepare_side(Side *side, Py_ssize_t n) noexcept nogil:
    """Q and T of n bounds."""
    cdef Py_ssize_t i
    for i in range(n):
        side.tails[i] = bell(side.bounds[i])
    for i in range(n):
        side.scaled[i] = scaled_tail(side.bounds[i], side.tails[i])
        side.tails[i] = tail(side.bounds[i], side.tails[i], side.scaled[i])


cdef inline void choose_side(const Unit *unit, Draws *draws, Py_ssize_t i) noexcept nogil:
    """The side of a dReLU unit that its uniform number says, and what is left of the number there."""
    cdef vd plus = draws.plus.scaled[i], minus = draws.minus.scaled[i], u = draws.uniforms[i], total = plus + minus
    # the less likely side first, where u has all its digits
    cdef vq plus_is_less = mask_lt_d(plus, minus)
    cdef vq less = mask_lt_d(u * total, select_d(plus_is_less, plus, minus))
    cdef vq negative = plus_is_less ^ less      # whether it is x < 0
    draws.uniforms[i] = select_d(less, u, splat_d(1.0) - u) * total / select_d(negative, minus, plus)
    draws.widths[i] = select_d(negative, splat_d(0.0) - unit.width_minus, unit.width_plus)
    draws.plus.bounds[i] = select_d(negative, draws.minus.bounds[i], draws.plus.bounds[i])
    draws.plus.tails[i] = select_d(negative, draws.minus.tails[i], draws.plus.tails[i])


cdef inline void draw_values(const HalfStep *step, int kind, Draws *draws, vd *fields, const vd *betas,
                             Py_ssize_t place, Py_ssize_t n) noexcept nogil:
    """fields INOUT: the quantiles of the uniform numbers of n columns, from this place of all tiles on. In stages: what
    follows each other for one unit waits for itself, while a short stage works on several units at a time."""
    cdef Py_ssize_t i
    cdef Unit own
    cdef Side *side = &draws.plus
    if kind == GAUSSIAN:
        for i in range(2 * n):
            side.tails[i] = root_of(draws.uniforms[i])
        for i in range(2 * n):
            own = unit_at(step, place + i // 2)
            fields[i] = fields[i] * own.width_plus * own.width_plus + (
                normal_at(draws.uniforms[i], side.tails[i]) * own.width_plus)
        return
    for i in range(2 * n):
        own = unit_at(step, place + i // 2)
        sides_of(kind, &own, fields[i], betas[i % 2], side.bounds + i, draws.minus.bounds + i)
        draws.widths[i] = own.width_plus
    prepare_side(side, 2 * n)
    if kind == DRELU:
        prepare_side(&draws.minus, 2 * n)
        for i in range(2 * n):
            own = unit_at(step, place + i // 2)
            weigh_sides(&own, side.bounds[i], draws.minus.bounds[i], side.scaled + i, draws.minus.scaled + i)
        for i in range(2 * n):
            own = unit_at(step, place + i // 2)
            choose_side(&own, draws, i)
    for i in range(2 * n):
        side.tails[i] = draws.uniforms[i] * side.tails[i]
        side.scaled[i] = root_of(side.tails[i])
    for i in range(2 * n):
        fields[i] = tail_draw(draws.uniforms[i], side.bounds[i], side.tails[i], side.scaled[i]) * draws.widths[i]


cdef void draw_reals(const HalfStep *step, int kind, const void *sums, bint doubles, double unit, Py_ssize_t tile,
                     Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Draw a tile of real units, for n chains from the first on, or give out their means. sums [n][64]: 2^e times what
    is sent, int32, or with doubles float64 in these units."""
    if kind == GAUSSIAN:
        draw_reals_of(step, GAUSSIAN, sums, doubles, unit, tile, first, n)
    elif kind == RELU:
        draw_reals_of(step, RELU, sums, doubles, unit, tile, first, n)
    else:
        draw_reals_of(step, DRELU, sums, doubles, unit, tile, first, n)


cdef inline void draw_reals_of(const HalfStep *step, int kind, const void *sums, bint doubles, double unit,
                               Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """draw_reals, of a literal kind; chains are in the lanes."""
    cdef Draws draws
    cdef vd betas[2]
    cdef vd fields[2 * TILE]
    cdef Columns where = columns_of(step, tile)
    cdef Keys keys
    cdef Unit own
    cdef Py_ssize_t start = 0, count, column, half, end, k
    cdef bint means = step.fixed != NULL or step.probabilities != NULL
    philox_keys(step.key0, step.key1, &keys)
    while start < n:
        count = smaller(LANES, n - start)
        put_real_fields(step, sums, doubles, unit, tile, first, start, count, where.n, fields, betas)
        if means:
            for column in range(where.n):
                own = unit_at(step, tile * TILE + column)
                for half in range(2):
                    give_real_means(step, real_mean(kind, &own, fields[2 * column + half], betas[half]), tile, column,
                                    where.unit + column, first + start + half * HALF, count - half * HALF)
        if step.fields != NULL:
            give_fields(step, fields, tile, where.n, first + start, count)
        column = 0
        while step.out != NULL and column < where.n:
            end = smaller(column + REAL_COLUMNS, where.n)
            for k in range(column, end, 2):
                put_uniforms(step, tile, k, first + start, &keys, draws.uniforms + 2 * (k - column))
            draw_values(step, kind, &draws, fields + 2 * column, betas, tile * TILE + column, end - column)
            for k in range(column, end):
                put_reals(step, fields + 2 * k, where.row + REAL_BYTES * k, first + start, count)
            column = end
        start += LANES


cdef inline void put_real_fields(const HalfStep *step, const void *sums, bint doubles, double unit, Py_ssize_t tile,
                                 Py_ssize_t first, Py_ssize_t start, Py_ssize_t count, Py_ssize_t n_columns,
                                 vd *fields, vd *betas) noexcept nogil:
    """fields OUT [column][half] of LANES chains, and their betas OUT [half]; past the last chain, what nobody reads."""
    cdef int32_t whole[TILE * LANES]
    cdef Py_ssize_t lane, column, half
    cdef vd scale = splat_d(<double> step.scale * unit), one = splat_d(1.0), x
    cdef const float *bias = step.bias + tile * TILE
    for lane in range(LANES):
        (<double *> betas)[lane] = 1.0 if step.beta == NULL else (
            <double> step.beta[(first + start + smaller(lane, count - 1)) * step.beta_stride])
    if doubles:
        for lane in range(LANES):
            for column in range(n_columns):
                (<double *> fields)[column * LANES + lane] = (
                    <const double *> sums)[(start + smaller(lane, count - 1)) * TILE + column]
    else:
        for column in range(0, n_columns, 4):
            for lane in range(0, LANES, 4):
                transpose_4x4(<const float *> sums + (start + lane) * TILE + column, TILE,
                              <float *> whole + column * LANES + lane, LANES)
        for column in range(n_columns):
            fields[2 * column] = to_double(whole + column * LANES)
            fields[2 * column + 1] = to_double(whole + column * LANES + HALF)
    for column in range(n_columns):
        for half in range(2):
            x = fields[2 * column + half] * scale + splat_d(<double> bias[column])
            if step.beta != NULL:
                x = x * betas[half]
                if step.reference != NULL:
                    x = x + splat_d(<double> step.reference[tile * TILE + column]) * (one - betas[half])
            fields[2 * column + half] = x


cdef inline void put_uniforms(const HalfStep *step, Py_ssize_t tile, Py_ssize_t column, Py_ssize_t first,
                              const Keys *keys, vd *out) noexcept nogil:
    """out OUT [2][half]: numbers of 52 bits, in the middles of as many equal parts of (0, 1), of an even column and the
    next one and LANES chains."""
    cdef vq random[2][4]
    cdef Py_ssize_t k, half
    cdef vq x
    philox_lanes(<uint32_t> (tile * (TILE // 2) + column // 2), <uint32_t> (step.first_chain + first), step.sweep,
                 step.kind + REAL, keys, random)
    for k in range(2):
        for half in range(2):
            # 32 bits of one word and 20 of the next; made the mantissa of a number from 1 to 2
            x = random[half][2 * k] << 32 >> 12 | random[half][2 * k + 1] << 32 >> 44
            out[2 * k + half] = double_of(x | splat_q(0x3ff0000000000000u)) - splat_d(0.9999999999999999)   # 1 - 2^-53


cdef inline void put_reals(const HalfStep *step, const vd *values, Py_ssize_t row, Py_ssize_t first,
                           Py_ssize_t count) noexcept nogil:
    """Round the values of LANES chains to the grid, and write the bytes of count of them to three rows of planes."""
    cdef uint8_t *out = step.out + row * step.out_stride + first
    cdef const uint8_t *free = NULL     # of a real unit all bits are, or none
    cdef uint8_t bytes_[LANES]
    cdef vi whole = low_halves(nearest_integer(values[0]), nearest_integer(values[1]))
    cdef Py_ssize_t k, byte
    if step.free != NULL:
        free = step.free + row * step.free_stride + first
    for byte in range(REAL_BYTES):
        if count == LANES and free == NULL:
            store_bytes(whole, out)
        else:
            store_bytes(whole, bytes_)
            for k in range(count):
                if free == NULL or free[k]:
                    out[k] = bytes_[k]
        whole = whole >> 8
        out += step.out_stride


cdef inline vq nearest_integer(vd x) noexcept nogil:
    """The H next to a value, in the low bits."""
    x = max_d(x * splat_d(4096.0), splat_d(-8388607.0))
    x = splat_d(0.0) - max_d(splat_d(0.0) - x, splat_d(-8388607.0))
    return bits_d(x + splat_d(6755399441055744.0))      # 1.5 2^52


cdef void give_real_means(const HalfStep *step, vd mean, Py_ssize_t tile, Py_ssize_t column, Py_ssize_t unit,
                          Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """To the first count lanes' chains: the means of a column, as whole numbers of up to 22 bits in units of 2^-f, and
    as they are."""
    cdef double lanes[HALF]
    cdef vd x
    cdef Py_ssize_t lane
    if step.probabilities != NULL:
        memcpy(lanes, &mean, WIDTH)
        for lane in range(smaller(count, HALF)):
            step.probabilities[(first + lane) * step.n_units + unit] = <float> lanes[lane]
    if step.fixed != NULL:
        x = fixed_point(mean, splat_d(step.fixed_scale))
        memcpy(lanes, &x, WIDTH)
        for lane in range(smaller(count, HALF)):
            step.fixed[tile * step.fixed_length + (first + lane) * TILE + column] = <float> lanes[lane]


cdef inline vd fixed_point(vd mean, vd scale) noexcept nogil:
    """A mean in units of 1 / scale, a whole number of up to 22 bits."""
    cdef vd x = max_d(mean * scale, splat_d(-4194304.0))
    x = splat_d(0.0) - max_d(splat_d(0.0) - x, splat_d(-4194304.0))
    return (x + splat_d(6755399441055744.0)) - splat_d(6755399441055744.0)


cdef void give_fields(const HalfStep *step, const vd *fields, Py_ssize_t tile, Py_ssize_t n_columns, Py_ssize_t first,
                      Py_ssize_t count) noexcept nogil:
    """The fields [column][half] of LANES chains, of count of them."""
    cdef const double *lanes = <const double *> fields
    cdef double *out = step.fields + tile * step.fields_length + first * TILE
    cdef Py_ssize_t lane, column
    for lane in range(count):
        for column in range(n_columns):
            out[lane * TILE + column] = lanes[column * LANES + lane]
