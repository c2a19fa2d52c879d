"""Run the cells of a ladder: in order, in processes, on Ray or SLURM; without losing work."""
