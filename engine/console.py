"""A Runner whose screen shows what a user acts on; its log file keeps everything."""

import logging

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from engine.bars import console_handlers

__all__ = ["build_runner"]

# How the messages begin that mmengine writes about its own workings.
HUSHED = (
    "Config:",
    "Hooks will be executed",
    "Distributed training is not used",
    "paramwise_options",
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    "Checkpoints will be saved",
    "Saving checkpoint",
    "Exp name:",
    "Load checkpoint from",
)


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(HUSHED)


def build_runner(cfg: Config) -> Runner:
    """Build the Runner, its network in channels-last layout, its screen quiet.

    Channels-last is the layout in which convolutions are fastest on GPUs with tensor cores and
    on CPUs with bf16 (measured, docs/results.md); values do not change.
    """
    wanted = cfg.get("log_level", "INFO")
    cfg.log_level = "WARNING"  # the constructor prints environment and config: hundreds of lines
    runner = Runner.from_cfg(cfg)
    cfg.log_level = runner.cfg.log_level = wanted
    runner.logger.setLevel(wanted)
    for handler in runner.logger.handlers:
        handler.setLevel(wanted)
    for handler in console_handlers(runner.logger):
        handler.addFilter(_Hush())
    runner.logger.info(f"Config:\n{runner.cfg.pretty_text}")
    runner.model.to(memory_format=torch.channels_last)
    return runner
