"""How cells run: in order, in processes, on Ray or SLURM; never losing work."""
