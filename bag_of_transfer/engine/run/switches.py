"""Switches that change how fast a run is, as the command line spells them.

Those that can be switched in this process are tried (:func:`to_try`); the others are named.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine.cores import share_of_cores
from bag_of_transfer.engine.data.splits import LOADERS
from bag_of_transfer.engine.loop import precision
from bag_of_transfer.engine.loop.channels_last import KEY
from bag_of_transfer.engine.run import launch

__all__ = ["MODES", "Setting", "as_configured", "to_name", "to_try"]

# The modes of --amp by the wrapper that each sets.
MODES = {wrapper: mode for mode, wrapper in precision.WRAPPERS.items()}


@dataclass(frozen=True)
class Setting:
    """What a training is timed with.

    Args:
        words: What asks for it: flags, or a variable of the environment before the command.
        loader: The loader of the training data.
        wrapper: The optimizer wrapper, which sets the precision.
        threads: Compute threads.
        channels_last: The layout of the network.
    """

    words: str
    loader: DataLoader
    wrapper: OptimWrapper
    threads: int
    channels_last: bool


def as_configured(runner: Runner) -> Setting:
    """Return what the run itself would use."""
    loader, wrapper = runner.train_dataloader, runner.optim_wrapper
    return Setting("", loader, wrapper, torch.get_num_threads(), runner.cfg[KEY])


def to_try(runner: Runner) -> list[Setting]:
    """Return the settings that differ from the run's by one switch.

    More or fewer workers for loading (each takes a core from the compute threads), half the
    compute threads, the other layout, and the other precision, if the machine multiplies bf16.
    """
    base = as_configured(runner)
    found = [_with_workers(runner, base, count) for count in _other_workers(runner.cfg)]
    if base.threads > 1:
        half = base.threads // 2
        found.append(replace(base, words=f"OMP_NUM_THREADS={half}", threads=half))
    if not is_model_wrapper(runner.model) and not runner.cfg.get("compile"):
        other = not base.channels_last
        words = f"--cfg-options {KEY}={other}"
        found.append(replace(base, words=words, channels_last=other))
    found += [_with_precision(runner, base, mode) for mode in _other_precision(runner.cfg)]
    return found


def to_name(cfg: Config) -> dict[str, str]:
    """Return the switches that may help but are not tried, and why not."""
    on_gpu = torch.cuda.is_available()
    named = {}
    if not cfg.get("compile"):
        named["--cfg-options compile=True"] = "compiling takes minutes and needs a C++ compiler"
    if on_gpu:
        named["--auto-batch"] = "it changes the batch size, and with it the lr"
        if not (cfg.get("env_cfg") or {}).get("cudnn_benchmark"):
            named["--cfg-options env_cfg.cudnn_benchmark=True"] = "it is set before the start"
    return named


def _other_workers(cfg: Config) -> list[int]:
    now = cfg.train_dataloader.num_workers
    return [count for count in (now - 1, now + 1) if 0 <= count < share_of_cores()]


def _with_workers(runner: Any, base: Setting, count: int) -> Setting:
    """Set the workers and share the cores as a run with these flags would."""
    cfg = Config({name: copy.deepcopy(runner.cfg.get(name)) for name in LOADERS})
    words = []
    for name in LOADERS:
        workers = (cfg[name] or {}).get("num_workers", 0)
        # The loader with the most workers decides how many threads are left.
        if name == LOADERS[0] or workers > count:
            cfg[name].num_workers = count
            words.append(f"{name}.num_workers={count}")
    before = torch.get_num_threads()
    launch.share_cores(cfg)
    threads = torch.get_num_threads()
    torch.set_num_threads(before)
    loader = runner.another_train_loader(cfg.train_dataloader)
    return replace(base, words=f"--cfg-options {' '.join(words)}", loader=loader, threads=threads)


def _other_precision(cfg: Config) -> Sequence[str]:
    """Return the modes of ``--amp`` to try; a wrapper that the config chose itself stays."""
    if precision.fast_precision() != "bf16":
        return ()
    return {"off": ("bf16",), "bf16": ("off",)}.get(MODES.get(cfg.optim_wrapper.type, ""), ())


def _with_precision(runner: Runner, base: Setting, mode: str) -> Setting:
    cfg = Config({"optim_wrapper": copy.deepcopy(runner.cfg.optim_wrapper)})
    precision.apply_precision(cfg, mode)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    wrapper.initialize_count_status(runner.model, runner.iter, runner.max_iters)
    return replace(base, words=f"--amp {mode}", wrapper=wrapper)
