"""Cuts of regions, base by base, and their totals across samples."""
