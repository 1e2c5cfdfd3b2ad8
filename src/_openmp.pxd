# The only door to omp.h. A build without OpenMP has one thread and says so.
cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define OPENMP_VERSION _OPENMP
    static inline void thread_barrier(void) { _Pragma("omp barrier") }
    static inline int openmp_max_threads(void) { return omp_get_max_threads(); }
    #else
    #define OPENMP_VERSION 0
    static inline void thread_barrier(void) {}
    static inline int openmp_max_threads(void) { return 1; }
    #endif
    """
    int OPENMP_VERSION
    int openmp_max_threads() nogil
    void thread_barrier() nogil     # within a parallel region: wait for all its threads
