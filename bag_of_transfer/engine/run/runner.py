"""Build a Runner that shows on screen only what matters to a user; its log file keeps all."""

import itertools
import os
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.config.mistakes import building
from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.data.data_sets import data_mistakes, leave_imports_uncollected
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import hush, say_once_that_lines_are_lost
from bag_of_transfer.engine.loop.channels_last import choose_channels_last, lay_out
from bag_of_transfer.engine.loop.draws import draw_by_index, note_draws
from bag_of_transfer.engine.loop.own_parts import own, own_loop
from bag_of_transfer.engine.run.compiling import compile_backbone
from bag_of_transfer.engine.run.loader_watch import build_loader, name_loader, watching_loaders
from bag_of_transfer.engine.tasks import find_task

__all__ = ["build_runner"]

DRAWING = "VisualizationHook"  # how the names of mmdet's and mmseg's hooks that draw end

WRAPPER = "MMDistributedDataParallel"  # mmengine's own choice

_count = itertools.count()


class _Runner(Runner):
    """A Runner of our own parts that reports in one line what cannot be built, also if late."""

    _train_dataloader: Any

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build a loader, or report in one line what is wrong with a split's data."""
        leave_imports_uncollected()
        with data_mistakes(dataloader.get("dataset") if isinstance(dataloader, dict) else None):
            return build_loader(dataloader, *args, **kwargs)

    def train(self) -> nn.Module:
        with watching_loaders():
            return super().train()

    def val(self) -> dict:
        with watching_loaders():
            return super().val()

    def test(self) -> dict:
        with watching_loaders():
            return super().test()

    def train_on(self, train_set: Any) -> None:
        """Train on a data set that is built already; the config keeps its description."""
        # mmengine copies the loader's config, but no function in it.
        described = dict(type=lambda: train_set)
        self._train_dataloader = dict(self._train_dataloader, dataset=described)

    def register_hook(self, hook: Any, priority: Any = None) -> None:
        super().register_hook(own(hook), priority)

    def build_train_loop(self, loop: Any) -> Any:
        stated = self.cfg.get("draws")  # of the answers of a teacher
        draws = stated or {"seed": self.seed}
        self._train_dataloader = draw_by_index(self._train_dataloader, **draws)
        with building("train_cfg", self.cfg):
            built = super().build_train_loop(own_loop(loop))
        name_loader(built.dataloader, "train_dataloader")
        if stated:
            note_draws(self.message_hub, **stated, num_iters=len(built.dataloader))
        return built

    def another_train_loader(self, described: Any) -> Any:
        """Build a second loader of the run's training data and draws, of another description."""
        kept = ("dataset", "sampler", "generator")
        given = {name: self._train_dataloader[name] for name in kept}
        return self.build_dataloader({**described, **given}, seed=self.seed)

    def build_val_loop(self, loop: Any) -> Any:
        with building("val_cfg", self.cfg):
            built = super().build_val_loop(loop)
        name_loader(built.dataloader, "val_dataloader")
        return built

    def build_test_loop(self, loop: Any) -> Any:
        with building("test_cfg", self.cfg):
            built = super().build_test_loop(loop)
        name_loader(built.dataloader, "test_dataloader")
        return built

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        with building("optim_wrapper", self.cfg):
            single = isinstance(optim_wrapper, dict) and "optimizer" in optim_wrapper
            default = "OptimWrapper" if single else None
            return super().build_optim_wrapper(own(optim_wrapper, default))

    def build_param_scheduler(self, scheduler: Any) -> Any:
        with building("param_scheduler", self.cfg):
            try:
                return super().build_param_scheduler(scheduler)
            except ValueError as error:
                mend = "train longer, or let the schedule begin and end earlier"
                raise UserError(str(error), "param_scheduler", mend) from error

    def _maybe_compile(self, target: str) -> None:
        compile_backbone(network_of(self.model), self.cfg.get("compile"))

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Change the layout before DDP lays out its buckets.

        With the layout changed afterwards, the first step's gradients of all 3x3 convolutions
        were garbled (torch 2.14, two gloo processes).
        """
        lay_out(model, choose_channels_last(self.cfg, model))
        if self.distributed:
            # Not in the config: where a run's processes are, and how many, may change.
            model_wrapper_cfg = _wrapper_here(model_wrapper_cfg, self.cfg)
        with warnings.catch_warnings():
            # mmengine's argument for torch; a user cannot change it.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            return super().wrap_model(model_wrapper_cfg, model)


def _wrapper_here(stated: Mapping[str, Any] | None, cfg: Config) -> dict[str, Any]:
    """Return the config of a stated wrapper, or of mmengine's own, on this process's device.

    mmengine takes the process's number on its machine for that of its GPU.
    """
    if stated is None:
        unused = cfg.get("find_unused_parameters", False)
        stated = dict(broadcast_buffers=False, find_unused_parameters=unused)
    kind = stated.get("type", WRAPPER)
    built = MODEL_WRAPPERS.get(kind) if isinstance(kind, str) else kind
    takes_gpus = isinstance(built, type) and issubclass(built, DistributedDataParallel)
    own = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return {**stated, "device_ids": own} if takes_gpus else dict(stated)


def build_runner(cfg: Config, train_set: Any = None) -> Runner:
    """Build the Runner, with few lines on the screen; its config states the network's layout.

    Args:
        cfg: Config of the run.
        train_set: The training data, if it is built already: annotations are read only once.

    Raises:
        UserError: If a part of the config cannot be built from its arguments.
    """
    # Runners of one process that start within a second would share mmengine's message hub.
    cfg.experiment_name = f"{os.getpid()}_{next(_count)}"
    _let_hooks_draw(cfg)
    level = cfg.get("log_level", "INFO")
    cfg.log_level = "WARNING"  # the constructor prints environment and config: hundreds of lines
    with building("the config", cfg):
        runner = _Runner.from_cfg(cfg)
    cfg.log_level = runner.cfg.log_level = level
    if train_set is not None:
        runner.train_on(train_set)
    runner.dump_config()  # again: the constructor has saved it with log_level WARNING
    if is_main_process():  # for the other processes mmengine shows only errors
        runner.logger.setLevel(level)
        for handler in runner.logger.handlers:
            handler.setLevel(level)
    hush(runner.logger)
    say_once_that_lines_are_lost(runner.logger)
    runner.logger.info(f"Config:\n{runner.cfg.pretty_text}")
    return runner


def _let_hooks_draw(cfg: Config) -> None:
    """Give the hooks that draw samples the task's visualizer: mmengine's draws no sample."""
    hooks = [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or ())]
    draws = any(hook and hook.get("draw") and bare_type(hook).endswith(DRAWING) for hook in hooks)
    stated, task = cfg.get("visualizer") or {}, find_task(cfg)
    if draws and task and task.visualizer and bare_type(stated) in ("", Visualizer.__name__):
        cfg.visualizer = {**stated, "type": task.visualizer}
