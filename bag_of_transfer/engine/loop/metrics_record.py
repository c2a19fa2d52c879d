"""What ``metrics.json`` says of a run: its metrics, and what they were measured with."""

import hashlib
import math
import platform
from collections.abc import Mapping
from importlib import metadata
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner

from bag_of_transfer.engine.cores import available_cores
from bag_of_transfer.engine.environment import UPSTREAM
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.loop.channels_last import KEY
from bag_of_transfer.engine.quantities import counted

__all__ = ["describe_run", "hardware", "left_out", "per_class", "plain_metrics", "versions"]

SCHEMA = 1
DISTRIBUTIONS = ("torch", "torchvision", "numpy", *UPSTREAM)


def hardware() -> str:
    """Return the name of the processor that does the work, and how many there are."""
    if torch.cuda.is_available():
        return f"{get_world_size()} x {torch.cuda.get_device_name()}"
    return f"{counted(available_cores(), 'core')} {_cpu_name()}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    numbers = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def per_class(evaluator: Evaluator | None) -> dict[str, float]:
    """Return the metrics per class, in percent; empty without an evaluator."""
    values: dict[str, float] = {}
    for metric in evaluator.metrics if evaluator else ():
        stated = getattr(metric, "per_class", {})
        values.update(stated if isinstance(stated, Mapping) else {})
    return {name: round(value, 4) for name, value in plain_metrics(values).items()}


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are single numbers, as float.

    Metrics of others' classes may also be numbers of NumPy's, tensors, lists, texts and the like.
    """
    plain = {name: _number(value) for name, value in metrics.items()}
    return {name: value for name, value in plain.items() if value is not None}


def left_out(metrics: Mapping[str, Any]) -> str:
    """Return a line that names what :func:`plain_metrics` leaves out; empty if it is nothing."""
    names = ", ".join(name for name in metrics if name not in plain_metrics(metrics))
    return f"metrics: not in the records, as they are no single numbers: {names}" if names else ""


def _number(value: Any) -> float | None:
    if isinstance(value, np.ndarray | torch.Tensor) and math.prod(value.shape) == 1:
        value = value.item()
    return float(value) if isinstance(value, Real) else None


def describe_run(
    runner: Runner,
    *,
    split: str | None,
    num_images: int,
    metrics: Mapping[str, Any],
    by_class: dict[str, float],
    checkpoint: Path | None,
    seconds: float,
    img_per_s: float,
    minutes_per_epoch: float | None,
    peak: dict[str, Any],
) -> dict[str, Any]:
    """Return the contents of ``metrics.json`` (see docs/files.md); metrics are in percent.

    ``split`` is None and ``by_class``, of :func:`per_class`, empty where nothing was evaluated.
    ``peak`` is what :func:`peak_memory` returned.
    """
    backbone = runner.cfg.get("backbone_file") or {}
    return {
        "schema": SCHEMA,
        "task": runner.cfg.get("task"),
        "split": split,
        "num_images": num_images,
        "metrics": {key: round(value, 4) for key, value in plain_metrics(metrics).items()},
        "per_class": by_class,
        "config_sha256": hashlib.sha256(runner.cfg.pretty_text.encode()).hexdigest(),
        "checkpoint_sha256": sha256_of(checkpoint) if checkpoint else None,
        "backbone_sha256": backbone.get("sha256"),
        "seed": runner.seed,
        "seconds": round(seconds, 2),
        "img_per_s": round(img_per_s, 2),
        "minutes_per_epoch": None if minutes_per_epoch is None else round(minutes_per_epoch, 4),
        "peak_memory": peak,
        "channels_last": runner.cfg.get(KEY),
        "hardware": hardware(),
        "versions": versions(),
    }
