"""A Runner whose screen shows what a user acts on; its log file keeps everything."""

import itertools
import logging
import os

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from engine.bars import console_handlers
from engine.errors import UserError

__all__ = ["build_runner", "hush"]

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
    "Using env variable",
)
_count = itertools.count()


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(HUSHED)


def hush(logger: logging.Logger) -> None:
    """Keep mmengine's talk of its own workings off the screen; the log file has it."""
    for handler in console_handlers(logger):
        if not any(isinstance(one, _Hush) for one in handler.filters):
            handler.addFilter(_Hush())


def build_runner(cfg: Config) -> Runner:
    """Build the Runner, its network in channels-last layout, its screen quiet.

    Channels-last is the layout in which convolutions are fastest on GPUs with tensor cores and
    on CPUs with bf16; values do not change.

    Raises:
        UserError: If a part of the config cannot be built from its arguments.
    """
    # Runners of one process that start within a second would share mmengine's message hub.
    cfg.experiment_name = f"{os.getpid()}_{next(_count)}"
    wanted = cfg.get("log_level", "INFO")
    cfg.log_level = "WARNING"  # the constructor prints environment and config: hundreds of lines
    try:
        runner = Runner.from_cfg(cfg)
    except UserError:
        raise
    except ValueError as error:  # ours and the libraries' word for a wrong argument
        raise UserError(str(error), "the config", "mend the argument it names") from error
    cfg.log_level = runner.cfg.log_level = wanted
    runner.logger.setLevel(wanted)
    for handler in runner.logger.handlers:
        handler.setLevel(wanted)
    hush(runner.logger)
    runner.logger.info(f"Config:\n{runner.cfg.pretty_text}")
    runner.model.to(memory_format=torch.channels_last)
    return runner
