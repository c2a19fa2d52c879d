"""A hook that records, in every process, the images of each step and its result."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.errors import UserError


@HOOKS.register_module()
class StepWitness(Hook):
    """Write records into the work dir; ``fail_on`` is the rank whose first step fails.

    ``witness_rank{R}.json``: per step the images (a hash of their pixels), the loss and the lr.
    ``validated_rank{R}.pt``: the state that this process validated last.
    """

    # Before any hook of the engine.
    priority = "VERY_HIGH"

    def __init__(self, fail_on: int | None = None) -> None:
        self.fail_on = fail_on
        self.steps: list[dict[str, Any]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        images = [
            hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in data_batch["inputs"]
        ]
        lr = runner.optim_wrapper.optimizer.param_groups[0]["lr"]
        self.steps.append({"images": images, "loss": float(outputs["loss"].detach()), "lr": lr})
        if self.fail_on == get_rank():
            raise UserError("this image is broken", "image.png", "mend it")

    def before_val_epoch(self, runner: Runner) -> None:
        network = runner.model.module if is_model_wrapper(runner.model) else runner.model
        path = Path(runner.work_dir, f"validated_rank{get_rank()}.pt")
        torch.save(network.state_dict(), path)

    def after_train(self, runner: Runner) -> None:
        path = Path(runner.work_dir, f"witness_rank{get_rank()}.json")
        path.write_text(json.dumps({"steps": self.steps}))
