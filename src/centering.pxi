# Centering: offsets, and the products of a direction along them, in tiles as the update has it.


def along(const float[:, :, ::1] direction, weights, double l2, double l1, const double[::1] mu,
          const double[::1] lam, Py_ssize_t n_visible, double[::1] along_hidden, double[::1] along_visible,
          int n_threads, by_tile=None):
    """along_hidden OUT (V,) = G lambda and along_visible OUT (H,) = G' mu of G = direction IN - l2 weights IN - l1
    sign(weights), in tiles; weights may be None. Offsets mu and lambda as for difference, by_tile likewise."""
    cdef Py_ssize_t n_tiles = direction.shape[0], padded = direction.shape[1], n_chunks = ceil_div(padded, CHUNK), item
    cdef const float[:, :, ::1] old
    cdef double[:, ::1] tile_sums
    cdef Offsets offsets
    cdef Ascent ascent
    cdef _Memory sums = memory_for(n_tiles * (padded // 8 + 8 * n_chunks), 8 * sizeof(double), "a training step")
    cdef Barrier barrier = new_barrier()
    memset(&offsets, 0, sizeof(Offsets))
    memset(&ascent, 0, sizeof(Ascent))
    if DEBUG_CHECKS:
        check(mu.shape[0] == padded and lam.shape[0] == n_tiles * TILE and along_hidden.shape[0] == padded
              and along_visible.shape[0] == n_tiles * TILE and 0 < n_visible <= padded, "along")
    if weights is not None:
        old = weights
        if DEBUG_CHECKS:
            check(old.shape[0] == n_tiles and old.shape[1] == padded, "along: weights")
        ascent.weights, ascent.l2, ascent.l1 = &old[0, 0, 0], l2, l1
    offsets.visible_offset, offsets.hidden_offset = &mu[0], &lam[0]
    offsets.by_tile, offsets.by_chunk = <double *> sums.start, <double *> sums.start + n_tiles * padded
    if by_tile is not None:
        tile_sums = by_tile
        if DEBUG_CHECKS:
            check(tile_sums.shape[0] == n_tiles and tile_sums.shape[1] == padded, "by_tile")
        tile_sums[:, n_visible:] = 0
        offsets.by_tile = &tile_sums[0, 0]
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for item in prange(n_tiles * ceil_div(n_visible, CHUNK), schedule="static"):
            along_item(&offsets, &ascent, n_visible, item % n_tiles, item // n_tiles * CHUNK, n_tiles, padded,
                       &direction[0, 0, 0])
        leave_team(&barrier)
    add_along(&offsets, n_tiles, padded, n_visible, &along_hidden[0], &along_visible[0])


cdef void along_item(const Offsets *offsets, const Ascent *ascent, Py_ssize_t n_visible, Py_ssize_t tile,
                     Py_ssize_t first, Py_ssize_t n_tiles, Py_ssize_t padded, const float *direction) noexcept nogil:
    along_chunk(offsets, ascent, smaller(CHUNK, n_visible - first), tile, first, n_tiles, padded,
                <float *> direction + (tile * padded + first) * TILE, False)


cdef void add_along(const Offsets *offsets, Py_ssize_t n_tiles, Py_ssize_t padded, Py_ssize_t n_visible,
                    double *along_hidden, double *along_visible) noexcept nogil:
    """What tiles and chunks have, added up."""
    cdef Py_ssize_t i
    add_in_order(offsets.by_tile, n_tiles, n_visible, padded, along_hidden)
    add_in_order(offsets.by_chunk, ceil_div(n_visible, CHUNK), n_tiles * TILE, n_tiles * TILE, along_visible)
    for i in range(n_visible, padded):
        along_hidden[i] = 0


cdef void add_in_order(const double *rows, Py_ssize_t n_rows, Py_ssize_t n, Py_ssize_t stride,
                       double *out) noexcept nogil:
    cdef Py_ssize_t row, i
    for i in range(n):
        out[i] = rows[i]
    for row in range(1, n_rows):
        for i in range(n):
            out[i] += rows[row * stride + i]


cdef inline void along_chunk(const Offsets *offsets, const Ascent *ascent, Py_ssize_t n, Py_ssize_t tile,
                             Py_ssize_t first, Py_ssize_t n_tiles, Py_ssize_t padded, float *d,
                             bint center) noexcept nogil:
    """A chunk's part of the products of a direction, less decay, with lambda and with mu. center, a literal: before
    that subtract (mu_i - off_v) dh_j + dv_i (lambda_j - off_h) from it."""
    cdef Py_ssize_t unit, k
    cdef const vdu *lam = <const vdu *> (offsets.hidden_offset + tile * TILE)
    cdef const vdu *lam_shift = <const vdu *> (offsets.hidden_shift + tile * TILE)
    cdef const vdu *dh = <const vdu *> (offsets.hidden_difference + tile * TILE)
    cdef const float *old = NULL
    cdef bint decays = ascent.weights != NULL and (ascent.l2 != 0.0 or ascent.l1 != 0.0)
    cdef vd columns[HALVES]
    cdef vd lines[CHUNK * LANES_OF_8]   # eight doubles a unit
    cdef vd *line
    cdef vd mu, mu_shift, dv, x, w, l2 = splat_d(ascent.l2), l1 = splat_d(ascent.l1)
    cdef float *row
    if decays:
        old = ascent.weights + (tile * padded + first) * TILE
    for k in range(HALVES):
        columns[k] = splat_d(0)
    for unit in range(n):
        row = d + unit * TILE
        line = lines + unit * LANES_OF_8
        mu = splat_d(offsets.visible_offset[first + unit])
        if center:
            mu_shift = splat_d(offsets.visible_shift[first + unit])
            dv = splat_d(offsets.visible_difference[first + unit])
        for k in range(HALVES):
            x = widen(row + k * HALF)
            if center:
                x = x - (mu_shift * dh[k] + dv * lam_shift[k])
                narrow(x, row + k * HALF)
                x = rounded(x)
            if decays:                  # as ascend_chunk has it
                w = widen(old + unit * TILE + k * HALF)
                x = x - l2 * w
                if ascent.l1 != 0.0:
                    x = x - l1 * sign_d(w)
            columns[k] = columns[k] + x * mu
            if k < LANES_OF_8:
                line[k] = splat_d(0) + x * lam[k]
            else:
                line[k % LANES_OF_8] = line[k % LANES_OF_8] + x * lam[k]
    for unit in range(n):
        offsets.by_tile[tile * padded + first + unit] = sum8(<double *> lines + 8 * unit)
    memcpy(offsets.by_chunk + ((first // CHUNK) * n_tiles + tile) * TILE, columns, sizeof(columns))
