/* Vector types and the few operations the kernels need, on compiler vector extensions (gcc >= 9, clang).
 *
 * One source serves every ISA level: LANES is 16 (AVX-512), 8 (AVX2) or 4 (SSE, NEON and everything else), and
 * nothing outside this file and philox.h knows which instructions a level has. No kernels in here.
 *
 * Every floating-point operation is one IEEE operation (the build passes -ffp-contract=off), so each level, and the
 * reference implementation in fastrbm/reference/, computes the same bits.
 */
#ifndef FASTRBM_SIMD_H
#define FASTRBM_SIMD_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fastrbm packs bits into little-endian words; big-endian machines are not supported"
#endif
#if FLT_EVAL_METHOD != 0
#error "fastrbm needs float and double arithmetic without excess precision (not the x87)"
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define LEVEL_AVX512 1
#define LANES 16
#elif defined(__AVX2__)
#define LEVEL_AVX2 1
#define LANES 8
#else
#define LANES 4
#if defined(__SSE4_1__)
#define LEVEL_SSE 1
#endif
#endif

#ifdef FASTRBM_DEBUG
#define DEBUG_CHECKS 1
#else
#define DEBUG_CHECKS 0
#endif

#define WIDTH (4 * LANES) /* bytes in a vector */
#define HALF (LANES / 2)  /* 64-bit lanes in a vector */
#define LINE 64           /* bytes in a cache line */

typedef int32_t vi __attribute__((vector_size(WIDTH), may_alias));
typedef int32_t viu __attribute__((vector_size(WIDTH), may_alias, aligned(4))); /* the same, anywhere in memory */
typedef float vf __attribute__((vector_size(WIDTH), may_alias));
typedef float vfu __attribute__((vector_size(WIDTH), may_alias, aligned(4)));
typedef uint64_t vq __attribute__((vector_size(WIDTH), may_alias));
typedef double vd __attribute__((vector_size(WIDTH), may_alias));
typedef double vdu __attribute__((vector_size(WIDTH), may_alias, aligned(8)));
typedef int32_t vihu __attribute__((vector_size(WIDTH / 2), may_alias, aligned(4)));
typedef float vfhu __attribute__((vector_size(WIDTH / 2), may_alias, aligned(4)));

/* x - 0 and not x + 0: the one that keeps the sign of zero, so that it is a plain broadcast */
static inline vi splat_i(int32_t x) { return x - (vi){0}; }
static inline vf splat_f(float x) { return x - (vf){0}; }
static inline vd splat_d(double x) { return x - (vd){0}; }
static inline vq splat_q(uint64_t x) { return x - (vq){0}; }

static inline vf to_float(vi x) { return __builtin_convertvector(x, vf); } /* to nearest, ties to even */
static inline vi to_int(vf x) { return __builtin_convertvector(x, vi); }   /* toward zero */
/* to the nearest integer, ties to even; |x| < 2^31 */
static inline vi to_nearest(vf x) {
#if LEVEL_AVX512
    return (vi)_mm512_cvtps_epi32((__m512)x);
#elif LEVEL_AVX2
    return (vi)_mm256_cvtps_epi32((__m256)x);
#elif defined(__SSE2__)
    return (vi)_mm_cvtps_epi32((__m128)x);
#else
    return (vi){(int32_t)__builtin_rintf(x[0]), (int32_t)__builtin_rintf(x[1]), (int32_t)__builtin_rintf(x[2]),
                (int32_t)__builtin_rintf(x[3])};
#endif
}
/* HALF integers or floats at x as doubles, doubles rounded once to floats at out, and doubles rounded to floats as doubles
 * again: one instruction each, of which compilers make several */
#if LEVEL_AVX512
static inline vd to_double(const int32_t *x) { return (vd)_mm512_cvtepi32_pd(_mm256_loadu_si256((const void *)x)); }
static inline vd widen(const float *x) { return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(x)); }
static inline void narrow(vd x, float *out) { _mm256_storeu_ps(out, _mm512_cvtpd_ps((__m512d)x)); }
static inline vd rounded(vd x) { return (vd)_mm512_cvtps_pd(_mm512_cvtpd_ps((__m512d)x)); }
#elif LEVEL_AVX2
static inline vd to_double(const int32_t *x) { return (vd)_mm256_cvtepi32_pd(_mm_loadu_si128((const void *)x)); }
static inline vd widen(const float *x) { return (vd)_mm256_cvtps_pd(_mm_loadu_ps(x)); }
static inline void narrow(vd x, float *out) { _mm_storeu_ps(out, _mm256_cvtpd_ps((__m256d)x)); }
static inline vd rounded(vd x) { return (vd)_mm256_cvtps_pd(_mm256_cvtpd_ps((__m256d)x)); }
#else
static inline vd to_double(const int32_t *x) { return __builtin_convertvector(*(const vihu *)x, vd); }
static inline vd widen(const float *x) { return __builtin_convertvector(*(const vfhu *)x, vd); }
static inline void narrow(vd x, float *out) { *(vfhu *)out = __builtin_convertvector(x, vfhu); }
static inline vd rounded(vd x) { return __builtin_convertvector(__builtin_convertvector(x, vfhu), vd); }
#endif
static inline vi bits_f(vf x) { return (vi)x; }
static inline vf float_of(vi x) { return (vf)x; }
static inline vq bits_d(vd x) { return (vq)x; }
static inline vd double_of(vq x) { return (vd)x; }
static inline vi select_i(vi mask, vi yes, vi no) { return (mask & yes) | (~mask & no); }
static inline vd select_d(vq mask, vd yes, vd no) { return (vd)((mask & (vq)yes) | (~mask & (vq)no)); }
static inline vi not_above_i(vi x, vi y) { return x <= y; } /* -1 or 0 */
static inline vf minus_abs_f(vf x) { return (vf)((vi)x | (-0x7fffffff - 1)); }
static inline vd abs_d(vd x) { return (vd)((vq)x & 0x7fffffffffffffffULL); }
/* x > y ? x : y, lane by lane; so y where one is NaN */
static inline vf max_f(vf x, vf y) {
#if LEVEL_AVX512
    return (vf)_mm512_max_ps((__m512)x, (__m512)y);
#elif LEVEL_AVX2
    return (vf)_mm256_max_ps((__m256)x, (__m256)y);
#else
    return (vf)select_i(x > y, (vi)x, (vi)y);
#endif
}
static inline vd max_d(vd x, vd y) {
#if LEVEL_AVX512
    return (vd)_mm512_max_pd((__m512d)x, (__m512d)y);
#elif LEVEL_AVX2
    return (vd)_mm256_max_pd((__m256d)x, (__m256d)y);
#else
    vq m = (vq)(x > y);
    return (vd)((m & (vq)x) | (~m & (vq)y));
#endif
}

/* x 2^k + y, where x 2^k is exact: so fused or not makes no difference, but in time */
static inline vf scale_and_add(vf x, vf power, vf y) {
#if LEVEL_AVX512
    return (vf)_mm512_fmadd_ps((__m512)x, (__m512)power, (__m512)y);
#elif LEVEL_AVX2 && defined(__FMA__)
    return (vf)_mm256_fmadd_ps((__m256)x, (__m256)power, (__m256)y);
#else
    return x * power + y;
#endif
}

/* about x y + z, fused or not (rough.pxi) */
static inline vf rough_multiply_and_add(vf x, vf y, vf z) { return scale_and_add(x, y, z); }

/* x y + z, where product and sum are exact: likewise */
static inline vd multiply_and_add(vd x, vd y, vd z) {
#if LEVEL_AVX512
    return (vd)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
#elif LEVEL_AVX2 && defined(__FMA__)
    return (vd)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
#else
    return x * y + z;
#endif
}

/* The tail of a row in groups of vectors: x in the first n lanes, y in the others; any n */
static inline vd first_d(ptrdiff_t n, vd x, vd y) {
    if (n >= HALF) return x;
#if LEVEL_AVX512
    vq lane = {0, 1, 2, 3, 4, 5, 6, 7};
#elif LEVEL_AVX2
    vq lane = {0, 1, 2, 3};
#else
    vq lane = {0, 1};
#endif
    return select_d((vq)(lane < splat_q(n > 0 ? (uint64_t)n : 0)), x, y);
}

static inline vd sqrt_d(vd x) { /* the nearest double, as IEEE asks */
#if LEVEL_AVX512
    return (vd)_mm512_sqrt_pd((__m512d)x);
#elif LEVEL_AVX2
    return (vd)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
    return (vd)_mm_sqrt_pd((__m128d)x);
#else
    return (vd){__builtin_sqrt(x[0]), __builtin_sqrt(x[1])};
#endif
}

static inline vd sign_d(vd x) { /* -1, 0 or 1 */
    return (vd)(((vq)(x != 0) & (vq)splat_d(1.0)) | ((vq)x & ((vq)(x != 0) & 0x8000000000000000ULL)));
}

/* all bits of a lane set where x < y: false for NaN */
static inline vq mask_lt_d(vd x, vd y) { return (vq)(x < y); }
/* whether such a mask has any lane set */
static inline int any_d(vq mask) {
#if LEVEL_AVX512
    return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif LEVEL_AVX2
    return _mm256_movemask_pd((__m256d)mask) != 0;
#else
    return (mask[0] | mask[1]) != 0;
#endif
}
/* the k of x = m 2^k with m in [1/2, 1), of normal x > 0, from its bits: k + 2^52 is made in the mantissa */
static inline vd exponent_d(vq bits) {
    return (vd)((bits >> 52) | 0x4330000000000000ULL) - (4503599627370496.0 + 1022.0);
}

/* one bit a lane */
#if LEVEL_AVX512
static inline uint32_t mask_lt(vi x, vi y) { return _mm512_cmplt_epi32_mask((__m512i)x, (__m512i)y); }
static inline uint32_t mask_eq(vi x, vi y) { return _mm512_cmpeq_epi32_mask((__m512i)x, (__m512i)y); }
static inline uint32_t mask_sign(vf x) { return _mm512_movepi32_mask((__m512i)x); }
#else
#if LEVEL_AVX2
static inline uint32_t mask_sign(vf x) { return (uint32_t)_mm256_movemask_ps((__m256)x); }
#elif LEVEL_SSE
static inline uint32_t mask_sign(vf x) { return (uint32_t)_mm_movemask_ps((__m128)x); }
#else
static inline uint32_t mask_sign(vf x) {
    uint32_t mask = 0;
    for (int lane = 0; lane < LANES; lane++) mask |= ((uint32_t)((vi)x)[lane] >> 31) << lane;
    return mask;
}
#endif
static inline uint32_t mask_lt(vi x, vi y) { return mask_sign((vf)(x < y)); }
static inline uint32_t mask_eq(vi x, vi y) { return mask_sign((vf)(x == y)); }
#endif

/* product of the low 32 bits of each 64-bit lane */
static inline vq mul_low32(vq x, vq y) {
#if LEVEL_AVX512
    return (vq)_mm512_mul_epu32((__m512i)x, (__m512i)y);
#elif LEVEL_AVX2
    return (vq)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#elif LEVEL_SSE
    return (vq)_mm_mul_epu32((__m128i)x, (__m128i)y);
#else
    return (x & 0xffffffffULL) * (y & 0xffffffffULL);
#endif
}

/* 64-bit lanes zipped within each 128-bit part: (x0 y0 x2 y2 ..) and (x1 y1 x3 y3 ..) */
static inline void zip(vq x, vq y, vq *even, vq *odd) {
#if LEVEL_AVX512
    *even = (vq)_mm512_unpacklo_epi64((__m512i)x, (__m512i)y);
    *odd = (vq)_mm512_unpackhi_epi64((__m512i)x, (__m512i)y);
#elif LEVEL_AVX2
    *even = (vq)_mm256_unpacklo_epi64((__m256i)x, (__m256i)y);
    *odd = (vq)_mm256_unpackhi_epi64((__m256i)x, (__m256i)y);
#else
    *even = (vq){x[0], y[0]};
    *odd = (vq){x[1], y[1]};
#endif
}

/* LANES 16-bit numbers, widened */
static inline vi load_u16(const uint16_t *x) {
#if LEVEL_AVX512
    return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
#elif LEVEL_AVX2
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
#else
    return (vi){x[0], x[1], x[2], x[3]};
#endif
}

/* the low halves of the lanes of x, then those of y */
static inline vi low_halves(vq x, vq y) {
#if LEVEL_AVX512
    __m256i low = _mm512_cvtepi64_epi32((__m512i)x), high = _mm512_cvtepi64_epi32((__m512i)y);
    return (vi)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#elif LEVEL_AVX2
    __m256i pairs = (__m256i)_mm256_shuffle_ps((__m256)x, (__m256)y, 0x88); /* of x, y, x, y */
    return (vi)_mm256_permute4x64_epi64(pairs, 0xD8);
#elif defined(__SSE2__)
    return (vi)_mm_shuffle_ps((__m128)x, (__m128)y, 0x88);
#else
    return (vi){(int32_t)x[0], (int32_t)x[1], (int32_t)y[0], (int32_t)y[1]};
#endif
}

/* the lowest byte of each lane, LANES bytes; compilers take them out one by one */
static inline void store_bytes(vi x, uint8_t *out) {
#if LEVEL_AVX512
    _mm_storeu_si128((void *)out, _mm512_cvtepi32_epi8((__m512i)x));
#elif LEVEL_AVX2
    __m256i fours = _mm256_shuffle_epi8((__m256i)x, _mm256_set1_epi32(0x0C080400)); /* in each half */
    _mm_storel_epi64((void *)out,
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1)));
#elif LEVEL_SSE
    int32_t four = _mm_cvtsi128_si32(_mm_shuffle_epi8((__m128i)x, _mm_set1_epi32(0x0C080400)));
    memcpy(out, &four, 4);
#else
    for (int k = 0; k < LANES; k++) out[k] = (uint8_t)x[k];
#endif
}

static inline uint64_t load_u64(const uint8_t *x) {
    uint64_t word;
    memcpy(&word, x, 8);
    return word;
}
static inline void store_u64(uint8_t *x, uint64_t word) { memcpy(x, &word, 8); }

/* compilers make one instruction of this when by is a constant */
static inline uint64_t rotate_right(uint64_t x, int by) { return (x >> (by & 63)) | (x << (-by & 63)); }

/* 8 x 8 bits transposed: bit c of byte r goes to bit r of byte c (Warren, Hacker's Delight, section 7-3) */
static inline uint64_t transpose8(uint64_t x) {
    uint64_t t;
    t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAULL;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCULL;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ULL;
    return x ^ t ^ (t << 28);
}

/* out[j * TO + i] = x[i * FROM + j] for 4 x 4 numbers */
static inline void transpose_4x4(const float *x, ptrdiff_t from, float *out, ptrdiff_t to) {
#if defined(__SSE2__)
    __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + from), c = _mm_loadu_ps(x + 2 * from),
           d = _mm_loadu_ps(x + 3 * from);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out, a);
    _mm_storeu_ps(out + to, b);
    _mm_storeu_ps(out + 2 * to, c);
    _mm_storeu_ps(out + 3 * to, d);
#else
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) out[j * to + i] = x[i * from + j];
#endif
}

/* have the line at p here by the time it is read */
static inline void prefetch(const void *p) { __builtin_prefetch(p); }
/* have the line at p here, and alone, by the time it is written to */
static inline void prefetch_to_write(const void *p) {
#if defined(LEVEL_AVX512) || defined(LEVEL_AVX2)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* The matrix unit (product_amx.pxi): registers 0 to 7, each 16 rows of 64 bytes. Assembler, and not the compiler's own
 * functions, which do not tell it that they read and write memory. */
#if LEVEL_AVX512 && defined(FASTRBM_AMX)
#define LEVEL_AMX 1
/* make all registers full squares, for this thread, until amx_end */
static inline void amx_begin(void) {
    static const uint8_t shape[64] __attribute__((aligned(64))) = {
        [0] = 1, /* the only palette there is; then, from byte 16 on, 16-bit lengths of rows; from 48, numbers of rows */
        [16] = 64, [18] = 64, [20] = 64, [22] = 64, [24] = 64, [26] = 64, [28] = 64, [30] = 64,
        [48] = 16, [49] = 16, [50] = 16, [51] = 16, [52] = 16, [53] = 16, [54] = 16, [55] = 16};
    __asm__ volatile("ldtilecfg %0" ::"m"(shape) : "memory");
}
static inline void amx_end(void) { __asm__ volatile("tilerelease" ::: "memory"); }
#define AMX_NAME(r) "%%tmm" #r
#define amx_zero(r) __asm__ volatile("tilezero " AMX_NAME(r)::: "memory")
/* from, and to, p + offset, which is a constant */
#define amx_load(r, p, offset) \
    __asm__ volatile("tileloadd %c2(%0,%1,1), " AMX_NAME(r)::"r"(p), "r"((size_t)64), "i"(offset) : "memory")
#define amx_store(r, p, offset) \
    __asm__ volatile("tilestored " AMX_NAME(r) ", %c2(%0,%1,1)" ::"r"(p), "r"((size_t)64), "i"(offset) : "memory")
/* sums (16 x 16 of 32 bits) += x (16 x 64 bytes) y (64 x 16 bytes, four rows side by side), all unsigned */
#define amx_multiply(sums, x, y) \
    __asm__ volatile("tdpbuud " AMX_NAME(y) ", " AMX_NAME(x) ", " AMX_NAME(sums)::: "memory")
static inline void spread_bits(char *out, uint64_t word) { /* 64 bits to bytes, 0 and 1 */
    _mm512_store_si512((__m512i *)out, _mm512_maskz_mov_epi8(word, _mm512_set1_epi8(1)));
}
#else
#define LEVEL_AMX 0
#define amx_begin() ((void)0)
#define amx_end() ((void)0)
#define amx_zero(r) ((void)0)
#define amx_load(r, p, offset) ((void)(p))
#define amx_store(r, p, offset) ((void)(p))
#define amx_multiply(sums, x, y) ((void)0)
#define spread_bits(out, word) ((void)(out))
#endif

static inline int popcount64(uint64_t x) { return __builtin_popcountll(x); }
static inline int popcount8(uint8_t x) { return __builtin_popcount(x); }
static inline int log2_of(uint32_t x) { return 31 - __builtin_clz(x); } /* rounded down; x > 0 */
static inline int lowest_bit(uint64_t x) { return __builtin_ctzll(x); }

/* memory from a cache line on, NULL when there is none; free with free() */
static inline void *aligned_memory(size_t bytes) {
    void *p = NULL;
    return posix_memalign(&p, LINE, bytes) ? NULL : p;
}

#endif
