# All the kernels of one ISA level. Each _kernels_*.pyx includes this file and is compiled with its own -march flag.
# The entry points (def functions) take arrays whose shapes, dtypes and contiguity the Python side has checked; they
# check again only in a build with FASTRBM_DEBUG=1.

from _openmp cimport MOST_PROCESSES, Barrier, Piece, Pieces, Processes, WorkQueue, barriers_passed, count_threads, \
    finish_one, finish_piece, join_team, leave_team, next_item, parallel_for, refill, run_team, share_piece, \
    take_item, take_piece, taken_so_far, team_size, time_asked, time_had, wait_at, wait_for, wait_for_all, wait_for_team
from cython.parallel cimport parallel, prange, threadid
from libc.math cimport fabsf, frexp, ldexp, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

cdef extern from "simd.h" nogil:
    enum: LANES         # 32-bit lanes in a vector
    enum: HALF          # 64-bit lanes in a vector
    enum: WIDTH         # bytes in a vector
    enum: LINE          # bytes in a cache line
    enum: DEBUG_CHECKS
    # Vector types. Cython only needs to know that they can be added and the like; the C compiler knows the rest.
    ctypedef int32_t vi
    ctypedef int32_t viu
    ctypedef float vf
    ctypedef float vfu
    ctypedef uint64_t vq
    ctypedef double vd
    ctypedef double vdu
    vi splat_i(int32_t)
    vf splat_f(float)
    vd splat_d(double)
    vq splat_q(uint64_t)
    vf to_float(vi)
    vi to_int(vf)
    vi to_nearest(vf)
    vd to_double(const int32_t *)
    vd widen(const float *)
    void narrow(vd, float *)
    vd rounded(vd)
    vi bits_f(vf)
    vf float_of(vi)
    vq bits_d(vd)
    vq mask_lt_d(vd, vd)
    vd exponent_d(vq)
    vd double_of(vq)
    vd sign_d(vd)
    vd sqrt_d(vd)
    bint any_d(vq)
    vi select_i(vi, vi, vi)
    vd select_d(vq, vd, vd)
    vi not_above_i(vi, vi)
    vf minus_abs_f(vf)
    vf scale_and_add(vf, vf, vf)
    vf rough_multiply_and_add(vf, vf, vf)
    vd multiply_and_add(vd, vd, vd)
    vd first_d(Py_ssize_t, vd, vd)
    vd abs_d(vd)
    vf max_f(vf, vf)
    vd max_d(vd, vd)
    vi low_halves(vq, vq)
    void store_bytes(vi, uint8_t *)
    uint32_t mask_lt(vi, vi)
    uint32_t mask_eq(vi, vi)
    uint32_t mask_sign(vf)
    vi load_u16(const uint16_t *)
    uint64_t load_u64(const uint8_t *)
    void store_u64(uint8_t *, uint64_t)
    uint64_t transpose8(uint64_t)
    uint64_t rotate_right(uint64_t, int)
    void prefetch(const void *)
    void prefetch_to_write(const void *)
    void transpose_4x4(const float *, Py_ssize_t, float *, Py_ssize_t)
    enum: LEVEL_AMX
    void amx_begin()
    void amx_end()
    void amx_zero(int)
    void amx_load(int, const char *, int)
    void amx_store(int, char *, int)
    void amx_multiply(int, int, int)
    void spread_bits(char *, uint64_t)
    int popcount8(uint8_t)
    int popcount64(uint64_t)
    int lowest_bit(uint64_t)
    int log2_of(uint32_t)
    void *aligned_memory(size_t)

cdef extern from "product_plan.h" nogil:
    enum: MANY          # chains from which on larger tables of a product pay
    enum: WIDTH_FEW     # vectors in a row of its tables below that
    enum: WIDTH_MANY    # and from there on
    enum: SIXES, LARGE, PASS_BYTES
    enum: TABLES        # bytes of the tables of a pass, at most
    int product_plan(Py_ssize_t, Py_ssize_t)

cdef extern from "paths.h" nogil:
    enum: SMALL_TABLES, LARGE_TABLES, MATRIX_UNIT, WORDS_LISTED, SUMS_KEPT, SUMS_FLIPPED, ROUGH_FIELDS, ROUGH_REDRAWN, \
        SUMS_FOLDED, FUSED_UPDATE, UPDATE_OF_PROCESSES, SUMS_EXCHANGED, N_PATHS
    const char *path_names[]
    void ran(int)       # this path; counted in a debug build
    int64_t times_ran(int)

cdef extern from "philox.h" nogil:
    enum: BATCH         # chains whose random numbers are computed together
    enum: AT_ONCE       # blocks of words likewise
    ctypedef struct Keys:
        pass
    void philox_keys(uint32_t, uint32_t, Keys *)
    void philox(vq *, const Keys *)
    void philox_in_sequence(uint64_t, uint32_t, uint32_t, const Keys *, uint32_t *)
    void philox_lanes(uint32_t, uint32_t, uint32_t, uint32_t, const Keys *, vq (*)[4])
    void philox_chains(uint32_t, uint32_t, uint32_t, uint32_t, const Keys *, uint32_t (*)[LANES])
    void philox_64_units(uint32_t, uint32_t, uint32_t, uint32_t, const Keys *, uint16_t (*)[64])

cdef enum:
    TILE = 64           # output units in a tile: one row of a tile of weights, 256 bytes

LEVEL_LANES = LANES
LEVEL_MATRICES = bool(LEVEL_AMX)
LEVEL_MANY = MANY


def team_time():
    """(time that threads have spent in regions with others, of it with a CPU), ns, since the process started."""
    return time_asked(), time_had()


def paths():
    """How often each path of paths.h ran since the process started; empty but in a build with FASTRBM_DEBUG=1."""
    return {path_names[k].decode().lower(): times_ran(k) for k in range(N_PATHS)} if DEBUG_CHECKS else {}


def barrier_count():
    """How often, since the process started, threads have waited for all others in the middle of a region."""
    return barriers_passed()


cdef inline Py_ssize_t smaller(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef check(bint condition, str what):
    """In a debug build, raise unless the caller kept its promise."""
    if not condition:
        raise AssertionError(f"kernel called with wrong shapes: {what}")


cdef Barrier new_barrier() noexcept nogil:
    """A barrier that no thread has come to yet."""
    cdef Barrier barrier
    memset(&barrier, 0, sizeof(Barrier))
    return barrier


include "arena.pxi"
include "units.pxi"
include "segments.pxi"
include "bits.pxi"
include "numbers.pxi"
include "product.pxi"
include "product_amx.pxi"
include "truncated.pxi"
include "activation.pxi"
include "real_product.pxi"
include "real.pxi"
include "real_means.pxi"
include "categorical.pxi"
include "rough.pxi"
include "coded.pxi"
include "flips.pxi"
include "sweep.pxi"
include "fractions.pxi"
include "moments.pxi"
include "draw.pxi"
include "free_energy.pxi"
include "update.pxi"
include "centering.pxi"
include "train.pxi"
include "train_stages.pxi"
include "train_visible.pxi"
include "anneal.pxi"
include "enumerate.pxi"
include "pseudo.pxi"
include "pseudo_fractions.pxi"
include "pseudo_sites.pxi"
include "labels.pxi"
