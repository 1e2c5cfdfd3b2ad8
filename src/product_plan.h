/* Which product runs, and how wide its tables are: the one place that decides. product.pxi and product_amx.pxi say what
 * runs then. Every number is measured (bench/NOTES.md); results depend on none.
 *
 *   at level    chains        input units    runs             why
 *   amx         16 and more   65 and more    MATRIX_UNIT      of fewer chains the unit would mostly multiply nothing; of
 *                                                             fewer inputs, tables are as fast as storing its sums
 *   any         any           up to 64       TABLES_OF_4      one pass of 16 tables, where k = 6 takes two passes
 *   any         below MANY    65 and more    TABLES_OF_4      a table of 64 rows is dear where few chains look it up
 *   any         from MANY     65 and more    TABLES_OF_6      1.3 additions for each of two with k = 4
 *
 * A table has 2^k rows of WIDTH_FEW (k = 4) or WIDTH_MANY (k = 6) vectors. Wider rows share the work on a chain's bits,
 * narrower ones leave room: all tables of a pass live in L1, at most TABLES bytes. They are 16 (k = 4) or 8 (k = 6).
 *
 *   level       MANY    WIDTH_FEW    bytes    WIDTH_MANY    bytes
 *   base          64        4        16 k         2         16 k
 *   avx2          64        4        32 k         1         16 k
 *   avx512, amx  256        1        16 k         1         32 k
 */
#ifndef FASTRBM_PRODUCT_PLAN_H
#define FASTRBM_PRODUCT_PLAN_H

#include "paths.h"
#include "simd.h"

#if LEVEL_AVX512
enum { MANY = 256, WIDTH_FEW = 1, WIDTH_MANY = 1 };
#elif LEVEL_AVX2
enum { MANY = 64, WIDTH_FEW = 4, WIDTH_MANY = 1 };
#else
enum { MANY = 64, WIDTH_FEW = 4, WIDTH_MANY = 2 };
#endif

enum { TABLES = 32768, ONE_PASS = 8 /* bytes of input */, UNIT_FROM = 16 /* chains */ };

/* TABLES_OF_4, TABLES_OF_6 or MATRIX_UNIT, for n chains and n_bytes bytes of input */
static inline int product_plan(ptrdiff_t n, ptrdiff_t n_bytes) {
    if (LEVEL_AMX && n >= UNIT_FROM && n_bytes > ONE_PASS) return MATRIX_UNIT;
    return n < MANY || n_bytes <= ONE_PASS ? TABLES_OF_4 : TABLES_OF_6;
}

#endif
