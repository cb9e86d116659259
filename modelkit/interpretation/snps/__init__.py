"""What scores of bases say of variants there: how rare these are, and what they do in reporters."""
