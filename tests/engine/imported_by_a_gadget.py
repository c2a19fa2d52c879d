"""Importing this module leaves a trace; only a gadget of a test imports it."""

from pathlib import Path

Path("made_by_a_gadget").mkdir(exist_ok=True)
