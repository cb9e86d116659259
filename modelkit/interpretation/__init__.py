"""Which bases a trained model goes by, and what they say."""
