# Truncated normal numbers in float64: what real-valued units ask of a standard normal number y, given that y >= a. This
# is the normalizing constant, the moments and the quantiles of y - a. All hold in both tails, and nothing overflows.
#
# R(a) = integral from a to infinity of exp((a^2 - y^2) / 2) dy is the Mills ratio. For b >= 0 the mean excess
# D(b) = 1/R(b) - b is a rational function, top/bottom of degrees 10 and 11, and 1 - b D(b) is second/bottom, where
# second = bottom - b top, coefficient by coefficient. All coefficients are positive, so that nothing cancels, and
# R(b) = bottom / (top + b bottom). The fit is by interpolation at Chebyshev's points in (b - 4.5) / (b + 4.5); its
# relative error is below 1e-15 (D) and 6e-15 (1 - b D) for all b >= 0.


cdef inline vd mills_top(vd b) noexcept nogil:
    cdef vd p = b + splat_d(28.449025885584803)
    p = p * b + splat_d(413.04229306025763)
    p = p * b + splat_d(3930.4846463998683)
    p = p * b + splat_d(26821.713254494214)
    p = p * b + splat_d(136279.53701869663)
    p = p * b + splat_d(520807.92476616625)
    p = p * b + splat_d(1479237.585183331)
    p = p * b + splat_d(3000649.8910352755)
    p = p * b + splat_d(3959013.482295128)
    return p * b + splat_d(2621132.0573298773)


cdef inline vd mills_bottom(vd b) noexcept nogil:
    cdef vd p = b + splat_d(28.449025885584803)
    p = p * b + splat_d(415.04229306025763)
    p = p * b + splat_d(3987.3826981710454)
    p = p * b + splat_d(27641.79784061057)
    p = p * b + splat_d(143969.81215704905)
    p = p * b + splat_d(572015.0974254577)
    p = p * b + splat_d(1729408.6161260912)
    p = p * b + splat_d(3898269.005929337)
    p = p * b + splat_d(6253120.428050446)
    p = p * b + splat_d(6458020.117551654)
    return p * b + splat_d(3285101.863222396)


cdef inline vd mills_second(vd b) noexcept nogil:
    cdef vd p = splat_d(2.0)
    p = p * b + splat_d(56.89805177117705)
    p = p * b + splat_d(820.0845861163543)
    p = p * b + splat_d(7690.2751383524155)
    p = p * b + splat_d(51207.17265929142)
    p = p * b + splat_d(250171.03094276018)
    p = p * b + splat_d(897619.1148940613)
    p = p * b + splat_d(2294106.9457553183)
    p = p * b + splat_d(3836888.0602217764)
    return p * b + splat_d(3285101.863222396)


cdef inline void truncated(vd a, vd *log_mills, vd *mean, vd *second, bint moments) noexcept nogil:
    """log R(a) and, if moments, D(a) = E[y - a] and E[(y - a)^2] = 1 - a D(a); |a| <= 1e8.

    For a < 0, R(a) = exp(a^2 / 2) S, where S = sqrt(2 pi) - exp(-a^2 / 2) R(-a), and D(a) = exp(-a^2 / 2) / S - a."""
    cdef vd zero = splat_d(0.0), one = splat_d(1.0)
    cdef vd b = abs_d(a), top = mills_top(b), bottom = mills_bottom(b)
    cdef vd half = splat_d(0.5) * b * b
    cdef vd e = exp_negative_d(max_d(zero - half, splat_d(-708.0)))
    cdef vd mills = bottom / (top + b * bottom)
    cdef vd s = splat_d(2.5066282746310007) - e * mills     # sqrt(2 pi)
    cdef vd inverse
    cdef vq below = mask_lt_d(a, zero)
    log_mills[0] = log_d(select_d(below, s, mills)) + select_d(below, half, zero)
    if moments:
        inverse = one / select_d(below, s, bottom)
        mean[0] = select_d(below, e, top) * inverse + select_d(below, b, zero)
        second[0] = select_d(below, one + b * mean[0], mills_second(b) * inverse)


cdef enum:
    FAR = 5     # from this a on, quantiles are computed as excesses over a


cdef inline vd excess(vd w, vd a, vd log_mills) noexcept nogil:
    """The x with Q(a + x) = exp(-w) Q(a), of w > 0 and a >= FAR: a x + x^2 / 2 + log R(a) - log R(a + x) = w.

    The left side is convex in x. It begins as x / R(a) + D(a) x^2 / (2 R(a)), and is never less, nor less than
    a x + x^2 / 2: the smaller one of the two roots is above the solution and near it, and two steps of Newton's method
    do the rest, to a relative error of 1e-10. Where w is small, the first root is better than they are."""
    cdef vd half = splat_d(0.5), two_w = w + w
    cdef vd mean = mills_top(a) / mills_bottom(a)
    cdef vd hazard = a + mean
    cdef vd first = two_w / (hazard + sqrt_d(hazard * hazard + two_w * (mean * hazard)))
    cdef vd x = two_w / (a + sqrt_d(a * a + two_w))
    cdef vd y, bottom, mills
    cdef int k
    x = select_d(mask_lt_d(first, x), first, x)
    for k in range(2):
        y = a + x
        bottom = mills_bottom(y)
        mills = bottom / (mills_top(y) + y * bottom)
        x = x - (x * (a + half * x) + (log_mills - log_d(mills)) - w) * mills
    return select_d(mask_lt_d(w, splat_d(0.0005)), first, x)


cdef inline vd quantile_top(vd r) noexcept nogil:
    cdef vd p = splat_d(1.4142835600780883)
    p = p * r + splat_d(36.07554409944037)
    p = p * r + splat_d(219.48602423081684)
    p = p * r + splat_d(684.4622206738067)
    p = p * r + splat_d(1793.634114757253)
    p = p * r + splat_d(1208.8632215284524)
    p = p * r - splat_d(1467.0048972788395)
    p = p * r - splat_d(984.7256034443847)
    return p * r - splat_d(79.89330561065266)


cdef inline vd quantile_bottom(vd r) noexcept nogil:
    cdef vd p = r + splat_d(25.517713438471237)
    p = p * r + splat_d(157.9434829212939)
    p = p * r + splat_d(531.0748939739138)
    p = p * r + splat_d(1476.7434269310443)
    p = p * r + splat_d(1533.1120032980577)
    p = p * r + splat_d(437.72395113802594)
    return p * r + splat_d(21.82194339989918)


cdef inline vd normal_of(vd log_t) noexcept nogil:
    """The y with Q(y) = t, where Q(y) is the probability of a standard normal number above y, and log t < 0.

    With w = -log min(t, 1 - t), abs y is a rational function of r = sqrt(w) for w <= 53, which errs by under 4e-13. Its
    fit is by interpolation at Chebyshev's points in (r - r0) / (r - r0 + 3), r0 = sqrt(log 2). Beyond, y is an excess
    over FAR, and errs by under 1e-9."""
    cdef vd zero = splat_d(0.0), limit = splat_d(53.0)
    cdef vq above = mask_lt_d(log_t, splat_d(-0.6931471805599453)), far
    cdef vd rest = zero - exp_minus_one_d(max_d(log_t, splat_d(-708.0)))
    cdef vd w = zero - select_d(above, log_t, log_d(max_d(rest, splat_d(2.3e-308))))
    cdef vd r = sqrt_d(select_d(mask_lt_d(w, limit), w, limit))
    cdef vd y = quantile_top(r) / quantile_bottom(r)
    far = mask_lt_d(limit, w)
    if any_d(far):
        # -log Q(5), and log R(5)
        w = max_d(w - splat_d(15.064998393988725), splat_d(1.0))
        y = select_d(far, splat_d(FAR) + excess(w, splat_d(FAR), splat_d(-1.646059860784053)), y)
    return select_d(above, y, zero - y)


cdef inline vd normal_at(vd t) noexcept nogil:
    """normal_of log t, of numbers t from 2^-53 to 1 - 2^-53."""
    cdef vd rest = splat_d(1.0) - t
    cdef vq above = mask_lt_d(t, rest)
    cdef vd r = sqrt_d(splat_d(0.0) - log_d(select_d(above, t, rest)))
    cdef vd y = quantile_top(r) / quantile_bottom(r)
    return select_d(above, y, splat_d(0.0) - y)


cdef inline vd tail_draw(vd log_u, vd a, vd log_mills) noexcept nogil:
    """y - a >= 0 with Q(y) = u Q(a): a quantile of y given that y >= a, of log u < 0, |a| <= 1e8 and log R(a)."""
    cdef vd zero = splat_d(0.0), limit = splat_d(FAR), x = zero, log_q, y
    cdef vq near = mask_lt_d(a, limit)
    if any_d(near):
        # log Q(a) = log R(a) - a^2 / 2 - log(2 pi) / 2. Below -8.3 it is 0 to 1e-16, and the difference may be wrong
        # where log R(a) and a^2 / 2 are on either side of a power of two.
        log_q = (log_mills - splat_d(0.9189385332046728)) - splat_d(0.5) * a * a
        log_q = zero - max_d(zero - log_q, zero)
        log_q = select_d(mask_lt_d(a, splat_d(-8.3)), zero, log_q)
        y = normal_of(select_d(near, log_u + log_q, splat_d(-1.0)))
        x = max_d(y - a, zero)
    if any_d(~near):
        y = excess(zero - log_u, max_d(a, limit), select_d(near, splat_d(-1.646059860784053), log_mills))
        x = select_d(near, x, y)
    return x


def truncated_moments(const double[::1] a, double[:, ::1] out):
    """out OUT (3, n): log R(a), E[y - a] and E[(y - a)^2] of a standard normal number y >= a; a IN (n,), |a| <= 1e8."""
    cdef Py_ssize_t n = a.shape[0], start = 0, count
    cdef vd x, log_mills, mean, second
    if DEBUG_CHECKS:
        check(out.shape[0] == 3 and out.shape[1] == n, "truncated_moments")
    while start < n:
        count = smaller(HALF, n - start)
        x = splat_d(0.0)
        memcpy(&x, &a[start], count * sizeof(double))
        truncated(x, &log_mills, &mean, &second, True)
        memcpy(&out[0, start], &log_mills, count * sizeof(double))
        memcpy(&out[1, start], &mean, count * sizeof(double))
        memcpy(&out[2, start], &second, count * sizeof(double))
        start += count


def truncated_draws(const double[::1] log_u, const double[::1] a, double[::1] out):
    """out OUT (n,): y - a for the y that is exceeded with probability u, given that y >= a; log_u IN (n,), below 0;
    a IN (n,), |a| <= 1e8."""
    cdef Py_ssize_t n = a.shape[0], start = 0, count
    cdef vd x, y, log_mills
    if DEBUG_CHECKS:
        check(log_u.shape[0] == n and out.shape[0] == n, "truncated_draws")
    while start < n:
        count = smaller(HALF, n - start)
        x = splat_d(0.0)
        y = splat_d(-1.0)
        memcpy(&x, &a[start], count * sizeof(double))
        memcpy(&y, &log_u[start], count * sizeof(double))
        truncated(x, &log_mills, NULL, NULL, False)
        y = tail_draw(y, x, log_mills)
        memcpy(&out[start], &y, count * sizeof(double))
        start += count


def normal_draws(const double[::1] log_t, double[::1] out):
    """out OUT (n,): the y that a standard normal number exceeds with probability t; log_t IN (n,), below 0."""
    cdef Py_ssize_t n = log_t.shape[0], start = 0, count
    cdef vd y
    if DEBUG_CHECKS:
        check(out.shape[0] == n, "normal_draws")
    while start < n:
        count = smaller(HALF, n - start)
        y = splat_d(-1.0)
        memcpy(&y, &log_t[start], count * sizeof(double))
        y = normal_of(y)
        memcpy(&out[start], &y, count * sizeof(double))
        start += count
