"""From attributions to seqlets, motifs and their names."""
