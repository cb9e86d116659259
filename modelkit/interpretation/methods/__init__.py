"""What each base did to an output: the methods, in memory."""
