"""How many cores a process may use."""

import os

import pytest

from bag_of_transfer.engine import cores
from bag_of_transfer.engine.cores import available_cores


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        (400_000, 100_000, 4),
        (250_000, 100_000, 2),
        (50_000, 100_000, 1),  # half a core
        (2_000_000, 100_000, 8),  # more than the process may run on
        ("max", 100_000, 8),  # as version 2 says that there is no limit
        (-1, 100_000, 8),  # as version 1 does
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_has_as_many_cores_as_its_time_allows(
    monkeypatch, tmp_path, quota, period, expected, version
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    files = [(tmp_path / "cpu.max",), (tmp_path / "quota", tmp_path / "period")]
    monkeypatch.setattr(cores, "CGROUP_TIMES", files)
    assert available_cores() == 8  # no such files
    if version == 2:
        (tmp_path / "cpu.max").write_text(f"{quota} {period}\n")
    else:
        (tmp_path / "quota").write_text(f"{quota}\n")
        (tmp_path / "period").write_text(f"{period}\n")
    assert available_cores() == expected
