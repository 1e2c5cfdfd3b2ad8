# Bits: pack, unpack, transpose. A state of n chains and U units is planes[byte, chain]: bit k of planes[b, c] is unit
# 8b + k of chain c. The unused bits of the last byte are zero. Rows of planes may be strided; a row is contiguous.


def pack(const uint8_t[:, ::1] states, uint8_t[:, :] planes, int n_threads):  # states IN (n, U), planes OUT
    """Pack states, which hold only 0 and 1, into planes."""
    cdef Py_ssize_t n = states.shape[0], n_units = states.shape[1], chain
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(planes.shape[0] == ceil_div(n_units, 8) and planes.shape[1] == n, "pack")
    if n == 0 or n_units == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for chain in prange(n, schedule="static"):
            pack_row(&states[chain, 0], n_units, &planes[0, chain], planes.strides[0])
        leave_team(&barrier)


cdef void pack_row(const uint8_t *row, Py_ssize_t n_units, uint8_t *out, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t byte, k
    cdef uint8_t last = 0
    for byte in range(n_units // 8):
        # multiplying gathers the eight lowest bits of eight bytes in the top byte
        out[byte * stride] = <uint8_t> ((load_u64(row + 8 * byte) * 0x0102040810204080u) >> 56)
    if n_units % 8:
        for k in range(n_units % 8):
            last = last | <uint8_t> (row[8 * (n_units // 8) + k] << k)
        out[(n_units // 8) * stride] = last


def unpack(const uint8_t[:, :] planes, uint8_t[:, ::1] states, int n_threads):  # planes IN, states OUT (n, U)
    """Unpack planes into states of 0 and 1."""
    cdef Py_ssize_t n = states.shape[0], n_units = states.shape[1], chain
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(planes.shape[0] == ceil_div(n_units, 8) and planes.shape[1] == n, "unpack")
    if n == 0 or n_units == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for chain in prange(n, schedule="static"):
            unpack_row(&planes[0, chain], planes.strides[0], n_units, &states[chain, 0])
        leave_team(&barrier)


cdef void unpack_row(const uint8_t *planes, Py_ssize_t stride, Py_ssize_t n_units, uint8_t *out) noexcept nogil:
    cdef Py_ssize_t byte, k
    cdef uint64_t word
    for byte in range(n_units // 8):
        # the byte copied eight times, one bit kept in each copy, and that bit moved to the bottom
        word = (planes[byte * stride] * <uint64_t> 0x0101010101010101u) & 0x8040201008040201u
        store_u64(out + 8 * byte, ((word + 0x7f7f7f7f7f7f7f7fu) >> 7) & 0x0101010101010101u)
    for k in range(n_units % 8):
        out[8 * (n_units // 8) + k] = (planes[(n_units // 8) * stride] >> k) & 1


def transpose(const uint8_t[:, :] planes, Py_ssize_t n_units, Segments segments, uint8_t[:, ::1] out, int n_threads):
    """Swap units and chains: planes IN (ceil(U/8), n), or rows of segments, None where all are bits; out OUT
    (ceil(n/8), U), unused bits zero; a category of a site is a unit that is on where the site is in it. Sites of many
    categories are kept as src/coded.pxi says."""
    cdef const Plan *plan = plan_of(segments)
    cdef Py_ssize_t n = planes.shape[1], row
    cdef Barrier barrier = new_barrier()
    if DEBUG_CHECKS:
        check(planes.shape[0] == (ceil_div(n_units, 8) if plan == NULL else plan.n_rows)
              and out.shape[0] == ceil_div(n, 8) and out.shape[1] == n_units, "transpose")
    if n == 0 or n_units == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        join_team()
        for row in prange(planes.shape[0], schedule="static"):
            transpose_row(&planes[row, 0], n, row_of(plan, n_units, BERNOULLI, row), n_units, &out[0, 0])
        leave_team(&barrier)


cdef void transpose_row(const uint8_t *states, Py_ssize_t n, Row row, Py_ssize_t n_units, uint8_t *out) noexcept nogil:
    cdef Py_ssize_t block
    if row.kind == CATEGORICAL:
        transpose_codes(states, n, row, n_units, out)
        return
    for block in range(ceil_div(n, 8)):
        put_transposed(out + block * n_units + row.unit, transposed_word(states, n, block), row.size)


cdef inline void put_transposed(uint8_t *out, uint64_t word, Py_ssize_t width) noexcept nogil:
    if width == 8:
        store_u64(out, word)
    else:
        memcpy(out, &word, width)


cdef inline uint64_t transposed_word(const uint8_t *row, Py_ssize_t n, Py_ssize_t block) noexcept nogil:
    """Eight units of chains 8 block .. 8 block + 7, a byte for each unit; no chains past the n-th."""
    cdef uint64_t word = 0
    if n - 8 * block >= 8:
        word = load_u64(row + 8 * block)
    else:
        memcpy(&word, row + 8 * block, n - 8 * block)
    return transpose8(word)
