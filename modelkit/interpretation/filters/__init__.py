"""What the filters of a network's first layer look for, and which known motifs they are."""
