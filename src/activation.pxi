# Activation: an integer accumulator becomes a field, a probability and a bit.
#
#   field = (bias + sent 2^-e) beta [+ reference (1 - beta)], sent what the other layer's units sum to (units.pxi),
#   q = sigmoid(-|x|) = exp(-|x|) / (1 + exp(-|x|)), x the log odds of a unit with this field,
#   P(unit on) = q when x is negative, else 1 - q. A unit is on in the higher one of its two values.
#
# A unit is in its less likely state when a uniform number is below q, which is at most 1/2: both tails get the same
# fine resolution. The uniform has 16 bits, from one eighth of a Philox block. Where they tie with the first 16 bits
# of q (once in 65,536 draws) a further 24 bits decide, from a block of their own. So a draw follows
# q, as float32 has it, to 2^-40.

cdef enum:
    TOGETHER = 4            # vectors of units that go through each step side by side,
    MOST_TOGETHER = 8       # and of two chains' whole rows, where four vectors are a row and there are registers
    FIXED_BITS = 22         # fixed-point probabilities are multiples of 2^-22: 504 of them sum without overflow
    TIE = 2                 # added to the kind of draw (word 3 of the counter) for the block that decides a tie

cdef struct HalfStep:
    # the sending layer
    int sent                        # its units' type (units.pxi)
    const uint8_t *planes
    Py_ssize_t stride
    Py_ssize_t n_bytes
    const double *numbers           # NULL, or in place of planes: rows of n_in whole numbers (fractions.pxi)
    Py_ssize_t n_in
    const Plan *given               # NULL, or the segments of the sending layer, whose sums are of what it sends
    # the parameters
    const float *tiles
    Py_ssize_t tile_length          # numbers from one tile to the next
    float grid                      # 2^e
    float scale                     # 2^-e
    const float *bias               # padded to whole tiles
    # the receiving layer
    int unit                        # its units' type
    const Plan *to                  # NULL, or its segments
    const double *shape             # NULL, or of real units the numbers that describe them: SIDES rows (real.pxi)
    Py_ssize_t shape_length
    double fixed_scale              # 2^f, in which their means are counted
    Py_ssize_t n_units
    Py_ssize_t n_tiles              # that are drawn, from this one on; tiles and fixed point to where tile 0 would be
    Py_ssize_t first_tile
    uint8_t *out                    # NULL: do not sample
    Py_ssize_t out_stride
    const uint8_t *free             # NULL: all; or planes like out's: of the others, out keeps what it has
    Py_ssize_t free_stride
    float *probabilities            # NULL or (n, n_units); of real units their means
    # NULL or tiles of rint(P(on) 2^22), [tile][chain][64]; anything past n_units; of real units of means times 2^f
    float *fixed
    Py_ssize_t fixed_length
    double *fields                  # NULL, or tiles like these of the fields of real units
    Py_ssize_t fields_length
    # the chains
    Py_ssize_t n
    Py_ssize_t first_chain
    Py_ssize_t block
    const float *beta               # NULL, or one for each chain, or one for all
    Py_ssize_t beta_stride          # 1 or 0
    const float *reference          # NULL, or the bias at beta 0, padded to whole tiles
    # the random numbers
    uint32_t key0
    uint32_t key1
    uint32_t sweep
    uint32_t kind


cdef inline void exp_negative(vf *x, int count) noexcept nogil:
    """exp(x) in place for -87 <= x <= 87, relative error below 2e-7 + 8e-8 |x|; x, a field, has one of 6e-8 |x| itself.
    x / log 2 = n + r; a polynomial of degree 5 for 2^r, |r| <= 1/2, which is 1 at 0; 2^n is made in the exponent. Each
    step for all the vectors: one alone would wait for itself."""
    cdef vf magic = splat_f(12583039.0)  # 1.5 * 2^23 + 127: adding it rounds to an integer plus the exponent's bias
    cdef vf t[MOST_TOGETHER]
    cdef vf p[MOST_TOGETHER]
    cdef int i
    for i in range(count):
        x[i] = x[i] * splat_f(1.44269504)
        t[i] = x[i] + magic
    for i in range(count):
        x[i] = x[i] - (t[i] - magic)
    for i in range(count):
        p[i] = splat_f(0.001326482160948217) * x[i] + splat_f(0.00967153999954462)
    for i in range(count):
        p[i] = p[i] * x[i] + splat_f(0.05550722777843475)
    for i in range(count):
        p[i] = p[i] * x[i] + splat_f(0.24022242426872253)
    for i in range(count):
        p[i] = p[i] * x[i] + splat_f(0.6931470036506653)
    for i in range(count):
        p[i] = p[i] * x[i] + splat_f(1.0)
    for i in range(count):
        x[i] = p[i] * float_of(bits_f(t[i]) << 23)


cdef void sum_inputs(const float *rows, float grid, Py_ssize_t n_in, int32_t *sums) noexcept nogil:
    """sums OUT (64,): the sums of all the integers of a tile's columns."""
    cdef vi totals[VECTORS]
    cdef Py_ssize_t row
    cdef int t
    for t in range(VECTORS):
        totals[t] = splat_i(0)
    for row in range(n_in):
        for t in range(VECTORS):
            totals[t] = totals[t] + grid_row(rows + row * TILE + t * LANES, grid)
    memcpy(sums, totals, TILE * sizeof(int32_t))


cdef inline Columns columns_of(const HalfStep *step, Py_ssize_t tile) noexcept nogil:
    """Which units are in a tile of the receiving layer."""
    if step.to != NULL:
        return step.to.tiles[tile]
    return Columns(tile * TILE, smaller(TILE, step.n_units - tile * TILE), tile * (TILE // 8), TILE // 8, step.unit, 1)


cdef void sum_tile(int32_t *acc, Scratch *scratch, const HalfStep *step, Py_ssize_t tile, Py_ssize_t first,
                   Py_ssize_t n) noexcept nogil:
    """acc OUT [n][64]: for each of n chains, from the first on, the sums of a tile's columns over the units that are
    on; of a layer of segments, of what they send, but for real units."""
    cdef const float *rows = step.tiles + tile * step.tile_length
    cdef Py_ssize_t n_columns = columns_of(step, tile).n, k, i
    cdef const Run *run
    cdef const uint8_t *planes
    cdef int32_t *sums
    cdef int32_t all_sums[TILE]
    cdef bint started = False
    if step.given == NULL:
        product_tile(acc, scratch, rows, step.grid, step.planes + first, step.stride, step.n_bytes, n, n_columns,
                     ALL_LIMBS)
        return
    for k in range(step.given.n_runs):
        run = step.given.runs + k
        if is_real(run.kind):
            continue
        if run.kind == CATEGORICAL:
            gather_sums(acc, scratch, rows, step.grid, step.given, run, step.planes + first, step.stride, n, n_columns,
                        started)
            started = True
            continue
        planes = step.planes + run.row * step.stride + first
        sums = acc if not started else scratch.more
        product_tile(sums, scratch, rows + run.unit * TILE, step.grid, planes, step.stride, run.n_rows, n, n_columns,
                     ALL_LIMBS)
        if takes_sums(run.kind):
            sum_run(rows, step.grid, step.given, run, all_sums)
            for i in range(n * VECTORS):
                (<viu *> sums)[i] = sent_by(run.kind, (<viu *> sums)[i], (<viu *> all_sums)[i % VECTORS])
        if started:
            for i in range(n * VECTORS):
                (<viu *> acc)[i] = (<viu *> acc)[i] + (<viu *> sums)[i]
        started = True


cdef void sum_run(const float *rows, float grid, const Plan *plan, const Run *run, int32_t *sums) noexcept nogil:
    """sums OUT (64,): of all the integers of a tile's columns over the units of a run of bits."""
    cdef const Row *last = plan.rows + run.row + run.n_rows - 1
    sum_inputs(rows + run.unit * TILE, grid, last.unit + last.size - run.unit, sums)


cdef void turn_to_sent(int32_t *acc, const HalfStep *step, Py_ssize_t tile, Py_ssize_t n) noexcept nogil:
    """acc INOUT [n][64]: from sums over the units that are on to what all units send."""
    cdef int32_t input_sums[TILE]
    cdef Py_ssize_t k
    if not takes_sums(step.sent):
        return
    sum_inputs(step.tiles + tile * step.tile_length, step.grid, 8 * step.n_bytes, input_sums)
    for k in range(n * VECTORS):
        (<viu *> acc)[k] = sent_by(step.sent, (<viu *> acc)[k], (<viu *> input_sums)[k % VECTORS])


cdef inline void activate_vectors(const HalfStep *step, const int32_t *acc, const int32_t *input_sums,
                                  const uint16_t *random, const Keys *keys, Py_ssize_t tile, Py_ssize_t column,
                                  Py_ssize_t chain, int count, int n_chains, bint floats, const float *errors,
                                  uint64_t *masks, uint64_t *unsure) noexcept nogil:
    """Activate the units of count vectors of a chain, from this column of the tile on, or of each of two chains, whose
    rows follow each other in all arrays. Their states are added to the chains' masks. floats: acc holds float32, of
    what is sent. Both numbers and floats are literals. errors: NULL, or, where floats, by how much the chains' fields
    may be off: then units for which that may make a difference are added to unsure (rough.pxi)."""
    cdef uint64_t states, ties
    cdef vf q[MOST_TOGETHER]
    cdef vf x[MOST_TOGETHER]
    cdef vf y[MOST_TOGETHER]
    cdef vi whole[MOST_TOGETHER]
    cdef vi number
    cdef const viu *sums = <const viu *> (acc + column)
    cdef const viu *all_sums = <const viu *> (input_sums + column)
    cdef const vfu *bias = <const vfu *> (step.bias + tile * TILE + column)
    cdef const vfu *reference
    cdef vfu *fixed
    cdef float *probabilities
    cdef float beta
    cdef Columns where
    cdef int i, k, n_vectors = n_chains * count
    cdef Py_ssize_t left
    if not floats and takes_sums(step.sent):
        for i in range(n_vectors):
            x[i] = to_float(sent_by(step.sent, sums[i], all_sums[i % count]))
    else:
        for i in range(n_vectors):
            x[i] = float_of(sums[i]) if floats else to_float(sums[i])
    for i in range(n_vectors):
        x[i] = scale_and_add(x[i], splat_f(step.scale), bias[i % count])
    if step.beta != NULL:
        for i in range(n_vectors):
            x[i] = x[i] * splat_f(step.beta[(chain + i // count) * step.beta_stride])
        if step.reference != NULL:
            reference = <const vfu *> (step.reference + tile * TILE + column)
            for i in range(n_vectors):
                beta = step.beta[(chain + i // count) * step.beta_stride]
                x[i] = x[i] + reference[i % count] * splat_f(<float> 1.0 - beta)
    for i in range(n_vectors):
        x[i] = log_odds(step.unit, x[i])
        q[i] = max_f(minus_abs_f(x[i]), splat_f(-87.0))
    exp_negative(q, n_vectors)
    for i in range(n_vectors):
        q[i] = q[i] / (splat_f(1.0) + q[i])
    if step.out != NULL:
        for i in range(n_vectors):
            y[i] = q[i] * splat_f(65536.0)
            whole[i] = to_int(y[i])
        if floats and errors != NULL:
            for i in range(n_vectors):
                unsure[i // count] |= <uint64_t> may_differ(
                    x[i], y[i], load_u16(random + i // count * TILE + column + i % count * LANES),
                    log_odds(step.unit, splat_f(errors[i // count]))) << (column + i % count * LANES)
        for k in range(n_chains):
            states, ties = 0, 0
            for i in range(count):
                number = load_u16(random + k * TILE + column + i * LANES)
                states |= <uint64_t> (mask_lt(number, whole[k * count + i])
                                      ^ mask_sign(x[k * count + i])) << (i * LANES)
                ties |= <uint64_t> mask_eq(number, whole[k * count + i]) << (i * LANES)
            if ties != 0:
                for i in range(k * count, (k + 1) * count):
                    y[i] = y[i] - to_float(whole[i])
                states ^= break_ties(<const float *> (y + k * count), ties, <uint32_t> (tile * TILE + column),
                                     <uint32_t> (step.first_chain + chain + k), step.sweep, step.kind, keys)
            states ^= <uint64_t> 0xffffffffffffffffu >> (64 - count * LANES)
            masks[k] |= states << column
    if step.fixed != NULL:
        # rint(q 2^22), turned into 2^22 minus that where the log odds are not negative
        fixed = <vfu *> (step.fixed + tile * step.fixed_length + chain * TILE + column)
        for i in range(n_vectors):
            y[i] = scale_and_add(q[i], splat_f(4194304.0), splat_f(12582912.0)) - splat_f(12582912.0)
            fixed[i] = float_of(select_i(bits_f(x[i]) >> 31, bits_f(y[i]), bits_f(splat_f(4194304.0) - y[i])))
    if step.probabilities != NULL:
        for i in range(n_vectors):
            where = columns_of(step, tile)
            left = where.n - column - i % count * LANES
            if left > 0:
                probabilities = step.probabilities + (chain + i // count) * step.n_units + where.unit + where.n - left
                y[i] = float_of(select_i(bits_f(x[i]) >> 31, bits_f(q[i]), bits_f(splat_f(1.0) - q[i])))
                memcpy(probabilities, &y[i], 4 * smaller(LANES, left))


cdef void activate(const HalfStep *step, const int32_t *acc, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
                   uint64_t *masks) noexcept nogil:
    """Activate one tile of n chains, starting from chain first of the batch."""
    activate_sums(step, acc, tile, first, n, False, NULL, masks, NULL)


cdef inline void activate_sums(const HalfStep *step, const int32_t *acc, Py_ssize_t tile, Py_ssize_t first,
                               Py_ssize_t n, bint floats, const float *errors, uint64_t *masks,
                               uint64_t *unsure) noexcept nogil:
    """activate, of sums that are float32, too; errors and unsure as in activate_vectors."""
    cdef Columns where = columns_of(step, tile)
    cdef Py_ssize_t start, stop, chain, t, n_columns = where.n, column, at
    cdef uint64_t keep = <uint64_t> 0xffffffffffffffffu >> (64 - n_columns)
    cdef uint16_t random[BATCH][TILE]
    cdef int32_t input_sums[TILE]
    cdef Keys keys
    cdef uint8_t *out
    cdef const uint8_t *free
    philox_keys(step.key0, step.key1, &keys)
    if floats or not takes_sums(step.sent):
        memset(input_sums, 0, sizeof(input_sums))       # which nobody reads
    else:
        sum_inputs(step.tiles + tile * step.tile_length, step.grid, 8 * step.n_bytes, input_sums)
    start = 0
    while start < n:
        if step.out != NULL:
            philox_64_units(<uint32_t> (tile * (TILE // 8)), <uint32_t> (step.first_chain + first + start), step.sweep,
                            step.kind, &keys, random)
        stop = smaller(start + BATCH, n)
        chain = start
        while chain < stop:
            masks[chain] = 0
            at = 0 if errors == NULL else chain
            if MOST_TOGETHER * LANES == 2 * TILE and chain + 1 < stop:
                masks[chain + 1] = 0
                activate_vectors(step, acc + chain * TILE, input_sums, random[chain - start], &keys, tile, 0,
                                 first + chain, MOST_TOGETHER // 2, 2, floats, errors + at, masks + chain, unsure + at)
                masks[chain] &= keep
                masks[chain + 1] &= keep
                chain += 2
                continue
            column = 0
            while column < n_columns:   # to the group's end, in the padding: one vector alone would wait for itself
                activate_vectors(step, acc + chain * TILE, input_sums, random[chain - start], &keys, tile, column,
                                 first + chain, TOGETHER, 1, floats, errors + at, masks + chain, unsure + at)
                column += TOGETHER * LANES
            masks[chain] &= keep
            chain += 1
        start += BATCH
    if step.out != NULL:
        for t in range(ceil_div(n_columns, 8)):
            out = step.out + (where.row + t) * step.out_stride + first
            if step.free == NULL:
                for chain in range(n):
                    out[chain] = <uint8_t> (masks[chain] >> (8 * t))
            else:
                free = step.free + (where.row + t) * step.free_stride + first
                for chain in range(n):
                    out[chain] = <uint8_t> ((out[chain] & ~free[chain]) | (masks[chain] >> (8 * t) & free[chain]))


cdef uint64_t break_ties(const float *rest, uint64_t ties, uint32_t first_unit, uint32_t chain, uint32_t sweep,
                         uint32_t kind, const Keys *keys) noexcept nogil:
    """Of the tied units, those whose further 24 bits are below what is left of q, as a mask."""
    cdef vq words[4]
    cdef uint64_t less = 0
    cdef uint32_t number
    cdef int unit
    while ties != 0:
        unit = lowest_bit(ties)
        ties = ties & (ties - 1)
        words[0] = splat_q(first_unit + unit)
        words[1] = splat_q(chain)
        words[2] = splat_q(sweep)
        words[3] = splat_q(kind + TIE)
        philox(words, keys)
        memcpy(&number, words, 4)
        if <float> (number >> 8) * <float> 5.9604644775390625e-8 < rest[unit]:  # 2^-24
            less = less | <uint64_t> 1 << unit
    return less


cdef void half_step_item(const HalfStep *step, Py_ssize_t item, Scratch *scratch) noexcept nogil:
    """One tile of one block of chains: product, then activation while the sums are at hand."""
    cdef Py_ssize_t tile = step.first_tile + item % step.n_tiles, first = (item // step.n_tiles) * step.block
    cdef Py_ssize_t n = smaller(step.block, step.n - first)
    cdef HalfStep own
    if step.given != NULL and step.given.real:
        real_senders_item(step, tile, first, n, scratch)
        return
    if step.to != NULL and step.to.tiles[tile].kind == CATEGORICAL:
        sites_item(step, tile, first, n, scratch)
        return
    sum_tile(scratch.sums, scratch, step, tile, first, n)
    if step.to == NULL:
        activate(step, scratch.sums, tile, first, n, scratch.masks)
    elif is_real(step.to.tiles[tile].kind):
        turn_to_sent(scratch.sums, step, tile, n)
        draw_reals(step, step.to.tiles[tile].kind, scratch.sums, False, 1.0, tile, first, n)
    else:
        own = step[0]
        own.unit = step.to.tiles[tile].kind
        activate(&own, scratch.sums, tile, first, n, scratch.masks)


cdef void sites_item(const HalfStep *step, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
                     Scratch *scratch) noexcept nogil:
    """half_step_item of a tile of categorical sites, or of all the tiles of one site."""
    cdef Py_ssize_t span = step.to.tiles[tile].span, start, count, k, together
    cdef int32_t *acc
    if span == 0:
        return
    together = BLOCK // span // LANES * LANES
    start = 0
    while start < n:
        count = smaller(together, n - start)
        for k in range(span):
            acc = scratch.sums + k * together * TILE
            sum_tile(acc, scratch, step, tile + k, first + start, count)
            turn_to_sent(acc, step, tile + k, count)
        draw_sites(step, scratch.sums, together * TILE, tile, first + start, count, False, NULL)
        start += together
