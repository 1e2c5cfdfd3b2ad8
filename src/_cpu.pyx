# What this CPU and this build can do. Compiled for the plainest CPU, since it is what decides on the others.
from _openmp cimport OPENMP_VERSION, largest_team

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__linux__)
    #include <cpuid.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    enum { ARCH_GET_XCOMP_SUPP = 0x1021, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    static int has_matrices(void) { /* the CPU and Linux */
        enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
        unsigned a, b, c, d;
        unsigned long long known = 0;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_TILE) && (d & AMX_INT8)
               && syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &known) == 0 && (known >> XFEATURE_XTILEDATA & 1);
    }
    static int may_use_matrices(void) {
        return has_matrices() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
    }
    #else
    static int has_matrices(void) { return 0; }
    static int may_use_matrices(void) { return 0; }
    #endif
    #if defined(__x86_64__)
    static int cpu_level(void) {
        __builtin_cpu_init(); /* its answers include whether the operating system saves the wide registers */
        if (!(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"))) return -1;
        if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
              && __builtin_cpu_supports("bmi2"))) return 0;
        if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
              && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
              && __builtin_cpu_supports("avx512vl"))) return 1;
        return has_matrices() ? 3 : 2;
    }
    #else
    static int cpu_level(void) { return 0; }
    #endif
    """
    int cpu_level()
    int may_use_matrices()


def level():
    """The highest ISA level of this CPU: 0 base, 1 avx2, 2 avx512, 3 amx; -1 when it lacks even the baseline."""
    return cpu_level()


def ask_for_matrices():
    """Ask Linux for leave to use the matrix unit, for this process and its children; True where it is given. It makes
    the frames of signal handlers 8 kB larger, so it is refused where a handler's stack is too small for them, and such
    stacks are refused from then on."""
    return may_use_matrices() != 0


def openmp_version():
    """The OpenMP version the package was compiled with, such as 201511; 0 without OpenMP."""
    return OPENMP_VERSION


def openmp_threads():
    """The threads that OpenMP itself would use, in calls from this thread: threadpoolctl and omp_set_num_threads set
    it."""
    return largest_team()
