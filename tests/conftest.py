"""Settings for all tests."""

import gc
import os

# A busy neighbour makes OpenMP threads wait for each other; one thread is faster in tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Exclude the libraries and the collected tests from garbage collection.

    mmengine collects garbage whenever a data set is built, which takes half a second otherwise.
    """
    gc.freeze()
