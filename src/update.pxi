# The training step's passes over matrices of the size of W: one read and one write each, no temporaries.


def mean_difference(const double[:, ::1] positive, double positive_total, const double[:, ::1] negative,
                    double negative_total, double[:, ::1] out, int n_threads):
    """out OUT = positive / positive_total - negative / negative_total, all (V, H)."""
    cdef Py_ssize_t i, n_rows = out.shape[0], n = out.shape[1]
    if DEBUG_CHECKS:
        check(positive.shape[0] == n_rows and negative.shape[0] == n_rows and positive.shape[1] == n
              and negative.shape[1] == n, "mean_difference")
    for i in prange(n_rows, nogil=True, num_threads=n_threads, schedule="static"):
        difference_row(&positive[i, 0], positive_total, &negative[i, 0], negative_total, &out[i, 0], n)


cdef void difference_row(const double *positive, double positive_total, const double *negative, double negative_total,
                         double *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        out[j] = positive[j] / positive_total - negative[j] / negative_total


def ascend(const float[:, ::1] weights, const double[:, ::1] direction, double rate, float limit, float[:, ::1] out,
           int n_threads):
    """out OUT = weights + rate * direction, (V, H), computed in float64 and rounded once to float32. Returns how many
    of the results are not finite, or not below limit in size."""
    cdef Py_ssize_t i, bad = 0, n_rows = out.shape[0], n = out.shape[1]
    if DEBUG_CHECKS:
        check(weights.shape[0] == n_rows and direction.shape[0] == n_rows and weights.shape[1] == n
              and direction.shape[1] == n, "ascend")
    for i in prange(n_rows, nogil=True, num_threads=n_threads, schedule="static"):
        bad += ascend_row(&weights[i, 0], &direction[i, 0], rate, limit, &out[i, 0], n)
    return bad


cdef Py_ssize_t ascend_row(const float *weights, const double *direction, double rate, float limit, float *out,
                           Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    cdef int32_t good = 0
    for j in range(n):
        out[j] = <float> (<double> weights[j] + rate * direction[j])
        good += abs_scalar(out[j]) < limit  # false for NaN
    return n - good
