# The only door to OpenMP itself, beside prange. A build without OpenMP has one thread and says so.
cdef extern from *:
    """
    #ifdef _OPENMP
    #define OPENMP_VERSION _OPENMP
    static inline void thread_barrier(void) { _Pragma("omp barrier") }
    #else
    #define OPENMP_VERSION 0
    static inline void thread_barrier(void) {}
    #endif
    """
    int OPENMP_VERSION
    void thread_barrier() nogil     # within a parallel region: wait for all its threads
