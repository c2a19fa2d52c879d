"""Set up what is global to a process; no other module changes the state of Python or libraries.

Importing any other module only adds classes and functions to registries by their names.
"""

import warnings
from functools import cache

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.device import utils as device_choice
from mmengine.runner import CheckpointLoader

from bag_of_transfer.engine.config.described import SCOPES
from bag_of_transfer.engine.environment import refuse_upstream_beside_forks
from bag_of_transfer.engine.printable import escape_records
from bag_of_transfer.engine.tasks import ROOT_SCOPE, all_tasks
from bag_of_transfer.engine.weights.checkpoints import load_for_mmengine

__all__ = ["ignore_warning", "prepare_process"]


def prepare_process() -> None:
    """Prepare mmengine and the libraries of the tasks for the work of this toolkit.

    Tools and prediction call it.  Each task's package calls it when it is imported, so for mmdet's
    own tools it is enough if a config names the package in ``custom_imports``.  A second call
    adds only what a package has completed in between.  In this order:

    1. Upstream packages beside the forks are refused, before a mixture of both is imported.
    2. Stand-ins for missing modules are installed, before a library of a task is imported.
    3. ``_base_ = "mmseg::..."`` finds the fork.
    4. mmengine reads local checkpoints with :func:`load_for_mmengine`, which runs no code.
    5. Warnings that no user has to act upon are ignored.
    6. What a terminal would act upon is escaped in lines of mmengine's loggers.
    7. On a Mac mmengine computes on the CPU: Apple's GPU has no 64-bit floats, and nothing of ours
       was tried there.

    Raises:
        UserError: If upstream packages are installed beside the forks.
    """
    _refuse_upstream_once()
    for task in all_tasks():
        if task.install_stand_ins:
            task.install_stand_ins()
    # mmengine looks for a distribution named mmsegmentation, and the fork is named
    # onedl-mmsegmentation; the name of the module works for both.
    libraries = SCOPES - {ROOT_SCOPE}
    MODULE2PACKAGE.update({library: library for library in libraries})
    CheckpointLoader.register_scheme("", load_for_mmengine, force=True)
    for task in all_tasks():
        for message in task.unheeded_warnings:
            ignore_warning(message)
    escape_records()
    if device_choice.DEVICE == "mps":
        device_choice.DEVICE = "cpu"


@cache
def ignore_warning(message: str) -> None:
    """Ignore some warnings; set only once in a process, as each new filter goes to the front.

    Args:
        message: Regular expression for the first words of the warnings.
    """
    warnings.filterwarnings("ignore", message=message)


_refuse_upstream_once = cache(refuse_upstream_beside_forks)
