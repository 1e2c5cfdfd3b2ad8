# Flips: between sweeps of a fixed model few visible units change (3.8 % a sweep in a well-trained model of MNIST). The
# sums of W over the units that are on then need only what flipped, in place of a whole product. Integers are exact, so
# this changes nothing but time.
#
# While a call sweeps, each part of its chains lists the units that flipped; a block whose parts all flipped little
# keeps its sums from one sweep to the next. Where a thread takes a block of chains through all sweeps by itself, it
# has Flips of its own, of this one block; else the threads share one of all chains.

cdef enum:
    PART = 64               # chains that are compared with their past together
    FLIPS_CAPACITY = 256    # of a chain; where one has more, its block starts afresh
    FEW_FLIPS = 12          # at most one unit in so many, on average, or a product is faster (bench/NOTES.md)
    FROM_SWEEPS = 3         # in a call, for flips to be worth their memory,
    FROM_WORK = 2048        # and chains times sweeps
    KEPT_MEGABYTES = 16     # of sums and lists for each thread, at most

cdef enum:
    PLAIN = 0               # a product, its sums forgotten
    KEEP = 1                # a product, its sums kept
    FLIP = 2                # kept sums, and what flipped

cdef struct Flips:
    int32_t *sums           # [tile][chain][64]; NULL: no sums are kept
    const int32_t *rows     # [tile][unit][64]: the weights as integers
    uint8_t *before         # [byte][chain]: the sending layer when the sums were made
    uint16_t *units         # [chain][FLIPS_CAPACITY]: 2 unit + its state now
    uint16_t *flipped       # [chain]: how many
    uint8_t *few            # [part]: whether few flipped, and they are listed
    uint8_t *kept           # [2][block]: whether the block's sums are kept, by parity of the sweep
    Py_ssize_t n_blocks


cdef bint flips_pay(const HalfStep *step, int n_sweeps) noexcept nogil:
    return (n_sweeps >= FROM_SWEEPS and step.n * n_sweeps >= FROM_WORK and 8 * step.n_bytes <= 32767
            and step.given == NULL and step.to == NULL)


cdef size_t flips_size(const HalfStep *step, Py_ssize_t n, Py_ssize_t n_blocks, int n_threads) noexcept nogil:
    """Bytes for the Flips of n chains in so many blocks; 0 where that is too much for so many threads."""
    cdef Arena arena = Arena(NULL, 0)
    lay_out_flips(&arena, step, n, n_blocks)
    return arena.used if arena.used <= n_threads * (<size_t> KEPT_MEGABYTES << 20) else 0


cdef void put_integer_rows(const HalfStep *step, int32_t *rows) noexcept nogil:
    """The weights as integers."""
    cdef Py_ssize_t k
    for k in range(step.n_tiles * step.tile_length // LANES):
        (<vi *> rows)[k] = grid_row(step.tiles + k * LANES, step.grid)


cdef Flips place_flips(char *memory, const int32_t *rows, const HalfStep *step, Py_ssize_t n,
                       Py_ssize_t n_blocks) noexcept nogil:
    """Flips of n chains, none of which has a past, in memory of flips_size bytes."""
    cdef Arena arena = Arena(memory, 0)
    cdef Flips flips = lay_out_flips(&arena, step, n, n_blocks)
    flips.rows = rows
    memset(flips.kept, 0, 2 * n_blocks)
    return flips


cdef Flips lay_out_flips(Arena *arena, const HalfStep *step, Py_ssize_t n, Py_ssize_t n_blocks) noexcept nogil:
    """The places of all but the weights."""
    cdef Flips flips
    memset(&flips, 0, sizeof(Flips))
    flips.n_blocks = n_blocks
    flips.sums = <int32_t *> place_for(arena, n * step.n_tiles * TILE, sizeof(int32_t))
    flips.before = <uint8_t *> place_for(arena, n, step.n_bytes)
    flips.units = <uint16_t *> place_for(arena, n * FLIPS_CAPACITY, sizeof(uint16_t))
    flips.flipped = <uint16_t *> place_for(arena, n, sizeof(uint16_t))
    flips.few = <uint8_t *> place_for(arena, ceil_div(n, PART), 1)
    flips.kept = <uint8_t *> place_for(arena, 2 * n_blocks, 1)
    return flips


cdef void compare_part(const HalfStep *step, Flips *flips, Py_ssize_t part, bint first) noexcept nogil:
    """What flipped in a part since the last sweep (first: there was none)."""
    cdef Py_ssize_t start = part * PART, n = smaller(PART, step.n - start), byte
    flips.few[part] = not first and list_flips(step, flips, start, n)
    for byte in range(step.n_bytes):
        memcpy(flips.before + byte * step.n + start, step.planes + byte * step.stride + start, n)


cdef bint list_flips(const HalfStep *step, Flips *flips, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """False, at once, where too many flipped."""
    cdef Py_ssize_t byte = 0, count, row, chain, total = 0, most = n * step.n_bytes * 8 // FEW_FLIPS
    cdef uint8_t changes[8][PART]
    cdef uint64_t changed[PART]
    cdef uint64_t now[PART]
    cdef uint64_t word
    cdef uint16_t *flipped = flips.flipped + start
    cdef uint16_t *units
    cdef const uint8_t *x
    cdef const uint8_t *y
    cdef int bit
    memset(flipped, 0, n * sizeof(uint16_t))
    while byte < step.n_bytes:
        count = smaller(8, step.n_bytes - byte)
        for row in range(count):
            x = step.planes + (byte + row) * step.stride + start
            y = flips.before + (byte + row) * step.n + start
            for chain in range(n):
                changes[row][chain] = x[chain] ^ y[chain]
        gather_words(changed, &changes[0][0], PART, count, n)
        gather_words(now, step.planes + byte * step.stride + start, step.stride, count, n)
        for chain in range(n):
            word = changed[chain]
            total += popcount64(word)
            if flipped[chain] + popcount64(word) > FLIPS_CAPACITY:
                return False
            units = flips.units + (start + chain) * FLIPS_CAPACITY + flipped[chain]
            flipped[chain] += popcount64(word)
            while word != 0:
                bit = lowest_bit(word)
                word = word & (word - 1)
                units[0] = <uint16_t> ((8 * byte + bit) << 1 | ((now[chain] >> bit) & 1))
                units += 1
        if total > most:
            return False
        byte += 8
    return True


cdef int way_of(const HalfStep *step, const Flips *flips, Py_ssize_t block, int parity, bint note) noexcept nogil:
    """PLAIN, KEEP or FLIP for a block of this sweep; note what holds for the next one, which one of its tiles does. A
    block and its parts need not begin together: every part that it touches counts."""
    cdef Py_ssize_t part, start = block * step.block, stop = smaller(start + step.block, step.n)
    cdef bint few = True
    for part in range(start // PART, ceil_div(stop, PART)):
        few = few and flips.few[part]
    if note:
        flips.kept[(1 - parity) * flips.n_blocks + block] = few
    if not few:
        return PLAIN
    return FLIP if flips.kept[parity * flips.n_blocks + block] else KEEP


cdef void apply_flips(int32_t *sums, const int32_t *tile, const Flips *flips, Py_ssize_t start,
                      Py_ssize_t n) noexcept nogil:
    """Bring the kept sums of a tile up to date."""
    cdef Py_ssize_t chain, k, t, column
    cdef const uint16_t *units
    cdef const vi *row
    cdef vi acc[4]
    cdef vi off
    cdef vi *out
    for chain in range(n):
        units = flips.units + (start + chain) * FLIPS_CAPACITY
        column = 0
        while column < TILE:
            out = <vi *> (sums + chain * TILE + column)
            for t in range(4):
                acc[t] = out[t]
            for k in range(flips.flipped[start + chain]):
                row = <const vi *> (tile + (units[k] >> 1) * TILE + column)
                off = splat_i(<int32_t> (units[k] & 1) - 1)     # all ones where the unit went off: (x ^ off) - off = -x
                for t in range(4):
                    acc[t] = acc[t] + ((row[t] ^ off) - off)
            for t in range(4):
                out[t] = acc[t]
            column += 4 * LANES


cdef void half_step_of_flips(const HalfStep *step, Flips *flips, Py_ssize_t item, int parity,
                             Scratch *scratch) noexcept nogil:
    """half_step_item, with sums kept from sweep to sweep where that pays."""
    cdef Py_ssize_t tile = item % step.n_tiles, block = item // step.n_tiles, first = block * step.block
    cdef Py_ssize_t n = smaller(step.block, step.n - first), n_columns = smaller(TILE, step.n_units - tile * TILE)
    cdef int32_t *sums = flips.sums + (tile * step.n + first) * TILE
    cdef const float *weights = step.tiles + tile * step.tile_length
    cdef int way = way_of(step, flips, block, parity, tile == 0)
    if way != PLAIN:
        ran(SUMS_FLIPPED if way == FLIP else SUMS_KEPT)
    if way == FLIP:
        apply_flips(sums, flips.rows + tile * step.tile_length, flips, first, n)
    else:
        if way == PLAIN:
            sums = scratch.sums
        product_tile(sums, scratch, weights, step.grid, step.planes + first, step.stride, step.n_bytes, n, n_columns,
                     ALL_LIMBS)
    activate(step, sums, tile, first, n, scratch.masks)
