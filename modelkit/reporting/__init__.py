"""One page about a run: what it learnt from, how well, and what it looks at."""
