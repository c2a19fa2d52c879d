"""Whether a ladder's ``--data-root`` moves anything."""

from collections.abc import Iterator
from pathlib import Path

from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.config.data_root import NO_EFFECT, lies_in, reads_from
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.plan.spec import Ladder

__all__ = ["check_data_root"]


def check_data_root(ladder: Ladder, path: Path, folder: Path | None) -> None:
    """Check that a rung or a task reads from ``--data-root``, if it is given.

    Args:
        ladder: The ladder, read after ``$DATA_ROOT`` was set.
        path: Its file.
        folder: The flag.

    Raises:
        UserError: If none does.
    """
    if folder and not any(_read_from(ladder, folder)):
        mend = "leave it out, or add data_root=DIR to the cfg_options of the rungs and the tasks"
        raise UserError(NO_EFFECT, path, mend)


def _read_from(ladder: Ladder, folder: Path) -> Iterator[bool]:
    for task in ladder.tasks:
        yield reads_from(resolved_config(task.config, task.cfg_options), folder)
    for rung in ladder.rungs:
        if rung.kind == "config":
            yield reads_from(resolved_config(Path(rung.source), rung.cfg_options), folder)
        else:
            yield lies_in(rung.source, folder)
