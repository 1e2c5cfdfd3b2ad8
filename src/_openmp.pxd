# The only interface to OpenMP itself, beside prange. A build without OpenMP has one thread and says so.
from libc.stdint cimport int64_t

cdef extern from "team.h" nogil:
    int OPENMP_VERSION
    ctypedef struct Barrier:
        int arrived
    ctypedef struct WorkQueue:
        int taken
    ctypedef void (*WorkOfThread)(void *job, Barrier *, int rank, char *scratch) noexcept nogil
    ctypedef void (*WorkOfItem)(const void *job, Py_ssize_t item, char *scratch) noexcept nogil
    # a region, and one whose threads take items from one queue; scratch space is of so many bytes for each thread
    void run_team(WorkOfThread, void *job, char *scratch, size_t size, int n_threads)
    void parallel_for(WorkOfItem, const void *job, Py_ssize_t n_items, char *scratch, size_t size, int n_threads)
    void join_team()            # on entering a region: not two threads on one CPU
    void leave_team(Barrier *)  # on leaving it, when all do
    void wait_at(Barrier *)     # within it: until all its threads do
    void wait_for_team(Barrier *, int size)     # likewise, with threads of other processes, so many in all
    void wait_for_all(Barrier *, int size, int within)
    int MOST_PROCESSES
    ctypedef struct Processes:  # in the memory that they share; starts as zeros
        Barrier processes
        Barrier threads
        int counted
    int count_threads(Processes *, int n_processes, int process, int *first)    # of all of them, and this one's first
    int64_t barriers_passed()   # of all teams of the process, so far; not those at the end of a region
    int take_item(WorkQueue *)  # the next item, from 0 on
    void refill(WorkQueue *)    # from 0 on again: while no thread takes from it
    ctypedef struct Piece:
        Py_ssize_t first
        Py_ssize_t n
        Py_ssize_t step
    ctypedef struct Pieces:
        WorkQueue blocks
    # blocks of chains, or halves of those that others have begun; False when there will be none
    bint take_piece(Pieces *, Py_ssize_t length, Py_ssize_t n, Piece *mine)
    void finish_piece(Pieces *)
    bint share_piece(Pieces *, Piece *mine, Py_ssize_t least, Py_ssize_t step)  # with a thread that has none
    int next_item(int *)        # the same of a counter
    int taken_so_far(const int *)   # how many are taken, at least
    void finish_one(int *)      # count what is finished
    void wait_for(const int *, int)     # until so many are
    int64_t time_asked()        # spent by threads in regions with others so far, ns
    int64_t time_had()          # and with a CPU
    int team_size()             # within a region: its threads, which may be fewer than were asked for
    int largest_team()          # that OpenMP itself would make: what omp_set_num_threads sets, for this thread
