"""Importing this module leaves a trace; nothing but a gadget of a test would."""

from pathlib import Path

Path("made_by_a_gadget").mkdir(exist_ok=True)
