"""``--dry-run``: go as far as the first step, print what would happen, and stop."""

import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.progress import counts_epochs

__all__ = ["ESTIMATE", "DryRun", "DryRunDone", "frozen_parts"]

# In the work dir's folder .dry_run: iterations, seconds_per_iteration, batch_size, val_images (of
# all validations together), parameters.
ESTIMATE = "estimate.json"
# One batch to warm up (memory, choice of kernels), then enough batches for a rough rate.
WARM_UP, TIMED = 1, 3


class DryRunDone(Exception):
    """Raised in place of the first training step."""


def frozen_parts(model: nn.Module) -> dict[str, int]:
    """Count the frozen parameters per child of the network's parts (``backbone.layer1``)."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            part = ".".join(name.split(".")[:2])
            counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


@HOOKS.register_module()
class DryRun(Hook):
    """Report on the very objects that training would use, after weights were loaded."""

    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        """Print frozen parts, lr and time; end the run.

        Raises:
            DryRunDone: Always.
        """
        model = runner.model
        frozen = frozen_parts(model)
        total = sum(parameter.numel() for parameter in model.parameters())
        parts = ", ".join(f"{name} ({count:,})" for name, count in frozen.items()) or "none"
        print_log(f"parameters: {total:,}; frozen: {parts}", logger="current")
        seconds = _seconds_per_iteration(runner)
        iterations = runner.max_iters - runner.iter
        estimate = {
            "iterations": iterations,
            "seconds_per_iteration": seconds,
            "batch_size": runner.cfg.train_dataloader.batch_size,
            "val_images": _val_images(runner),
            "parameters": total,
        }
        if is_main_process():
            write_json(Path(runner.work_dir, ESTIMATE), estimate)
        print_log(
            f"training would take about {iterations * seconds / 60:.1f} min: {iterations} "
            f"iterations of {seconds:.3f} s, without validation; nothing was trained",
            logger="current",
        )
        raise DryRunDone


def _val_images(runner: Runner) -> int:
    """Return how many images all validations of the training see together."""
    if runner.val_loop is None:
        return 0
    loop = runner.train_loop
    length = loop.max_epochs if counts_epochs(runner) else loop.max_iters
    times = max(1, length // loop.val_interval)
    return times * len(runner.val_loop.dataloader.dataset)


def _seconds_per_iteration(runner: Runner) -> float:
    """Time forward and backward passes on real batches; weights stay as they are."""
    batches = iter(runner.train_dataloader)
    started = time.perf_counter()
    counted = 0
    for step in range(WARM_UP + TIMED):
        batch = next(batches, None)
        if batch is None:
            break
        if step == WARM_UP:
            started, counted = time.perf_counter(), 0
        _forward_backward(runner, batch)
        counted += 1
    return (time.perf_counter() - started) / max(counted, 1)


def _forward_backward(runner: Runner, batch: Any) -> None:
    model = getattr(runner.model, "module", runner.model)  # out of DDP's wrapper
    model.train()
    with runner.optim_wrapper.optim_context(model):
        data = model.data_preprocessor(batch, True)
        losses = model(**data, mode="loss") if isinstance(data, dict) else model(*data, mode="loss")
        loss, _ = model.parse_losses(losses)
    loss.backward()
    model.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
