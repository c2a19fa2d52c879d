"""The memory of a training step is that of its network, whichever way is measured first."""

import numpy as np

from train_step import first_steps

MB = 2**20


def test_what_the_first_network_leaves_for_all_is_not_its_memory():
    left = []

    def make():
        if not left:
            left.append(np.ones(96 * MB, np.uint8))
        network = np.ones(32 * MB, np.uint8)
        return network.sum

    peaks = [first_steps(make)[1] for _ in range(2)]
    assert all(32 <= peak < 64 for peak in peaks)
