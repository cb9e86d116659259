"""Attributions of signals beside bases, such as cuts."""
