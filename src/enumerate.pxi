# Enumeration: the log weight of every state of a layer, the other one summed out, all in float64 on the float32
# parameters themselves. A state is a high part and a low part; the log odds that each part gives the units of the other
# layer are tabulated, so that a state costs one addition, one exp and two multiplications a unit of the other layer.


def enumerate_states(const double[:, ::1] high, const double[::1] high_bias, const double[:, ::1] low,
                     const double[::1] low_bias, str unit, Segments segments, Py_ssize_t n_units, double[::1] peak,
                     double[::1] total, int n_threads):
    """For each high part m, over the low parts l: log weights w = high_bias_m + low_bias_l + sum_k cgf(high_mk +
    low_lk), over K units of this type, or of segments; peak OUT (M,) is the largest, total OUT (M,) = sum_l exp(w -
    peak).

    high IN (M, K'), with the other layer's biases in it; low IN (L, K'): parts of log odds, of categories parts of
    fields; K' is K up to a multiple of 8, and of segments further by 8."""
    cdef int kind = UNITS[unit]
    cdef const Plan *plan = plan_of(segments)
    cdef Py_ssize_t n_high = high.shape[0], n_low = low.shape[0], stride = high.shape[1], item
    cdef size_t size = whole_lines(n_low * sizeof(double))
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    if DEBUG_CHECKS:
        check(low.shape[1] == stride and stride == 8 * ceil_div(n_units, 8) + (0 if plan == NULL else 8)
              and high_bias.shape[0] == n_high
              and low_bias.shape[0] == n_low and peak.shape[0] == n_high and total.shape[0] == n_high,
              "enumerate_states")
    memory = memory_for(n_threads, size, "an enumeration")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_high, schedule="dynamic", chunksize=1):
            enumerate_item(plan, kind, &high[item, 0], high_bias[item], &low[0, 0], &low_bias[0], n_low, n_units,
                           stride, &peak[item], &total[item],
                           <double *> (memory.start + <size_t> threadid() * size))
        leave_team(&barrier)


cdef void enumerate_item(const Plan *plan, int unit, const double *high, double high_bias, const double *low,
                         const double *low_bias, Py_ssize_t n_low, Py_ssize_t n_units, Py_ssize_t stride, double *peak,
                         double *total, double *log_weights) noexcept nogil:
    cdef Py_ssize_t state
    cdef double top, sums = 0
    for state in range(n_low):
        log_weights[state] = (high_bias + low_bias[state])
        if plan == NULL:
            log_weights[state] += cgf_row(unit, high, low + state * stride, n_units)
        else:
            log_weights[state] += cgf_of_segments(plan, high, low + state * stride)
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


cdef double cgf_row(int unit, const double *x, const double *y, Py_ssize_t n_units) noexcept nogil:
    """sum_k cgf of units with log odds x_k + y_k, in eight lanes, a logarithm every 512 factors of a lane."""
    cdef double lines[8]
    cdef double products[8]
    cdef double logs[8]
    cdef Py_ssize_t column, part, lane
    cdef vd z, factor
    for lane in range(8):
        lines[lane] = logs[lane] = 0
        products[lane] = 1
    column = 0
    while column < n_units:
        part = column % 8 // HALF
        z = (<const vdu *> (x + column))[0] + (<const vdu *> (y + column))[0]
        factor = first_d(n_units - column, one_plus_exp(z), splat_d(1.0))
        z = first_d(n_units - column, kink(unit, z), splat_d(0.0))
        (<vdu *> lines)[part] = (<vdu *> lines)[part] + z
        (<vdu *> products)[part] = (<vdu *> products)[part] * factor
        column += HALF
        if column % 4096 == 0:
            take_logs(products, logs, 8)
    take_logs(products, logs, 8)
    return sum8(lines) + sum8(logs)


cdef double cgf_of_segments(const Plan *plan, const double *x, const double *y) noexcept nogil:
    """The same of segments: runs of units of two values, and the logarithm of the sum of exp(field) over the categories
    of each site."""
    cdef double total = 0, top
    cdef double sums[8]
    cdef Py_ssize_t k, site, unit, part, size
    cdef const Run *run
    cdef const Row *row
    cdef vd z
    for k in range(plan.n_runs):
        run = plan.runs + k
        row = plan.rows + run.row + run.n_rows - 1
        if run.kind != CATEGORICAL:
            total += cgf_row(run.kind, x + run.unit, y + run.unit, row.unit + row.size - run.unit)
            continue
        for site in range(run.n_rows):
            row = plan.rows + run.row + site
            size = row.size
            top = x[row.unit] + y[row.unit]
            for unit in range(row.unit + 1, row.unit + size):
                if x[unit] + y[unit] > top:
                    top = x[unit] + y[unit]
            memset(sums, 0, sizeof(sums))
            for unit in range(0, size, 8):
                for part in range(LANES_OF_8):
                    z = (<const vdu *> (x + row.unit + unit))[part] + (<const vdu *> (y + row.unit + unit))[part]
                    z = exp_negative_d(max_d(z - splat_d(top), splat_d(-708.0)))
                    z = first_d(size - unit - part * HALF, z, splat_d(0.0))
                    (<vdu *> sums)[part] = (<vdu *> sums)[part] + z
            total += top + log_scalar(sum8(sums))
    return total
