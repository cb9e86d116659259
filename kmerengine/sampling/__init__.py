"""Negatives matched to positives: what `kmerengine sample` stands on."""
