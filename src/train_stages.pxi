# What the threads of a training do, stage by stage. In each stage they take items from a counter; then they meet. A
# counter is set back in a stage where no thread takes from it.

cdef void run_training(Job *job, char *scratch, int n_threads) noexcept:
    cdef Meeting meeting = no_meeting()
    with nogil, parallel(num_threads=n_threads):
        spread_out()
        train_with_others(job, scratch + <size_t> threadid() * TRAIN_SCRATCH, &meeting, threadid(), n_threads)


cdef void train_with_others(Job *job, char *scratch, Meeting *meeting, int rank, int n_threads) noexcept nogil:
    """What one thread does for all updates."""
    cdef Py_ssize_t update, first, n
    cdef int s
    for update in range(job.n_updates):
        first = job.ends[update]
        n = job.ends[update + 1] - first
        gather(job, job.cases + first, n, rank)
        meet(meeting)           # the last update is complete too
        if job.stop:
            return
        for s in range(job.n_sweeps):
            stage_down(job, update, s, n, scratch, rank, n_threads)
            meet(meeting)
            stage_up(job, update, s, n, scratch, rank)
            meet(meeting)
        stage_sums(job, rank)
        meet(meeting)
        if rank == 0:
            compare_phases(job, job.rates[update])
        meet(meeting)
        stage_ascent(job, scratch, rank)
        meet(meeting)
        if rank == 0:
            complete_update(job)


cdef void gather(Job *job, const int64_t *cases, Py_ssize_t n, int rank) noexcept nogil:
    """The cases of a batch from rows to planes; and the chains put by."""
    cdef Py_ssize_t block, case, byte, tile, stop, room = 8 * ceil_div(n, 8)
    cdef const uint8_t *row
    cdef float *fixed
    cdef uint8_t *out = job.data.planes
    block = next_item(&job.next[0])
    while block < ceil_div(n, GATHERED):
        stop = smaller(n, (block + 1) * GATHERED)
        for case in range(block * GATHERED, stop):
            row = job.packed + cases[case] * job.n_bytes
            for byte in range(job.n_bytes):
                out[byte * job.data.stride + case] = row[byte]
        block = next_item(&job.next[0])
    if rank == 0:
        job.data.n, job.data.phase.n_bytes = n, ceil_div(n, 8)
        memcpy(job.before, job.model.planes, job.model.n * job.n_bytes)
        memcpy(job.before + job.model.n * job.n_bytes, job.up.out, job.model.n * job.down.n_bytes)
        for tile in range(job.n_tiles):    # cases that fill up a byte count for nothing
            fixed = job.data.fixed + tile * job.data.phase.fixed_length
            memset(fixed + n * TILE, 0, (room - n) * TILE * 4)


cdef void stage_down(Job *job, Py_ssize_t update, int s, Py_ssize_t n, char *scratch, int rank,
                     int n_threads) noexcept nogil:
    """The visible layer of the chains; in the first sweep, the hidden layer of the data too."""
    cdef HalfStep positive = job.positive
    cdef HalfStep down = job.down
    cdef Py_ssize_t item, n_down = down.n_tiles * ceil_div(down.n, down.block), n_items = n_down
    if rank == 0:
        job.next[0] = job.next[2] = 0   # of stages where no thread is now
    down.sweep = job.first_sweep + <uint32_t> (update * job.n_sweeps + s)
    if s == 0:
        positive.n = n
        positive.block = block_length(n, positive.n_tiles, n_threads)
        n_items += positive.n_tiles * ceil_div(n, positive.block)
    item = next_item(&job.next[1])
    while item < n_items:
        if item < n_down:
            half_step_item(&down, item, scratch)
        else:
            half_step_item(&positive, item - n_down, scratch)
        item = next_item(&job.next[1])


cdef void stage_up(Job *job, Py_ssize_t update, int s, Py_ssize_t n, char *scratch, int rank) noexcept nogil:
    """The hidden layer of the chains; in the first sweep, the sums over the data too."""
    cdef HalfStep up = job.up
    cdef Py_ssize_t item, n_up = up.n_tiles * ceil_div(up.n, up.block), n_items = n_up
    if rank == 0:
        job.next[1] = job.next[4] = 0
    up.sweep = job.first_sweep + <uint32_t> (update * job.n_sweeps + s)
    if s == job.n_sweeps - 1:
        up.fixed, up.fixed_length = job.model.fixed, job.model.phase.fixed_length
    if s == 0:
        n_items += job.n_bytes + job.n_tiles
    item = next_item(&job.next[2])
    while item < n_items:
        if item < n_up:
            half_step_item(&up, item, scratch)
        else:
            sum_item(job, &job.data, n, item - n_up)
        item = next_item(&job.next[2])


cdef void stage_sums(Job *job, int rank) noexcept nogil:
    """The sums over the chains."""
    cdef Py_ssize_t item = next_item(&job.next[3])
    while item < job.n_bytes + job.n_tiles:
        sum_item(job, &job.model, job.model.n, item)
        item = next_item(&job.next[3])


cdef void sum_item(Job *job, Cases *part, Py_ssize_t n, Py_ssize_t item) noexcept nogil:
    """A plane the other way round, with its counts, or a tile's sum of probabilities: prepare_phase."""
    cdef Py_ssize_t tile = item - job.n_bytes
    if tile < 0:
        transpose_and_count(part.planes + item * part.stride, n, item, job.n_visible, part.transposed,
                            part.visible + 8 * item)
    else:
        hidden_item(part.fixed + tile * part.phase.fixed_length, 8 * part.phase.n_bytes, ldexp(1.0, -FIXED_BITS), False,
                    part.hidden + tile * TILE, smaller(TILE, job.n_hidden - tile * TILE))


cdef void compare_phases(Job *job, double rate) noexcept nogil:
    """Means, offsets and what the update of the weights takes."""
    cdef double n_data = <double> job.data.n, n_model = <double> job.model.n, unit = ldexp(1.0, -FIXED_BITS)
    cdef int now = job.which
    job.data.phase.factor, job.model.phase.factor = unit / n_data, -(unit / n_model)
    compare_means(job, job.data.visible, job.model.visible, <double *> job.offsets.visible_difference,
                  <double *> job.offsets.visible_offset, job.offsets_before, job.n_visible)
    compare_means(job, job.data.hidden, job.model.hidden, <double *> job.offsets.hidden_difference,
                  <double *> job.offsets.hidden_offset, job.offsets_before + TILE * job.n_chunks, job.n_hidden)
    job.offsets_known = True
    job.ascent.rate = rate
    job.ascent.weights, job.ascent.out = job.weights[now], job.weights[1 - now]
    job.ascent.transposed = job.transposed[1 - now]


cdef void compare_means(Job *job, const double *data, const double *model, double *difference, double *offset,
                        double *before, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    cdef double n_data = <double> job.data.n, n_model = <double> job.model.n
    for k in range(n):
        difference[k] = data[k] / n_data - model[k] / n_model
    if not job.centred:
        return
    memcpy(before, offset, n * 8)
    for k in range(n):
        if job.offsets_known:
            offset[k] = offset[k] + job.centring_rate * (data[k] / n_data - offset[k])
        else:
            offset[k] = data[k] / n_data


cdef void stage_ascent(Job *job, char *scratch, int rank) noexcept nogil:
    """The weights: difference of the phases and update."""
    cdef Phase phases[2]
    cdef Py_ssize_t item = next_item(&job.next[4]), bad
    phases[0], phases[1] = job.data.phase, job.model.phase
    if rank == 0:
        job.next[3] = 0
    while item < job.n_tiles * job.n_shares:
        bad = difference_item(phases, &job.offsets, &job.ascent, job.n_visible, job.n_hidden, item % job.n_tiles,
                              (item // job.n_tiles) * job.share, job.share, NULL, scratch)
        if bad:
            next_item(&job.n_bad)
        item = next_item(&job.next[4])


cdef void complete_update(Job *job) noexcept nogil:
    """Biases, largest sums and grids; or, where a parameter would be bad, back to where the update began."""
    cdef Py_ssize_t n_chunks = ceil_div(job.ascent.padded, CHUNK), k
    cdef double *db = <double *> job.offsets.visible_difference
    cdef double *dc = <double *> job.offsets.hidden_difference
    if job.centred:
        add_in_order(job.offsets.by_tile, job.n_tiles, job.n_visible, job.ascent.padded, job.along_hidden)
        add_in_order(job.offsets.by_chunk, n_chunks, job.n_tiles * TILE, job.n_tiles * TILE, job.along_visible)
        for k in range(job.n_visible):
            db[k] = db[k] - job.along_hidden[k]
        for k in range(job.n_hidden):
            dc[k] = dc[k] - job.along_visible[k]
    if job.n_bad != 0 or not (stays_good(job.visible_bias, db, job.ascent.rate, job.ascent.limit, job.n_visible)
                              and stays_good(job.hidden_bias, dc, job.ascent.rate, job.ascent.limit, job.n_hidden)):
        memcpy(job.model.planes, job.before, job.model.n * job.n_bytes)
        memcpy(job.up.out, job.before + job.model.n * job.n_bytes, job.model.n * job.down.n_bytes)
        if job.centred:
            memcpy(<double *> job.offsets.visible_offset, job.offsets_before, job.n_visible * 8)
            memcpy(<double *> job.offsets.hidden_offset, job.offsets_before + TILE * job.n_chunks, job.n_hidden * 8)
        job.stop = True
        return
    move_bias(job.visible_bias, db, job.ascent.rate, job.n_visible)
    move_bias(job.hidden_bias, dc, job.ascent.rate, job.n_hidden)
    job.largest[0] = largest_sum(job.ascent.columns, n_chunks, job.n_tiles * TILE)
    job.largest[1] = largest_sum(job.ascent.rows, job.n_tiles, n_chunks * TILE)
    job.which = 1 - job.which
    job.done += 1
    set_exponents(job, exponent_of(job.largest[1], job.n_hidden), exponent_of(job.largest[0], job.n_visible))


cdef bint stays_good(const float *bias, const double *change, double rate, float limit, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    cdef double new
    for k in range(n):
        new = <double> bias[k] + rate * change[k]
        if not (-<double> limit < new < <double> limit):    # NaN too
            return False
    return True


cdef void move_bias(float *bias, const double *change, double rate, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        bias[k] = <float> (<double> bias[k] + rate * change[k])
