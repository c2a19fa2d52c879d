"""A config made to fit a backbone file."""
