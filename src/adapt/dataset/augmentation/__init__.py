"""Changed copies of training records."""
