"""What a motif by itself does to what models predict."""
