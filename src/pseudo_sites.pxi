# Pseudo-likelihood of a layer of segments, site by site: log p(site | all the others), of whatever states a site may be
# in. A unit of two values is a site of two states. As in pseudo.pxi, of hidden unit j with log odds x_j,
#
#   log p*(site in a, rest) - log p*(v) = g_a - g_s + sum_j cgf(x_j + w_aj - w_sj) - cgf(x_j)
#
# s the state that the site is in, w_a what it sends in state a (times the step of the hidden type), g_a its own part.


def pseudo_of_sites(const uint8_t[:, :] planes, Layer layer, Segments segments, const double[::1] visible_bias,
                    Py_ssize_t capacity, double[:, ::1] out, int n_threads):
    """out OUT (n, columns of the data): log p(site | the others) of each; planes IN (rows, n), layer the hidden one,
    segments those of the visible layer, visible_bias IN (V,); capacity: how many factors exp(|w_a - w_s|) multiply
    without leaving the range of float64. Of an absent site 0."""
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads)
    cdef const Plan *plan = &segments.plan
    cdef Py_ssize_t n_units = 8 * ceil_div(step.n_units, 8), item
    cdef Barrier barrier = new_barrier()
    cdef Arena arena = Arena(NULL, 0)
    cdef _Memory memory
    if DEBUG_CHECKS:
        check(out.shape[0] == step.n and capacity > 0 and visible_bias.shape[0] == plan.n_units
              and planes.shape[0] == plan.n_rows, "pseudo_of_sites")
    if step.n == 0:
        return
    sites_scratch(&arena, n_units, CATEGORIES)
    memory = memory_for(n_threads, arena.used, "pseudo-likelihoods")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(step.n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            pseudo_block(&step, plan, item * PSEUDO_BLOCK, &visible_bias[0], n_units, capacity, &out[0, 0],
                         out.shape[1], memory.start + threadid() * arena.used)
        leave_team(&barrier)


cdef struct SitesScratch:       # what a thread needs
    Scratch *product
    double *odds                # [example][64]
    double *on                  # [example][hidden unit], and off: p and q
    double *off
    double *weights             # [hidden unit]: what a site sends in one of its states
    double *factors             # [state][hidden unit]: exp of that
    double *scaled              # [hidden unit]: p of an example, over the factor of the state that it is in


cdef SitesScratch sites_scratch(Arena *arena, Py_ssize_t n_units, Py_ssize_t n_states) noexcept nogil:
    cdef SitesScratch scratch
    scratch.product = <Scratch *> place_for(arena, 1, sizeof(Scratch))
    scratch.odds = <double *> place_for(arena, PSEUDO_BLOCK * TILE, sizeof(double))
    scratch.on = <double *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(double))
    scratch.off = <double *> place_for(arena, PSEUDO_BLOCK * n_units, sizeof(double))
    scratch.weights = <double *> place_for(arena, n_units, sizeof(double))
    scratch.factors = <double *> place_for(arena, n_states * n_units, sizeof(double))
    scratch.scaled = <double *> place_for(arena, n_units, sizeof(double))
    return scratch


cdef void hidden_probabilities(const HalfStep *step, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_units,
                               SitesScratch *scratch) noexcept nogil:
    """p and q of all hidden units, of n examples from the first on."""
    cdef Py_ssize_t tile, example
    for tile in range(step.n_tiles):
        log_odds_tile(scratch.odds, scratch.product, step, tile, first, n)
        for example in range(n):
            two_probabilities(scratch.odds + example * TILE, smaller(TILE, step.n_units - tile * TILE),
                              scratch.on + example * n_units + tile * TILE,
                              scratch.off + example * n_units + tile * TILE)


cdef void pseudo_block(const HalfStep *step, const Plan *plan, Py_ssize_t first, const double *bias, Py_ssize_t n_units,
                       Py_ssize_t capacity, double *out, Py_ssize_t n_columns, char *memory) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), row, bit, column = 0
    cdef Arena arena = Arena(memory, 0)
    cdef SitesScratch scratch = sites_scratch(&arena, n_units, CATEGORIES)
    hidden_probabilities(step, first, n, n_units, &scratch)
    for row in range(plan.n_rows):
        if plan.rows[row].kind == CATEGORICAL:
            pseudo_site(step, plan, row, -1, first, n, bias, n_units, capacity, &scratch, out + column, n_columns)
            column += 1
            continue
        for bit in range(plan.rows[row].size):
            pseudo_site(step, plan, row, bit, first, n, bias, n_units, capacity, &scratch, out + column, n_columns)
            column += 1


cdef void pseudo_site(const HalfStep *step, const Plan *plan, Py_ssize_t row, Py_ssize_t bit, Py_ssize_t first,
                      Py_ssize_t n, const double *bias, Py_ssize_t n_units, Py_ssize_t capacity,
                      SitesScratch *scratch, double *out, Py_ssize_t stride) noexcept nogil:
    """One column, of n examples: the site of a row, or a bit of it."""
    cdef Py_ssize_t n_states, example, now
    cdef double own[CATEGORIES]
    cdef double terms[CATEGORIES]
    cdef const uint8_t *planes = step.planes + row * step.stride
    n_states = site_states(step, plan, row, bit, bias, n_units, scratch, own)
    for example in range(n):
        now = planes[first + example] if bit < 0 else (planes[first + example] >> bit) & 1
        if now >= n_states:
            out[(first + example) * stride] = 0
            continue
        out[(first + example) * stride] = -site_terms(scratch, example, now, n_states, own, n_units, capacity, terms)


cdef Py_ssize_t site_states(const HalfStep *step, const Plan *plan, Py_ssize_t row, Py_ssize_t bit, const double *bias,
                            Py_ssize_t n_units, SitesScratch *scratch, double *own) noexcept nogil:
    """What a column, the site of a row or a bit of it, does in each of its states: scratch.factors, and own OUT, g_a
    and the shift of the hidden units' cgf. Returns the number of states."""
    cdef Row site = plan.rows[row]
    cdef Py_ssize_t n_states = site.size if bit < 0 else 2, state, k, unit
    cdef double hidden_step = value_step(step.unit), value
    cdef double *weights = scratch.weights
    for state in range(n_states):
        if bit < 0:
            unit, value = site.unit + state, 1.0
        else:
            unit, value = site.unit + bit, value_of(site.kind, state == 1)
        for k in range(n_units):
            weights[k] = value * (hidden_step
                                  * step.tiles[(k // TILE) * step.tile_length + unit * TILE + k % TILE])
        own[state] = value * bias[unit] + shift_of(step.unit, weights, n_units)
        signed_exponentials(weights, n_units, scratch.factors + state * n_units)
    return n_states


cdef double site_terms(SitesScratch *scratch, Py_ssize_t example, Py_ssize_t now, Py_ssize_t n_states,
                       const double *own, Py_ssize_t n_units, Py_ssize_t capacity, double *terms) noexcept nogil:
    """terms OUT: log p*(site in a, rest) - log p*(v) of each state a, in an example of scratch's whose site is in state
    now; where that is n_states, v has the site absent. Returns the logarithm of the sum of their exponentials. In
    scratch.scaled it leaves what factors multiply."""
    cdef Py_ssize_t state, k
    cdef const double *on = scratch.on + example * n_units
    cdef const double *off = scratch.off + example * n_units
    cdef double top = 0, total = 0, first = 0
    if now < n_states:
        first = own[now]
        for k in range(n_units // HALF):
            (<vdu *> scratch.scaled)[k] = (<const vdu *> on)[k] / (<const vdu *> (scratch.factors + now * n_units))[k]
    else:
        memcpy(scratch.scaled, on, n_units * sizeof(double))
    for state in range(n_states):
        terms[state] = 0
        if state != now:
            terms[state] = (own[state] - first) + log_product(scratch.scaled, off, scratch.factors + state * n_units,
                                                              n_units, capacity)
        top = terms[state] if state == 0 or terms[state] > top else top
    for state in range(n_states):
        total += exp_scalar(terms[state] - top)
    return top + log_scalar(total)


cdef void signed_exponentials(const double *weights, Py_ssize_t n, double *out) noexcept nogil:
    """out = exp(weights), n a multiple of 8."""
    cdef Py_ssize_t i
    cdef vd x, small
    for i in range(n // HALF):
        x = (<const vdu *> weights)[i]
        small = exp_negative_d(splat_d(0.0) - abs_d(x))
        (<vdu *> out)[i] = select_d(mask_lt_d(x, splat_d(0.0)), small, splat_d(1.0) / small)


cdef double log_product(const double *on, const double *off, const double *factors, Py_ssize_t n_units,
                        Py_ssize_t capacity) noexcept nogil:
    """sum_j log(off_j + on_j factor_j), in eight lanes, one logarithm for `capacity` factors of a lane."""
    cdef double products[8]
    cdef double logs[8]
    cdef vd product[LANES_OF_8]
    cdef Py_ssize_t start = 0, stop, i, part
    memset(logs, 0, sizeof(logs))
    while start < n_units:
        stop = smaller(n_units, start + 8 * capacity)
        for part in range(LANES_OF_8):
            product[part] = splat_d(1.0)
        i = start
        while i < stop:
            for part in range(LANES_OF_8):
                product[part] = product[part] * (
                    (<const vdu *> (off + i))[part]
                    + (<const vdu *> (on + i))[part] * (<const vdu *> (factors + i))[part])
            i += 8
        memcpy(products, product, sizeof(product))
        take_logs(products, logs, 8)
        start = stop
    return sum8(logs)
