"""What a base's change does to what models predict."""
