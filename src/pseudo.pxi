# Pseudo-likelihood: sum_i log p(v_i | all the other units), exactly, from one set of fields a case. Flipping v_i
# changes the field of hidden unit j by W_ij up or down, and
#
#   softplus(f + w) - softplus(f) = log(q + p exp(w)),   p = sigmoid(f), q = sigmoid(-f),
#
# a sum of positive terms: nothing cancels, and a product over j takes one logarithm for many units. A fraction v_i turned
# into 1 - v_i changes it by (1 - 2 v_i) W_ij, and takes exponentials of its own.

cdef enum:
    PSEUDO_BLOCK = 32       # cases a task: p and q of 500 hidden units take 256 kB
    FLIPS = 4               # cases whose products grow side by side: one alone would wait for itself

cdef struct Flipping:
    const double *weights   # (V, K): W, for fractions
    const double *up        # exp(W)
    const double *down      # exp(-W)
    const double *bias      # (V,)
    Py_ssize_t n_visible
    Py_ssize_t n_units      # K
    Py_ssize_t room
    Py_ssize_t every


def pseudo_sums(const uint8_t[:, :] planes, Layer layer, const double[:, ::1] up, const double[:, ::1] down,
                const double[::1] visible_bias, Py_ssize_t room, double[::1] out, int n_threads):
    """out OUT (n,) = sum_i log p(v_i | v without i), planes IN (bytes, n), layer the hidden one.

    up IN (V, K) = exp(W), down IN (V, K) = exp(-W), K hidden units padded to a multiple of 8 with anything finite;
    visible_bias IN (V,); room: how many of their factors multiply without leaving the range of float64."""
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads)
    run_pseudo(&step, up, up, down, visible_bias, room, 1, out, n_threads)


def pseudo_sums_of_fractions(const double[:, ::1] numbers, Layer layer, const double[:, ::1] weights,
                             const double[:, ::1] up, const double[:, ::1] down, const double[::1] visible_bias,
                             Py_ssize_t room, Py_ssize_t every, double[::1] out, int n_threads):
    """out OUT (n,) = sum_i log(p(v) / (p(v) + p(v'))), where v' is v with v_i turned into 1 - v_i; numbers IN (n, V),
    whole, in units of 2^-22; weights IN (V, K) = W. Of row r only the units i with i mod every = r mod every."""
    cdef HalfStep step = prepare_numbers(numbers, layer, 0, 0, n_threads)
    run_pseudo(&step, weights, up, down, visible_bias, room, every, out, n_threads)


cdef int run_pseudo(const HalfStep *step, const double[:, ::1] weights, const double[:, ::1] up,
                    const double[:, ::1] down, const double[::1] visible_bias, Py_ssize_t room, Py_ssize_t every,
                    double[::1] out, int n_threads) except -1:
    cdef Flipping flipping
    cdef size_t size = SCRATCH + (PSEUDO_BLOCK * TILE + (2 * PSEUDO_BLOCK + FLIPS) * up.shape[1]) * sizeof(double)
    cdef Meeting meeting = no_meeting()
    cdef Py_ssize_t item
    cdef char *scratch
    flipping.n_visible, flipping.n_units, flipping.room, flipping.every = up.shape[0], up.shape[1], room, every
    if DEBUG_CHECKS:
        check(flipping.n_units == 8 * ceil_div(step.n_units, 8) and down.shape[0] == weights.shape[0] == up.shape[0]
              and down.shape[1] == weights.shape[1] == up.shape[1] and out.shape[0] == step.n
              and visible_bias.shape[0] == up.shape[0] and room > 0 and every > 0, "pseudo_sums")
    if step.n == 0:
        return 0
    flipping.weights, flipping.up, flipping.down = &weights[0, 0], &up[0, 0], &down[0, 0]
    flipping.bias = &visible_bias[0]
    scratch = <char *> aligned_memory(<size_t> n_threads * size)
    if scratch == NULL:
        raise MemoryError("no memory for the scratch space of pseudo-likelihoods")
    with nogil, parallel(num_threads=n_threads):
        spread_out()
        for item in prange(ceil_div(step.n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            pseudo_item(step, &flipping, item * PSEUDO_BLOCK, &out[0], scratch + <size_t> threadid() * size)
        meet(&meeting)
    free(scratch)
    return 0


cdef void pseudo_item(const HalfStep *step, const Flipping *flipping, Py_ssize_t first, double *out,
                      char *scratch) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), n_units = flipping.n_units, case, tile, unit, count, k, at
    cdef double *fields = <double *> (scratch + SCRATCH)
    cdef double *on = fields + PSEUDO_BLOCK * TILE
    cdef double *off = on + PSEUDO_BLOCK * n_units
    cdef double *own = off + PSEUDO_BLOCK * n_units
    cdef const double *probabilities[FLIPS]
    cdef const double *factors[FLIPS]
    cdef double turn[FLIPS]
    cdef double change[FLIPS]
    for tile in range(step.n_tiles):
        field_tile(fields, scratch, step, tile, first, n)
        for case in range(n):
            two_probabilities(fields + case * TILE, smaller(TILE, step.n_units - tile * TILE),
                              on + case * n_units + tile * TILE, off + case * n_units + tile * TILE)
    for case in range(n):
        out[first + case] = 0
    for unit in range(flipping.n_visible):
        case = (flipping.every - (first - unit) % flipping.every) % flipping.every  # the first whose turn it is
        while case < n:
            count = smaller(FLIPS, ceil_div(n - case, flipping.every))
            for k in range(FLIPS):
                at = case + (k if k < count else 0) * flipping.every
                probabilities[k] = on + at * n_units
                if k >= count:
                    factors[k] = factors[0]
                    continue
                turn[k] = turn_of(step, first + at, unit)
                if turn[k] == 1.0:
                    factors[k] = flipping.up + unit * n_units
                elif turn[k] == -1.0:
                    factors[k] = flipping.down + unit * n_units
                else:
                    exponentials(flipping.weights + unit * n_units, turn[k], n_units, own + k * n_units)
                    factors[k] = own + k * n_units
            log_products(probabilities, off - on, factors, n_units, flipping.room, change)
            for k in range(count):
                # F(v) - F(v'), of which the term is -softplus
                change[k] = turn[k] * flipping.bias[unit] + change[k]
                out[first + case] -= (change[k] if change[k] > 0 else 0) + log_scalar(one_plus_exp_scalar(change[k]))
                case += flipping.every


cdef inline double turn_of(const HalfStep *step, Py_ssize_t case, Py_ssize_t unit) noexcept nogil:
    """By how much v_i changes when it is turned into 1 - v_i."""
    if step.numbers != NULL:
        return 1.0 - step.numbers[case * step.n_in + unit] * 4.76837158203125e-7    # 2^-21
    return -1.0 if (step.planes[(unit // 8) * step.stride + case] >> (unit % 8)) & 1 else 1.0


cdef void exponentials(const double *weights, double turn, Py_ssize_t n, double *out) noexcept nogil:
    """out = exp(turn weights), n a multiple of 8."""
    cdef Py_ssize_t i
    for i in range(n // HALF):
        (<vdu *> out)[i] = exp_negative_d((<const vdu *> weights)[i] * splat_d(turn))


cdef inline double one_plus_exp_scalar(double x) noexcept nogil:
    return 1.0 + exp_scalar(-x if x > 0 else x)


cdef void two_probabilities(const double *fields, Py_ssize_t n_columns, double *on, double *off) noexcept nogil:
    """on = sigmoid(field), off = sigmoid(-field); in the padding of the last group of 8, on = 0 and off = 1."""
    cdef Py_ssize_t group, part, k
    cdef double less[8]
    cdef double more[8]
    cdef vd e
    for group in range(ceil_div(n_columns, 8)):
        for part in range(8 // HALF):
            e = exp_negative_d(max_d(splat_d(0.0) - abs_d((<const vdu *> (fields + 8 * group))[part]), splat_d(-708.0)))
            (<vdu *> less)[part] = e / (splat_d(1.0) + e)
            (<vdu *> more)[part] = splat_d(1.0) / (splat_d(1.0) + e)
        for k in range(8):
            if 8 * group + k >= n_columns:
                on[8 * group + k] = 0
                off[8 * group + k] = 1
            else:
                on[8 * group + k] = more[k] if fields[8 * group + k] >= 0 else less[k]
                off[8 * group + k] = less[k] if fields[8 * group + k] >= 0 else more[k]


cdef void log_products(const double *const *on, Py_ssize_t off, const double *const *factors, Py_ssize_t n_units,
                       Py_ssize_t room, double *sums) noexcept nogil:
    """sums OUT: sum_j log(off_j + on_j factor_j) of each of FLIPS cases, in eight lanes, a logarithm every room factors
    of a lane. A case's off_j lie that far behind its on_j."""
    cdef double products[FLIPS * 8]
    cdef double logs[FLIPS * 8]
    cdef vd product[FLIPS]
    cdef Py_ssize_t start, stop, part, i, k
    memset(logs, 0, sizeof(logs))
    start = 0
    while start < n_units:
        stop = smaller(n_units, start + 8 * room)
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
