"""How a run runs, for all three tasks: command line, config, checks, progress, records."""
