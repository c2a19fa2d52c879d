"""What holds for all tests."""

import gc
import os

# A busy neighbour makes OpenMP threads wait for each other; one thread is faster in tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Let no collection of garbage walk over the libraries and the tests again.

    mmengine collects whenever a data set is built: half a second each time.
    """
    gc.freeze()
