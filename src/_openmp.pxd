# The only interface to OpenMP itself, beside prange. A build without OpenMP has one thread and says so.
from libc.stdint cimport int64_t

cdef extern from "team.h" nogil:
    int OPENMP_VERSION
    ctypedef struct Barrier:
        int arrived
    void wait_at(Barrier *)        # within a parallel region: wait for all its threads
    void finish_one(int *)      # count what is finished
    void wait_for(const int *, int)     # until so many are
    void join_team()            # on entering one: not two threads on one CPU
    void leave_team(Barrier *)  # on leaving it: meet once more
    int64_t time_asked()        # spent by threads in regions with others so far, ns
    int64_t time_had()          # and with a CPU
    int next_item(int *)        # count on, and say which item is this thread's
    int taken_so_far(const int *)   # how many are taken, at least
    int team_size()             # within a region: its threads, which may be fewer than were asked for
    int largest_team()          # that OpenMP itself would make: what omp_set_num_threads sets, for this thread
