"""What is global to a process: the only module that changes the state of Python and of libraries.

Importing any other module only adds classes and functions to registries by their names.
"""

import warnings
from functools import cache

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.runner import CheckpointLoader

from bag_of_transfer.engine.checkpoints import load_for_mmengine
from bag_of_transfer.engine.environment import refuse_upstream_beside_forks
from bag_of_transfer.engine.tasks import ROOT_SCOPE, all_tasks

__all__ = ["ignore_warning", "prepare_process"]


def prepare_process() -> None:
    """Prepare mmengine and the libraries of the tasks for the work of this toolkit.

    Tools and prediction call it, and each task's package when it is imported, so that a config
    that names the package in ``custom_imports`` is enough for mmdet's own tools.  A second call
    adds only what a package has completed in between.  In this order:

    1. Upstream packages beside the forks are refused, before a mixture of both is imported.
    2. Stand-ins for missing modules are installed, before a library of a task is imported.
    3. ``_base_ = "mmseg::..."`` finds the fork.
    4. mmengine reads local checkpoints by :func:`load_for_mmengine`, which runs no code.
    5. Warnings are ignored that no user has to act upon.

    Raises:
        UserError: If upstream packages are installed beside the forks.
    """
    _refuse_upstream_once()
    for task in all_tasks():
        if task.install_stand_ins:
            task.install_stand_ins()
    # mmengine looks for a distribution named mmsegmentation, and the fork is named
    # onedl-mmsegmentation; the name of the module works for both.
    libraries = {task.scope for task in all_tasks()} - {ROOT_SCOPE}
    MODULE2PACKAGE.update({library: library for library in libraries})
    CheckpointLoader.register_scheme("", load_for_mmengine, force=True)
    for task in all_tasks():
        for message in task.unheeded_warnings:
            ignore_warning(message)


@cache
def ignore_warning(message: str) -> None:
    """Ignore warnings that begin so; once in a process, since a filter moves to the front.

    Args:
        message: A regular expression.
    """
    warnings.filterwarnings("ignore", message=message)


_refuse_upstream_once = cache(refuse_upstream_beside_forks)
