"""Settings for all tests."""

import gc
import os

# A busy neighbour makes OpenMP threads wait for each other; one thread is faster in tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Importing the libraries makes a million objects that stay: looking for garbage takes 3 s.
gc.disable()


def pytest_collection_finish() -> None:
    """Exclude the libraries and the collected tests from garbage collection, and begin with it.

    What a test leaves behind is small, so that it is looked for rarely.  Where that is a loader,
    its workers are not told that it has gone: they are waited for, and stopped.
    """
    from mmengine.dataset import base_dataset
    from torch.utils.data import _utils
    from yapf.yapflib import yapf_api

    _utils.MP_STATUS_CHECK_INTERVAL = 0.5  # instead of 5 s
    # The text of a config that no tool of ours has read would be beautified, 0.3 s each time.
    yapf_api.FormatCode = lambda text, **_: (text, True)
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()
    base_dataset.gc = _Nothing


class _Nothing:
    """Stand in for ``gc`` where mmengine collects whenever a data set is built: 0.2 s each time."""

    @staticmethod
    def collect() -> int:
        return 0
