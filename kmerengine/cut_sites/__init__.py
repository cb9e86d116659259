"""Tn5 cut sites: from reads to cuts per base, strand and sample."""
