"""How a run runs, for all three tasks: doors, precision, progress, records."""

import os

# Read when torch loads OpenMP, so import this package first.  Threads that spin while they wait
# take the core of the thread they wait for wherever another process wants it, too.  Sleeping ones
# are at least twice as fast beside a busy process, and slower alone: docs/results.md has both.
# OMP_WAIT_POLICY=ACTIVE in the environment takes it back.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
