"""Models that are no networks, for comparison: k-mer sets."""
