/* The threads of a parallel region: how they start and end, share out work, wait for each other, and where they run.
 *
 * An OpenMP runtime leaves both to chance. On Linux two threads of a team may be put on one CPU while another idles,
 * and stay there for seconds; and where other programs use the CPUs too, a thread that spins at a barrier keeps off
 * them the very thread it waits for. See bench/NOTES.md for what that costs.
 */
#ifndef FASTRBM_TEAM_H
#define FASTRBM_TEAM_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#define OPENMP_VERSION _OPENMP
static inline int team_size(void) { return omp_get_num_threads(); }
static inline int team_rank(void) { return omp_get_thread_num(); }
static inline int largest_team(void) { return omp_get_max_threads(); }
#else
#define OPENMP_VERSION 0
static inline int largest_team(void) { return 1; }
static inline int team_size(void) { return 1; }
static inline int team_rank(void) { return 0; }
#endif

#if defined(_WIN32)
#include <windows.h>
static inline void yield_cpu(void) { SwitchToThread(); }
#else
#include <sched.h>
static inline void yield_cpu(void) { sched_yield(); }
#endif

#if defined(__x86_64__)
static inline void relax(void) { __builtin_ia32_pause(); }
#else
static inline void relax(void) {}
#endif

enum { SPINS = 2000, FOLLOWED = 256, ASLEEP = 1000000 /* ns after which a team's threads may have gone to sleep */ };

#if defined(_OPENMP) && !defined(_WIN32)
#include <time.h>
static inline int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Time that threads spent in regions with others, and time that they had a CPU there, in ns: where other programs run,
 * the second falls behind. Spinning and giving way count as having one. */
static int64_t cpu_asked __attribute__((aligned(64))), cpu_had;
static __thread int64_t entered, had_before; /* of the region that this thread is in */
static inline void note_entry(void) {
    if (team_size() == 1) return;
    entered = nanoseconds(CLOCK_MONOTONIC);
    had_before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}
static inline void note_exit(void) {
    if (team_size() == 1) return;
    __atomic_fetch_add(&cpu_had, nanoseconds(CLOCK_THREAD_CPUTIME_ID) - had_before, __ATOMIC_RELAXED);
    __atomic_fetch_add(&cpu_asked, nanoseconds(CLOCK_MONOTONIC) - entered, __ATOMIC_RELAXED);
}
static inline int64_t time_asked(void) { return __atomic_load_n(&cpu_asked, __ATOMIC_RELAXED); }
static inline int64_t time_had(void) { return __atomic_load_n(&cpu_had, __ATOMIC_RELAXED); }
#else
static inline void note_entry(void) {}
static inline void note_exit(void) {}
static inline int64_t time_asked(void) { return 0; }
static inline int64_t time_had(void) { return 0; }
#endif

#if defined(_OPENMP) && defined(__linux__) && defined(__GLIBC__) /* where avoid_core_sharing does something */
static int64_t last_barrier __attribute__((aligned(64))); /* when a team left one; several teams only add noise */
static inline void note_barrier(void) { __atomic_store_n(&last_barrier, nanoseconds(CLOCK_MONOTONIC), __ATOMIC_RELAXED); }
#else
static inline void note_barrier(void) {}
#endif

/* How often all threads of a team have come to a barrier in the middle of a region, in the whole process. */
static int64_t n_barriers __attribute__((aligned(64)));
static inline int64_t barriers_passed(void) { return __atomic_load_n(&n_barriers, __ATOMIC_RELAXED); }

/* Where the threads of one region wait for each other, as often as they like; starts as zeros. */
typedef struct {
    int arrived __attribute__((aligned(64)));
    int round __attribute__((aligned(64)));
} Barrier;

/* Between two looks at what another thread will change: first a spin, which is fastest, then the CPU is left to whoever
 * needs it. */
static inline void wait_a_little(int *looks) {
    if (*looks < SPINS) {
        *looks += 1;
        relax();
    } else {
        yield_cpu();
    }
}

static inline void wait_for_all(Barrier *barrier, int size, int within) {
    int round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE);
    if (size == 1) return;
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == size) {
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        if (within) __atomic_fetch_add(&n_barriers, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
        note_barrier();
        return;
    }
    int looks = 0;
    while (__atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round) wait_a_little(&looks);
}

/* Wait for all threads of the region, in the middle of it; or for so many, some of them of other processes. */
static inline void wait_at(Barrier *barrier) { wait_for_all(barrier, team_size(), 1); }
static inline void wait_for_team(Barrier *barrier, int size) { wait_for_all(barrier, size, 1); }

/* One more thing is finished, and what it wrote can be read by those who wait for it. */
static inline void finish_one(int *finished) { __atomic_fetch_add(finished, 1, __ATOMIC_RELEASE); }
static inline void wait_for(const int *finished, int n) {
    int looks = 0;
    while (__atomic_load_n(finished, __ATOMIC_ACQUIRE) < n) wait_a_little(&looks);
}

/* What processes that work together have in their shared memory, which starts as zeros: a place to wait for each other,
 * one for their threads, and how many of these each has, as counted in its region. */
enum { MOST_PROCESSES = 1024 };
typedef struct {
    Barrier processes;
    Barrier threads;
    int counted __attribute__((aligned(64)));
    int n_threads[MOST_PROCESSES];
} Processes;

/* All threads of all processes, and the rank of this process' first one. */
static inline int count_threads(Processes *shared, int n_processes, int process, int *first) {
    if (team_rank() == 0) {
        shared->n_threads[process] = team_size();
        finish_one(&shared->counted);
    }
    wait_for(&shared->counted, n_processes);
    int all = 0;
    for (int other = 0; other < n_processes; other++) {
        if (other == process) *first = all;
        all += shared->n_threads[other];
    }
    return all;
}

/* The next of some items of work, from 0 on, for whichever thread asks. */
static inline int next_item(int *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* How many of them are taken, at least. */
static inline int taken_so_far(const int *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

/* The same with a cache line of its own; starts as zeros. It is emptied while no thread takes from it: between two
 * barriers, both after its last item and before its next one. */
typedef struct {
    int taken __attribute__((aligned(64)));
} WorkQueue;
static inline int take_item(WorkQueue *queue) { return next_item(&queue->taken); }
static inline void refill(WorkQueue *queue) { __atomic_store_n(&queue->taken, 0, __ATOMIC_RELAXED); }

/* Blocks of a long row of things (chains), which threads take through many steps: each a block by itself. A thread that
 * finds none left waits until another one, between two steps, gives it half of what it has. Starts as zeros. */
typedef struct {
    ptrdiff_t first, n, step; /* of the things; the next step of theirs */
} Piece;
typedef struct {
    WorkQueue blocks;
    int working __attribute__((aligned(64))); /* threads that have a piece */
    int idle __attribute__((aligned(64)));    /* threads that wait for one */
    int offer __attribute__((aligned(64)));   /* NO_OFFER, OFFER_CHANGES or OFFERED */
    Piece offered;
} Pieces;
enum { NO_OFFER, OFFER_CHANGES, OFFERED };

static inline int change_offer(Pieces *pieces, int from, int to) {
    return __atomic_compare_exchange_n(&pieces->offer, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The next piece of n things in blocks of a length; 0 when there will be none. */
static inline int take_piece(Pieces *pieces, ptrdiff_t length, ptrdiff_t n, Piece *mine) {
    __atomic_add_fetch(&pieces->working, 1, __ATOMIC_ACQ_REL);
    mine->first = take_item(&pieces->blocks) * length;
    mine->n = length < n - mine->first ? length : n - mine->first;
    mine->step = 0;
    if (mine->n > 0) return 1;
    __atomic_sub_fetch(&pieces->working, 1, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&pieces->idle, 1, __ATOMIC_RELAXED);
    for (int looks = 0;; wait_a_little(&looks)) {
        /* in this order: what those who work no more have offered is seen, so nothing offered is left behind */
        int working = __atomic_load_n(&pieces->working, __ATOMIC_ACQUIRE);
        if (change_offer(pieces, OFFERED, OFFER_CHANGES)) {
            __atomic_add_fetch(&pieces->working, 1, __ATOMIC_ACQ_REL);
            __atomic_sub_fetch(&pieces->idle, 1, __ATOMIC_RELAXED);
            *mine = pieces->offered;
            __atomic_store_n(&pieces->offer, NO_OFFER, __ATOMIC_RELEASE);
            return 1;
        }
        if (working == 0) return 0;
    }
}
static inline void finish_piece(Pieces *pieces) { __atomic_sub_fetch(&pieces->working, 1, __ATOMIC_ACQ_REL); }

/* Before a step: give half of a piece away, if it has at least two times so many things and a thread waits. */
static inline int share_piece(Pieces *pieces, Piece *mine, ptrdiff_t least, ptrdiff_t step) {
    if (mine->n < 2 * least || __atomic_load_n(&pieces->idle, __ATOMIC_RELAXED) == 0) return 0;
    if (!change_offer(pieces, NO_OFFER, OFFER_CHANGES)) return 0;
    ptrdiff_t half = mine->n / 2;
    pieces->offered = (Piece){mine->first + half, mine->n - half, step};
    mine->n = half;
    __atomic_store_n(&pieces->offer, OFFERED, __ATOMIC_RELEASE);
    return 1;
}

/* Move away from a CPU where a lower-ranked thread of the team was seen,
 * to one where none was. The thread is bound there for a moment only; Linux then leaves it there.
 *
 * Threads that sleep are often woken on the CPU of the one that wakes them, and then wait there until it stops: so it
 * yields once, and they can move. Not where they are awake: another program would only take its time. */
static inline void avoid_core_sharing(void) {
#if defined(_OPENMP) && defined(__linux__) && defined(__GLIBC__)
    static int seen[FOLLOWED]; /* by rank: 1 + the CPU; teams of other Python threads only add noise */
    int rank = team_rank(), size = team_size(), here;
    if (size == 1) return;
    if (size > FOLLOWED || (here = sched_getcpu()) < 0) return;
    __atomic_store_n(&seen[rank], here + 1, __ATOMIC_RELAXED); /* before it yields: the others look for it */
    if (rank == 0 && nanoseconds(CLOCK_MONOTONIC) - __atomic_load_n(&last_barrier, __ATOMIC_RELAXED) > ASLEEP) yield_cpu();
    int crowded = 0;
    for (int other = 0; other < rank; other++) crowded |= __atomic_load_n(&seen[other], __ATOMIC_RELAXED) == here + 1;
    if (!crowded) return;
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < size) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int taken = !CPU_ISSET(cpu, &allowed);
        for (int other = 0; other < size; other++) taken |= __atomic_load_n(&seen[other], __ATOMIC_RELAXED) == cpu + 1;
        if (taken) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
        __atomic_store_n(&seen[rank], cpu + 1, __ATOMIC_RELAXED);
        return;
    }
#endif
}

/* Called by each thread as it enters a region, and as it leaves it, which it does when all have come to the barrier. */
static inline void join_team(void) {
    note_entry();
    avoid_core_sharing();
}
static inline void leave_team(Barrier *barrier) {
    wait_for_all(barrier, team_size(), 0);
    note_exit();
}

/* A region: each thread does its work, with scratch space of its own. */
typedef void (*WorkOfThread)(void *job, Barrier *barrier, int rank, char *scratch);
static inline void run_team(WorkOfThread work, void *job, char *scratch, size_t scratch_size, int n_threads) {
    Barrier barrier = {0, 0};
#ifdef _OPENMP
#pragma omp parallel num_threads(n_threads)
#endif
    {
        int rank = team_rank();
        join_team();
        work(job, &barrier, rank, scratch + (size_t)rank * scratch_size);
        leave_team(&barrier);
    }
    (void)n_threads;
}

/* A region whose threads take items 0 .. n_items - 1 from one queue. */
typedef void (*WorkOfItem)(const void *job, ptrdiff_t item, char *scratch);
static inline void parallel_for(WorkOfItem work, const void *job, ptrdiff_t n_items, char *scratch, size_t scratch_size,
                                int n_threads) {
    Barrier barrier = {0, 0};
    ptrdiff_t next = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(n_threads)
#endif
    {
        char *own = scratch + (size_t)team_rank() * scratch_size;
        join_team();
        for (;;) {
            ptrdiff_t item = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
            if (item >= n_items) break;
            work(job, item, own);
        }
        leave_team(&barrier);
    }
    (void)n_threads;
}

#endif
