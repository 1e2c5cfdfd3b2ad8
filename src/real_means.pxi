# What energies and gradients ask of real-valued units: sums of their cgfs, and, given their fields, their means and the
# statistics of what a training changes of them. real.pxi has the formulas.


# ---------------------------------------------------------------- energies


cdef void add_real_cgf(const HalfStep *step, const double *fields, Py_ssize_t tile, Py_ssize_t n_columns, double beta,
                       double *lines) noexcept nogil:
    """Add to lane j mod 8 the cgf at beta of unit j, given fields [64] at beta 1, of the first n_columns of a tile."""
    cdef int kind = step.to.tiles[tile].kind
    cdef Py_ssize_t column = 0, part
    cdef Unit own
    cdef vd x
    while column < n_columns:
        part = column % 8 // HALF
        own = units_at(step, tile * TILE + column)
        x = real_cgf(kind, &own, (<const vdu *> (fields + column))[0] * splat_d(beta), splat_d(beta))
        (<vdu *> lines)[part] = (<vdu *> lines)[part] + first_d(n_columns - column, x, splat_d(0.0))
        column += HALF


cdef void weigh_reals(const HalfStep *step, const double *sums, Py_ssize_t tile, Py_ssize_t n, double beta0,
                      double beta1, double *out) noexcept nogil:
    """Add to out, for each chain, the sum over a tile's columns of cgf at beta1 less cgf at beta0; sums [n][64]: 2^e
    times what is sent. Of real units or, where the layer that sends is real, of units of two values."""
    cdef double fields[TILE]
    cdef double low[8]
    cdef double high[8]
    cdef double products[16]
    cdef double logs[16]
    cdef Py_ssize_t chain, column, k, n_columns = columns_of(step, tile).n
    cdef double scale = step.scale
    cdef const float *bias = step.bias + tile * TILE
    for chain in range(n):
        for column in range(TILE):
            fields[column] = sums[chain * TILE + column] * scale + <double> bias[column]
        for k in range(8):
            low[k] = high[k] = 0
        if step.to != NULL:
            add_real_cgf(step, fields, tile, n_columns, beta0, low)
            add_real_cgf(step, fields, tile, n_columns, beta1, high)
        else:
            for k in range(16):
                products[k], logs[k] = 1, 0
            for column in range(n_columns):
                fields[column] = log_odds_d(step.unit, fields[column])
            add_cgf(step.unit, fields, n_columns, beta0, low, products)
            add_cgf(step.unit, fields, n_columns, beta1, high, products + 8)
            take_logs(products, logs, 16)
            for k in range(8):
                low[k] += logs[k]
                high[k] += logs[8 + k]
        out[chain] += sum8(high) - sum8(low)


# ---------------------------------------------------------------- statistics of what a training changes


def real_means(const double[:, :, :] fields, Layer layer, weight, float[:, :, :] fixed, double[:, ::1] out,
               Py_ssize_t n, int n_threads):
    """What moments need of n chains, of a layer of dReLU units or a part of it, given their fields IN float64 (tiles,
    >= n, 64), as a half step gives them. fixed OUT float32 (tiles, >= n, 64): their means, in units of 2^-f. out OUT
    (8, units): the sums over the chains of four means of each unit: E[max(x, 0)], E[min(x, 0)], E[max(x, 0)^2] and
    E[min(x, 0)^2]. Each is rounded to a multiple of 2^-g, so that the sums of up to 2^24 chains are exact in any order:
    squares are below 2^(44 - 2 f), g is 2 f - 15. What rounding leaves of each, at most 2^-(g + 1), is rounded to a
    multiple of 2^-(g + 30), and its sums are the last four rows: g follows from the largest field that any visible
    state can make, and where visible units are real hardly a mean is above 2^-g. weight is None, or float64 (n,) of at
    most 1: what a chain's four means are multiplied by first."""
    cdef HalfStep step = prepare_layer(layer, n, 0, 0, n_threads, True)
    cdef const double[::1] weights
    cdef const double *of_chains = NULL
    cdef Py_ssize_t item, n_columns = TILE * step.n_tiles, thread, row, unit
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    cdef double *sums
    out[...] = 0.0
    if n == 0:
        return
    if weight is not None:
        weights = weight
        of_chains = &weights[0]
    if DEBUG_CHECKS:
        check(step.to != NULL and step.to.tiles[0].kind == DRELU and out.shape[0] == 8
              and out.shape[1] == units_of_part(&step) and (weight is None or weights.shape[0] == n)
              and fields.shape[0] == step.n_tiles and fields.shape[1] >= n and fields.shape[2] == TILE, "real_means")
    give_out(&step, None, fixed, None)
    memory = memory_for(8 * n_threads * step.n_tiles, TILE * sizeof(double), "statistics of real units")
    sums = <double *> memory.start
    memset(sums, 0, 8 * n_threads * n_columns * sizeof(double))
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(step.n_tiles * ceil_div(n, ENERGY_BLOCK), schedule="dynamic", chunksize=1):
            means_item(&step, step.first_tile + item % step.n_tiles, item // step.n_tiles * ENERGY_BLOCK,
                       &fields[item % step.n_tiles, 0, 0], of_chains,
                       sums + 8 * threadid() * n_columns + item % step.n_tiles * TILE, n_columns)
        leave_team(&barrier)
    for thread in range(n_threads):
        for row in range(8):
            for unit in range(units_of_part(&step)):
                out[row, unit] += sums[(8 * thread + row) * n_columns + unit]


cdef inline int grid_of_squares(const HalfStep *step) noexcept nogil:
    """g, see real_means."""
    cdef int e
    frexp(step.fixed_scale, &e)         # 2^f is 1/2 times 2^e
    return 2 * (e - 1) - 15


cdef inline vd rounding_to(int g) noexcept nogil:
    """What, added and subtracted again, leaves multiples of 2^-g."""
    return splat_d(ldexp(1.5, 52 - g))


cdef void means_item(const HalfStep *step, Py_ssize_t tile, Py_ssize_t first, const double *fields,
                     const double *weight, double *sums, Py_ssize_t stride) noexcept nogil:
    """The means of a tile of a block of chains; what is summed is added to the tile's columns of sums [8]."""
    cdef Py_ssize_t n = smaller(ENERGY_BLOCK, step.n - first), chain, column = 0
    cdef Py_ssize_t n_columns = columns_of(step, tile).n, k
    cdef float *fixed = step.fixed + tile * step.fixed_length
    cdef Unit own
    cdef vd means[4]
    cdef vd totals[8]
    cdef int g = grid_of_squares(step)
    cdef vd mean, x, rounded, w = splat_d(1.0), scale = splat_d(step.fixed_scale)
    cdef vd to_grid = rounding_to(g), to_fine = rounding_to(g + 30)
    while column < n_columns:
        own = units_at(step, tile * TILE + column)
        for k in range(8):
            totals[k] = (<vdu *> (sums + k * stride + column))[0]
        for chain in range(first, first + n):
            mean = drelu_means(&own, (<const vdu *> (fields + chain * TILE + column))[0], means)
            mean = first_d(n_columns - column, fixed_point(mean, scale), splat_d(0.0))
            narrow(mean, fixed + chain * TILE + column)
            if weight != NULL:
                w = splat_d(weight[chain])
            for k in range(4):
                x = means[k] * w
                rounded = (x + to_grid) - to_grid
                totals[k] = totals[k] + rounded
                totals[4 + k] = totals[4 + k] + (((x - rounded) + to_fine) - to_fine)
        for k in range(8):
            (<vdu *> (sums + k * stride + column))[0] = totals[k]
        column += HALF


cdef inline vd drelu_means(const Unit *unit, vd field, vd *means) noexcept nogil:
    """E[x], as real_mean has it; means OUT E[max(x, 0)], E[min(x, 0)], E[max(x, 0)^2], E[min(x, 0)^2]."""
    cdef vd a, b, plus, minus, mean_plus, mean_minus, second_plus, second_minus, p_plus, p_minus
    sides_of(DRELU, unit, field, splat_d(1.0), &a, &b)
    truncated(a, &plus, &mean_plus, &second_plus)
    truncated(b, &minus, &mean_minus, &second_minus)
    weigh_sides(unit, a, b, &plus, &minus)
    p_plus = plus / (plus + minus)
    p_minus = minus / (plus + minus)
    means[0] = p_plus * (mean_plus * unit.width_plus)
    means[1] = splat_d(0.0) - p_minus * (mean_minus * unit.width_minus)
    means[2] = p_plus * (second_plus * (unit.width_plus * unit.width_plus))
    means[3] = p_minus * (second_minus * (unit.width_minus * unit.width_minus))
    return mean_of_sides(unit, plus, minus, mean_plus, mean_minus)


cdef inline vd mean_of_sides(const Unit *unit, vd plus, vd minus, vd mean_plus, vd mean_minus) noexcept nogil:
    """E[x] of a dReLU unit, of what its sides weigh and their means in standard deviations."""
    return (plus * (mean_plus * unit.width_plus) - minus * (mean_minus * unit.width_minus)) / (plus + minus)
