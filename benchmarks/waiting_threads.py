"""How fast a slim ResNet-18-D trains beside a busy process, by the way OpenMP threads wait.

Command:   python benchmarks/waiting_threads.py
Prints images per second (forward and backward, 48 px, batch 32, all cores as threads) for
spinning and for sleeping threads, alone and beside one busy process, in turn.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS, ROUNDS = 6, 3
TRAIN = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import torch
from backbones import ResNetD
torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
net = ResNetD(depth=18, base_channels=32, stem_channels=32).train()
net = net.to(memory_format=torch.channels_last)
images = torch.rand(32, 3, 48, 48).contiguous(memory_format=torch.channels_last)
net(images)[-1].mean().backward()
started, count = time.perf_counter(), 0
while time.perf_counter() - started < {SECONDS}:
    net(images)[-1].mean().backward()
    count += 32
print(count / (time.perf_counter() - started))
"""


def rate(policy: str) -> float:
    """Train for some seconds in a process of its own; images per second."""
    env = {**os.environ, "OMP_WAIT_POLICY": policy}
    run = subprocess.run(
        [sys.executable, "-c", TRAIN], env=env, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def main() -> None:
    """Measure in turn, so that a drift of the machine hits all alike."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for neighbour in (False, True):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if neighbour else None
        try:
            for _ in range(ROUNDS):
                rates = {policy: rate(policy) for policy in ("ACTIVE", "PASSIVE")}
                told = ", ".join(f"{name.lower()} {value:.0f}" for name, value in rates.items())
                ratio = rates["PASSIVE"] / rates["ACTIVE"]
                print(f"{'busy' if neighbour else 'alone'}: {told} img/s, ratio {ratio:.2f}")
        finally:
            if busy:
                busy.kill()


if __name__ == "__main__":
    main()
