/* The threads of a parallel region: where they run, and how they wait for each other.
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
static int64_t last_met __attribute__((aligned(64))); /* when a team met; several teams only add noise */
static inline void note_meeting(void) { __atomic_store_n(&last_met, nanoseconds(CLOCK_MONOTONIC), __ATOMIC_RELAXED); }
#else
static inline void note_meeting(void) {}
#endif

/* A place for the threads of one region to meet, as often as they like; starts as zeros. */
typedef struct {
    int arrived __attribute__((aligned(64)));
    int round __attribute__((aligned(64)));
} Barrier;

/* Between two looks at what another thread will change: a while in a spin, which is fastest, then giving way to whoever
 * needs the CPU. */
static inline void wait_a_little(int *looks) {
    if (*looks < SPINS) {
        *looks += 1;
        relax();
    } else {
        yield_cpu();
    }
}

/* Wait for all threads of the region. */
static inline void wait_at(Barrier *barrier) {
    int size = team_size(), round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE);
    if (size == 1) return;
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == size) {
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
        note_meeting();
        return;
    }
    int looks = 0;
    while (__atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round) wait_a_little(&looks);
}

/* One more thing is finished, and what it wrote can be read by those who wait for it. */
static inline void finish_one(int *finished) { __atomic_fetch_add(finished, 1, __ATOMIC_RELEASE); }
static inline void wait_for(const int *finished, int n) {
    int looks = 0;
    while (__atomic_load_n(finished, __ATOMIC_ACQUIRE) < n) wait_a_little(&looks);
}

/* The next of some items of work, from 0 on, for whichever thread asks. */
static inline int next_item(int *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* How many of them are taken, at least. */
static inline int taken_so_far(const int *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

/* Move away from a CPU where a lower-ranked thread of the team was seen,
 * to one where none was. The thread is bound there for a moment only; Linux then leaves it there.
 *
 * Threads that sleep are often woken on the CPU of the one that wakes them, and then wait there until it stops: so it
 * gives way once, and they can move. Not where they are awake: another program would only take its time. */
static inline void avoid_core_sharing(void) {
#if defined(_OPENMP) && defined(__linux__) && defined(__GLIBC__)
    static int seen[FOLLOWED]; /* by rank: 1 + the CPU; teams of other Python threads only add noise */
    int rank = team_rank(), size = team_size(), here;
    if (size == 1) return;
    if (size > FOLLOWED || (here = sched_getcpu()) < 0) return;
    __atomic_store_n(&seen[rank], here + 1, __ATOMIC_RELAXED); /* before it gives way: the others look for it */
    if (rank == 0 && nanoseconds(CLOCK_MONOTONIC) - __atomic_load_n(&last_met, __ATOMIC_RELAXED) > ASLEEP) yield_cpu();
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
    wait_at(barrier);
    note_exit();
}

#endif
