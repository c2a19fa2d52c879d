"""Checkpoints and weight files: written whole, read as data without running code."""
