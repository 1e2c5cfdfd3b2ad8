/* The ways that kernels can go. A debug build counts how often each was taken, so that tests can see that what they
 * mean to compare really ran (paths() in kernels.pxi). */
#ifndef FASTRBM_PATHS_H
#define FASTRBM_PATHS_H

#include <stdint.h>

#define FOR_EACH_PATH(PATH) \
    PATH(SMALL_TABLES)    /* a product of a tile by tables of 16 rows */ \
    PATH(LARGE_TABLES)    /* of 64 and 32 rows */ \
    PATH(MATRIX_UNIT)     /* on the matrix unit */ \
    PATH(WORDS_LISTED)    /* a pass of tables that skips words of zeros */ \
    PATH(SUMS_KEPT)       /* a block's product that is kept for the next sweep */ \
    PATH(SUMS_FLIPPED)    /* kept sums brought up to date with what flipped */ \
    PATH(ROUGH_FIELDS)    /* categories of a block of chains drawn by float32 products of real units */ \
    PATH(ROUGH_REDRAWN)   /* and a site of a vector of chains drawn anew by exact fields */ \
    PATH(SUMS_FOLDED)     /* more than 504 rows in a difference: on to float64 */ \
    PATH(FUSED_UPDATE)    /* an update of kernels.train */ \
    PATH(UPDATE_OF_PROCESSES) /* the same, with threads of other processes */ \
    PATH(SUMS_EXCHANGED)  /* a thread's own sums for the visible layer of its chains (train_visible.pxi) */

enum {
#define PATH(name) name,
    FOR_EACH_PATH(PATH)
#undef PATH
    N_PATHS
};

static const char *const path_names[] = {
#define PATH(name) #name,
    FOR_EACH_PATH(PATH)
#undef PATH
};

#ifdef FASTRBM_DEBUG
static int64_t path_counts[N_PATHS];
static inline void ran(int path) { __atomic_fetch_add(&path_counts[path], 1, __ATOMIC_RELAXED); }
static inline int64_t times_ran(int path) { return __atomic_load_n(&path_counts[path], __ATOMIC_RELAXED); }
#else
#define ran(path) ((void)(path))
#define times_ran(path) ((int64_t)0)
#endif

#endif
