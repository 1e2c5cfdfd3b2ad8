# Bernoulli units: 0 or 1, kept as the bit itself. U(x) = -b x, cgf(f) = softplus(f) = max(f, 0) + log(1 + exp(-|f|)).


cdef inline double bernoulli_value(bint bit) noexcept nogil:
    return 1.0 if bit else 0.0


cdef inline vi bernoulli_sent(vi acc, vi sums) noexcept nogil:
    return acc


cdef inline vf bernoulli_log_odds(vf field) noexcept nogil:
    return field


cdef inline vd bernoulli_log_odds_v(vd field) noexcept nogil:
    return field


cdef inline vd bernoulli_kink(vd log_odds) noexcept nogil:
    return max_d(log_odds, splat_d(0.0))
