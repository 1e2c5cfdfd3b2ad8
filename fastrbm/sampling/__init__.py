"""Gibbs sampling: half steps and sweeps, chains, tempering, paths, trajectories, population annealing, clamps."""

from .annealing import Population, population_annealing
from .chains import Chains
from .modes import mode_biases
from .path import Path
from .tempering import TemperedChains
from .trajectory import Trajectory

__all__ = [
    "Chains", "Path", "Population", "TemperedChains", "Trajectory", "mode_biases", "population_annealing",
]  # fmt: skip
