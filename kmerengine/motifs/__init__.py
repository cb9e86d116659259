"""Motifs, and where they occur."""
