# The product: acc = S Q for binary S, by table lookup (Arlazarov, Dinic, Kronrod & Faradzev 1970, the "four
# Russians"). k input units at a time: tabulate the 2^k sums of their rows of Q, then every chain adds the one row that
# its k bits choose. Q = rint(W 2^e) is int32, on a grid so coarse that no sum overflows (fastrbm/_core/parameters.py),
# so sums are exact in any order, whatever k.
#
# W lies in tiles [tile][unit][64], float32: the 64 columns of a tile are one contiguous row of 256 bytes, the rows of
# units past the last one, up to a multiple of 8, are zero. It is rounded to integers as a table is built, which costs
# next to nothing beside the table. The accumulators of a block of chains are [chain][64].
#
# A pass takes a few bytes of input: it gathers each chain's bits into one word, then, for every strip of columns,
# builds the tables and adds the chosen rows. Small tables have k = 4. Large ones, with k = 6 or 5, cost about 1.4
# additions for each of k = 4's two, but have more rows to build: they pay where many chains share them.

cdef enum:                              # bytes of an integer of Q that count
    ALL_LIMBS = 4
    POSITIVE_LIMBS = 3

cdef enum:
    LISTED = 8                          # where one word in so many is zero, those that are not are listed
    PREFETCHED = 256                    # chains from which on rows of weights are: for fewer it costs what it saves
    BLOCK = 1024                        # most chains in a block: their accumulators are 256 kB, in L2
    INPUTS = 256                        # of products in float64, a pass: their integers are 128 kB, in L2
    GROUPS = 8                          # of sites whose rows are tabulated, each chosen by a place (categorical.pxi)
    REAL_BLOCK = 64                     # chains whose sums of real units' products are made together

cdef struct Scratch:                    # what one thread needs for a half step of a tile; all are whole cache lines
    char tables[TABLES]
    uint64_t words[BLOCK]               # bits of each chain,
    int32_t chains[BLOCK]               # and whose they are, where only some are listed
    uint16_t places[GROUPS][BLOCK]      # where each chain's rows of tables are
    char squares[LEVEL_AMX * 4096]      # product_amx.pxi
    char bits[LEVEL_AMX * BLOCK * 512]
    int32_t sums[BLOCK * TILE]          # the accumulators
    int32_t more[BLOCK * TILE]          # and those of a further segment
    uint64_t masks[BLOCK]               # the states that activation.pxi makes of them
    double reals[REAL_BLOCK * TILE]     # real_product.pxi: sums,
    float floats[REAL_BLOCK * TILE]     # the same, rounded,
    double numbers[INPUTS * REAL_BLOCK]  # the states of real units
    double integers[INPUTS * TILE]      # and the integers of their rows of weights


cdef inline vi grid_row(const float *row, float scale) noexcept nogil:
    return to_nearest((<const vfu *> row)[0] * splat_f(scale))


cdef inline void build_table(char *table, const float *rows, float scale, Py_ssize_t last, Py_ssize_t k,
                             Py_ssize_t width) noexcept nogil:
    """table[m] = the sum of those of the k rows whose bit is set in m. Rows past the last, which no chain has on, are
    replaced by it. k and width, in vectors, are literals."""
    cdef vi low[8]
    cdef vi base
    cdef vi *out
    cdef const float *row
    cdef Py_ssize_t t, i, m
    for t in range(width):
        out = <vi *> table + t
        row = rows + t * LANES
        low[0] = splat_i(0)
        low[1] = grid_row(row, scale)
        low[2] = grid_row(row + smaller(1, last) * TILE, scale)
        low[3] = low[2] + low[1]
        low[4] = grid_row(row + smaller(2, last) * TILE, scale)
        low[5] = low[4] + low[1]
        low[6] = low[4] + low[2]
        low[7] = low[4] + low[3]
        for i in range(8):
            out[i * width] = low[i]
        for m in range(1, 1 << (k - 3)):
            # the upper bits' sum: what the table has for m without its lowest bit, and the row of that bit
            base = out[8 * (m & (m - 1)) * width] + grid_row(row + smaller(3 + lowest_bit(m), last) * TILE, scale)
            for i in range(8):
                out[(8 * m + i) * width] = base + low[i]


cdef inline void prefetch_rows(const float *rows, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t row
    for row in range(n):
        prefetch(rows + row * TILE)


cdef inline int bits_of(int group, bint large) noexcept nogil:
    """k of a table of a pass."""
    return 4 if not large else 6 if group < SIXES else 5


cdef inline int first_bit_of(int group, bint large) noexcept nogil:
    return 4 * group if not large else 6 * group if group < SIXES else 6 * SIXES + 5 * (group - SIXES)


cdef inline int first_row_of(int group, bint large) noexcept nogil:
    """Where a table begins, in rows behind the first one's."""
    return 16 * group if not large else 64 * group if group < SIXES else 64 * SIXES + 32 * (group - SIXES)


cdef inline void add_row(vi *sums, const char *tables, uint64_t word, int group, bint large,
                         Py_ssize_t width) noexcept nogil:
    """Add to the sums the row of a table that its bits of the word choose."""
    cdef int row = lowest_bit(<uint32_t> (width * WIDTH))     # a power of two: its logarithm
    cdef uint64_t place = (rotate_right(word, first_bit_of(group, large) - row)
                           & (((1 << bits_of(group, large)) - 1) << row))
    cdef const vi *chosen = <const vi *> (tables + first_row_of(group, large) * (width * WIDTH) + place)
    cdef Py_ssize_t t
    for t in range(width):
        sums[t] = sums[t] + chosen[t]


cdef inline void add_rows(char *acc, const char *tables, const uint64_t *words, const int32_t *chains, Py_ssize_t n,
                          bint first, bint large, Py_ssize_t width, int groups) noexcept nogil:
    """Add to each chain's accumulators the rows that its word chooses, one from each of the tables; chains says whose
    the words are, NULL: those of chains 0, 1, ... The calls are spelled out, and all but the pointers and n are
    literals, so that every shift is a constant and the sums stay in registers."""
    cdef Py_ssize_t i, t
    cdef uint64_t word
    cdef vi sums[4]
    cdef vi *out
    for i in range(n):
        word = words[i]
        out = <vi *> (acc + (i if chains == NULL else chains[i]) * TILE * 4)
        for t in range(width):
            sums[t] = splat_i(0) if first else out[t]
        add_row(sums, tables, word, 0, large, width)
        add_row(sums, tables, word, 1, large, width)
        if groups > 2:
            add_row(sums, tables, word, 2, large, width)
        if groups > 3:
            add_row(sums, tables, word, 3, large, width)
        if groups > 4:
            add_row(sums, tables, word, 4, large, width)
        if groups > 5:
            add_row(sums, tables, word, 5, large, width)
        if groups > 6:
            add_row(sums, tables, word, 6, large, width)
        if groups > 7:
            add_row(sums, tables, word, 7, large, width)
        if groups > 8:
            add_row(sums, tables, word, 8, large, width)
        if groups > 9:
            add_row(sums, tables, word, 9, large, width)
        if groups > 10:
            add_row(sums, tables, word, 10, large, width)
        if groups > 11:
            add_row(sums, tables, word, 11, large, width)
        if groups > 12:
            add_row(sums, tables, word, 12, large, width)
        if groups > 13:
            add_row(sums, tables, word, 13, large, width)
        if groups > 14:
            add_row(sums, tables, word, 14, large, width)
        if groups > 15:
            add_row(sums, tables, word, 15, large, width)
        for t in range(width):
            out[t] = sums[t]


cdef void add_listed_rows(char *acc, const char *tables, const uint64_t *words, const int32_t *chains, Py_ssize_t n,
                          bint large, Py_ssize_t width, int groups) noexcept nogil:
    """add_rows for listed chains and a pass of any number of bytes."""
    if groups == 2:
        add_rows(acc, tables, words, chains, n, False, large, width, 2)
    elif groups == 3:
        add_rows(acc, tables, words, chains, n, False, large, width, 3)
    elif groups == 4:
        add_rows(acc, tables, words, chains, n, False, large, width, 4)
    elif groups == 6:
        add_rows(acc, tables, words, chains, n, False, large, width, 6)
    elif groups == 7:
        add_rows(acc, tables, words, chains, n, False, large, width, 7)
    elif groups == 8:
        add_rows(acc, tables, words, chains, n, False, large, width, 8)
    elif groups == 9:
        add_rows(acc, tables, words, chains, n, False, large, width, 9)
    elif groups == 10:
        add_rows(acc, tables, words, chains, n, False, large, width, 10)
    elif groups == 11:
        add_rows(acc, tables, words, chains, n, False, large, width, 11)
    elif groups == 12:
        add_rows(acc, tables, words, chains, n, False, large, width, 12)
    elif groups == 14:
        add_rows(acc, tables, words, chains, n, False, large, width, 14)
    else:
        add_rows(acc, tables, words, chains, n, False, large, width, 16)


cdef inline Py_ssize_t count_zeros(const uint64_t *words, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t chain
    cdef uint64_t zeros = 0
    for chain in range(n):
        zeros += words[chain] == 0
    return <Py_ssize_t> zeros


cdef inline Py_ssize_t list_chains(uint64_t *words, int32_t *chains, Py_ssize_t n) noexcept nogil:
    """Move the words that are not zero to the front and say whose they are. Returns how many."""
    cdef Py_ssize_t chain, count = 0
    cdef uint64_t word
    for chain in range(n):
        word = words[chain]
        words[count] = word
        chains[count] = <int32_t> chain
        count += word != 0
    return count


cdef void gather_words(uint64_t *words, const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_bytes,
                       Py_ssize_t n) noexcept nogil:
    """words[chain]: n_bytes (1 to 8) bytes of each chain, the first one lowest."""
    cdef Py_ssize_t chain
    cdef const uint8_t *p = planes
    cdef Py_ssize_t s = stride
    if n_bytes == 8:
        for chain in range(n):
            words[chain] = (p[chain] | <uint64_t> p[s + chain] << 8 | <uint64_t> p[2 * s + chain] << 16
                            | <uint64_t> p[3 * s + chain] << 24 | <uint64_t> p[4 * s + chain] << 32
                            | <uint64_t> p[5 * s + chain] << 40 | <uint64_t> p[6 * s + chain] << 48
                            | <uint64_t> p[7 * s + chain] << 56)
    elif n_bytes == 6:
        for chain in range(n):
            words[chain] = (p[chain] | <uint64_t> p[s + chain] << 8 | <uint64_t> p[2 * s + chain] << 16
                            | <uint64_t> p[3 * s + chain] << 24 | <uint64_t> p[4 * s + chain] << 32
                            | <uint64_t> p[5 * s + chain] << 40)
    else:
        for chain in range(n):
            words[chain] = p[chain]
        for s in range(1, n_bytes):
            for chain in range(n):
                words[chain] |= <uint64_t> p[s * stride + chain] << (8 * s)


cdef inline void product_passes(int32_t *acc, Scratch *scratch, const float *rows, float scale, const uint8_t *planes,
                                Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t n_columns,
                                bint large, Py_ssize_t width) noexcept nogil:
    """product_tile by tables, small or large ones, and strips of a literal width."""
    cdef char *tables = scratch.tables
    cdef uint64_t *words = scratch.words
    cdef int32_t *chains = scratch.chains
    cdef Py_ssize_t full = PASS_BYTES if large else 8, byte = 0, count, column, zeros, listed
    cdef int groups
    cdef bint started = False
    while byte < n_bytes:
        count = smaller(full, n_bytes - byte)
        groups = 2
        while first_bit_of(groups, large) < 8 * count:
            groups += 1
        gather_words(words, planes + byte * stride, stride, count, n)
        zeros = count_zeros(words, n)
        listed = 0
        if count < full or zeros * LISTED >= n:
            ran(WORDS_LISTED)
            listed = list_chains(words, chains, n)
            if not started:
                memset(acc, 0, n * TILE * 4)
                started = True
        column = 0
        while column < n_columns and zeros < n:
            build_tables(tables, rows + 8 * byte * TILE + column, scale, 8 * count, groups, large, width)
            if n >= PREFETCHED and column % 16 == 0:    # tables of the next pass, or tile, would wait for their rows
                prefetch_rows(rows + 8 * (byte + count) * TILE + column, 8 * count)
            if listed > 0:
                add_listed_rows(<char *> (acc + column), tables, words, chains, listed, large, width, groups)
            elif started:
                add_rows(<char *> (acc + column), tables, words, NULL, n, False, large, width, LARGE if large else 16)
            else:
                add_rows(<char *> (acc + column), tables, words, NULL, n, True, large, width, LARGE if large else 16)
            column += width * LANES
        started = True
        byte += count


cdef inline void build_tables(char *tables, const float *rows, float scale, Py_ssize_t n_rows, int groups, bint large,
                              Py_ssize_t width) noexcept nogil:
    """Those of a pass, whose input units have n_rows rows."""
    cdef int group
    cdef char *table
    cdef Py_ssize_t first
    for group in range(groups):
        first = first_bit_of(group, large)
        table = tables + first_row_of(group, large) * (width * WIDTH)
        if not large:
            build_table(table, rows + first * TILE, scale, n_rows - 1 - first, 4, width)
        elif group < SIXES:
            build_table(table, rows + first * TILE, scale, n_rows - 1 - first, 6, width)
        else:
            build_table(table, rows + first * TILE, scale, n_rows - 1 - first, 5, width)


cdef void product_tile(int32_t *acc, Scratch *scratch, const float *rows, float scale, const uint8_t *planes,
                       Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, Py_ssize_t n_columns,
                       int limbs) noexcept nogil:
    """The first n_columns (at most 64, rounded up to 16) columns of a tile, for n (at most BLOCK) chains. limbs is
    ALL_LIMBS, or POSITIVE_LIMBS where all of Q lies in 0 .. 2^23 - 1."""
    cdef int plan = product_plan(n, n_bytes)
    ran(plan)
    if plan == MATRIX_UNIT:
        if limbs == POSITIVE_LIMBS:
            product_amx(acc, scratch, rows, scale, planes, stride, n_bytes, n, n_columns, 3)
        else:
            product_amx(acc, scratch, rows, scale, planes, stride, n_bytes, n, n_columns, 4)
    elif plan == SMALL_TABLES:
        product_passes(acc, scratch, rows, scale, planes, stride, n_bytes, n, n_columns, False, WIDTH_FEW)
    else:
        product_passes(acc, scratch, rows, scale, planes, stride, n_bytes, n, n_columns, True, WIDTH_MANY)


cdef Py_ssize_t block_length(Py_ssize_t n, Py_ssize_t n_tiles, int n_threads) noexcept nogil:
    """Chains in a block: even shares of at most BLOCK, smaller ones while there are too few items for the threads.
    Results do not depend on it."""
    cdef Py_ssize_t n_blocks = ceil_div(n, BLOCK)
    while n > 64 * n_blocks and n_tiles * n_blocks < 2 * n_threads:
        n_blocks *= 2
    return ceil_div(n, n_blocks) if n else 1


def product(const uint8_t[:, :] planes, const float[:, :, ::1] tiles, int exponent, int32_t[:, ::1] out, int n_threads):
    """out OUT (n, n_out) = S rint(W 2^exponent), exactly; planes IN (bytes, n), tiles IN (ceil(n_out/64), 8 bytes,
    64)."""
    cdef Py_ssize_t n = out.shape[0], n_out = out.shape[1], n_tiles = tiles.shape[0], n_bytes = planes.shape[0]
    cdef Py_ssize_t block = block_length(n, n_tiles, n_threads), item
    cdef Barrier barrier = new_barrier()
    cdef _Memory memory
    cdef Scratch *scratch
    if DEBUG_CHECKS:
        check(planes.shape[1] == n and n_tiles == ceil_div(n_out, TILE) and tiles.shape[1] == 8 * n_bytes
              and tiles.shape[2] == TILE, "product")
    if n == 0 or n_out == 0:
        return
    memory = memory_for(n_threads, sizeof(Scratch), "a matrix product")
    scratch = <Scratch *> memory.start
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_tiles * ceil_div(n, block), schedule="dynamic", chunksize=1):
            product_item(&planes[0, 0], planes.strides[0], n_bytes, n, &tiles[item % n_tiles, 0, 0],
                         <float> ldexp(1.0, exponent), &out[0, 0], n_out,
                         item % n_tiles, (item // n_tiles) * block, block, scratch + threadid())
        leave_team(&barrier)


cdef void product_item(const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_bytes, Py_ssize_t n, const float *rows,
                       float scale, int32_t *out, Py_ssize_t n_out, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t block,
                       Scratch *scratch) noexcept nogil:
    cdef int32_t *acc = scratch.sums
    cdef Py_ssize_t length = smaller(block, n - first), n_columns = smaller(TILE, n_out - tile * TILE), chain
    product_tile(acc, scratch, rows, scale, planes + first, stride, n_bytes, length, n_columns, ALL_LIMBS)
    for chain in range(length):
        memcpy(out + (first + chain) * n_out + tile * TILE, acc + chain * TILE, 4 * n_columns)
