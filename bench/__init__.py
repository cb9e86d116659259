"""Benchmarks: whole processes, side by side in one run, agreement checked before anything is timed.

`python -m bench.count` measures and appends to `results/`; `python -m bench.table` writes the
README's table from there; `python -m bench.targets` compares the results with the speeds asked for.
"""
