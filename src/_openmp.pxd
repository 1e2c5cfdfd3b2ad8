# The only door to omp.h. A build without OpenMP has one thread and says so.
cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define OPENMP_VERSION _OPENMP
    static inline int openmp_max_threads(void) { return omp_get_max_threads(); }
    #else
    #define OPENMP_VERSION 0
    static inline int openmp_max_threads(void) { return 1; }
    #endif
    """
    int OPENMP_VERSION
    int openmp_max_threads() nogil
