"""Gibbs sampling: sweeps, chains, tempering, annealing, clamps."""
