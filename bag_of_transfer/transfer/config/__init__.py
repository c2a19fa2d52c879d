"""Change a config so that it fits a backbone file, and check that it does."""
