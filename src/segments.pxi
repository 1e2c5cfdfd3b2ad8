# Segments: a layer of several unit types side by side, or of categorical sites. Which rows of planes, which rows of
# weights and which tiles belong to what; a layer that is all of one type of two values needs none of this.
#
#   states     planes[row, chain]: a segment of bits has a row for 8 units, a categorical segment a row for each site,
#              which holds the site's category, 0 .. q - 1, or q where the site is absent: a category without weights.
#              A real unit has three rows: the bytes of its integer, the lowest first (real.pxi).
#   weights    one row for each unit: a bit, or a category of a site; segment by segment, site by site.
#   tiles      of the layer that receives: 64 columns each, of one segment. A tile has whole sites, as many as fit, at
#              most 32; a site of more than 64 categories has as many tiles as it takes, the first of which stands for
#              them all.

cdef enum:
    CATEGORICAL = 2             # beside the types of units.pxi
    GAUSSIAN = 3                # the real ones, from here on
    RELU = 4
    DRELU = 5
    REAL_BYTES = 3
    SITES = 32                  # in a tile, at most: four share a block of random words
    MOST_CATEGORIES = 255

cdef struct Row:                # a row of planes
    int unit                    # its first unit
    int size                    # how many units: up to 8 bits, the categories of a site, or one
    int kind                    # BERNOULLI, SPIN, CATEGORICAL, GAUSSIAN, RELU or DRELU
    int byte                    # which one of a real unit's integer

cdef struct Run:                # rows of one type that follow each other
    Py_ssize_t row
    Py_ssize_t n_rows
    Py_ssize_t unit
    int kind

cdef struct Columns:            # of a tile
    Py_ssize_t unit             # the first unit,
    Py_ssize_t n                # how many,
    Py_ssize_t row              # their first row of planes
    Py_ssize_t n_rows
    int kind
    int span                    # tiles that belong together; 0: those of the tile before

cdef struct Plan:
    const Row *rows
    Py_ssize_t n_rows
    const Run *runs
    Py_ssize_t n_runs
    const Columns *tiles
    Py_ssize_t n_tiles
    Py_ssize_t n_units
    bint real                   # whether any unit is
    bint coded                  # whether any site is one of coded.pxi


REAL_KINDS = {"gaussian": GAUSSIAN, "relu": RELU, "drelu": DRELU}


cdef inline bint is_real(int kind) noexcept nogil:
    return kind >= GAUSSIAN


cdef class Segments:
    """The plan of a layer."""
    cdef Plan plan
    cdef _Memory rows, runs, tiles
    cdef readonly Py_ssize_t n_units, n_rows, n_tiles
    cdef readonly Py_ssize_t n_inputs       # rows of weights that products may read
    cdef readonly object steps              # between the values of each unit; None: 1 everywhere
    cdef readonly bint real                 # whether any unit is

    def __init__(self, segments):
        """segments: (name of the type, sizes) of each; sizes is a number of units of two values or real ones, or a
        sequence of the numbers of categories of sites."""
        cdef list rows = [], runs = [], tiles = [], steps = []
        cdef Py_ssize_t unit = 0, row, first, k, size
        cdef object name, sizes
        for name, sizes in segments:
            if not (sizes if name == "categorical" else sizes > 0):
                raise ValueError(f"a segment must have at least one unit, got {sizes!r}")
            row, first = len(rows), unit
            if name == "categorical":
                for size in sizes:
                    if not 1 <= size <= MOST_CATEGORIES:
                        raise ValueError(f"a site must have from 1 to {MOST_CATEGORIES} categories, got {size}")
                    tiles_of_site(tiles, unit, size, len(rows))
                    rows.append((unit, size, CATEGORICAL, 0))
                    unit += size
                tiles.append(None)      # the next segment begins with a tile of its own
                kind = CATEGORICAL
            elif name in REAL_KINDS:
                kind = REAL_KINDS[name]
                for k in range(0, sizes, TILE):
                    size = min(TILE, sizes - k)
                    tiles.append([unit + k, size, row + REAL_BYTES * k, REAL_BYTES * size, kind, 1])
                for k in range(REAL_BYTES * sizes):
                    rows.append((unit + k // REAL_BYTES, 1, kind, k % REAL_BYTES))
                unit += sizes
            else:
                kind = UNITS[name]
                for k in range(0, sizes, TILE):
                    size = min(TILE, sizes - k)
                    tiles.append([unit + k, size, row + k // 8, ceil_div(size, 8), kind, 1])
                for k in range(0, sizes, 8):
                    rows.append((unit + k, min(8, sizes - k), kind, 0))
                unit += sizes
            runs.append((row, len(rows) - row, first, kind))
            steps += [value_step(kind) if name in UNITS else 1.0] * (unit - first)
        tiles = [tile for tile in tiles if tile is not None]
        self.steps = None if set(steps) == {1.0} else tuple(steps)
        self.n_units, self.n_rows, self.n_tiles = unit, len(rows), len(tiles)
        # the rows of weights that products of bits read end at a multiple of 8 behind the last unit of every run
        self.n_inputs = unit
        self.real = any(is_real(kind) for _, size, first, kind in runs)
        for _, size, first, kind in runs:
            if kind < CATEGORICAL:
                self.n_inputs = max(self.n_inputs, first + 8 * size)
        self.n_inputs = 8 * ceil_div(self.n_inputs, 8)
        self.rows = memory_for(1, whole_lines(len(rows) * sizeof(Row)), "a layer")
        self.runs = memory_for(1, whole_lines(len(runs) * sizeof(Run)), "a layer")
        self.tiles = memory_for(1, whole_lines(len(tiles) * sizeof(Columns)), "a layer")
        for k in range(len(rows)):
            (<Row *> self.rows.start)[k] = Row(rows[k][0], rows[k][1], rows[k][2], rows[k][3])
        for k in range(len(runs)):
            (<Run *> self.runs.start)[k] = Run(runs[k][0], runs[k][1], runs[k][2], runs[k][3])
        for k in range(len(tiles)):
            tile = tiles[k]
            (<Columns *> self.tiles.start)[k] = Columns(tile[0], tile[1], tile[2], tile[3], tile[4], tile[5])
        self.plan = Plan(<Row *> self.rows.start, len(rows), <Run *> self.runs.start, len(runs),
                         <Columns *> self.tiles.start, len(tiles), unit, self.real,
                         any(kind == CATEGORICAL and size >= CODED for _, size, kind, _ in rows))

    @property
    def places(self):
        """(first unit, how many) of the columns of each tile."""
        cdef const Plan *plan = &self.plan
        return [(plan.tiles[k].unit, plan.tiles[k].n) for k in range(plan.n_tiles)]

    @property
    def rows_of_tiles(self):
        """(first row of planes, how many) of each tile; no rows of one that belongs to the tile before."""
        cdef const Plan *plan = &self.plan
        return [(plan.tiles[k].row, plan.tiles[k].n_rows if plan.tiles[k].span else 0) for k in range(plan.n_tiles)]


cdef tiles_of_site(list tiles, Py_ssize_t unit, Py_ssize_t size, Py_ssize_t row):
    """Add a site of a categorical segment to its tiles [first unit, units, first row, rows, kind, span]."""
    cdef Py_ssize_t k
    cdef list last = tiles[len(tiles) - 1] if tiles else None
    if last is not None and last[4] == CATEGORICAL and last[5] == 1 and last[1] + size <= TILE and last[3] < SITES:
        last[1] += size
        last[3] += 1
        return
    for k in range(0, size, TILE):
        tiles.append([unit + k, min(TILE, size - k), row, 1, CATEGORICAL, ceil_div(size, TILE) if k == 0 else 0])


cdef inline const Plan *plan_of(Segments segments) noexcept:
    return NULL if segments is None else &segments.plan


cdef inline Row row_of(const Plan *plan, Py_ssize_t n_units, int kind, Py_ssize_t row) noexcept nogil:
    """A row of planes; plan NULL: of n_units units of this type."""
    if plan != NULL:
        return plan.rows[row]
    return Row(<int> (8 * row), <int> smaller(8, n_units - 8 * row), kind, 0)


def place_tiles(const float[:, :, ::1] tiles, Segments segments, float[:, :, ::1] out, int n_threads,
                Py_ssize_t first_chunk=0, Py_ssize_t first_tile=0):
    """out OUT (some of the layer's tiles, from first_tile on, inputs, 64): tiles IN (any, inputs, 64) of its units in a
    row, from unit 64 first_chunk on, each in its place; zeros beside them."""
    cdef const Plan *plan = &segments.plan
    cdef Py_ssize_t n_inputs = tiles.shape[1], item
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(first_tile >= 0 and first_tile + out.shape[0] <= plan.n_tiles
              and TILE * first_chunk <= plan.tiles[first_tile].unit
              and TILE * (first_chunk + tiles.shape[0]) >= plan.tiles[first_tile + out.shape[0] - 1].unit
              + plan.tiles[first_tile + out.shape[0] - 1].n
              and out.shape[1] == n_inputs and out.shape[2] == TILE, "place_tiles")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(out.shape[0], schedule="static"):
            place_tile(&tiles[0, 0, 0], n_inputs, plan.tiles[first_tile + item].unit - TILE * first_chunk,
                       plan.tiles[first_tile + item].n, &out[item, 0, 0])
        leave_team(&barrier)


cdef void place_tile(const float *tiles, Py_ssize_t n_inputs, Py_ssize_t unit, Py_ssize_t n, float *out) noexcept nogil:
    cdef Py_ssize_t row, start = unit % TILE, first = smaller(n, TILE - start)
    cdef const float *source = tiles + (unit // TILE) * n_inputs * TILE + start
    for row in range(n_inputs):
        memset(out + row * TILE, 0, TILE * sizeof(float))
        memcpy(out + row * TILE, source + row * TILE, first * sizeof(float))
        if first < n:
            memcpy(out + row * TILE + first, source - start + (n_inputs + row) * TILE, (n - first) * sizeof(float))


def largest_input(const float[:, :, ::1] tiles, Segments segments):
    """The largest sum, over the columns of tiles IN (tiles, inputs, 64), of the sizes of all that the layer can send:
    of each bit or real unit, and of the largest of each site's categories. float64, added in one order."""
    cdef double largest = 0
    cdef Py_ssize_t tile
    if DEBUG_CHECKS:
        check(tiles.shape[1] >= segments.plan.n_units, "largest_input")
    for tile in range(tiles.shape[0]):
        largest = max(largest, largest_input_of(&tiles[tile, 0, 0], &segments.plan))
    return largest


cdef double largest_input_of(const float *tile, const Plan *plan) noexcept nogil:
    """Of the columns of one tile."""
    cdef double sums[TILE]
    cdef float most[TILE]
    cdef double largest = 0
    cdef float size
    cdef const float *weights
    cdef Row row
    cdef Py_ssize_t k, unit, column
    memset(sums, 0, sizeof(sums))
    for k in range(plan.n_rows):
        row = plan.rows[k]
        if row.byte > 0:
            continue
        memset(most, 0, sizeof(most))
        for unit in range(row.size):
            weights = tile + (row.unit + unit) * TILE
            if row.kind == CATEGORICAL:
                for column in range(TILE):
                    size = abs_scalar(weights[column])
                    most[column] = size if size > most[column] else most[column]
            else:
                for column in range(TILE):
                    sums[column] += <double> abs_scalar(weights[column])
        for column in range(TILE):
            sums[column] += <double> most[column]
    for column in range(TILE):
        largest = sums[column] if sums[column] > largest else largest
    return largest


def zero_sum(const float[:, :, ::1] tiles, Segments segments, float[:, :, ::1] out, double[:, ::1] shift,
             int n_threads):
    """out OUT = tiles IN (tiles, inputs, 64), each site's weights less their mean over its categories; shift OUT
    (tiles, 64): the sum of these means. Means in float64, added in one order, weights rounded once to float32."""
    cdef Py_ssize_t item, n_inputs = tiles.shape[1]
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(out.shape[0] == tiles.shape[0] and out.shape[1] == n_inputs and shift.shape[0] == tiles.shape[0]
              and shift.shape[1] == TILE and n_inputs >= segments.plan.n_units, "zero_sum")
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(tiles.shape[0], schedule="static"):
            zero_sum_tile(&tiles[item, 0, 0], n_inputs, &segments.plan, &out[item, 0, 0], &shift[item, 0])
        leave_team(&barrier)


cdef void zero_sum_tile(const float *tile, Py_ssize_t n_inputs, const Plan *plan, float *out,
                        double *shift) noexcept nogil:
    cdef double means[TILE]
    cdef Row row
    cdef Py_ssize_t k, unit, column, at
    memcpy(out, tile, n_inputs * TILE * sizeof(float))
    memset(shift, 0, TILE * sizeof(double))
    for k in range(plan.n_rows):
        row = plan.rows[k]
        if row.kind != CATEGORICAL:
            continue
        memset(means, 0, sizeof(means))
        for unit in range(row.unit, row.unit + row.size):
            for column in range(TILE):
                means[column] += <double> tile[unit * TILE + column]
        for column in range(TILE):
            means[column] = means[column] / <double> row.size
            shift[column] += means[column]
        for unit in range(row.unit, row.unit + row.size):
            for column in range(TILE):
                at = unit * TILE + column
                out[at] = <float> (<double> tile[at] - means[column])
