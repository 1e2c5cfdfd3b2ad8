"""Gibbs sampling: half steps and sweeps, chains, tempering, paths, population annealing, clamped units."""

from .annealing import Population, population_annealing
from .chains import Chains
from .modes import mode_biases
from .path import Path
from .tempering import TemperedChains

__all__ = ["Chains", "Path", "Population", "TemperedChains", "mode_biases", "population_annealing"]
