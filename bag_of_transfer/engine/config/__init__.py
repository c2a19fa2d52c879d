"""Configs: read, changed by flags and knobs, and checked before anything is built."""
