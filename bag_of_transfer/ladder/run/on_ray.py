"""Run a ladder's cells as tasks of a Ray cluster, whose nodes share a file system.

Each task runs ``tools/ladder.py CONFIG --cell KEY``, so that a cell is the same everywhere.
"""

import logging
import math
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.arguments import check_count
from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run import ray_task, status
from bag_of_transfer.ladder.run.schedule import STOPPED_S, Outcome, cells_to_run, run_in_order

__all__ = ["Share", "connected", "resources", "run_on_ray", "share_of_a_cell"]

ASKED_S = 20  # time for the cluster's first node to accept a connection
ANSWER_S = 300  # time for a node to answer: starting its first worker may take minutes
LOOK = "put repository and ladder on a file system that all nodes share, under the same path"


@dataclass(frozen=True)
class Share:
    """What one cell takes of a node: whole cores, and GPUs or a part of one."""

    cpus: int
    gpus: float


def share_of_a_cell(
    nodes: Sequence[Mapping[str, float]], cpus: int | None = None, gpus: float | None = None
) -> Share:
    """Return what a cell gets: a GPU and its share of the cores, or a whole node without GPU.

    Args:
        nodes: Resources of the nodes as Ray names them, ``CPU`` and ``GPU``.
        cpus: Number of cores instead, 1 or more.
        gpus: Number of GPUs instead; above 1 a whole number.

    Raises:
        UserError: If no node has that many, or a number is out of its range.
    """
    check_count(cpus, "--cpus-per-cell")
    if gpus is not None and (not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus))):
        mend = "give a part of one GPU, or a whole number"
        raise UserError(f"{gpus:g} is not a valid number", "--gpus-per-cell", mend)
    if gpus is None:
        gpus = 1 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0
    fitting = [
        node
        for node in nodes
        if node.get("GPU", 0) >= gpus and node.get("CPU", 0) >= max(1, cpus or 1)
    ]
    if not fitting:
        wanted = f"{cpus or 1} cores and {gpus:g} GPUs"
        mend = "give --cpus-per-cell and --gpus-per-cell that a node has"
        raise UserError(f"no node has {wanted}", "the Ray cluster", mend)
    if cpus is None:
        at_once = [math.floor(node["GPU"] / gpus) if gpus else 1 for node in fitting]
        cpus = min(int(node["CPU"]) // n for node, n in zip(fitting, at_once, strict=True))
    return Share(max(1, cpus), gpus)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield Ray's module, connected to a running cluster.

    Args:
        address: ``HOST:PORT`` of the cluster's first node, or ``auto`` for the one on this machine.

    Raises:
        UserError: If Ray is not installed, or no cluster answers.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        import ray
    except ImportError as error:
        mend = "pip install ray, here and on all nodes"
        raise UserError("Ray is not installed", "--ray", mend) from error
    try:
        if address != "auto":
            _answers(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        mend = "start one: ray start --head; on other nodes: ray start --address=HOST:6379"
        what = f"cannot connect to a Ray cluster ({reason})"
        raise UserError(what, f"--ray {address}", mend) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's handler would change our exit code
    ray.cloudpickle.register_pickle_by_value(ray_task)
    try:
        yield ray
    finally:
        ray.shutdown()


def _answers(address: str) -> None:
    """Check within seconds that the cluster answers; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "://" in host:
        raise ValueError("give HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), ASKED_S).close()


def run_on_ray(
    ray: Any,
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    command: Sequence[str],
    *,
    share: Share,
    jobs: int | None = None,
    max_minutes: float | None = None,
    since: float | None = None,
    failed: Mapping[str, int] | None = None,
) -> Outcome:
    """Run the cells that are not done, as ``schedule.run_in_order`` says.

    Args:
        ray: Of :func:`connected`.
        cells: Of :func:`bag_of_transfer.ladder.plan.cells.plan`.
        before: Of :func:`bag_of_transfer.ladder.run.status.survey`.
        command: Arguments of Python that run a cell, up to ``--cell``.
        share: What each cell gets.
        jobs: Largest number of cells at once; None: as many as the cluster has room for.
        max_minutes: Stop this long after ``since``.
        since: See ``schedule.run_in_order``.
        failed: See ``schedule.cells_to_run``.

    Raises:
        UserError: If a node does not see the ladder's folder or the repository.
    """
    waiting, outcome = cells_to_run(cells, before, failed)
    if not waiting:
        return outcome
    with _marked(cells[0].root) as (marker, token):
        nodes = [node for node in _alive(ray) if node["Resources"].get("CPU", 0) >= 1]
        _refuse_blind(ray, nodes, (marker, token, (command[0], os.getcwd())))
        gpus = f" and {share.gpus:g} GPUs" if share.gpus else ""
        print(
            f"{counted(len(nodes), 'node')}; a cell gets {counted(share.cpus, 'core')}{gpus}",
            flush=True,
        )
        tasks = _Tasks(ray, cells[0].root, command, share, jobs)
        return run_in_order(cells, before, tasks, max_minutes, since, failed)


def resources(ray: Any) -> list[dict[str, float]]:
    """Return the resources of the cluster's nodes, among them ``CPU`` and ``GPU``."""
    return [node["Resources"] for node in _alive(ray)]


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


@contextmanager
def _marked(root: Path) -> Iterator[tuple[str, str]]:
    token = secrets.token_hex(8)
    marker = Path.cwd() / root / f".marker-{token}"
    write_text(marker, token)
    try:
        yield str(marker), token
    finally:
        marker.unlink(missing_ok=True)


def _refuse_blind(ray: Any, nodes: Sequence[Mapping[str, Any]], asked: tuple[Any, ...]) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(ray_task.look)
    answers = {}
    for node in nodes:
        affinity = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        name = f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"
        answers[name] = look.options(num_cpus=0, scheduling_strategy=affinity).remote(*asked)
    for name, answer in answers.items():
        try:
            unseen = ray.get(answer, timeout=ANSWER_S)
        except ray.exceptions.RayError as error:
            raise UserError(
                f"node {name} does not answer", "the Ray cluster", str(error)
            ) from error
        if unseen:
            raise UserError(f"node {name} does not see this path", unseen, LOOK)


class _Tasks:
    """Tasks of a Ray cluster, one per cell; Ray decides where and when each runs."""

    def __init__(
        self, ray: Any, root: Path, command: Sequence[str], share: Share, jobs: int | None
    ) -> None:
        self.remote = ray.remote(ray_task.cell_task)
        self.ray, self.root, self.command, self.share = ray, root, command, share
        self.jobs = jobs
        self.running: dict[Future[dict[str, Any]], tuple[str, Any]] = {}

    def has_room(self) -> bool:
        return self.jobs is None or len(self.running) < self.jobs

    def start(self, cell: Cell, resume: bool) -> None:
        """Hand a cell to Ray; its process finds out by itself where to continue."""
        log = Path.cwd() / self.root / "ray" / f"{cell.key.replace('/', '_')}.log"
        task = self.remote.options(
            name=cell.key,
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            scheduling_strategy="SPREAD",
            max_retries=0,  # if a task loses its worker, the next call continues the cell
        )
        ref = task.remote(
            (*self.command, "--cell", cell.key),
            folder=os.getcwd(),
            data_root=os.environ.get("DATA_ROOT"),
            log=str(log),
            num_cores=self.share.cpus,
            stop_s=1.5 * STOPPED_S,  # the cell's own processes have STOPPED_S
        )
        self.running[ref.future()] = (cell.key, ref)

    def wait(self, seconds: float) -> dict[str, int]:
        # Not ray.wait, which swallows what a handler of SIGTERM raises.
        ended, _ = wait(self.running, seconds, FIRST_COMPLETED)
        return dict(self._code(future) for future in ended)

    def _code(self, future: "Future[dict[str, Any]]") -> tuple[str, int]:
        key, _ = self.running.pop(future)
        error = future.exception()
        if error is not None:
            print(f"{key}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return key, 1
        report = future.result()
        print(f"{key}: {report['reason'] or 'ended'} (on {report['node']})", flush=True)
        return key, report["code"]

    def stop(self) -> None:
        for _, ref in self.running.values():
            self.ray.cancel(ref)
        _, left = wait(self.running, 2 * STOPPED_S)
        for future in left:
            self.ray.cancel(self.running[future][1], force=True)
