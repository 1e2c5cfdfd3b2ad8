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
#
# Where hidden units are real, visible biases have another beta than weights and hidden biases: see sampling/path.py.


def anneal(uint8_t[:, :] visible, uint8_t[:, :] hidden, Layer to_visible, Layer to_hidden,
           const float[:, ::1] reference, const double[::1] bias_difference, const float[::1] betas,
           const double[::1] visible_betas, uint64_t seed, uint32_t stream, uint32_t first_sweep,
           Py_ssize_t first_chain, double[:, ::1] log_weights, int n_threads, bint apart=False):
    """Take n chains from betas[0] to betas[-1]: visible INOUT, hidden OUT, log_weights INOUT (all tiles, n).

    reference IN float32 (1 or steps, 64 visible tiles) is r, of all steps or of each; bias_difference IN float64 (V,)
    is b - r. visible_betas IN (steps + 1,): those of the visible biases' part of the weights.
    Step k draws the numbers of sweep first_sweep + k. apart as for sweep."""
    cdef Annealing job
    cdef Py_ssize_t n_bytes = visible.shape[0], byte
    cdef _Memory memory, table_memory
    cdef double *tables
    memset(&job, 0, sizeof(Annealing))
    job.up = prepare(visible, to_hidden, None, seed, first_chain, n_threads)
    job.down = prepare(hidden, to_visible, None, seed, first_chain, n_threads)
    job.n_steps, job.stream, job.first_sweep = betas.shape[0] - 1, stream, first_sweep
    if DEBUG_CHECKS:
        check(log_weights.shape[0] == job.up.n_tiles + job.down.n_tiles and log_weights.shape[1] == job.up.n
              and reference.shape[1] == TILE * job.down.n_tiles and bias_difference.shape[0] == job.down.n_units
              and (reference.shape[0] == 1 or reference.shape[0] == job.n_steps)
              and visible_betas.shape[0] == job.n_steps + 1, "anneal")
    give_out(&job.up, hidden, None, None)
    give_out(&job.down, visible, None, None)
    if job.up.n == 0 or job.n_steps < 1:
        return
    # the visible layer's parameters are r at beta 0: field = beta (b + W h) + (1 - beta) r
    job.down.reference = &reference[0, 0]
    job.reference_stride = 0 if reference.shape[0] == 1 else reference.shape[1]
    job.betas, job.log_weights, job.n_chains = &betas[0], &log_weights[0, 0], job.up.n
    job.visible_betas = &visible_betas[0]
    job.block = chains_of_a_thread(job.up.n, n_threads, apart)
    memory = memory_for(n_threads, sizeof(Scratch), "annealing")
    table_memory = memory_for(n_bytes, 256 * sizeof(double), "annealing")
    job.tables = tables = <double *> table_memory.start
    for byte in range(n_bytes):
        build_bias_table(row_of(job.down.to, job.down.n_units, job.down.unit, byte), &bias_difference[0],
                         tables + 256 * byte)
    with nogil:
        run_team(anneal_with_others, &job, memory.start, sizeof(Scratch), n_threads)


cdef struct Annealing:          # a call of anneal
    HalfStep up
    HalfStep down
    const float *betas
    const double *visible_betas
    Py_ssize_t reference_stride  # from the reference of a step to the next
    Py_ssize_t n_steps
    uint32_t stream
    uint32_t first_sweep
    const double *tables        # (bytes, 256) of b - r
    double *log_weights         # (all tiles, n_chains)
    Py_ssize_t n_chains
    Py_ssize_t block            # chains that a thread takes through all steps; 0: threads share out tiles
    Pieces pieces
    WorkQueue tiles[2]


cdef void anneal_with_others(void *call, Barrier *barrier, int rank, char *scratch) noexcept nogil:
    """What one thread does for all steps."""
    cdef Annealing *job = <Annealing *> call
    cdef Piece mine
    if job.block == 0:
        anneal_tiles(job, barrier, rank, <Scratch *> scratch)
        return
    while take_piece(&job.pieces, job.block, job.up.n, &mine):
        anneal_chains(job, &mine, <Scratch *> scratch)
        finish_piece(&job.pieces)


cdef void anneal_chains(Annealing *job, Piece *mine, Scratch *scratch) noexcept nogil:
    """What is left of the steps of one block of chains, or of those of them that are not passed on."""
    cdef Annealing part
    cdef Py_ssize_t s, item
    cdef bint other_chains = True       # than in the step before
    memset(&part, 0, sizeof(Annealing))     # not a copy of the job, in which the threads share out their work meanwhile
    part.betas, part.n_steps, part.tables, part.n_chains = job.betas, job.n_steps, job.tables, job.n_chains
    part.stream, part.first_sweep = job.stream, job.first_sweep
    part.visible_betas, part.reference_stride = job.visible_betas, job.reference_stride
    for s in range(mine.step, job.n_steps):
        if other_chains:
            part.up, part.down = of_chains(&job.up, mine.first, mine.n), of_chains(&job.down, mine.first, mine.n)
            part.log_weights = job.log_weights + mine.first
        for item in range(part.up.n_tiles + part.down.n_tiles):
            weigh_item(&part, item, s, scratch)
        for item in range(part.down.n_tiles):
            draw_visible(&part, item, s, scratch)
        other_chains = s + 1 < job.n_steps and share_piece(&job.pieces, mine, PASSED_ON, s + 1)


cdef void anneal_tiles(Annealing *job, Barrier *barrier, int rank, Scratch *scratch) noexcept nogil:
    """A thread's part of all steps of all chains: no thread starts a layer before the other one is complete."""
    cdef Py_ssize_t s, item, n_down = job.down.n_tiles * ceil_div(job.down.n, job.down.block)
    cdef Py_ssize_t n_up = job.up.n_tiles * ceil_div(job.up.n, job.up.block)
    for s in range(job.n_steps):
        item = take_item(&job.tiles[0])
        while item < n_up + n_down:
            weigh_item(job, item, s, scratch)
            item = take_item(&job.tiles[0])
        next_layer(&job.tiles[0], barrier, rank)
        item = take_item(&job.tiles[1])
        while item < n_down:
            draw_visible(job, item, s, scratch)
            item = take_item(&job.tiles[1])
        next_layer(&job.tiles[1], barrier, rank)


cdef void weigh_item(const Annealing *job, Py_ssize_t item, Py_ssize_t s, Scratch *scratch) noexcept nogil:
    """Of step s, for a block of chains: a tile of hidden units and their draw, or the weight of a tile of visible
    units."""
    cdef Py_ssize_t n_up = job.up.n_tiles * ceil_div(job.up.n, job.up.block)
    if item < n_up:
        weigh_and_draw_hidden(job, item, s, scratch)
    else:
        weigh_visible(job, item - n_up, s)


cdef HalfStep at_step(const HalfStep *step, const Annealing *job, Py_ssize_t s, uint32_t layer) noexcept nogil:
    """A half step of step s, at the new beta."""
    cdef HalfStep now = step[0]
    now.sweep = job.first_sweep + <uint32_t> s
    now.kind = job.stream << 8 | layer
    now.beta = job.betas + s + 1
    now.beta_stride = 0
    return now


cdef void weigh_and_draw_hidden(const Annealing *job, Py_ssize_t item, Py_ssize_t s, Scratch *scratch) noexcept nogil:
    """A tile of hidden units, for a block of chains: its draw, and its part of the log weights."""
    cdef HalfStep step = at_step(&job.up, job, s, HIDDEN)
    cdef Py_ssize_t tile = item % step.n_tiles, first = (item // step.n_tiles) * step.block
    cdef Py_ssize_t n = smaller(step.block, step.n - first), n_columns = smaller(TILE, step.n_units - tile * TILE)
    cdef int32_t *acc = scratch.sums
    if step.to != NULL or (step.given != NULL and step.given.real):
        weigh_and_draw_reals(job, &step, tile, first, n, s, scratch)
        return
    sum_tile(acc, scratch, &step, tile, first, n)
    activate(&step, acc, tile, first, n, scratch.masks)
    turn_to_sent(acc, &step, tile, n)
    weigh_hidden(step.unit, acc, step.bias + tile * TILE, <double> step.scale, n_columns, n, <double> job.betas[s],
                 <double> job.betas[s + 1], <double *> scratch.masks, job.log_weights + tile * job.n_chains + first)


cdef void weigh_and_draw_reals(const Annealing *job, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                               Py_ssize_t n, Py_ssize_t s, Scratch *scratch) noexcept nogil:
    """The same where either layer has real units."""
    cdef bint sent = step.given != NULL and step.given.real
    cdef Py_ssize_t start = 0, count, i
    if not sent:
        sum_tile(scratch.sums, scratch, step, tile, first, n)
        turn_to_sent(scratch.sums, step, tile, n)
    while start < n:
        count = smaller(REAL_BLOCK, n - start)
        if sent:
            real_sums(scratch.reals, scratch, step, tile, first + start, count, start > 0)
        else:
            for i in range(count * TILE):
                scratch.reals[i] = <double> scratch.sums[start * TILE + i]
        weigh_reals(step, scratch.reals, tile, count, <double> job.betas[s], <double> job.betas[s + 1],
                    job.log_weights + tile * job.n_chains + first + start)
        if step.to != NULL:
            draw_reals(step, step.to.tiles[tile].kind, scratch.reals, True, 1.0, tile, first + start, count)
        else:
            for i in range(count * TILE):
                scratch.floats[i] = <float> scratch.reals[i]
            activate_sums(step, <const int32_t *> scratch.floats, tile, first + start, count, True, NULL,
                          scratch.masks, NULL)
        start += REAL_BLOCK


cdef void weigh_hidden(int unit, const int32_t *acc, const float *bias, double scale, Py_ssize_t n_columns,
                       Py_ssize_t n, double beta0, double beta1, double *ratios, double *out) noexcept nogil:
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


cdef void multiply_both(int unit, const int32_t *acc, const float *bias, double scale, Py_ssize_t n_columns,
                        double beta0, double beta1, double *line, double *product0, double *product1) noexcept nogil:
    """Lane by lane, x the log odds: line += kink(x), product0 *= 1 + exp(-|beta0 x|), product1 the same of beta1."""
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


cdef void weigh_visible(const Annealing *job, Py_ssize_t item, Py_ssize_t s) noexcept nogil:
    """A tile of visible units, for a block of chains: its part of (visible_betas[s + 1] - visible_betas[s]) (b - r)'v.
    """
    cdef const HalfStep *up = &job.up
    cdef const HalfStep *down = &job.down
    cdef Py_ssize_t tile = item % down.n_tiles, first = (item // down.n_tiles) * down.block, chain, byte
    cdef Py_ssize_t n = smaller(down.block, down.n - first)
    cdef Columns where = columns_of(down, tile)
    cdef Py_ssize_t stop = smaller(where.row + where.n_rows, up.n_bytes)
    cdef double *out = job.log_weights + (up.n_tiles + tile) * job.n_chains + first
    cdef double change = job.visible_betas[s + 1] - job.visible_betas[s], total
    if where.span == 0:
        return
    for chain in range(n):
        total = 0
        for byte in range(where.row, stop):
            total += job.tables[256 * byte + up.planes[byte * up.stride + first + chain]]
        out[chain] += change * total


cdef void draw_visible(const Annealing *job, Py_ssize_t item, Py_ssize_t s, Scratch *scratch) noexcept nogil:
    cdef HalfStep step = at_step(&job.down, job, s, VISIBLE)
    step.reference = job.down.reference + s * job.reference_stride
    half_step_item(&step, item, scratch)
