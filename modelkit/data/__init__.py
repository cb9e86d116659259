"""Batches for training, from the data sets that kmerengine makes."""

from modelkit.data.loader import Batch, Loader

__all__ = ["Batch", "Loader"]
