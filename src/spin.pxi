# Spins: -1 or 1, kept as the bit that is on for 1. U(s) = -b s, cgf(f) = log(2 cosh f) = |f| + log(1 + exp(-2 |f|)).
# All that follows from a field changes only its sign with it, to the last bit: a model without biases is symmetric.


cdef inline double spin_value(bint bit) noexcept nogil:
    return 1.0 if bit else -1.0


cdef inline vi spin_sent(vi acc, vi sums) noexcept nogil:
    return acc - (sums - acc)   # on less off: each of them, and what comes out, is at most the sum of all sizes


cdef inline vf spin_log_odds(vf field) noexcept nogil:
    return field + field


cdef inline vd spin_log_odds_v(vd field) noexcept nogil:
    return field + field


cdef inline vd spin_kink(vd log_odds) noexcept nogil:
    return abs_d(log_odds) * splat_d(0.5)
