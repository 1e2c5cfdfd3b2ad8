# Pseudo-likelihood of fractions (see src/pseudo.pxi): a unit that is a fraction x_i of on, turned into 1 - x_i, changes
# the log odds of hidden unit j by turn w, turn = 1 - 2 x_i, so that each flip of each example takes an exponential for
# each hidden unit. They and their products are float32: an error of some 1e-7 a factor.

cdef enum:
    FRACTION_LANES = 16     # products that grow side by side, at every level; n_units below is a multiple of it


def pseudo_sums_of_fractions(const double[:, ::1] numbers, Layer layer, const double[::1] visible_bias,
                             Py_ssize_t capacity, Py_ssize_t every, double[::1] out, int n_threads):
    """out OUT (n,) = sum_i log(p(v) / (p(v) + p(v'))), where v' is v with v_i turned into 1 - v_i; numbers IN (n, V),
    whole, in units of 2^-22. Of row r only the units i with i mod every = r mod every. capacity: how many factors
    exp(|w|) multiply without leaving the range of float32."""
    cdef HalfStep step = prepare_numbers(numbers, layer, 0, 0, n_threads)
    cdef Py_ssize_t n_units = FRACTION_LANES * ceil_div(step.n_units, FRACTION_LANES), item
    cdef Barrier barrier = new_barrier()
    cdef Arena arena = Arena(NULL, 0)
    cdef _Memory memory
    if DEBUG_CHECKS:
        check(step.tile_length == 8 * ceil_div(visible_bias.shape[0], 8) * TILE and out.shape[0] == step.n
              and capacity > 0 and every > 0, "pseudo_sums_of_fractions")
    if step.n == 0:
        return
    turned_scratch(&arena, n_units)
    memory = memory_for(n_threads, arena.used, "pseudo-likelihoods")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(step.n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            turned_item(&step, item * PSEUDO_BLOCK, &visible_bias[0], visible_bias.shape[0], n_units, capacity, every,
                        &out[0], memory.start + threadid() * arena.used)
        leave_team(&barrier)


cdef struct TurnedScratch:      # what a thread needs
    Scratch *product
    double *odds                # [example][64]
    float *on                   # [example][hidden unit], and off: p and q
    float *off
    double *weights             # of a visible unit,
    float *narrow               # rounded


cdef TurnedScratch turned_scratch(Arena *arena, Py_ssize_t n_units) noexcept nogil:
    cdef TurnedScratch scratch
    scratch.product = <Scratch *> place_for(arena, 1, sizeof(Scratch))
    scratch.odds = <double *> place_for(arena, PSEUDO_BLOCK * TILE, sizeof(double))
    scratch.on = <float *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(float))
    scratch.off = <float *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(float))
    scratch.weights = <double *> place_for(arena, n_units, sizeof(double))
    scratch.narrow = <float *> place_for(arena, n_units, sizeof(float))
    return scratch


cdef void turned_item(const HalfStep *step, Py_ssize_t first, const double *bias, Py_ssize_t n_visible,
                      Py_ssize_t n_units, Py_ssize_t capacity, Py_ssize_t every, double *out,
                      char *memory) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), example, tile, unit, count, k, at
    cdef Arena arena = Arena(memory, 0)
    cdef TurnedScratch scratch = turned_scratch(&arena, n_units)
    cdef const float *probabilities[FLIPS]
    cdef double turn[FLIPS]
    cdef double change[FLIPS]
    cdef double visible_step = value_step(step.sent), both = visible_step * value_step(step.unit), shift
    for tile in range(step.n_tiles):
        log_odds_tile(scratch.odds, scratch.product, step, tile, first, n)
        count = smaller(TILE, n_units - tile * TILE)
        for example in range(n):
            at = example * n_units + tile * TILE
            narrow_probabilities(scratch.odds + example * TILE, smaller(TILE, step.n_units - tile * TILE), count,
                                 scratch.on + at, scratch.off + at)
    for example in range(n):
        out[first + example] = 0
    for unit in range(n_visible):
        for k in range(n_units):
            scratch.weights[k] = both * step.tiles[(k // TILE) * step.tile_length + unit * TILE + k % TILE]
            scratch.narrow[k] = <float> scratch.weights[k]
        shift = shift_of(step.unit, scratch.weights, n_units)
        example = (every - (first - unit) % every) % every     # the first whose turn it is
        while example < n:
            count = smaller(FLIPS, ceil_div(n - example, every))
            for k in range(FLIPS):
                at = example + (k if k < count else 0) * every
                probabilities[k] = scratch.on + at * n_units
                turn[k] = 1.0 - step.numbers[(first + at) * step.n_in + unit] * 4.76837158203125e-7     # 2^-21
            log_turns(probabilities, scratch.off - scratch.on, scratch.narrow, turn, n_units, capacity, change)
            for k in range(count):
                out[first + example] -= flip_term(turn[k] * (visible_step * bias[unit] + shift) + change[k])
                example += every


cdef void narrow_probabilities(const double *odds, Py_ssize_t n_columns, Py_ssize_t n_padded, float *on,
                               float *off) noexcept nogil:
    """As two_probabilities, rounded to float32, for n_padded units, of which those past n_columns have on = 0."""
    cdef double p[TILE]
    cdef double q[TILE]
    cdef Py_ssize_t k
    two_probabilities(odds, n_columns, p, q)
    for k in range(n_padded):
        on[k], off[k] = (<float> p[k], <float> q[k]) if k < n_columns else (<float> 0.0, <float> 1.0)


cdef void log_turns(const float *const *on, Py_ssize_t off, const float *weights, const double *turn,
                    Py_ssize_t n_units, Py_ssize_t capacity, double *sums) noexcept nogil:
    """sums OUT: sum_j log(off_j + on_j exp(turn w_j)) of each of FLIPS examples, in lanes, one logarithm for `capacity`
    factors of a lane. An example's off_j lie that far behind its on_j."""
    cdef float products[FLIPS * FRACTION_LANES]
    cdef double wide[FLIPS * FRACTION_LANES]
    cdef double logs[FLIPS * FRACTION_LANES]
    cdef vf product[FLIPS]
    cdef vf factor[MOST_TOGETHER]
    cdef Py_ssize_t start = 0, stop, part, i, k
    memset(logs, 0, sizeof(logs))
    while start < n_units:
        stop = smaller(n_units, start + FRACTION_LANES * capacity)
        for part in range(FRACTION_LANES // LANES):
            for k in range(FLIPS):
                product[k] = splat_f(1.0)
            i = start + part * LANES
            while i < stop:
                for k in range(FLIPS):
                    factor[k] = (<const vfu *> (weights + i))[0] * splat_f(<float> turn[k])
                exp_negative(factor, FLIPS)
                for k in range(FLIPS):
                    product[k] = product[k] * ((<const vfu *> (on[k] + off + i))[0]
                                               + (<const vfu *> (on[k] + i))[0] * factor[k])
                i += FRACTION_LANES
            for k in range(FLIPS):
                memcpy(products + FRACTION_LANES * k + part * LANES, &product[k], WIDTH)
        for i in range(FLIPS * FRACTION_LANES):
            wide[i] = products[i]
        take_logs(wide, logs, FLIPS * FRACTION_LANES)
        start = stop
    for k in range(FLIPS):
        sums[k] = sum8(logs + FRACTION_LANES * k) + sum8(logs + FRACTION_LANES * k + 8)
