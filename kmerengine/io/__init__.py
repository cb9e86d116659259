"""Readers and writers of files. Other coordinate systems than 0-based half-open end here."""
