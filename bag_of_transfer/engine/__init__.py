"""How a run runs, for all three tasks: doors, precision, progress, records."""
