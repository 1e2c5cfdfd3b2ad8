# Sums over examples of what goes with each category of a site: where a site has many of them, few examples are in each,
# and a product of bits, each of which says "in this category", makes tables and adds up rows for nothing. Here each
# example's row of p goes to the sums of the category that it is in: one addition an example and site.
#
# Transposed states (transpose, prepare_phase) therefore hold, of such a site, no bits: the first eight of its columns
# of each row have the categories of the eight examples, side by side.

cdef enum:
    CODED = 12              # categories, from which on a site is summed so
    SITES_TOGETHER = 4      # sites to which an example's row goes while it is in registers

cdef struct Coded:          # a site, or the part of it that a slice of units has
    const uint8_t *codes    # [byte of examples][stride], eight of them
    uint32_t low            # the first category
    uint32_t n              # and how many
    int32_t *sums           # [category from low on][64]


cdef inline bint is_coded(const Row *row) noexcept nogil:
    return row.kind == CATEGORICAL and row.size >= CODED


cdef void sum_examples(int32_t *acc, Scratch *scratch, const Plan *plan, const uint8_t *transposed, Py_ssize_t stride,
                       Py_ssize_t n_bytes, Py_ssize_t first, Py_ssize_t n, const float *fixed, Py_ssize_t n_columns,
                       int limbs) noexcept nogil:
    """acc OUT [n][64]: of units first, first + 1, ... the sums of the rows of fixed of the examples in which they are
    on, of 8 n_bytes examples, at most 504. plan: NULL, or that of the units."""
    cdef Coded sites[SITES_TOGETHER]
    cdef Py_ssize_t unit = first, stop = first + n, start, row = 0, k
    cdef const Row *r
    if plan == NULL or not plan.coded:
        product_tile(acc, scratch, fixed, 1.0, transposed + first, stride, n_bytes, n, n_columns, limbs)
        return
    while plan.rows[row].unit + plan.rows[row].size <= first:
        row += 1
    while unit < stop:
        start, k = unit, 0
        while unit < stop and k < SITES_TOGETHER and is_coded(plan.rows + row):
            r = plan.rows + row
            sites[k] = Coded(transposed + r.unit, <uint32_t> (unit - r.unit),
                             <uint32_t> (smaller(stop, r.unit + r.size) - unit), acc + (unit - first) * TILE)
            unit += sites[k].n
            k, row = k + 1, row + 1
        if k > 0:
            memset(acc + (start - first) * TILE, 0, (unit - start) * TILE * 4)
            if n_columns > TILE - LANES:
                add_to_categories(sites, k, stride, n_bytes, fixed, VECTORS)
            else:
                add_to_categories(sites, k, stride, n_bytes, fixed, ceil_div(n_columns, LANES))
            continue
        while unit < stop and not is_coded(plan.rows + row):
            unit = smaller(stop, plan.rows[row].unit + plan.rows[row].size)
            row += 1
        product_tile(acc + (start - first) * TILE, scratch, fixed, 1.0, transposed + start, stride, n_bytes,
                     unit - start, n_columns, limbs)


cdef inline void add_to_categories(const Coded *sites, Py_ssize_t n_sites, Py_ssize_t stride, Py_ssize_t n_bytes,
                                   const float *fixed, Py_ssize_t width) noexcept nogil:
    """Add each example's row, width vectors of it, to the sums of the categories that it is in."""
    cdef vi other[VECTORS]      # of those that are in none of these
    cdef vi row[VECTORS]
    cdef vi *sums
    cdef uint32_t code
    cdef Py_ssize_t byte, k, site, t
    memset(other, 0, sizeof(other))
    for byte in range(n_bytes):
        for k in range(8):
            for t in range(width):
                row[t] = to_nearest((<const vfu *> (fixed + (8 * byte + k) * TILE + t * LANES))[0])
            for site in range(n_sites):
                code = sites[site].codes[byte * stride + k] - sites[site].low
                sums = <vi *> (sites[site].sums + code * TILE) if code < sites[site].n else other
                for t in range(width):
                    sums[t] = sums[t] + row[t]


cdef void code_rows(const uint8_t *codes, Py_ssize_t n, Row row, Py_ssize_t n_units, uint8_t *out) noexcept nogil:
    """transpose_row of such a site: the categories themselves; of examples that fill up a byte the first one."""
    cdef Py_ssize_t block
    for block in range(ceil_div(n, 8)):
        memset(out + block * n_units + row.unit, 0, row.size)
        memcpy(out + block * n_units + row.unit, codes + 8 * block, smaller(8, n - 8 * block))
