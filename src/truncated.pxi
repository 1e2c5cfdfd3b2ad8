# Truncated normal numbers in float64: what real-valued units ask of a standard normal number y, given that y >= a. This
# is the normalizing constant, the moments and the quantiles of y - a. All hold in both tails, and nothing overflows.
#
# R(a) = integral from a to infinity of exp((a^2 - y^2) / 2) dy is the Mills ratio. For b >= 0 the mean excess
# D(b) = 1/R(b) - b is a rational function, top/bottom of degrees 10 and 11, and 1 - b D(b) is second/bottom, where
# second = bottom - b top, coefficient by coefficient. All coefficients are positive, so that nothing cancels, and
# R(b) = bottom / (top + b bottom). The fit is by interpolation at Chebyshev's points in (b - 4.5) / (b + 4.5); its
# relative error is below 1e-15 (D) and 6e-15 (1 - b D) for all b >= 0.
#
# Q(a) is the probability of a standard normal number above a, T(a) = Q(a) exp(max(a, 0)^2 / 2) the same without what
# makes it underflow: R(a) / sqrt(2 pi) for a >= 0, and 1 - Q(-a) for a < 0. R(a) = sqrt(2 pi) exp(m^2 / 2) T(a), where
# m = max(-a, 0) is the mode of y - a.


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


cdef inline vd mode_of(vd a) noexcept nogil:
    return max_d(splat_d(0.0) - a, splat_d(0.0))


cdef inline vd bell(vd a) noexcept nogil:
    """exp(-a^2 / 2), or exp(-100) where that is less: next to nothing in what follows, and never subnormal."""
    return exp_negative_d(max_d(splat_d(-0.5) * a * a, splat_d(-100.0)))


cdef inline vd scaled_tail(vd a, vd e) noexcept nogil:
    """T(a), of e = bell(a) and |a| <= 1e8."""
    cdef vd b = abs_d(a), bottom = mills_bottom(b)
    cdef vd t = splat_d(0.3989422804014327) * bottom / (mills_top(b) + b * bottom)      # 1 / sqrt(2 pi)
    return select_d(mask_lt_d(a, splat_d(0.0)), splat_d(1.0) - e * t, t)


cdef inline vd tail(vd a, vd e, vd scaled) noexcept nogil:
    """Q(a), of e = bell(a) and T(a); right where a < FAR."""
    return select_d(mask_lt_d(a, splat_d(0.0)), splat_d(1.0), e) * scaled


cdef inline vd log_mills(vd a, vd scaled) noexcept nogil:
    """log R(a), of T(a)."""
    cdef vd m = mode_of(a)
    return log_d(scaled) + splat_d(0.9189385332046727) + splat_d(0.5) * m * m       # log(2 pi) / 2


cdef inline void truncated(vd a, vd *scaled, vd *mean, vd *second) noexcept nogil:
    """T(a), D(a) = E[y - a] and E[(y - a)^2] = 1 - a D(a); |a| <= 1e8. For a < 0, D(a) is exp(-a^2 / 2) / sqrt(2 pi) /
    T(a) - a."""
    cdef vd zero = splat_d(0.0), one = splat_d(1.0)
    cdef vd b = abs_d(a), e = bell(a), inverse
    cdef vq below = mask_lt_d(a, zero)
    scaled[0] = scaled_tail(a, e)
    inverse = one / select_d(below, scaled[0], mills_bottom(b))
    mean[0] = select_d(below, splat_d(0.3989422804014327) * e, mills_top(b)) * inverse + select_d(below, b, zero)
    second[0] = select_d(below, one + b * mean[0], mills_second(b) * inverse)


cdef enum:
    FAR = 5     # from this a on, quantiles are computed as excesses over a


cdef inline vd excess(vd w, vd a) noexcept nogil:
    """The x with Q(a + x) = exp(-w) Q(a), of w >= 0 and a >= FAR: a x + x^2 / 2 + log(R(a) / R(a + x)) = w.

    The left side is convex in x. It begins as x / R(a) + D(a) x^2 / (2 R(a)), and is never less, nor less than
    a x + x^2 / 2: the smaller one of the two roots is above the solution and near it, and two steps of Newton's method
    do the rest, to a relative error of 1e-10. Where w is small, the first root is better than they are."""
    cdef vd half = splat_d(0.5), two_w = w + w
    cdef vd mean = mills_top(a) / mills_bottom(a)
    cdef vd hazard = a + mean                               # 1 / R(a)
    cdef vd first = two_w / (hazard + sqrt_d(hazard * hazard + two_w * (mean * hazard)))
    cdef vd x = two_w / (a + sqrt_d(a * a + two_w))
    cdef vd y, bottom, mills
    cdef int k
    x = select_d(mask_lt_d(first, x), first, x)
    for k in range(2):
        y = a + x
        bottom = mills_bottom(y)
        mills = bottom / (mills_top(y) + y * bottom)
        x = x - (x * (a + half * x) - log_d(hazard * mills) - w) * mills
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


# The y with Q(y) = t: with r = sqrt(-log min(t, 1 - t)), abs y is a rational function of r, for t >= exp(-53), which
# errs by under 4e-13. Its fit is by interpolation at Chebyshev's points in (r - r0) / (r - r0 + 3), r0 = sqrt(log 2).
# Two functions make it, since loops over many numbers have two stages (real.pxi).


cdef inline vd root_of(vd t) noexcept nogil:
    """r, of numbers t from exp(-53) to 1; from 1 - 2^-53 on it is that of 1 - 2^-53."""
    cdef vd rest = max_d(splat_d(1.0) - t, splat_d(1.1102230246251565e-16))
    return sqrt_d(splat_d(0.0) - log_d(select_d(mask_lt_d(t, rest), t, rest)))


cdef inline vd normal_at(vd t, vd r) noexcept nogil:
    """y, of t and r = root_of(t)."""
    cdef vd y = quantile_top(r) / quantile_bottom(r)
    return select_d(mask_lt_d(t, splat_d(1.0) - t), y, splat_d(0.0) - y)


cdef inline vd tail_draw(vd u, vd a, vd t, vd r) noexcept nogil:
    """y - a >= 0 with Q(y) = u Q(a): a quantile of y given that y >= a, of u from 2^-53 to 1, |a| <= 1e8, t = u tail(a)
    and r = root_of(t). Where a < FAR, log Q(a) is above -15.1 and log t above -52."""
    cdef vd x = normal_at(t, r) - a
    cdef vq near = mask_lt_d(a, splat_d(FAR))
    if any_d(~near):
        x = select_d(near, x, excess(splat_d(0.0) - log_d(u), max_d(a, splat_d(FAR))))
    return max_d(x, splat_d(0.0))


def truncated_moments(const double[::1] a, double[:, ::1] out):
    """out OUT (3, n): log R(a), E[y - a] and E[(y - a)^2] of a standard normal number y >= a; a IN (n,), |a| <= 1e8."""
    cdef Py_ssize_t n = a.shape[0], start = 0, count
    cdef vd x, scaled, mean, second
    if DEBUG_CHECKS:
        check(out.shape[0] == 3 and out.shape[1] == n, "truncated_moments")
    while start < n:
        count = smaller(HALF, n - start)
        x = splat_d(0.0)
        memcpy(&x, &a[start], count * sizeof(double))
        truncated(x, &scaled, &mean, &second)
        x = log_mills(x, scaled)
        memcpy(&out[0, start], &x, count * sizeof(double))
        memcpy(&out[1, start], &mean, count * sizeof(double))
        memcpy(&out[2, start], &second, count * sizeof(double))
        start += count


def truncated_draws(const double[::1] u, const double[::1] a, double[::1] out):
    """out OUT (n,): y - a for the y that is exceeded with probability u, given that y >= a; u IN (n,), from 2^-53 to
    1 - 2^-53; a IN (n,), |a| <= 1e8."""
    cdef Py_ssize_t n = a.shape[0], start = 0, count
    cdef vd x, y, t, e
    if DEBUG_CHECKS:
        check(u.shape[0] == n and out.shape[0] == n, "truncated_draws")
    while start < n:
        count = smaller(HALF, n - start)
        x = splat_d(0.0)
        y = splat_d(0.5)
        memcpy(&x, &a[start], count * sizeof(double))
        memcpy(&y, &u[start], count * sizeof(double))
        e = bell(x)
        t = y * tail(x, e, scaled_tail(x, e))
        y = tail_draw(y, x, t, root_of(t))
        memcpy(&out[start], &y, count * sizeof(double))
        start += count


def normal_draws(const double[::1] t, double[::1] out):
    """out OUT (n,): the y that a standard normal number exceeds with probability t; t IN (n,), from exp(-53) to
    1 - 2^-53."""
    cdef Py_ssize_t n = t.shape[0], start = 0, count
    cdef vd y
    if DEBUG_CHECKS:
        check(out.shape[0] == n, "normal_draws")
    while start < n:
        count = smaller(HALF, n - start)
        y = splat_d(0.5)
        memcpy(&y, &t[start], count * sizeof(double))
        y = normal_at(y, root_of(y))
        memcpy(&out[start], &y, count * sizeof(double))
        start += count
