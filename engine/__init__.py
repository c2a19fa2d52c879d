"""How a run runs, for all three tasks: doors, precision, progress, records."""

import os

# Read when torch loads OpenMP, so import this package first.  Threads that spin while they wait
# take the core of the thread they wait for wherever another process wants it, too: with one busy
# neighbour on 2 cores a slim ResNet-18-D trains 12 times as fast with sleeping ones
# (benchmarks/waiting_threads.py, docs/results.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
