"""Memory that a step frees stays with the process, so that the next one has it without faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAP = Path(__file__).parents[2] / "bag_of_transfer/engine/loop/heap.py"
# Three blocks of 40 MB are freed and taken again, ten times; a fault brings a page of 4 kB.
STEPS = """
import resource, runpy, sys
if sys.argv[1:]:
    print(runpy.run_path(sys.argv[1])["keep_freed_memory"]())
for step in range(11):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [b"x" * (40 << 20) for _ in range(3)]
    del blocks
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""
IN_ENVIRONMENT = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")

pytestmark = pytest.mark.skipif("glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="no glibc")


def lines_of(*argv: str, **environment: str) -> list[str]:
    left = {name: value for name, value in os.environ.items() if name not in IN_ENVIRONMENT}
    command = [sys.executable, "-I", "-c", STEPS, *argv]
    ran = subprocess.run(command, env={**left, **environment}, capture_output=True, check=True)
    return ran.stdout.decode().split()


def test_what_a_step_freed_serves_the_next_one() -> None:
    (without,) = lines_of()
    kept, faults = lines_of(str(HEAP))
    assert kept == "True"
    assert int(without) > 10_000
    assert int(faults) < 1_000


@pytest.mark.parametrize("name", IN_ENVIRONMENT)
def test_what_the_user_set_stays(name: str) -> None:
    kept, _ = lines_of(str(HEAP), **{name: "1000000"})
    assert kept == "False"
