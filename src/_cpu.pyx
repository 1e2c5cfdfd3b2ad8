# What this CPU and this build can do. Compiled for the plainest CPU, since it is what decides on the others.
from _openmp cimport OPENMP_VERSION

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__linux__)
    #include <cpuid.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    /* The matrix unit, and Linux's leave to use it, which a process has to ask for: its registers take 8 kB. */
    static int has_amx(void) {
        enum { TILE = 1 << 24, INT8 = 1 << 25, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
        unsigned a, b, c, d;
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (TILE | INT8)) != (TILE | INT8)) return 0;
        return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
    }
    #else
    static int has_amx(void) { return 0; }
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
        return has_amx() ? 3 : 2;
    }
    #else
    static int cpu_level(void) { return 0; }
    #endif
    """
    int cpu_level()


def level():
    """The highest ISA level of this CPU: 0 base, 1 avx2, 2 avx512, 3 amx; -1 when it lacks even the baseline."""
    return cpu_level()


def openmp_version():
    """The OpenMP version the package was compiled with, such as 201511; 0 without OpenMP."""
    return OPENMP_VERSION
