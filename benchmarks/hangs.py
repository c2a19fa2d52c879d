"""What watching loaders costs, and the seconds until a run says that something hangs or is lost."""

import argparse
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import torch
from mmengine.runner import Runner
from torch.distributed import TCPStore
from torch.utils.data import Dataset

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.lost_process import watch_processes
from bag_of_transfer.engine.run.loader_watch import NO_SIGN_S, build_loader, watching_loaders
from rounds import compare

BATCHES = 5_000


class Ready(Dataset):
    """Images that cost nothing; at one of them something is done."""

    def __init__(self, length: int, do: Callable[[], object] = int) -> None:
        self._length, self._do = length, do

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        if index == self._length - 1:
            self._do()
        return index


def described(dataset: Dataset, workers: int, batch: int) -> dict:
    """Return the config of a loader."""
    sampler = {"type": "DefaultSampler", "shuffle": False}
    collate = {"type": "pseudo_collate"}
    stated = {"dataset": dataset, "sampler": sampler, "collate_fn": collate}
    return {**stated, "batch_size": batch, "num_workers": workers}


def cost(batch: int) -> None:
    """Compare a loader of this process with mmengine's."""
    data = described(Ready(BATCHES * batch), 0, batch)
    stock, ours = Runner.build_dataloader(dict(data)), build_loader(data)
    ways = {"mmengine's loader": lambda: sum(1 for _ in stock), "watched": lambda: watched(ours)}
    found = compare(
        f"{BATCHES} batches of {batch}, loaded by this process",
        ways,
        rounds=7,
        work=BATCHES,
        unit="batch",
        clock="cpu",
    )
    reference, _, way = found.ways
    more = sorted(b - a for a, b in zip(reference.seconds, way.seconds, strict=True))
    print(f"{1e6 * more[len(more) // 2] / BATCHES:.2f} us more per batch")


def watched(loader: object) -> int:
    """Go through a loader as a run does."""
    with watching_loaders():
        return sum(1 for _ in loader)  # type: ignore[attr-defined]


def wait() -> None:
    """Hang as at a lock that nobody gives back."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def in_a_loader(workers: int, do: Callable[[], object], seconds: float) -> int:
    """Load until the last image does what it does; return the exit code."""
    stated = {**described(Ready(4, do), workers, 2), "timeout": seconds}
    return run_tool(lambda argv: watched(build_loader(stated)), [])


def in_a_group(rank: int, port: int, number: int, seconds: float) -> None:
    """Add up numbers with another process, which sends itself a signal."""

    def main(argv: object) -> int:
        store = TCPStore("localhost", port, 3, is_master=False)
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2, store=store)
        watch_processes(seconds)
        for step in range(100):
            if (rank, step) == (1, 3):
                os.kill(os.getpid(), number)
            torch.distributed.all_reduce(torch.ones(2))
        return 0

    os._exit(run_tool(main, []))


def without_another(number: int, seconds: float) -> int:
    """Lose the second of two processes; return the exit code of the first."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    store = TCPStore("localhost", port, 3, is_master=True, wait_for_workers=False)
    fork = multiprocessing.get_context("fork")
    given = (port, number, seconds)
    both = [fork.Process(target=in_a_group, args=(rank, *given), daemon=True) for rank in (0, 1)]
    for one in both:
        one.start()
    both[0].join()
    both[1].kill()
    del store
    return both[0].exitcode or 0


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-cost", action="store_true")
    parser.add_argument("--timeout", type=float, default=NO_SIGN_S)
    args = parser.parse_args()
    seconds = args.timeout
    kill = signal.SIGKILL
    kinds: dict[str, Callable[[], int]] = {
        "a process is killed": lambda: without_another(kill, seconds),
        "a process is stopped": lambda: without_another(signal.SIGSTOP, seconds),
        "a worker is killed": lambda: in_a_loader(1, lambda: os.kill(os.getpid(), kill), seconds),
        "a worker hangs": lambda: in_a_loader(1, wait, seconds),
        "the process hangs": lambda: in_a_loader(0, wait, seconds),
    }
    for name, run in kinds.items() if not args.only_cost else ():
        begun = time.perf_counter()
        code = run()
        print(f"{name}: {time.perf_counter() - begun:.1f} s, exit code {code}", flush=True)
    for batch in (1, 32):
        cost(batch)


if __name__ == "__main__":
    main()
