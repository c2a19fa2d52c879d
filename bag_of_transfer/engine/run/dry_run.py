"""``--dry-run``: go as far as the first step, print what would happen, and stop."""

from contextlib import AbstractContextManager
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.cli import running_s
from bag_of_transfer.engine.data.image_scan import limited_scans, num_glanced
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.engine.run.rates import forward_of, step_of
from bag_of_transfer.engine.run.step_timing import StepTime, time_steps

__all__ = ["ESTIMATE", "DryRun", "DryRunDone", "frozen_parts", "short_scans", "val_images"]

# In the work dir's folder .dry_run: iterations, seconds_per_iteration, batch_size, val_images (of
# all validations together), parameters.
ESTIMATE = "estimate.json"
ANSWER_S = 27.0  # of the tool's time, after which the answer is due
SCAN_S = 3.0  # for decoding images and masks, of which a training decodes all
TIMING_S, LEAST_S = 15.0, 3.0  # for the steps: most, and least where all before was slow


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
        left = num_glanced()
        if left:
            what = f"data: of {left} files only the header was read; a training decodes all"
            print_log(what, logger="current")
        timed = _time(runner)
        iterations = runner.max_iters - runner.iter
        estimate = {
            "iterations": iterations,
            "seconds_per_iteration": timed.seconds,
            "batch_size": runner.cfg.train_dataloader.batch_size,
            "val_images": val_images(runner),
            "parameters": total,
        }
        if is_main_process():
            write_json(Path(runner.work_dir, ESTIMATE), estimate)
        print_log(
            f"training would take about {duration(iterations * timed.seconds)}: {iterations} "
            f"iterations of {duration(timed.seconds)}{timed.note}, without validation; nothing "
            "was trained",
            logger="current",
        )
        raise DryRunDone


def short_scans(dry_run: bool) -> AbstractContextManager[None]:
    """Return a context in which a dry run decodes only as many files as there is time for."""
    return limited_scans(SCAN_S if dry_run else None)


def val_images(runner: Runner) -> int:
    """Return how many images all validations of the training see together."""
    if runner.val_loop is None:
        return 0
    loop = runner.train_loop
    length = loop.max_epochs if counts_epochs(runner) else loop.max_iters
    times = max(1, length // loop.val_interval)
    return times * len(runner.val_loop.dataloader.dataset)


def _time(runner: Runner) -> StepTime:
    """Time steps on real batches, with the loading of them; weights stay as they are."""
    seconds = min(TIMING_S, max(LEAST_S, ANSWER_S - running_s()))
    return time_steps(
        runner.train_dataloader,
        step_of(runner),
        forward_of(runner),
        seconds,
        on_gpu=next(runner.model.parameters()).is_cuda,
        compiled=bool(runner.cfg.get("compile")),
    )
