"""Fit a config to a backbone file."""
