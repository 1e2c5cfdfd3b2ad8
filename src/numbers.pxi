# Data as users have them, rows of floats: read once, to bits, to sums, to what tells rows apart.

ctypedef fused number:
    float
    double


def pack_numbers(const number[:, ::1] numbers, uint8_t[:, :] planes):
    """Pack numbers IN (n, U) into planes OUT where all of them are 0 or 1, and say whether they are."""
    cdef Py_ssize_t n = numbers.shape[0], n_units = numbers.shape[1], row, byte, k
    cdef uint32_t ones, zeros
    cdef const number *x
    if DEBUG_CHECKS:
        check(planes.shape[0] == ceil_div(n_units, 8) and planes.shape[1] == n, "pack_numbers")
    for row in range(n if n_units else 0):
        for byte in range(ceil_div(n_units, 8)):
            x = &numbers[row, 8 * byte]
            ones, zeros = 0, 0
            for k in range(smaller(8, n_units - 8 * byte)):
                ones |= <uint32_t> (x[k] == 1) << k
                zeros |= <uint32_t> (x[k] == 0) << k
            if ones ^ zeros != (<uint32_t> 1 << smaller(8, n_units - 8 * byte)) - 1:
                return False
            planes[byte, row] = <uint8_t> ones
    return True


def sum_fractions(const number[:, ::1] numbers, double[::1] out):
    """Add to out INOUT (U,) the sums over the rows of numbers IN (n, U), cut to [0, 1], of rint(number 2^22)."""
    cdef Py_ssize_t n_units = numbers.shape[1], row, unit
    cdef double x, magic = 6755399441055744.0   # 1.5 * 2^52: adding it rounds to an integer
    cdef const number *given
    if DEBUG_CHECKS:
        check(out.shape[0] == n_units, "sum_fractions")
    for row in range(numbers.shape[0] if n_units else 0):
        given = &numbers[row, 0]
        for unit in range(n_units):
            x = given[unit]
            x = 0.0 if x < 0.0 else x   # NaN stays
            x = 1.0 if x > 1.0 else x
            out[unit] += (x * 4194304.0 + magic) - magic


def hash_rows(const uint64_t[:, ::1] rows, uint64_t[::1] out):
    """out OUT (n,): the sum, over the words k of a row IN (n, words), of splitmix64's output (Steele, Lea & Flood 2014)
    in state word + (k + 1) gamma."""
    cdef Py_ssize_t row, k
    cdef uint64_t x, total
    if DEBUG_CHECKS:
        check(out.shape[0] == rows.shape[0], "hash_rows")
    for row in range(rows.shape[0]):
        total = 0
        for k in range(rows.shape[1]):
            x = rows[row, k] + <uint64_t> (k + 1) * 0x9E3779B97F4A7C15u
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u
            x = (x ^ (x >> 27)) * 0x94D049BB133111EBu
            total += x ^ (x >> 31)
        out[row] = total
