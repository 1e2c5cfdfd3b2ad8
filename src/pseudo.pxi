# Pseudo-likelihood: sum_i log p(v_i | all the other units), exactly, from one set of log odds an example. Flipping unit
# i changes the log odds x of hidden unit j by w up or down, w = W_ij times the steps between the values of both, and
#
#   cgf(x + w) - cgf(x) = shift w + log(q + p exp(w)),   p = sigmoid(x), q = sigmoid(-x),
#
# shift = value(off) / step of the hidden type. The logarithm is that of a sum of positive terms: nothing cancels, and a
# product over j takes one logarithm for many units. Fractions: src/pseudo_fractions.pxi.

cdef enum:
    PSEUDO_BLOCK = 32       # examples a task: p and q of 500 hidden units take 256 kB
    FLIPS = 4               # examples whose products grow side by side: one alone would wait for itself


def pseudo_sums(const uint8_t[:, :] planes, Layer layer, const double[::1] visible_bias, Py_ssize_t capacity,
                double[::1] out, int n_threads):
    """out OUT (n,) = sum_i log p(v_i | v without i), planes IN (bytes, n), layer the hidden one, visible_bias IN (V,);
    capacity: how many factors exp(|w|) multiply without leaving the range of float64."""
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads)
    cdef Py_ssize_t n_units = 8 * ceil_div(step.n_units, 8), item
    cdef Barrier barrier = new_barrier()
    cdef Arena arena = Arena(NULL, 0)
    cdef _Memory memory
    if DEBUG_CHECKS:
        check(step.tile_length == 8 * ceil_div(visible_bias.shape[0], 8) * TILE and out.shape[0] == step.n
              and capacity > 0, "pseudo_sums")
    if step.n == 0:
        return
    pseudo_scratch(&arena, n_units)
    memory = memory_for(n_threads, arena.used, "pseudo-likelihoods")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(step.n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            pseudo_item(&step, item * PSEUDO_BLOCK, &visible_bias[0], visible_bias.shape[0], n_units, capacity, &out[0],
                        memory.start + threadid() * arena.used)
        leave_team(&barrier)


cdef struct PseudoScratch:      # what a thread needs
    Scratch *product
    double *odds                # [example][64]
    double *on                  # [example][hidden unit], and off: p and q
    double *off
    double *weights             # of a visible unit,
    double *up                  # their exponentials,
    double *down                # and those of minus them


cdef PseudoScratch pseudo_scratch(Arena *arena, Py_ssize_t n_units) noexcept nogil:
    cdef PseudoScratch scratch
    scratch.product = <Scratch *> place_for(arena, 1, sizeof(Scratch))
    scratch.odds = <double *> place_for(arena, PSEUDO_BLOCK * TILE, sizeof(double))
    scratch.on = <double *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(double))
    scratch.off = <double *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(double))
    scratch.weights = <double *> place_for(arena, n_units, sizeof(double))
    scratch.up = <double *> place_for(arena, n_units, sizeof(double))
    scratch.down = <double *> place_for(arena, n_units, sizeof(double))
    return scratch


cdef void pseudo_item(const HalfStep *step, Py_ssize_t first, const double *bias, Py_ssize_t n_visible,
                      Py_ssize_t n_units, Py_ssize_t capacity, double *out, char *memory) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), example, tile, unit, count, k, at
    cdef Arena arena = Arena(memory, 0)
    cdef PseudoScratch scratch = pseudo_scratch(&arena, n_units)
    cdef double *odds = scratch.odds
    cdef double *on = scratch.on
    cdef double *off = scratch.off
    cdef double *weights = scratch.weights
    cdef const double *probabilities[FLIPS]
    cdef const double *factors[FLIPS]
    cdef double turn[FLIPS]
    cdef double change[FLIPS]
    cdef double visible_step = value_step(step.sent), both = visible_step * value_step(step.unit), shift
    for tile in range(step.n_tiles):
        log_odds_tile(odds, scratch.product, step, tile, first, n)
        for example in range(n):
            two_probabilities(odds + example * TILE, smaller(TILE, step.n_units - tile * TILE),
                              on + example * n_units + tile * TILE, off + example * n_units + tile * TILE)
    for example in range(n):
        out[first + example] = 0
    for unit in range(n_visible):
        for k in range(n_units):
            weights[k] = both * step.tiles[(k // TILE) * step.tile_length + unit * TILE + k % TILE]
        shift = shift_of(step.unit, weights, n_units)
        both_exponentials(weights, n_units, scratch.up, scratch.down)
        example = 0
        while example < n:
            count = smaller(FLIPS, n - example)
            for k in range(FLIPS):
                at = example + (k if k < count else 0)
                probabilities[k] = on + at * n_units
                turn[k] = -1.0 if (step.planes[(unit // 8) * step.stride + first + at] >> (unit % 8)) & 1 else 1.0
                factors[k] = scratch.up if turn[k] > 0 else scratch.down
            log_products(probabilities, off - on, factors, n_units, capacity, change)
            for k in range(count):
                out[first + example + k] -= flip_term(turn[k] * (visible_step * bias[unit] + shift) + change[k])
            example += FLIPS


cdef inline double flip_term(double change) noexcept nogil:
    """softplus(F(v) - F(v')): minus log p(v_i | the rest)."""
    return (change if change > 0 else 0) + log_scalar(one_plus_exp_scalar(change))


cdef double shift_of(int unit, const double *weights, Py_ssize_t n) noexcept nogil:
    """The shift of the cgf of all hidden units together, by weights w (n,), a multiple of 8."""
    cdef double sums[8]
    cdef Py_ssize_t i
    if value_of(unit, False) == 0.0:
        return 0.0
    memset(sums, 0, sizeof(sums))
    for i in range(n):
        sums[i % 8] += weights[i]
    return value_of(unit, False) / value_step(unit) * sum8(sums)


cdef void both_exponentials(const double *weights, Py_ssize_t n, double *up, double *down) noexcept nogil:
    """up = exp(weights), down = exp(-weights), n a multiple of 8."""
    cdef Py_ssize_t i
    cdef vd x, small, large
    cdef vq negative
    for i in range(n // HALF):
        x = (<const vdu *> weights)[i]
        small = exp_negative_d(splat_d(0.0) - abs_d(x))
        large = splat_d(1.0) / small
        negative = mask_lt_d(x, splat_d(0.0))
        (<vdu *> up)[i] = select_d(negative, small, large)
        (<vdu *> down)[i] = select_d(negative, large, small)


cdef inline double one_plus_exp_scalar(double x) noexcept nogil:
    return 1.0 + exp_scalar(-x if x > 0 else x)


cdef void two_probabilities(const double *odds, Py_ssize_t n_columns, double *on, double *off) noexcept nogil:
    """on = sigmoid(log odds), off = sigmoid(-log odds); in the padding of the last group of 8, on = 0 and off = 1."""
    cdef Py_ssize_t column = 0
    cdef vd x, e, less, more
    cdef vq negative
    while column < 8 * ceil_div(n_columns, 8):
        x = (<const vdu *> (odds + column))[0]
        e = exp_negative_d(max_d(splat_d(0.0) - abs_d(x), splat_d(-708.0)))
        less, more = e / (splat_d(1.0) + e), splat_d(1.0) / (splat_d(1.0) + e)
        negative = mask_lt_d(x, splat_d(0.0))
        (<vdu *> (on + column))[0] = first_d(n_columns - column, select_d(negative, less, more), splat_d(0.0))
        (<vdu *> (off + column))[0] = first_d(n_columns - column, select_d(negative, more, less), splat_d(1.0))
        column += HALF


cdef void log_products(const double *const *on, Py_ssize_t off, const double *const *factors, Py_ssize_t n_units,
                       Py_ssize_t capacity, double *sums) noexcept nogil:
    """sums OUT: sum_j log(off_j + on_j factor_j) of each of FLIPS examples, in eight lanes, one logarithm
    for `capacity` factors of a lane. An example's off_j lie that far behind its on_j."""
    cdef double products[FLIPS * 8]
    cdef double logs[FLIPS * 8]
    cdef vd product[FLIPS]
    cdef Py_ssize_t start, stop, part, i, k
    memset(logs, 0, sizeof(logs))
    start = 0
    while start < n_units:
        stop = smaller(n_units, start + 8 * capacity)
        for part in range(8 // HALF):
            for k in range(FLIPS):
                product[k] = splat_d(1.0)
            i = start + part * HALF
            while i < stop:
                for k in range(FLIPS):
                    product[k] = product[k] * ((<const vdu *> (on[k] + off + i))[0]
                                               + (<const vdu *> (on[k] + i))[0] * (<const vdu *> (factors[k] + i))[0])
                i += 8
            for k in range(FLIPS):
                memcpy(products + 8 * k + part * HALF, &product[k], WIDTH)
        take_logs(products, logs, FLIPS * 8)
        start = stop
    for k in range(FLIPS):
        sums[k] = sum8(logs + 8 * k)
