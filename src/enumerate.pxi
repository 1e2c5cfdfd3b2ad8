# Enumeration: the log weight of every state of a layer, the other one summed out, all in float64 on the float32
# parameters themselves. A state is a high part and a low part; the fields of each part are tabulated, so that a state
# costs one addition, one exp and two multiplications a unit of the other layer.


def enumerate_states(const double[:, ::1] high, const double[::1] high_bias, const double[:, ::1] low,
                     const double[::1] low_bias, double[::1] peak, double[::1] total, int n_threads):
    """For each high part m, over the low parts l: log weights w = high_bias_m + low_bias_l + sum_k softplus(high_mk +
    low_lk); peak OUT (M,) is the largest, total OUT (M,) = sum_l exp(w - peak).

    high IN (M, K), with the other layer's biases in it; low IN (L, K). K is a multiple of 8, the padding -1e9 in high
    and 0 in low."""
    cdef Py_ssize_t n_high = high.shape[0], n_low = low.shape[0], n_units = high.shape[1], item
    cdef size_t size = (n_low * sizeof(double) + 63) // 64 * 64
    cdef Barrier barrier = new_barrier()
    cdef char *scratch
    if DEBUG_CHECKS:
        check(low.shape[1] == n_units and n_units % 8 == 0 and high_bias.shape[0] == n_high
              and low_bias.shape[0] == n_low and peak.shape[0] == n_high and total.shape[0] == n_high,
              "enumerate_states")
    scratch = <char *> aligned_memory(<size_t> n_threads * size)
    if scratch == NULL:
        raise MemoryError("no memory for the scratch space of an enumeration")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_high, schedule="dynamic", chunksize=1):
            enumerate_item(&high[item, 0], high_bias[item], &low[0, 0], &low_bias[0], n_low, n_units, &peak[item],
                           &total[item], <double *> (scratch + <size_t> threadid() * size))
        leave_team(&barrier)
    free(scratch)


cdef void enumerate_item(const double *high, double high_bias, const double *low, const double *low_bias,
                         Py_ssize_t n_low, Py_ssize_t n_units, double *peak, double *total,
                         double *log_weights) noexcept nogil:
    cdef Py_ssize_t state
    cdef double top, sums = 0
    for state in range(n_low):
        log_weights[state] = (high_bias + low_bias[state]) + softplus_row(high, low + state * n_units, n_units)
    top = log_weights[0]
    for state in range(1, n_low):
        if log_weights[state] > top:
            top = log_weights[state]
    for state in range(n_low):
        sums += exp_scalar(log_weights[state] - top)
    peak[0] = top
    total[0] = sums


cdef inline double exp_scalar(double x) noexcept nogil:
    """exp(x) for x <= 0; 3e-308 where it would be smaller."""
    cdef double lanes[HALF]
    cdef vd y = exp_negative_d(max_d(splat_d(x), splat_d(-708.0)))
    memcpy(lanes, &y, WIDTH)
    return lanes[0]


cdef double softplus_row(const double *x, const double *y, Py_ssize_t n_units) noexcept nogil:
    """sum_k softplus(x_k + y_k), in eight lanes, a logarithm every 512 factors of a lane."""
    cdef double lines[8]
    cdef double products[8]
    cdef double logs[8]
    cdef Py_ssize_t group, part, lane
    cdef vd z
    for lane in range(8):
        lines[lane] = logs[lane] = 0
        products[lane] = 1
    for group in range(n_units // 8):
        for part in range(8 // HALF):
            z = (<const vdu *> (x + 8 * group))[part] + (<const vdu *> (y + 8 * group))[part]
            (<vdu *> lines)[part] = (<vdu *> lines)[part] + max_d(z, splat_d(0.0))
            (<vdu *> products)[part] = (<vdu *> products)[part] * one_plus_exp(z)
        if group % 512 == 511:
            take_logs(products, logs, 8)
    take_logs(products, logs, 8)
    return sum8(lines) + sum8(logs)
