"""Gapped k-mers: vocabularies, counting, and counts on disk."""
