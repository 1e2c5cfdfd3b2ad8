# Annealing: sweeps at a changing beta, with the importance weights of the chains (Neal 2001; Salakhutdinov & Murray
# 2008).
#
# The path of distributions is p*_beta(v, h) = exp(-beta E(v, h) + (1 - beta) r'v) with the reference bias r on the
# visible units. With h summed out, log p*_beta(v) = beta b'v + (1 - beta) r'v + sum_j cgf(beta (c_j + (v'W)_j)). A step
# from beta to beta' adds log p*_beta'(v) - log p*_beta(v) to the chain's log weight, then moves v by a sweep at beta'.
#
# One product serves a step: the fields of v give the weight and the draw of h. Each tile keeps its own part of a
# chain's log weight, so that every number has one owner: rows 0 .. hidden tiles - 1 of log_weights, then the visible
# tiles' part of (beta' - beta) (b - r)'v.


def anneal(uint8_t[:, :] visible, uint8_t[:, :] hidden, Layer to_visible, Layer to_hidden, const float[::1] reference,
           const double[::1] bias_difference, const float[::1] betas, uint64_t seed, uint32_t stream,
           uint32_t first_sweep, Py_ssize_t first_chain, double[:, ::1] log_weights, int n_threads):
    """Take n chains from betas[0] to betas[-1]: visible INOUT, hidden OUT, log_weights INOUT (all tiles, n).

    reference IN float32 (64 visible tiles,) is r; bias_difference IN float64 (8 bytes,) is b - r, padded with zeros.
    Step k draws the numbers of sweep first_sweep + k."""
    cdef HalfStep up = prepare(visible, to_hidden, None, seed, first_chain, n_threads)
    cdef HalfStep down = prepare(hidden, to_visible, None, seed, first_chain, n_threads)
    cdef Py_ssize_t n_steps = betas.shape[0] - 1, n_bytes = visible.shape[0], byte
    cdef _Memory memory, table_memory
    cdef double *tables
    if DEBUG_CHECKS:
        check(log_weights.shape[0] == up.n_tiles + down.n_tiles and log_weights.shape[1] == up.n
              and reference.shape[0] == TILE * down.n_tiles and bias_difference.shape[0] == 8 * n_bytes, "anneal")
    give_out(&up, hidden, None, None)
    give_out(&down, visible, None, None)
    if up.n == 0 or n_steps < 1:
        return
    # the visible layer's parameters are r at beta 0: field = beta (b + W h) + (1 - beta) r
    down.reference = &reference[0]
    memory = memory_for(n_threads, sizeof(Scratch), "annealing")
    table_memory = memory_for(n_bytes, 256 * sizeof(double), "annealing")
    tables = <double *> table_memory.start
    for byte in range(n_bytes):
        build_bias_table(down.unit, &bias_difference[8 * byte], tables + 256 * byte)
    with nogil:
        run_annealing(&up, &down, &betas[0], n_steps, stream, first_sweep, tables, &log_weights[0, 0],
                      <Scratch *> memory.start, n_threads)


cdef void run_annealing(HalfStep *up, HalfStep *down, const float *betas, Py_ssize_t n_steps, uint32_t stream,
                        uint32_t first_sweep, const double *tables, double *log_weights, Scratch *scratch,
                        int n_threads) noexcept nogil:
    cdef Py_ssize_t s = 0, item, other, n_up = up.n_tiles * ceil_div(up.n, up.block)
    cdef Py_ssize_t n_down = down.n_tiles * ceil_div(down.n, down.block)
    cdef Barrier barrier = new_barrier()
    with parallel(num_threads=n_threads):
        join_team()
        for s in range(n_steps):
            for item in prange(n_up + n_down, schedule="dynamic", chunksize=1):
                if item < n_up:
                    weigh_and_draw_hidden(up, item, betas + s, first_sweep + <uint32_t> s, stream << 8 | HIDDEN,
                                          log_weights, scratch + threadid())
                else:
                    weigh_visible(up, down, item - n_up, betas + s, tables, log_weights)
            wait_at(&barrier)
            for other in prange(n_down, schedule="dynamic", chunksize=1):
                draw_visible(down, other, betas + s + 1, first_sweep + <uint32_t> s, stream << 8 | VISIBLE,
                             scratch + threadid())
            wait_at(&barrier)
        leave_team(&barrier)


cdef void weigh_and_draw_hidden(const HalfStep *step, Py_ssize_t item, const float *betas, uint32_t sweep,
                                uint32_t kind, double *log_weights, Scratch *scratch) noexcept nogil:
    """A tile of hidden units, for a block of chains: its draw at betas[1], and its part of the log weights."""
    cdef HalfStep now = step[0]
    cdef Py_ssize_t tile = item % step.n_tiles, first = (item // step.n_tiles) * step.block
    cdef Py_ssize_t n = smaller(step.block, step.n - first), n_columns = smaller(TILE, step.n_units - tile * TILE)
    cdef int32_t *acc = scratch.sums
    cdef double *out = log_weights + tile * step.n + first
    product_tile(acc, scratch, step.tiles + tile * step.tile_length, step.grid, step.planes + first, step.stride,
                 step.n_bytes, n, n_columns, ALL_LIMBS)
    now.sweep = sweep
    now.kind = kind
    now.beta = betas + 1
    now.beta_stride = 0
    activate(&now, acc, tile, first, n, scratch.masks)
    turn_to_sent(acc, step, tile, n)
    weigh_hidden(step.unit, acc, step.bias + tile * TILE, <double> step.scale, n_columns, n, <double> betas[0],
                 <double> betas[1], <double *> scratch.masks, out)


cdef void weigh_hidden(int unit, const int32_t *acc, const float *bias, double scale, Py_ssize_t n_columns, Py_ssize_t n,
                       double beta0, double beta1, double *ratios, double *out) noexcept nogil:
    """Add to out, for each chain, the sum over the columns of cgf(beta1 x) - cgf(beta0 x): (beta1 - beta0) times the
    sum of kink(x), plus the logarithm of a ratio of two products. acc is what is sent; ratios is room for n numbers, up
    to a multiple of 8."""
    cdef double line[8]
    cdef double product0[8]
    cdef double product1[8]
    cdef Py_ssize_t chain, k
    for chain in range(n):
        for k in range(8):
            line[k] = 0
            product0[k] = product1[k] = 1
        multiply_both(unit, acc + chain * TILE, bias, scale, n_columns, beta0, beta1, line, product0, product1)
        for k in range(8):
            product1[k] = product1[k] / product0[k]
        # 64 factors from 1/2 to 2: their product is finite
        ratios[chain] = product8(product1)
        out[chain] += (beta1 - beta0) * sum8(line)
    chain = n
    while chain % 8:
        ratios[chain] = 1
        chain += 1
    for k in range(chain // HALF):
        (<vdu *> ratios)[k] = log_d((<vdu *> ratios)[k])
    for chain in range(n):
        out[chain] += ratios[chain]


cdef void multiply_both(int unit, const int32_t *acc, const float *bias, double scale, Py_ssize_t n_columns, double beta0,
                        double beta1, double *line, double *product0, double *product1) noexcept nogil:
    """Lane by lane, x the log odds: line += kink(x), product0 *= 1 + exp(-|beta0 x|), product1 *= 1 + exp(-|beta1 x|)."""
    cdef Py_ssize_t column = 0, part
    cdef vd x, y0, y1
    while column < n_columns:
        part = column % 8 // HALF
        x = to_double(acc + column) * splat_d(scale) + widen(bias + column)
        x = log_odds_v(unit, x)
        y0 = first_d(n_columns - column, one_plus_exp(x * splat_d(beta0)), splat_d(1.0))
        y1 = first_d(n_columns - column, one_plus_exp(x * splat_d(beta1)), splat_d(1.0))
        x = first_d(n_columns - column, kink(unit, x), splat_d(0.0))
        (<vdu *> line)[part] = (<vdu *> line)[part] + x
        (<vdu *> product0)[part] = (<vdu *> product0)[part] * y0
        (<vdu *> product1)[part] = (<vdu *> product1)[part] * y1
        column += HALF


cdef inline double product8(double *x) noexcept nogil:
    return ((x[0] * x[1]) * (x[2] * x[3])) * ((x[4] * x[5]) * (x[6] * x[7]))


cdef inline double log_scalar(double x) noexcept nogil:
    cdef double lanes[HALF]
    cdef vd y = log_d(splat_d(x))
    memcpy(lanes, &y, WIDTH)
    return lanes[0]


cdef void weigh_visible(const HalfStep *up, const HalfStep *down, Py_ssize_t item, const float *betas,
                        const double *tables, double *log_weights) noexcept nogil:
    """A tile of visible units, for a block of chains: its part of (betas[1] - betas[0]) (b - r)'v."""
    cdef Py_ssize_t tile = item % down.n_tiles, first = (item // down.n_tiles) * down.block, chain, byte
    cdef Py_ssize_t n = smaller(down.block, down.n - first)
    cdef Py_ssize_t stop = smaller((tile + 1) * (TILE // 8), up.n_bytes)
    cdef double *out = log_weights + (up.n_tiles + tile) * down.n + first
    cdef double change = <double> betas[1] - <double> betas[0], total
    for chain in range(n):
        total = 0
        for byte in range(tile * (TILE // 8), stop):
            total += tables[256 * byte + up.planes[byte * up.stride + first + chain]]
        out[chain] += change * total


cdef void draw_visible(const HalfStep *step, Py_ssize_t item, const float *beta, uint32_t sweep, uint32_t kind,
                       Scratch *scratch) noexcept nogil:
    cdef HalfStep now = step[0]
    now.sweep = sweep
    now.kind = kind
    now.beta = beta
    now.beta_stride = 0
    half_step_item(&now, item, scratch)
