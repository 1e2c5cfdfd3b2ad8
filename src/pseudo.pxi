# Pseudo-likelihood: sum_i log p(v_i | all the other units), exactly, from one set of fields a case. Flipping v_i
# changes the field of hidden unit j by W_ij up or down, and
#
#   softplus(f + w) - softplus(f) = log(q + p exp(w)),   p = sigmoid(f), q = sigmoid(-f),
#
# a sum of positive terms: nothing cancels, and a product over j takes one logarithm for many units.

cdef enum:
    PSEUDO_BLOCK = 32       # cases a task: p and q of 500 hidden units take 256 kB


def pseudo_sums(const uint8_t[:, :] planes, Layer layer, const double[:, ::1] up, const double[:, ::1] down,
                const double[::1] visible_bias, Py_ssize_t room, double[::1] out, int n_threads):
    """out OUT (n,) = sum_i log p(v_i | v without i), planes IN (bytes, n), layer the hidden one.

    up IN (V, K) = exp(W), down IN (V, K) = exp(-W), K hidden units padded to a multiple of 8 with anything finite;
    visible_bias IN (V,); room: how many of their factors multiply without leaving the range of float64."""
    cdef Py_ssize_t n = planes.shape[1], n_visible = up.shape[0], n_units = up.shape[1], item
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads)
    cdef size_t size = SCRATCH + 2 * PSEUDO_BLOCK * n_units * sizeof(double)
    cdef Meeting meeting = no_meeting()
    cdef char *scratch
    if DEBUG_CHECKS:
        check(n_units == 8 * ceil_div(layer.n_units, 8) and down.shape[0] == n_visible and down.shape[1] == n_units
              and out.shape[0] == n and visible_bias.shape[0] == n_visible and room > 0, "pseudo_sums")
    if n == 0:
        return
    scratch = <char *> aligned_memory(<size_t> n_threads * size)
    if scratch == NULL:
        raise MemoryError("no memory for the scratch space of pseudo-likelihoods")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(n, PSEUDO_BLOCK), schedule="dynamic", chunksize=1):
            pseudo_item(&step, item * PSEUDO_BLOCK, &up[0, 0], &down[0, 0], &visible_bias[0], n_visible, n_units, room,
                        &out[0], scratch + <size_t> threadid() * size)
        leave_team(&meeting)
    free(scratch)


cdef void pseudo_item(const HalfStep *step, Py_ssize_t first, const double *up, const double *down,
                      const double *visible_bias, Py_ssize_t n_visible, Py_ssize_t n_units, Py_ssize_t room,
                      double *out, char *scratch) noexcept nogil:
    cdef Py_ssize_t n = smaller(PSEUDO_BLOCK, step.n - first), case, tile, unit, n_columns
    cdef int32_t *acc = <int32_t *> (scratch + SUMS_AT)
    cdef double *on = <double *> (scratch + SCRATCH)
    cdef double *off = on + PSEUDO_BLOCK * n_units
    cdef double change
    cdef bint bit
    for tile in range(step.n_tiles):
        n_columns = smaller(TILE, step.n_units - tile * TILE)
        product_tile(acc, scratch, step.tiles + tile * step.tile_length, step.grid, step.planes + first, step.stride,
                     step.n_bytes, n, n_columns, ALL_DIGITS, 0)
        for case in range(n):
            two_probabilities(acc + case * TILE, step.bias + tile * TILE, <double> step.scale, n_columns,
                              on + case * n_units + tile * TILE, off + case * n_units + tile * TILE)
    for case in range(n):
        out[first + case] = 0
    for unit in range(n_visible):
        for case in range(n):
            bit = (step.planes[(unit // 8) * step.stride + first + case] >> (unit % 8)) & 1
            # log p(v_i) = -softplus(+-(b_i + the change of the hidden units' terms when v_i goes from 0 to 1))
            change = log_products(on + case * n_units, off + case * n_units, (down if bit else up) + unit * n_units,
                                  n_units, room)
            change = -(visible_bias[unit] - change) if bit else visible_bias[unit] + change
            out[first + case] -= (change if change > 0 else 0) + log_scalar(one_plus_exp_scalar(change))


cdef inline double one_plus_exp_scalar(double x) noexcept nogil:
    return 1.0 + exp_scalar(-x if x > 0 else x)


cdef void two_probabilities(const int32_t *acc, const float *bias, double scale, Py_ssize_t n_columns, double *on,
                            double *off) noexcept nogil:
    """on = sigmoid(field), off = sigmoid(-field); in the padding of the last group of 8, on = 0 and off = 1."""
    cdef Py_ssize_t group, part, k
    cdef double wide_bias[8]
    cdef double less[8]
    cdef double more[8]
    cdef double field[8]
    cdef vd x, e
    for group in range(ceil_div(n_columns, 8)):
        for k in range(8):
            wide_bias[k] = <double> bias[8 * group + k]
        for part in range(8 // HALF):
            x = to_double(acc + 8 * group + part * HALF) * splat_d(scale) + (<const vdu *> (wide_bias + part * HALF))[0]
            e = exp_negative_d(max_d(splat_d(0.0) - abs_d(x), splat_d(-708.0)))
            (<vdu *> field)[part] = x
            (<vdu *> less)[part] = e / (splat_d(1.0) + e)
            (<vdu *> more)[part] = splat_d(1.0) / (splat_d(1.0) + e)
        for k in range(8):
            if 8 * group + k >= n_columns:
                on[8 * group + k] = 0
                off[8 * group + k] = 1
            else:
                on[8 * group + k] = more[k] if field[k] >= 0 else less[k]
                off[8 * group + k] = less[k] if field[k] >= 0 else more[k]


cdef double log_products(const double *on, const double *off, const double *factor, Py_ssize_t n_units,
                         Py_ssize_t room) noexcept nogil:
    """sum_j log(off_j + on_j factor_j), in eight lanes, a logarithm every room factors of a lane."""
    cdef double products[8]
    cdef double logs[8]
    cdef Py_ssize_t group, part, lane, used = 0
    for lane in range(8):
        logs[lane] = 0
        products[lane] = 1
    for group in range(n_units // 8):
        for part in range(8 // HALF):
            (<vdu *> products)[part] = (<vdu *> products)[part] * (
                (<const vdu *> (off + 8 * group))[part]
                + (<const vdu *> (on + 8 * group))[part] * (<const vdu *> (factor + 8 * group))[part])
        used += 1
        if used == room:
            take_logs(products, logs, 8)
            used = 0
    take_logs(products, logs, 8)
    return sum8(logs)
