"""Whole analyses of a paper, from files to tables and figures, by stages."""
