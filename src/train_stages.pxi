# What the threads of a training do, stage by stage. In each they take items from work queues, then all wait.
#
# A thread takes the items of its own tiles first, the same ones in every stage and update, and keeps for itself what it
# knows of the update: what it wrote is then in its own cache, and little is read that another thread has just written.
# Where cores share no cache, or a slow one, that is what counts (bench/NOTES.md).

cdef struct Worker:         # a thread, and the update that it is at
    Job *job
    int rank
    int n_threads           # of the team, those of other processes included
    UpdateScratch *scratch
    Py_ssize_t update
    Py_ssize_t n            # examples of the batch
    const double *weights   # NULL, or theirs
    double total            # how much they count for
    double one              # and a weight of one
    double factor           # of the gradient
    int now                 # the place that the update reads; it writes the other
    HalfStep positive       # v -> h of the data: what its activation needs; the product is that of up
    HalfStep down           # h -> v of the chains
    HalfStep up             # v -> h of the chains
    int n_up                # blocks of v -> h that all updates so far have had, in their last sweeps
    double largest[2]


cdef void run_training(Job *job, UpdateScratch *scratch, int n_threads) noexcept:
    cdef Barrier barrier = new_barrier()
    with nogil, parallel(num_threads=n_threads):
        join_team()
        train_with_others(job, scratch + threadid(), &barrier, threadid())
        leave_team(&barrier)


cdef void train_with_others(Job *job, UpdateScratch *scratch, Barrier *barrier, int thread) noexcept nogil:
    """What one thread of this process does for all updates."""
    cdef Worker me
    cdef int s, first = 0, n_threads = team_size()
    if job.processes != NULL:
        n_threads = count_threads(job.processes, job.n_processes, job.process, &first)
        barrier = &job.processes.threads
    start_work(&me, job, scratch, first + thread, n_threads)
    while True:
        if me.update < job.n_updates:
            gather(&me)
        wait_for_team(barrier, n_threads)           # the update before is complete
        if me.update > 0 and not accept(&me):
            me.update -= 1
            break
        if me.update == job.n_updates:
            break
        for s in range(job.n_sweeps):
            start_sweep(&me, s)
            if job.parts != NULL:
                stage_of_parts(&me)
                wait_for_team(barrier, n_threads)
            stage_down(&me)
            wait_for_team(barrier, n_threads)
            if s < job.n_sweeps - 1:
                stage_up(&me)
                wait_for_team(barrier, n_threads)
        stage_of_tiles(&me)
        wait_for_team(barrier, n_threads)
        stage_of_chunks(&me, barrier)
        me.update += 1
        if thread == 0:
            ran(FUSED_UPDATE if job.processes == NULL else UPDATE_OF_PROCESSES)
    if thread == 0:
        job.done, job.largest[0], job.largest[1] = me.update, me.largest[0], me.largest[1]


cdef Py_ssize_t take(Worker *me, int queue, Py_ssize_t n_tiles, Py_ssize_t n_blocks) noexcept nogil:
    """The next item of a work queue, block * n_tiles + tile: of this thread's own tiles, or else of another's.
    n_tiles * n_blocks when there is none."""
    cdef int i, k, owner
    cdef int *counter
    cdef Py_ssize_t first, own
    for k in range(me.n_threads):
        owner = (me.rank + k) % me.n_threads
        first = first_of(me, owner, n_tiles)
        own = (first_of(me, owner + 1, n_tiles) - first) * n_blocks
        counter = me.job.taken + (queue * me.job.n_threads + owner) * APART
        if taken_so_far(counter) < own:
            i = next_item(counter)
            if i < own:
                return i % n_blocks * n_tiles + first + i // n_blocks
    return n_tiles * n_blocks


cdef Py_ssize_t first_of(Worker *me, int owner, Py_ssize_t n_tiles) noexcept nogil:
    """Tiles from here to the next one's first are a thread's own."""
    return n_tiles * owner // me.n_threads


cdef void set_back(Worker *me, int queue) noexcept nogil:
    """In a stage where no thread takes from the queue."""
    me.job.taken[(queue * me.job.n_threads + me.rank) * APART] = 0


cdef int *finished(Worker *me, int queue, Py_ssize_t tile) noexcept nogil:
    return me.job.finished + (queue * me.job.n_groups + tile) * APART


cdef void start_work(Worker *me, Job *job, UpdateScratch *scratch, int rank, int n_threads) noexcept nogil:
    cdef HalfStep *step
    cdef int k
    memset(me, 0, sizeof(Worker))
    me.job, me.rank, me.n_threads, me.scratch = job, rank, n_threads, scratch
    for k in range(3):
        step = &me.positive if k == 0 else &me.down if k == 1 else &me.up
        step.key0, step.key1 = <uint32_t> job.seed, <uint32_t> (job.seed >> 32)
        step.n_units = job.n_visible if k == 1 else job.n_hidden
        step.n_tiles = ceil_div(step.n_units, TILE)
        step.tile_length = TILE * (job.ascent.padded_hidden if k == 1 else job.ascent.padded)
        step.n_bytes = ceil_div(job.n_hidden, 8) if k == 1 else job.n_bytes
        step.n = step.stride = step.out_stride = job.n_chains
        step.first_chain = job.first_chain
        step.block = block_length(step.n, step.n_tiles, job.n_threads)
        step.kind = job.stream << 8 | (VISIBLE if k == 1 else HIDDEN)
        if job.plan != NULL and k == 1:
            step.to, step.n_tiles = job.plan, job.plan.n_tiles
            step.block = block_length(step.n, step.n_tiles, job.n_threads)
        elif job.plan != NULL:
            step.given = job.plan
        step.unit = job.visible_unit if k == 1 else job.hidden_unit
        step.sent = job.hidden_unit if k == 1 else job.visible_unit
    me.up.stride = me.down.out_stride = job.stride
    me.positive.fixed, me.positive.fixed_length = job.data.fixed, job.data.fixed_length
    turn_to(me, job.to_visible_exponent, job.to_hidden_exponent)


cdef void turn_to(Worker *me, int to_visible, int to_hidden) noexcept nogil:
    """Let the half steps read the model of this update, on these grids."""
    cdef Job *job = me.job
    me.now = me.update % 2
    me.positive.tiles = me.up.tiles = job.weights[me.now]
    me.down.tiles = job.transposed[me.now] if job.plan == NULL else job.placed
    me.positive.bias = me.up.bias = job.hidden_bias[me.now]
    me.down.bias = job.visible_bias[me.now] if job.plan == NULL else job.placed_bias
    me.positive.grid = me.up.grid = <float> ldexp(1.0, to_hidden)
    me.positive.scale = me.up.scale = <float> ldexp(1.0, -to_hidden)
    me.down.grid, me.down.scale = <float> ldexp(1.0, to_visible), <float> ldexp(1.0, -to_visible)


cdef bint accept(Worker *me) noexcept nogil:
    """Go on from the model that the update before has made; False: it is bad."""
    cdef Job *job = me.job
    if job.n_bad[0]:
        return False
    me.largest[0] = largest_of(job.largest_of_tile, job.n_tiles)
    me.largest[1] = largest_of(job.largest_of_chunk, job.n_chunks)
    turn_to(me, exponent_of(me.largest[1], job.n_hidden), exponent_of(me.largest[0], job.n_visible))
    return True


cdef void gather(Worker *me) noexcept nogil:
    """The examples of a batch from rows to planes, behind the chains."""
    cdef Job *job = me.job
    cdef const int64_t *examples = job.examples + job.ends[me.update]
    cdef Py_ssize_t n = job.ends[me.update + 1] - job.ends[me.update], n_blocks = ceil_div(n, GATHERED)
    cdef Py_ssize_t block, example, byte, tile
    cdef uint8_t *planes = job.visible[1 - me.update % 2] + job.n_chains
    cdef const uint8_t *row
    me.n, me.total, me.one, me.factor = n, <double> n, 1.0, 1.0
    if job.example_weights != NULL:
        me.weights = job.example_weights + job.ends[me.update]
        me.total, me.one, me.factor = (job.batches[3 * me.update], job.batches[3 * me.update + 1],
                                       job.batches[3 * me.update + 2])
    block = take(me, GATHER, n_blocks, 1)
    while block < n_blocks:
        for example in range(block * GATHERED, smaller(n, (block + 1) * GATHERED)):
            row = job.packed + examples[example] * job.n_bytes
            for byte in range(job.n_bytes):
                planes[byte * job.stride + example] = row[byte]
        block = take(me, GATHER, n_blocks, 1)
    if me.rank == 0 and n % 8:
        for tile in range(job.n_tiles):    # examples that fill up a byte count for nothing
            memset(job.data.fixed + tile * job.data.fixed_length + n * TILE, 0, (8 - n % 8) * TILE * 4)


cdef void start_sweep(Worker *me, int s) noexcept nogil:
    cdef Job *job = me.job
    cdef int queue
    for queue in range(N_QUEUES):
        if queue != DOWN:
            set_back(me, queue)
    me.up.sweep = me.down.sweep = job.first_sweep + <uint32_t> (me.update * job.n_sweeps + s)
    me.down.planes = job.hidden[me.now if s == 0 else 1 - me.now]
    me.down.out = job.visible[1 - me.now]
    me.up.planes, me.up.out = job.visible[1 - me.now], job.hidden[1 - me.now]


cdef void stage_up(Worker *me) noexcept nogil:
    """The hidden layer of the chains, in a sweep that another one follows."""
    set_back(me, DOWN)
    me.up.fixed = NULL
    do_items(me, UP, &me.up)


cdef void do_items(Worker *me, int queue, const HalfStep *step) noexcept nogil:
    cdef Py_ssize_t n_blocks = ceil_div(step.n, step.block), item = take(me, queue, step.n_tiles, n_blocks)
    while item < step.n_tiles * n_blocks:
        half_step_item(step, item, &me.scratch.product)
        item = take(me, queue, step.n_tiles, n_blocks)


cdef void stage_of_tiles(Worker *me) noexcept nogil:
    """All that goes tile by tile of the hidden units: their layer, of the chains and of the data; sums; the weights;
    their biases. Nobody waits for all, but each item for those that it needs: their threads go on without waiting for
    it, so there is an end. Most are this thread's own."""
    cdef Job *job = me.job
    cdef Py_ssize_t n = job.n_chains + me.n, block = block_length(n, job.n_tiles, job.n_threads)
    cdef Py_ssize_t n_blocks = ceil_div(n, block), item
    cdef Py_ssize_t first = first_of(me, me.rank, job.n_tiles), stop = first_of(me, me.rank + 1, job.n_tiles)
    cdef int updates = <int> me.update + 1
    set_back(me, DOWN)
    me.up.fixed, me.up.fixed_length = job.model.fixed, job.model.fixed_length
    item = take(me, SUMS_OF_CHUNKS, job.n_chunks, 1)
    while item < job.n_chunks:
        sum_visible(me, &job.data, job.visible[1 - me.now] + job.n_chains, me.n, me.weights, item)
        sum_visible(me, &job.model, job.visible[1 - me.now], job.n_chains, NULL, item)
        compare_means(me, job.visible_unit, job.data.visible, job.model.visible, job.visible_difference,
                      job.visible_offset, job.visible_shift, item, job.n_visible)
        finish_one(finished(me, SUMS_OF_CHUNKS, item))
        item = take(me, SUMS_OF_CHUNKS, job.n_chunks, 1)
    me.n_up += <int> n_blocks
    item = take(me, UP, job.n_tiles, n_blocks)
    while item < job.n_tiles * n_blocks:
        up_item(me, item % job.n_tiles, item // job.n_tiles * block, smaller(block, n - item // job.n_tiles * block))
        finish_one(finished(me, UP, item % job.n_tiles))
        item = take(me, UP, job.n_tiles, n_blocks)
    for item in range(first, stop):     # its own tiles only: for another's, it would wait
        wait_for(finished(me, UP, item), me.n_up)
        sum_hidden(me, &job.data, me.n, me.one, item)
        sum_hidden(me, &job.model, job.n_chains, 1.0, item)
        compare_means(me, job.hidden_unit, job.data.hidden, job.model.hidden, job.hidden_difference,
                      job.hidden_offset, job.hidden_shift, item, job.n_hidden)
        finish_one(finished(me, SUMS_OF_TILES, item))
    move_weights(me, updates)
    for item in range(first, stop):
        wait_for(finished(me, ASCENT, item), updates * <int> job.n_slices)
        move_biases(me, job.hidden_bias, job.hidden_difference, job.offsets.by_chunk, job.n_chunks, TILE * job.n_tiles,
                    item, job.n_hidden)
        if job.plan == NULL:
            job.largest_of_tile[item] = largest_sum(job.ascent.columns + item * TILE, job.n_chunks, TILE * job.n_tiles,
                                                    TILE)
        else:
            job.largest_of_tile[item] = largest_input_of(
                job.weights[1 - me.now] + item * job.ascent.padded * TILE, job.plan)


cdef void up_item(Worker *me, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """The hidden layer of n chains and examples, from the first-th on: a product for both, so that they share
    tables."""
    cdef Scratch *scratch = &me.scratch.product
    cdef int32_t *acc = scratch.sums
    cdef Py_ssize_t n_chains = me.job.n_chains, n_model = smaller(n, n_chains - first)
    sum_tile(acc, scratch, &me.up, tile, first, n)
    if n_model > 0:
        activate(&me.up, acc, tile, first, n_model, scratch.masks)
    else:
        n_model = 0
    if n_model < n:
        first += n_model - n_chains
        activate(&me.positive, acc + n_model * TILE, tile, first, n - n_model, scratch.masks)
        if me.weights != NULL:
            weigh_rows(me.positive.fixed + tile * me.positive.fixed_length + first * TILE, me.weights + first,
                       n - n_model)


cdef void sum_hidden(Worker *me, Sums *part, Py_ssize_t n, double one, Py_ssize_t tile) noexcept nogil:
    hidden_item(part.fixed + tile * part.fixed_length, 8 * ceil_div(n, 8), ldexp(one, -FIXED_BITS), False,
                part.hidden + tile * TILE, smaller(TILE, me.job.n_hidden - tile * TILE))


cdef void sum_visible(Worker *me, Sums *part, const uint8_t *planes, Py_ssize_t n, const double *weights,
                      Py_ssize_t chunk) noexcept nogil:
    cdef Py_ssize_t byte, first = chunk * TILE, stop = smaller(first + TILE, me.job.n_visible)
    cdef Row row
    for byte in range(8 * chunk if me.job.plan == NULL else 0,
                      me.job.n_bytes if me.job.plan != NULL else smaller(8 * chunk + 8, me.job.n_bytes)):
        row = row_of(me.job.plan, me.job.n_visible, BERNOULLI, byte)
        if row.unit >= stop or row.unit + row.size <= first:
            continue
        if me.job.plan == NULL:
            transpose_and_count(planes + byte * me.job.stride, n, row, me.job.n_visible, part.transposed, part.visible)
        else:
            count_in_chunk(planes + byte * me.job.stride, n, row, me.job.n_visible, first, stop, part.transposed,
                           part.visible)
        if weights != NULL:
            weigh_counts(planes + byte * me.job.stride, n, row, first, stop, weights, ldexp(me.one, -FIXED_BITS),
                         part.visible)


cdef void count_in_chunk(const uint8_t *states, Py_ssize_t n, Row row, Py_ssize_t n_units, Py_ssize_t first,
                         Py_ssize_t stop, uint8_t *out, double *counts) noexcept nogil:
    """transpose_and_count of those of a row's units that are from first up to stop; others have them in hand, where the
    row goes on."""
    cdef Py_ssize_t unit, chain, low = first - row.unit, high = stop - row.unit, block
    cdef int64_t totals[CATEGORIES]
    low = low if low > 0 else 0
    high = smaller(high, row.size)
    memset(totals, 0, sizeof(totals))
    if is_coded(&row):
        if row.unit >= first:
            code_rows(states, n, row, n_units, out)
        for chain in range(n):
            totals[states[chain]] += 1
        for unit in range(low, high):
            counts[row.unit + unit] = <double> totals[unit]
        return
    for block in range(ceil_div(n, 8)):
        memset(out + block * n_units + row.unit + low, 0, high - low)
    if row.kind == CATEGORICAL:
        for chain in range(n):
            if low <= states[chain] < high:
                out[(chain // 8) * n_units + row.unit + states[chain]] |= <uint8_t> (1 << (chain % 8))
                totals[states[chain]] += 1
    else:
        for unit in range(low, high):
            for chain in range(n):
                if (states[chain] >> unit) & 1:
                    out[(chain // 8) * n_units + row.unit + unit] |= <uint8_t> (1 << (chain % 8))
                    totals[unit] += 1
    for unit in range(low, high):
        counts[row.unit + unit] = <double> totals[unit]


cdef void compare_means(Worker *me, int unit, const double *data, const double *model, double *difference,
                        double **offset, double *shift, Py_ssize_t tile, Py_ssize_t n) noexcept nogil:
    """Of one tile of a layer of n units of this type."""
    cdef Job *job = me.job
    cdef double n_model = <double> job.n_chains, rate = job.centering_rate * me.factor, mean
    cdef double off = value_of(unit, False), step = value_step(unit)
    cdef bint known = job.offsets_known or me.update > 0
    cdef Py_ssize_t k
    rate = 1.0 if rate > 1.0 else rate
    for k in range(tile * TILE, smaller(n, (tile + 1) * TILE)):
        mean = data[k] / me.total
        difference[k] = step * (mean - model[k] / n_model) * me.factor
        mean = off + step * mean
        if job.centered and known:
            offset[1 - me.now][k] = offset[me.now][k] + rate * (mean - offset[me.now][k])
        elif job.centered:
            offset[1 - me.now][k] = mean
        shift[k] = offset[1 - me.now][k] - off


cdef void move_weights(Worker *me, int updates) noexcept nogil:
    """Difference of the phases and update."""
    cdef Job *job = me.job
    cdef double unit = ldexp(value_step(job.visible_unit) * value_step(job.hidden_unit), -FIXED_BITS)
    cdef Phase phases[2]
    cdef Offsets offsets = job.offsets
    cdef Ascent ascent = job.ascent
    cdef Py_ssize_t item, tile, first, chunk
    phases[0] = Phase(job.plan, job.data.transposed, ceil_div(me.n, 8), job.data.fixed, job.data.fixed_length,
                      unit * me.one * me.factor / me.total, POSITIVE_LIMBS)
    phases[1] = Phase(job.plan, job.model.transposed, ceil_div(job.n_chains, 8), job.model.fixed,
                      job.model.fixed_length, -(unit * me.factor / <double> job.n_chains), POSITIVE_LIMBS)
    if job.shifted:
        offsets.visible_shift, offsets.hidden_shift = job.visible_shift, job.hidden_shift
        offsets.visible_offset, offsets.hidden_offset = job.visible_offset[1 - me.now], job.hidden_offset[1 - me.now]
        offsets.visible_difference, offsets.hidden_difference = job.visible_difference, job.hidden_difference
    ascent.weights, ascent.out = job.weights[me.now], job.weights[1 - me.now]
    ascent.transposed, ascent.rate = job.transposed[1 - me.now], job.rates[me.update]
    item = take(me, ASCENT, job.n_tiles, job.n_slices)
    while item < job.n_tiles * job.n_slices:
        tile, first = item % job.n_tiles, item // job.n_tiles * job.slice_length
        wait_for(finished(me, SUMS_OF_TILES, tile), updates)
        chunk = chunk_of_codes(job, first)
        while chunk < ceil_div(smaller(first + job.slice_length, job.n_visible), TILE):
            wait_for(finished(me, SUMS_OF_CHUNKS, chunk), updates)
            chunk += 1
        if difference_item(phases, &offsets, &ascent, job.n_visible, job.n_hidden, tile, first, job.slice_length, NULL,
                           me.scratch):
            next_item(job.n_bad)
        finish_one(finished(me, ASCENT, tile))
        item = take(me, ASCENT, job.n_tiles, job.n_slices)


cdef Py_ssize_t chunk_of_codes(const Job *job, Py_ssize_t unit) noexcept nogil:
    """The first chunk that has to do with what sums over the examples read from this unit on: a site that it is in
    has its codes where its first category is."""
    cdef Py_ssize_t row = 0
    if job.plan == NULL or not job.plan.coded:
        return unit // TILE
    while job.plan.rows[row].unit + job.plan.rows[row].size <= unit:
        row += 1
    return job.plan.rows[row].unit // TILE


cdef void stage_of_chunks(Worker *me, Barrier *barrier) noexcept nogil:
    """What takes the new weights of all tiles: biases of the visible units, the largest sums of their |W|, and the
    columns of segments."""
    cdef Job *job = me.job
    cdef Py_ssize_t item = take(me, NEW_OF_CHUNKS, job.n_chunks, 1)
    while item < job.n_chunks:
        move_biases(me, job.visible_bias, job.visible_difference, job.offsets.by_tile, job.n_tiles, job.ascent.padded,
                    item, job.n_visible)
        job.largest_of_chunk[item] = largest_sum(job.ascent.rows + item * TILE, job.n_tiles, TILE * job.n_chunks, TILE)
        item = take(me, NEW_OF_CHUNKS, job.n_chunks, 1)
    if job.plan == NULL:
        return
    wait_for_team(barrier, me.n_threads)
    item = take(me, PLACED, job.plan.n_tiles, 1)
    while item < job.plan.n_tiles:
        place_new_tile(job, 1 - me.now, item)
        item = take(me, PLACED, job.plan.n_tiles, 1)


cdef void move_biases(Worker *me, float **bias, const double *difference, const double *along, Py_ssize_t n_rows,
                      Py_ssize_t stride, Py_ssize_t tile, Py_ssize_t n) noexcept nogil:
    """Of one tile of a layer of n units; centered, less the products of the weights' part with the other offsets."""
    cdef Job *job = me.job
    cdef Py_ssize_t first = tile * TILE, k
    cdef double products[TILE]
    cdef double rate = job.rates[me.update], new
    cdef float limit = job.ascent.limit
    n = smaller(TILE, n - first)
    if job.centered:
        add_in_order(along + first, n_rows, n, stride, products)
    for k in range(n):
        new = difference[first + k] - products[k] if job.centered else difference[first + k]
        bias[1 - me.now][first + k] = <float> (<double> bias[me.now][first + k] + rate * new)
        if not abs_scalar(bias[1 - me.now][first + k]) < limit:     # NaN too
            next_item(job.n_bad)
