"""Fixtures shared by all tests."""

import os

# A busy neighbour makes OpenMP threads wait for each other; one thread is faster in tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
