"""Gibbs sampling: half steps and sweeps, chains, tempering, population annealing, clamped units."""

from .annealing import Population, population_annealing
from .chains import Chains
from .tempering import TemperedChains

__all__ = ["Chains", "Population", "TemperedChains", "population_annealing"]
