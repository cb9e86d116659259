"""What the topics of a topic model are: their proportions, k-mers, motifs and factors."""
