"""Models of regulatory DNA on the data sets that kmerengine makes."""
