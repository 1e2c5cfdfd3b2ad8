# Categorical sites: q categories, one of which a site is in. What they send: a row of weights, that of the category, so
# that v -> h adds rows up. How they are drawn: by weights w_a, integers, of which the site's word of 32 random bits
# picks one. Chains are in the lanes of the vectors, categories follow each other.
#
#   x_a = the field of category a; e_a = exp(x_a - max x), w_a = rint(e_a 2^S), S = 30 - floor(log2 q), so that the
#   sum of all q fits int32; r = floor(U sum_a w_a / 2^32), and the category is the number of those a for which
#   w_0 + ... + w_a <= r.
#
# So a category follows its probability to half of 2^-S of the largest one (2^-26 for q = 21), and one below that never
# comes.

cdef enum:
    GROUP_ROWS = 64                     # of the table of several sites together, at most
    CATEGORIES = 256                    # columns of a site's fields, whole tiles


cdef void gather_sums(int32_t *acc, Scratch *scratch, const float *rows, float scale, const Plan *plan, const Run *run,
                      const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t n_columns,
                      bint started) noexcept nogil:
    """Add to acc [n][64] (started: it has something) the rows of the categories that the sites of a run are in.

    Sites of few categories share a table: its row is chosen by all their categories, as digits of a number."""
    cdef Py_ssize_t row = run.row, stop = run.row + run.n_rows, k, first, n_rows, used, column, chain
    cdef Py_ssize_t starts[GROUPS + 1]          # the first site of each group
    cdef Py_ssize_t tables[GROUPS]              # where the table of each group begins, bytes in scratch.tables
    cdef Py_ssize_t row_bytes = WIDTH_MANY * WIDTH, digit
    cdef int groups
    cdef uint16_t *places = &scratch.places[0][0]
    while row < stop:
        groups, used = 0, 0
        while row < stop and groups < GROUPS:
            starts[groups], n_rows = row, plan.rows[row].size + 1
            if used + n_rows * row_bytes > TABLES:
                break
            row += 1
            while row < stop and n_rows * (plan.rows[row].size + 1) <= GROUP_ROWS and (
                    used + n_rows * (plan.rows[row].size + 1) * row_bytes <= TABLES):
                n_rows *= plan.rows[row].size + 1
                row += 1
            tables[groups] = used
            used += n_rows * row_bytes
            groups += 1
        starts[groups] = row
        for k in range(groups):
            for chain in range(n):
                places[k * BLOCK + chain] = <uint16_t> tables[k]
            digit = row_bytes
            for first in range(starts[k], starts[k + 1]):
                add_digits(places + k * BLOCK, planes + first * stride, <uint16_t> digit, n)
                digit *= plan.rows[first].size + 1
        column = 0
        while column < n_columns:
            for k in range(groups):
                build_category_table(scratch.tables + tables[k], rows + column, scale, plan.rows + starts[k],
                                     starts[k + 1] - starts[k])
            if row < stop and n >= PREFETCHED and column % 16 == 0:     # as in product_passes
                prefetch_rows(rows + plan.rows[row].unit * TILE + column,
                              plan.rows[row].unit - plan.rows[starts[0]].unit)
            if groups == GROUPS:
                add_chosen_rows(<char *> (acc + column), scratch.tables, places, n, started, GROUPS)
            else:
                add_chosen_rows(<char *> (acc + column), scratch.tables, places, n, started, groups)
            column += WIDTH_MANY * LANES
        started = True


cdef void build_category_table(char *table, const float *rows, float scale, const Row *sites,
                               Py_ssize_t n_sites) noexcept nogil:
    """The sums of a row of each of the sites, for each of their categories, of which the last one is being absent."""
    cdef vi *out = <vi *> table
    cdef vi added[WIDTH_MANY]
    cdef Py_ssize_t site, category, m, size = 1, t
    for t in range(WIDTH_MANY):
        out[t] = splat_i(0)
    for site in range(n_sites):
        category = sites[site].size     # from the highest one down, since the others are made of the lowest one's rows
        while category >= 0:
            for t in range(WIDTH_MANY):
                added[t] = splat_i(0)
                if category < sites[site].size:
                    added[t] = grid_row(rows + (sites[site].unit + category) * TILE + t * LANES, scale)
            for m in range(size):
                for t in range(WIDTH_MANY):
                    out[(category * size + m) * WIDTH_MANY + t] = out[m * WIDTH_MANY + t] + added[t]
            category -= 1
        size *= sites[site].size + 1


cdef inline void add_digits(uint16_t *places, const uint8_t *codes, uint16_t digit, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t chain
    for chain in range(n):
        places[chain] = <uint16_t> (places[chain] + codes[chain] * digit)


cdef inline void add_chosen_rows(char *acc, const char *tables, const uint16_t *places, Py_ssize_t n, bint started,
                                 int groups) noexcept nogil:
    """Add to each chain's accumulators a row of each group's table, places[group][chain] bytes behind tables."""
    cdef Py_ssize_t chain, t
    cdef int k
    cdef vi sums[WIDTH_MANY]
    cdef vi *out
    cdef const vi *chosen
    for chain in range(n):
        out = <vi *> (acc + chain * TILE * 4)
        for t in range(WIDTH_MANY):
            sums[t] = out[t] if started else splat_i(0)
        for k in range(groups):
            chosen = <const vi *> (tables + places[k * BLOCK + chain])
            for t in range(WIDTH_MANY):
                sums[t] = sums[t] + chosen[t]
        for t in range(WIDTH_MANY):
            out[t] = sums[t]


cdef void draw_sites(const HalfStep *step, const int32_t *acc, Py_ssize_t tile_stride, Py_ssize_t tile,
                     Py_ssize_t first, Py_ssize_t n, bint floats, const float *errors) noexcept nogil:
    """Draw the sites of a tile for n chains, from chain first of the batch on. acc IN [tile of the span][chain][64],
    the tiles tile_stride numbers apart, with room for n up to a multiple of LANES. floats: it holds float32. errors:
    NULL, or by how much the chains' fields may be off, with room for n up to a multiple of LANES (rough.pxi)."""
    cdef const Columns *columns = &step.to.tiles[tile]
    cdef vf fields[CATEGORIES]
    cdef vf weights[CATEGORIES + TOGETHER]
    cdef vi sums[CATEGORIES]
    cdef float betas[LANES]
    cdef vf off
    cdef uint32_t random[4][LANES]
    cdef uint32_t unsure
    cdef Keys keys
    cdef Py_ssize_t start, count, column, unit, site, lane, size, span = columns.span
    philox_keys(step.key0, step.key1, &keys)
    start = 0
    while start < n:
        count = smaller(LANES, n - start)
        for lane in range(LANES):
            betas[lane] = 1.0 if step.beta == NULL else (
                step.beta[(first + start + smaller(lane, count - 1)) * step.beta_stride])
        for column in range(0, span * TILE, 4):
            lane = 0
            while lane < LANES:
                transpose_4x4(<const float *> acc + (column // TILE) * tile_stride + (start + lane) * TILE
                              + column % TILE, TILE, <float *> fields + column * LANES + lane, LANES)
                lane += 4
        if errors != NULL:
            off = splat_f(<float> 0.505) * (<const vfu *> (errors + start))[0] + splat_f(<float> 4e-6)
        unit = 0
        for site in range(columns.n_rows):
            size = step.to.rows[columns.row + site].size
            if step.out != NULL and site % 4 == 0:
                philox_chains(<uint32_t> (tile * (TILE // 8) + site // 4),
                              <uint32_t> (step.first_chain + first + start), step.sweep, step.kind, &keys, random)
            if not floats:
                for column in range(unit, unit + size):
                    fields[column] = to_float(bits_f(fields[column]))
            weigh_categories(step, fields + unit, tile * TILE + unit, <const vfu *> betas, size, weights)
            if step.out != NULL:
                unsure = choose_categories(step, weights, size, random[site % 4], NULL if errors == NULL else &off,
                                           sums, columns.row + site, first + start, count)
                if unsure != 0:
                    ran(ROUGH_REDRAWN)
                    while unsure != 0:
                        lane = lowest_bit(unsure)
                        put_exact_sums(step, tile, unit, size, first + start + lane, <float *> fields + lane, LANES)
                        unsure = unsure & (unsure - 1)
                    weigh_categories(step, fields + unit, tile * TILE + unit, <const vfu *> betas, size, weights)
                    choose_categories(step, weights, size, random[site % 4], NULL, sums, columns.row + site,
                                      first + start, count)
            if step.probabilities != NULL:
                give_probabilities(
                    weights, size, step.probabilities + (first + start) * step.n_units + columns.unit + unit,
                    step.n_units, count)
            unit += size
        start += LANES


cdef inline void weigh_categories(const HalfStep *step, const vf *fields, Py_ssize_t place, const vfu *betas,
                                  Py_ssize_t size, vf *weights) noexcept nogil:
    """weights OUT: exp(field - largest field) of each category. fields: what is sent, to the layer's column place
    on."""
    cdef Py_ssize_t k
    cdef vf x, beta = betas[0], top = splat_f(0.0)
    for k in range(size):
        x = scale_and_add(fields[k], splat_f(step.scale), splat_f(step.bias[place + k]))
        if step.beta != NULL:
            x = x * beta
            if step.reference != NULL:
                x = x + splat_f(step.reference[place + k]) * (splat_f(1.0) - beta)
        weights[k] = x
        top = x if k == 0 else max_f(top, x)
    for k in range(size, size + TOGETHER - 1):  # to the end of a group: one alone would wait for itself
        weights[k] = top
    k = 0
    while k < size:
        weights[k] = max_f(weights[k] - top, splat_f(-87.0))
        weights[k + 1] = max_f(weights[k + 1] - top, splat_f(-87.0))
        weights[k + 2] = max_f(weights[k + 2] - top, splat_f(-87.0))
        weights[k + 3] = max_f(weights[k + 3] - top, splat_f(-87.0))
        exp_negative(weights + k, TOGETHER)
        k += TOGETHER


cdef inline uint32_t choose_categories(const HalfStep *step, const vf *weights, Py_ssize_t size,
                                       const uint32_t *random, const vf *off, vi *sums, Py_ssize_t row,
                                       Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Draw a site. off is NULL, or by how much the probabilities of its first categories may be off: returns the lanes
    in which that may make a difference."""
    cdef vf scale = splat_f(<float> ldexp(1.0, 30 - log2_of(<uint32_t> size)))
    cdef int32_t numbers[LANES]
    cdef vi total = splat_i(0), drawn, category = splat_i(0), above = splat_i(0), margin
    cdef uint8_t *out = step.out + row * step.out_stride + first
    cdef const uint8_t *free
    cdef Py_ssize_t k
    cdef uint32_t unsure = 0
    for k in range(size):
        total = total + to_nearest(weights[k] * scale)
        sums[k] = total
    memcpy(numbers, &total, WIDTH)
    for k in range(LANES):
        numbers[k] = <int32_t> ((<uint64_t> random[k] * <uint64_t> <uint32_t> numbers[k]) >> 32)
    memcpy(&drawn, numbers, WIDTH)
    if off == NULL:
        for k in range(size - 1):
            category = category - not_above_i(sums[k], drawn)
    else:
        # sums are less than this away from those of the exact fields, as parts of the total; drawn + margin stays in
        # int32, since the total is at most 255 2^23, and off below 0.0021 (add_roundings)
        margin = to_nearest(to_float(total) * (off[0] + splat_f(2 * <float> size) / scale)) + 2
        for k in range(size - 1):
            category = category - not_above_i(sums[k], drawn - margin)
            above = above - not_above_i(sums[k], drawn + margin)
        unsure = ~mask_eq(category, above) & ((1 << count) - 1)
    memcpy(numbers, &category, WIDTH)
    if step.free == NULL:
        for k in range(count):
            out[k] = <uint8_t> numbers[k]
    else:
        free = step.free + row * step.free_stride + first
        for k in range(count):
            out[k] = <uint8_t> ((out[k] & ~free[k]) | (<uint8_t> numbers[k] & free[k]))
    return unsure


cdef void give_probabilities(const vf *weights, Py_ssize_t size, float *out, Py_ssize_t stride,
                             Py_ssize_t count) noexcept nogil:
    cdef vf total = splat_f(0.0), x
    cdef float lanes[LANES]
    cdef Py_ssize_t k, lane
    for k in range(size):
        total = total + weights[k]
    for k in range(size):
        x = weights[k] / total
        memcpy(lanes, &x, WIDTH)
        for lane in range(count):
            out[lane * stride + k] = lanes[lane]


cdef void transpose_codes(const uint8_t *codes, Py_ssize_t n, Row row, Py_ssize_t n_units, uint8_t *out) noexcept nogil:
    """transpose_row of a site: its categories as units, one of which is on."""
    cdef Py_ssize_t chain
    if is_coded(&row):
        code_rows(codes, n, row, n_units, out)
        return
    for chain in range(ceil_div(n, 8)):
        memset(out + chain * n_units + row.unit, 0, row.size)
    for chain in range(n):
        if codes[chain] < row.size:
            out[(chain // 8) * n_units + row.unit + codes[chain]] |= <uint8_t> (1 << (chain % 8))


cdef void count_codes(const uint8_t *codes, Py_ssize_t n, Py_ssize_t size, double *out) noexcept nogil:
    """Add to out INOUT (size,) the number of chains in each category."""
    cdef int64_t counts[CATEGORIES]
    cdef Py_ssize_t k
    memset(counts, 0, sizeof(counts))
    for k in range(n):
        counts[codes[k]] += 1
    for k in range(size):
        out[k] += <double> counts[k]
