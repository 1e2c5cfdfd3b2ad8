/* Only in a build with FASTRBM_SANITIZE=thread, which includes this by itself.
 *
 * ThreadSanitizer does not see how the threads of a region start and end: libgomp is not instrumented, and waits by
 * futex. So the linker leads calls of GOMP_parallel here (--wrap), and this says that what was written before a region
 * is seen in it, and what was written in it after it. Within a region the sanitizer sees the package's own atomics
 * (team.h), and nothing of libgomp's barriers: kernels must not rely on them.
 */
/* as sanitizer/tsan_interface.h has them, without the headers that come with it */
void __tsan_acquire(void *);
void __tsan_release(void *);

typedef void work(void *);
typedef struct {
    work *run;
    void *data;
} Region;

void __real_GOMP_parallel(work *run, void *data, unsigned n_threads, unsigned flags);

static void run_region(void *place) {
    __tsan_acquire(place); /* before anything is read from there */
    Region *region = place;
    region->run(region->data);
    __tsan_release(place);
}

void __wrap_GOMP_parallel(work *run, void *data, unsigned n_threads, unsigned flags) {
    Region region = {run, data};
    __tsan_release(&region);
    __real_GOMP_parallel(run_region, &region, n_threads, flags);
    __tsan_acquire(&region);
}

/* Cython copies the variable of a prange into the loop and out of it, with nothing between the one thread that writes it
 * and others that may still read it. The kernels use it in the loop only. */
#define firstprivate(variable) private(variable)
#define lastprivate(variable)
