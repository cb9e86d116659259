"""Attributions of a data set's examples, on disk."""
