"""Fuzzing of every reader with seeded mutations; see `run.py`."""
