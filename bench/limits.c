/* What one core can do at best: compiled and called by bench/roofline.py. Each function returns seconds. x86-64 only. */
#include <immintrin.h>
#include <stdint.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

#if defined(__AVX512F__)
#define R "zmm"
#define BYTES 64
#else
#define R "ymm"
#define BYTES 32
#endif
int vector_bytes(void) { return BYTES; }

#define S_(x) #x
#define S(x) S_(x)
#define ADD(k) "vpaddd " S(k) "*" S(BYTES) "(%0), %%" R S(k) ", %%" R S(k) "\n\t"
#define FMA(k) "vfmadd231ps %%" R "14, %%" R "15, %%" R S(k) "\n\t"
#define MUL(k) "vmulps %%" R "14, %%" R "15, %%" R S(k) "\n\t"
#define SUM(k) "vpaddd %%" R "14, %%" R "15, %%" R S(k) "\n\t"
#define EIGHT(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm14", "xmm15"

/* n x 16 loads of a whole vector from 16 kB, each added to a sum: what adding a table row costs at least */
double loads(long n) {
    static char buffer[16384] __attribute__((aligned(4096)));
    for (long i = 0; i < (long)sizeof(buffer); i++) ((volatile char *)buffer)[i] = 1;
    double start = now();
    for (long i = 0; i < n; i++)
        __asm__ volatile(EIGHT(ADD) EIGHT(ADD) : : "r"(buffer + (i % 16) * 8 * BYTES) : CLOBBER);
    return now() - start;
}

/* n x 10 fused multiply-adds */
double fmas(long n) {
    __asm__ volatile("vpxor %%xmm14, %%xmm14, %%xmm14\n\tvpxor %%xmm15, %%xmm15, %%xmm15" : : : CLOBBER);
    double start = now();
    for (long i = 0; i < n; i++) __asm__ volatile(EIGHT(FMA) FMA(8) FMA(9) : : : CLOBBER);
    return now() - start;
}

/* n x 16 vector operations, half of them products and half integer sums: what any arithmetic costs at least */
double operations(long n) {
    __asm__ volatile("vpxor %%xmm14, %%xmm14, %%xmm14\n\tvpxor %%xmm15, %%xmm15, %%xmm15" : : : CLOBBER);
    double start = now();
    for (long i = 0; i < n; i++)
        __asm__ volatile(MUL(0) SUM(1) MUL(2) SUM(3) MUL(4) SUM(5) MUL(6) SUM(7) MUL(0) SUM(1) MUL(2) SUM(3) MUL(4)
                             SUM(5) MUL(6) SUM(7) : : : CLOBBER);
    return now() - start;
}
