"""`kmerengine.simulate.simulate`, under its public name."""

from kmerengine._simulate import Simulation, simulate

__all__ = ["Simulation", "simulate"]
