/* Which product runs, and how wide its tables are: the one place that decides. product.pxi and product_amx.pxi say what
 * runs then. Every number is measured (bench/NOTES.md); results depend on none.
 *
 *   at level     chains        input units    runs            why
 *   amx          16 and more   65 and more    MATRIX_UNIT     of fewer chains the unit would mostly multiply nothing; of
 *                                                             fewer inputs, tables are as fast as storing its sums
 *   any          below MANY    any            SMALL_TABLES    a table of 64 rows is dear where few chains look it up
 *   base, avx2   any           up to 64       SMALL_TABLES    one pass of 16 tables, where large ones take two passes
 *   any          from MANY     all others     LARGE_TABLES    about 1.4 additions for each of two with small tables
 *
 * Rows of small tables have WIDTH_FEW vectors, of large ones WIDTH_MANY. Wider rows share the work on a chain's bits,
 * narrower ones leave room: all tables of a pass live in L1, at most TABLES bytes. Small ones are 16 of 2^4 rows; the
 * LARGE ones of PASS_BYTES bytes of input are SIXES of 2^6 rows, the rest of 2^5. The mixture of avx512, whose rows of
 * weights would otherwise be the most to wait for, is slower at the other levels.
 *
 *   level       MANY    WIDTH_FEW    bytes    WIDTH_MANY    SIXES    LARGE    PASS_BYTES    bytes
 *   base          64        4        16 k         2           8        8          6         16 k
 *   avx2          64        4        32 k         1           8        8          6         16 k
 *   avx512, amx  256        1        16 k         1           4       12          8         32 k
 */
#ifndef FASTRBM_PRODUCT_PLAN_H
#define FASTRBM_PRODUCT_PLAN_H

#include "paths.h"
#include "simd.h"

#if LEVEL_AVX512
enum { MANY = 256, WIDTH_FEW = 1, WIDTH_MANY = 1, SIXES = 4, LARGE = 12, PASS_BYTES = 8 };
#elif LEVEL_AVX2
enum { MANY = 64, WIDTH_FEW = 4, WIDTH_MANY = 1, SIXES = 8, LARGE = 8, PASS_BYTES = 6 };
#else
enum { MANY = 64, WIDTH_FEW = 4, WIDTH_MANY = 2, SIXES = 8, LARGE = 8, PASS_BYTES = 6 };
#endif

enum { TABLES = 32768, ONE_PASS = 8 /* bytes of input */, UNIT_FROM = 16 /* chains */ };

/* SMALL_TABLES, LARGE_TABLES or MATRIX_UNIT, for n chains and n_bytes bytes of input */
static inline int product_plan(ptrdiff_t n, ptrdiff_t n_bytes) {
    if (LEVEL_AMX && n >= UNIT_FROM && n_bytes > ONE_PASS) return MATRIX_UNIT;
    return n < MANY || (n_bytes <= ONE_PASS && PASS_BYTES < 8) ? SMALL_TABLES : LARGE_TABLES;
}

#endif
