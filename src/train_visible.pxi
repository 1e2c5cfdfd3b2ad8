# The visible layer of the chains in a training: the one stage that needs the weights of all tiles. Threads read those
# that others have just written; or, where chains are few, each sums over its own tiles, for all chains, and what they
# exchange are these sums, which are fewer.

cdef enum:
    FEW_CHAINS = 2              # times as many are at most the hidden units,
    LARGEST_PART = 65536        # bytes of a thread's sums


cdef bint sums_in_parts(Job *job) noexcept nogil:
    return (job.plan == NULL and job.n_threads > 1 and job.n_tiles > 1 and FEW_CHAINS * job.n_chains <= job.n_hidden
            and job.n_chunks * job.n_chains * TILE * 4 <= LARGEST_PART)


cdef int32_t *part_of(Worker *me, int rank, Py_ssize_t chunk) noexcept nogil:
    return me.job.parts + (rank * me.job.n_chunks + chunk) * me.job.n_chains * TILE


cdef void stage_of_parts(Worker *me) noexcept nogil:
    cdef HalfStep *down = &me.down
    cdef Py_ssize_t first = first_of(me, me.rank, me.job.n_tiles), chunk
    cdef Py_ssize_t n_bytes = smaller(8 * first_of(me, me.rank + 1, me.job.n_tiles), down.n_bytes) - 8 * first
    if n_bytes > 0:
        ran(SUMS_EXCHANGED)
        for chunk in range(down.n_tiles):
            product_tile(part_of(me, me.rank, chunk), &me.scratch.product,
                         down.tiles + chunk * down.tile_length + first * TILE * TILE, down.grid,
                         down.planes + 8 * first * down.stride, down.stride, n_bytes, down.n,
                         smaller(TILE, down.n_units - chunk * TILE), ALL_LIMBS)


cdef void stage_down(Worker *me) noexcept nogil:
    """The visible layer of the chains."""
    cdef HalfStep *down = &me.down
    cdef Py_ssize_t n_blocks, item, chunk, first, n
    cdef int32_t *acc = me.scratch.product.sums
    if me.job.parts == NULL:
        do_items(me, DOWN, down)
        return
    n_blocks = ceil_div(down.n, down.block)
    item = take(me, DOWN, down.n_tiles, n_blocks)
    while item < down.n_tiles * n_blocks:
        chunk, first = item % down.n_tiles, item // down.n_tiles * down.block
        n = smaller(down.block, down.n - first)
        add_parts(me, chunk, first, n, acc)
        activate(down, acc, chunk, first, n, me.scratch.product.masks)
        item = take(me, DOWN, down.n_tiles, n_blocks)


cdef void add_parts(Worker *me, Py_ssize_t chunk, Py_ssize_t first, Py_ssize_t n, int32_t *acc) noexcept nogil:
    cdef int rank
    cdef Py_ssize_t k
    cdef const vi *part
    cdef bint started = False
    for rank in range(me.n_threads):
        if first_of(me, rank, me.job.n_tiles) == first_of(me, rank + 1, me.job.n_tiles):
            continue
        part = <const vi *> (part_of(me, rank, chunk) + first * TILE)
        for k in range(n * VECTORS):
            (<vi *> acc)[k] = (<vi *> acc)[k] + part[k] if started else part[k]
        started = True
