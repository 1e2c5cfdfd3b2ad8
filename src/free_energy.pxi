# Energies in float64: row sums of cumulant generating functions (cgf), and bias terms. Sums run in one fixed order at
# every ISA level. The cgf of a unit is kink(x) + log(1 + exp(-|x|)), x its log odds (units.pxi).


cdef inline vd exp_negative_d(vd x) noexcept nogil:
    """exp(x) for -708 <= x <= 0 (and up to 700, where that is needed), which errs by under 1 ulp: exp(r) 2^k, where
    x = r + k log 2 with |r| <= log(2) / 2, by the Taylor polynomial of degree 13."""
    cdef vd magic = splat_d(6755399441055744.0)  # 1.5 * 2^52
    cdef vd t = x * splat_d(1.4426950408889634) + magic
    cdef vd n = t - magic
    cdef vd r = x - n * splat_d(6.93147180369123816490e-01) - n * splat_d(1.90821492927058770002e-10)
    cdef vd p = splat_d(1.0 / 6227020800.0)
    p = p * r + splat_d(1.0 / 479001600.0)
    p = p * r + splat_d(1.0 / 39916800.0)
    p = p * r + splat_d(1.0 / 3628800.0)
    p = p * r + splat_d(1.0 / 362880.0)
    p = p * r + splat_d(1.0 / 40320.0)
    p = p * r + splat_d(1.0 / 5040.0)
    p = p * r + splat_d(1.0 / 720.0)
    p = p * r + splat_d(1.0 / 120.0)
    p = p * r + splat_d(1.0 / 24.0)
    p = p * r + splat_d(1.0 / 6.0)
    p = p * r + splat_d(0.5)
    p = p * (r * r) + r + splat_d(1.0)
    return p * double_of((bits_d(t) - bits_d(magic) + splat_q(1023)) << 52)


cdef inline vd log_d(vd x) noexcept nogil:
    """log(x) for normal x > 0: x = m 2^k with m in [0.7, 1.42), log m = 2 artanh(s), s = (m - 1) / (m + 1), by its
    series to s^33: |s| < 0.172, so that what is left out is below 1e-28 of the sum."""
    cdef vq bits = bits_d(x)
    cdef vd m = double_of((bits & splat_q(0x000fffffffffffffu)) | splat_q(0x3fe0000000000000u))  # in [1/2, 1)
    cdef vd k = exponent_d(bits)
    cdef vq low = mask_lt_d(m, splat_d(0.7071067811865476))
    m = select_d(low, m + m, m)
    k = select_d(low, k - splat_d(1.0), k)
    cdef vd s = (m - splat_d(1.0)) / (m + splat_d(1.0))
    cdef vd z = s * s
    cdef vd p = splat_d(1.0 / 33.0)
    p = p * z + splat_d(1.0 / 31.0)
    p = p * z + splat_d(1.0 / 29.0)
    p = p * z + splat_d(1.0 / 27.0)
    p = p * z + splat_d(1.0 / 25.0)
    p = p * z + splat_d(1.0 / 23.0)
    p = p * z + splat_d(1.0 / 21.0)
    p = p * z + splat_d(1.0 / 19.0)
    p = p * z + splat_d(1.0 / 17.0)
    p = p * z + splat_d(1.0 / 15.0)
    p = p * z + splat_d(1.0 / 13.0)
    p = p * z + splat_d(1.0 / 11.0)
    p = p * z + splat_d(1.0 / 9.0)
    p = p * z + splat_d(1.0 / 7.0)
    p = p * z + splat_d(1.0 / 5.0)
    p = p * z + splat_d(1.0 / 3.0)
    p = p * z + splat_d(1.0)
    return (s + s) * p + k * splat_d(0.6931471805599453)


def logs(const double[::1] x, double[::1] out):
    """out OUT (n,) = log(x) of numbers x IN (n,), normal and above 0, or NaN."""
    cdef Py_ssize_t n = x.shape[0], start = 0, count
    cdef vd y
    if DEBUG_CHECKS:
        check(out.shape[0] == n, "logs")
    while start < n:
        count = smaller(HALF, n - start)
        y = splat_d(1.0)
        memcpy(&y, &x[start], count * sizeof(double))
        y = log_d(y) + (y - y)      # NaN stays
        memcpy(&out[start], &y, count * sizeof(double))
        start += count


cdef inline vd one_plus_exp(vd x) noexcept nogil:
    """1 + exp(-|x|), in (1, 2]: a cgf is kink(x) + log of this. A product of up to 1,000 of them is finite, so that a
    sum of cgfs takes one logarithm, and its error is a few units of 2^-53 a term."""
    return splat_d(1.0) + exp_negative_d(max_d(splat_d(0.0) - abs_d(x), splat_d(-708.0)))


cdef enum:
    ENERGY_BLOCK = 128      # chains a task; a task does all tiles, since a row's sum has one owner
    CAPACITY = 64           # tiles whose factors, 8 a lane and a tile, multiply without overflow: 2^512

cdef struct EnergyScratch:  # what a thread needs
    Scratch product
    double odds[ENERGY_BLOCK * TILE]
    double lines[ENERGY_BLOCK * 8]
    double products[ENERGY_BLOCK * 8]
    double logs[ENERGY_BLOCK * 8]


def cgf_sums(const uint8_t[:, :] planes, Layer layer, const double[::1] beta, double[::1] out, int n_threads):
    """out OUT (n,): sum over the units j of layer of cgf(beta field_j); beta IN (n,) or (1,) for all. Unit j goes to
    lane j mod 8, whose terms kink(x) add up and whose factors 1 + exp(-|x|) multiply."""
    cdef HalfStep step = prepare(planes, layer, None, 0, 0, n_threads)
    run_cgf(&step, beta, out, n_threads)


def cgf_sums_of_fractions(const double[:, ::1] numbers, Layer layer, const double[::1] beta, double[::1] out,
                          int n_threads):
    """cgf_sums, of numbers IN (n, units of the other layer), whole, from 0 to 2^22."""
    cdef HalfStep step = prepare_numbers(numbers, layer, 0, 0, n_threads)
    run_cgf(&step, beta, out, n_threads)


cdef int run_cgf(const HalfStep *step, const double[::1] beta, double[::1] out, int n_threads) except -1:
    cdef Py_ssize_t item
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    cdef EnergyScratch *scratch
    if DEBUG_CHECKS:
        check(out.shape[0] == step.n and (beta.shape[0] == step.n or beta.shape[0] == 1), "cgf_sums")
    if step.n == 0:
        return 0
    memory = memory_for(n_threads, sizeof(EnergyScratch), "free energies")
    scratch = <EnergyScratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(step.n, ENERGY_BLOCK), schedule="dynamic", chunksize=1):
            cgf_item(step, item * ENERGY_BLOCK, &beta[0], beta.shape[0] > 1, &out[0], scratch + threadid())
        leave_team(&barrier)
    return 0


cdef void cgf_item(const HalfStep *step, Py_ssize_t first, const double *beta, bint own_beta, double *out,
                   EnergyScratch *scratch) noexcept nogil:
    cdef Py_ssize_t n = smaller(ENERGY_BLOCK, step.n - first), chain, tile, n_columns, lane
    cdef double *odds = scratch.odds
    cdef double *lines = scratch.lines
    cdef double *products = scratch.products
    cdef double *logs = scratch.logs
    for lane in range(8 * n):
        lines[lane] = 0
        products[lane] = 1
        logs[lane] = 0
    for tile in range(step.n_tiles):
        n_columns = smaller(TILE, step.n_units - tile * TILE)
        log_odds_tile(odds, &scratch.product, step, tile, first, n)
        if step.to != NULL:
            for chain in range(n):
                add_real_cgf(step, odds + chain * TILE, tile, n_columns, beta[first + chain] if own_beta else beta[0],
                             lines + 8 * chain)
            continue
        for chain in range(n):
            add_cgf(step.unit, odds + chain * TILE, n_columns, beta[first + chain] if own_beta else beta[0],
                    lines + 8 * chain, products + 8 * chain)
        if tile % CAPACITY == CAPACITY - 1:
            take_logs(products, logs, 8 * n)
    take_logs(products, logs, 8 * n)
    for chain in range(n):
        out[first + chain] = sum8(lines + 8 * chain) + sum8(logs + 8 * chain)


cdef void take_logs(double *products, double *logs, Py_ssize_t n) noexcept nogil:
    """logs += log(products); products = 1; n is a multiple of 8."""
    cdef Py_ssize_t i
    for i in range(n // HALF):
        (<vdu *> logs)[i] = (<vdu *> logs)[i] + log_d((<vdu *> products)[i])
        (<vdu *> products)[i] = splat_d(1.0)


cdef void add_cgf(int unit, const double *odds, Py_ssize_t n_columns, double beta, double *lines,
                  double *products) noexcept nogil:
    cdef Py_ssize_t column = 0, part
    cdef vd x, y
    while column < n_columns:
        part = column % 8 // HALF
        x = (<const vdu *> (odds + column))[0] * splat_d(beta)
        y = first_d(n_columns - column, one_plus_exp(x), splat_d(1.0))
        x = first_d(n_columns - column, kink(unit, x), splat_d(0.0))
        (<vdu *> lines)[part] = (<vdu *> lines)[part] + x
        (<vdu *> products)[part] = (<vdu *> products)[part] * y
        column += HALF


def bias_sums(const uint8_t[:, :] planes, str unit, Segments segments, const double[::1] bias, double[::1] out,
              int n_threads):
    """out OUT (n,): sum of bias_i value_i over the units, of this type or of segments, each row of planes summed from
    its low bit up, then the rows in turn; bias IN (U,)."""
    cdef int kind = UNITS[unit]
    cdef const Plan *plan = plan_of(segments)
    cdef Py_ssize_t n = planes.shape[1], item
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(ceil_div(bias.shape[0], 8) == planes.shape[0] if plan == NULL else plan.n_units == bias.shape[0]
              and plan.n_rows == planes.shape[0], "bias_sums")
        check(out.shape[0] == n, "bias_sums")
    if n == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(ceil_div(n, BLOCK), schedule="static"):
            bias_item(plan, kind, bias.shape[0], &planes[0, item * BLOCK], planes.strides[0], planes.shape[0], &bias[0],
                      &out[item * BLOCK], smaller(BLOCK, n - item * BLOCK))
        leave_team(&barrier)


cdef void bias_item(const Plan *plan, int unit, Py_ssize_t n_units, const uint8_t *planes, Py_ssize_t stride,
                    Py_ssize_t n_bytes, const double *bias, double *out, Py_ssize_t n) noexcept nogil:
    cdef double table[256]
    cdef Py_ssize_t byte, chain
    for chain in range(n):
        out[chain] = 0
    for byte in range(n_bytes):
        build_bias_table(row_of(plan, n_units, unit, byte), bias, table)
        for chain in range(n):
            out[chain] += table[planes[byte * stride + chain]]


cdef void build_bias_table(Row row, const double *bias, double *table) noexcept nogil:
    """table[x] for what a row of planes may hold, of biases IN of all units: sum_k bias_k value(bit k of x), from the
    low bit up, or the bias of category x, or bias times what a byte of a real unit's integer stands for."""
    cdef Py_ssize_t k, m
    cdef double b
    if row.kind == CATEGORICAL:
        memset(table, 0, 256 * sizeof(double))
        memcpy(table, bias + row.unit, row.size * sizeof(double))
        return
    if is_real(row.kind):
        for m in range(256):
            table[m] = value_of_byte(row.byte, <uint8_t> m) * bias[row.unit]
        return
    table[0] = 0
    for k in range(8):
        b = bias[row.unit + k] if k < row.size else 0.0
        for m in range(1 << k):
            table[(1 << k) + m] = table[m] + value_of(row.kind, True) * b
            table[m] = table[m] + value_of(row.kind, False) * b
