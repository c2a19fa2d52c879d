"""Intervals and tests: over seeds, and over the images of a test set."""
