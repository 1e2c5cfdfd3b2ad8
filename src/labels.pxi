# Labels: p(y = a | x), y one site (a categorical one, or a unit of two values) and x all the others, for every state a
# of y; and what its gradient sums up. By site_terms of pseudo_sites.pxi, from a state in which the site is absent, or
# off. With s_j(x, a) = P(h_j on | x, y = a) and p_a = p(y = a | x), the two phases of d log p(y | x)/dtheta are
#
#   positive   s_j(x, y), which goes with x and y;     negative   sum_a p_a s_j(x, a), which goes with x, and
#                                                                 p_a s_j(x, a), which goes with category a
#
# (Larochelle & Bengio 2008). The numbers that examples add up are whole ones, in units of 2^-22: sums are exact.

cdef struct LabelScratch:
    SitesScratch sites
    double *positive            # [hidden unit]: s_j(x, y),
    double *negative            # and the mean of s_j(x, a)
    double *pairs               # [state][hidden unit]: sums of p_a s_j(x, a), whole numbers
    double *counts              # [state]: sums of p_a, likewise


cdef struct LabelSums:          # where the sums go; all NULL: nowhere
    const int32_t *labels       # [example]: a state
    const double *weight        # NULL: 1; or [example]: from 0 to 1
    float *positive             # [tile][example][64], rint(P 2^22)
    float *negative
    Py_ssize_t fixed_length     # numbers from one tile to the next


cdef LabelScratch label_scratch(Arena *arena, Py_ssize_t n_units, Py_ssize_t n_states) noexcept nogil:
    cdef LabelScratch scratch
    scratch.pairs = <double *> place_for(arena, n_states * n_units, sizeof(double))     # first: see label_terms
    scratch.counts = <double *> place_for(arena, n_states, sizeof(double))
    scratch.positive = <double *> place_for(arena, n_units, sizeof(double))
    scratch.negative = <double *> place_for(arena, n_units, sizeof(double))
    scratch.sites = sites_scratch(arena, n_units, n_states)
    return scratch


def label_terms(planes, numbers, Layer layer, Segments segments, Py_ssize_t row, Py_ssize_t bit,
                const double[::1] visible_bias, Py_ssize_t capacity, double[:, ::1] log_p, sums, int n_threads):
    """log_p OUT (n, states): log p(site in each of its states | the others), of the site of a row of planes (bit -1),
    or of a bit of that row, which is a unit of two values, lower one first.

    planes IN (rows, n): with the site absent, or the bit off; or None, and numbers IN (n, V), whole, as
    half_step_of_fractions takes them, zero in the site's units. layer, segments, visible_bias, capacity: as for
    pseudo_of_sites. sums: None, or (labels IN int32 (n,), weight None or IN float64 (n,) from 0 to 1, positive and
    negative OUT float32 (tiles, at least n, 64) of rint(P 2^22), nothing past the last example or unit; pairs OUT
    (states, H) and counts OUT (states,): the sums of rint(weight p_a s_j 2^22) and of rint(weight p_a 2^22))."""
    cdef HalfStep step
    cdef const Plan *plan = &segments.plan
    cdef Py_ssize_t n_units, n_states = log_p.shape[1], item, thread, state, k
    cdef const int32_t[::1] labels
    cdef const double[::1] weight
    cdef float[:, :, ::1] positive
    cdef float[:, :, ::1] negative
    cdef double[:, ::1] pairs
    cdef double[::1] counts
    cdef LabelSums to
    cdef LabelScratch scratch
    cdef Arena arena = Arena(NULL, 0)
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    if numbers is None:
        step = prepare(planes, layer, None, 0, 0, n_threads)
    else:
        step = prepare_numbers(numbers, layer, 0, 0, n_threads)
    n_units = 8 * ceil_div(step.n_units, 8)
    memset(&to, 0, sizeof(LabelSums))
    if sums is not None:
        labels, positive, negative, pairs, counts = sums[0], sums[2], sums[3], sums[4], sums[5]
        pairs[:, :] = 0
        counts[:] = 0
    if DEBUG_CHECKS:
        check(log_p.shape[0] == step.n and capacity > 0 and visible_bias.shape[0] == plan.n_units and row < plan.n_rows
              and n_states == (plan.rows[row].size if bit < 0 else 2)
              and (plan.rows[row].kind == CATEGORICAL) == (bit < 0), "label_terms")
        if sums is not None:
            check(labels.shape[0] == step.n and positive.shape[1] >= step.n and negative.shape[1] == positive.shape[1]
                  and pairs.shape[0] == n_states and pairs.shape[1] == step.n_units and counts.shape[0] == n_states
                  and positive.shape[0] == step.n_tiles == negative.shape[0], "label_terms")
    if step.n == 0:
        return
    if sums is not None:
        to.labels = &labels[0]
        to.positive, to.negative, to.fixed_length = &positive[0, 0, 0], &negative[0, 0, 0], positive.shape[1] * TILE
        if sums[1] is not None:
            weight = sums[1]
            to.weight = &weight[0]
    label_scratch(&arena, n_units, n_states)
    memory = memory_for(n_threads, arena.used, "labels")
    for thread in range(n_threads):     # sums begin at zero, of threads that get nothing to do too
        arena = Arena(memory.start + thread * arena.used, 0)
        scratch = label_scratch(&arena, n_units, n_states)
        memset(scratch.pairs, 0, n_states * n_units * sizeof(double))
        memset(scratch.counts, 0, n_states * sizeof(double))
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(step.n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            label_block(&step, plan, row, bit, item * PSEUDO_BLOCK, &visible_bias[0], n_units, n_states, capacity,
                        &log_p[0, 0], &to, memory.start + threadid() * arena.used)
        leave_team(&barrier)
    if sums is None:
        return
    for thread in range(n_threads):
        arena = Arena(memory.start + thread * arena.used, 0)
        scratch = label_scratch(&arena, n_units, n_states)
        for state in range(n_states):
            counts[state] += scratch.counts[state]
            for k in range(step.n_units):
                pairs[state, k] += scratch.pairs[state * n_units + k]


cdef void label_block(const HalfStep *step, const Plan *plan, Py_ssize_t row, Py_ssize_t bit, Py_ssize_t first,
                      const double *bias, Py_ssize_t n_units, Py_ssize_t n_states, Py_ssize_t capacity, double *log_p,
                      const LabelSums *to, char *memory) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), example, state
    cdef Arena arena = Arena(memory, 0)
    cdef LabelScratch scratch = label_scratch(&arena, n_units, n_states)
    cdef double own[CATEGORIES]
    cdef double total
    cdef double *terms
    hidden_probabilities(step, first, n, n_units, &scratch.sites)
    site_states(step, plan, row, bit, bias, n_units, &scratch.sites, own)
    for example in range(n):
        terms = log_p + (first + example) * n_states
        total = site_terms(&scratch.sites, example, n_states if bit < 0 else 0, n_states, own, n_units, capacity, terms)
        for state in range(n_states):
            terms[state] -= total
        if to.labels != NULL:
            add_label_sums(&scratch, scratch.sites.off + example * n_units, terms, n_units, n_states,
                           to.labels[first + example], 1.0 if to.weight == NULL else to.weight[first + example])
            put_fixed(scratch.positive, step.n_units, to.positive + (first + example) * TILE, to.fixed_length)
            put_fixed(scratch.negative, step.n_units, to.negative + (first + example) * TILE, to.fixed_length)


cdef void add_label_sums(const LabelScratch *scratch, const double *off, const double *log_p, Py_ssize_t n_units,
                         Py_ssize_t n_states, Py_ssize_t label, double weight) noexcept nogil:
    """positive and negative of an example, and what it adds to pairs and counts."""
    cdef const double *factors
    cdef double *pairs
    cdef const double *scaled = scratch.sites.scaled
    cdef double p, unit = weight * 4194304.0, magic = 6755399441055744.0   # 2^22; 1.5 * 2^52
    cdef Py_ssize_t state, k
    cdef vd on, s
    memset(scratch.negative, 0, n_units * sizeof(double))
    for state in range(n_states):
        p = exp_scalar(log_p[state])
        factors = scratch.sites.factors + state * n_units
        pairs = scratch.pairs + state * n_units
        scratch.counts[state] += (p * unit + magic) - magic
        for k in range(n_units // HALF):
            on = (<const vdu *> scaled)[k] * (<const vdu *> factors)[k]
            s = on / ((<const vdu *> off)[k] + on)
            if state == label:
                (<vdu *> scratch.positive)[k] = s
            s = s * splat_d(p)
            (<vdu *> scratch.negative)[k] = (<vdu *> scratch.negative)[k] + s
            (<vdu *> pairs)[k] = (<vdu *> pairs)[k] + (
                (s * splat_d(unit) + splat_d(magic)) - splat_d(magic))


cdef void put_fixed(const double *probabilities, Py_ssize_t n_units, float *out, Py_ssize_t length) noexcept nogil:
    """out OUT [tile][64] = rint(P 2^22), tiles so far apart."""
    cdef Py_ssize_t k
    cdef double magic = 6755399441055744.0
    for k in range(n_units):
        out[(k // TILE) * length + k % TILE] = <float> ((probabilities[k] * 4194304.0 + magic) - magic)
