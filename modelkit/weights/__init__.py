"""Released weights of others, as runs."""
