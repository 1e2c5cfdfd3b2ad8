"""The unit types of two values, by name: a module with OFF, ON and kink for each."""

from __future__ import annotations

import numpy as np

from . import bernoulli, spin

UNITS = {"bernoulli": bernoulli, "spin": spin}


def step(unit):
    """How far apart the two values of a unit are."""
    return UNITS[unit].ON - UNITS[unit].OFF


def values(bits, unit):
    """What units that are on (1) and off (0) count for in the energy."""
    return UNITS[unit].OFF + step(unit) * np.asarray(bits, np.float64)
