# The unit types of two values: every question that the kernels ask a type, answered once for each. A type's own file
# has its arithmetic; this file only lists the types.
#
# A unit is kept as a bit; value(bit) is what it counts for in the energy. A layer that sends adds to the field of a
# unit of the other one sum_i W_i value(bit_i) = 2^-e times an integer; the log odds of a unit's two values follow from
# its field; and its cumulant generating function is kink(log odds) + log(1 + exp(-|log odds|)).
#
# All units of a layer are of one type, which the kernels hand on to these functions.

cdef enum:
    BERNOULLI = 0
    SPIN = 1

include "bernoulli.pxi"
include "spin.pxi"

UNITS = {"bernoulli": BERNOULLI, "spin": SPIN}


cdef inline double value_of(int unit, bint bit) noexcept nogil:
    """What a unit of this type counts for in the energy."""
    return spin_value(bit) if unit == SPIN else bernoulli_value(bit)


cdef inline double value_step(int unit) noexcept nogil:
    """How far apart the two values are."""
    return value_of(unit, True) - value_of(unit, False)


cdef inline bint takes_sums(int sent) noexcept nogil:
    """Whether what units of this type send depends on the sums of all the weights of a unit that receives."""
    return value_of(sent, False) != 0.0


cdef inline vi sent_by(int sent, vi acc, vi sums) noexcept nogil:
    """sum_i Q_i value(bit_i), from acc, which is the sum of Q_i over the bits that are on, and sums, that over all."""
    return spin_sent(acc, sums) if sent == SPIN else bernoulli_sent(acc, sums)


cdef inline double sent_by_d(int sent, double acc, double sums) noexcept nogil:
    """sent_by of integers that float64 holds exactly."""
    return value_step(sent) * acc + value_of(sent, False) * sums


cdef inline vf log_odds(int unit, vf field) noexcept nogil:
    return spin_log_odds(field) if unit == SPIN else bernoulli_log_odds(field)


cdef inline double log_odds_d(int unit, double field) noexcept nogil:
    return value_step(unit) * field


cdef inline vd log_odds_v(int unit, vd field) noexcept nogil:
    return spin_log_odds_v(field) if unit == SPIN else bernoulli_log_odds_v(field)


cdef inline vd kink(int unit, vd log_odds) noexcept nogil:
    """The cumulant generating function without log(1 + exp(-|log odds|))."""
    return spin_kink(log_odds) if unit == SPIN else bernoulli_kink(log_odds)
