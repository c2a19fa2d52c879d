"""Whether ``--data-root`` moves anything: only paths of ``{{$DATA_ROOT:data}}`` follow it."""

from pathlib import Path

from mmengine.config import Config

from bag_of_transfer.engine.config.config_vocabulary import known_children
from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.home import at_home
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["NO_EFFECT", "check_data_root", "lies_in", "reads_from"]

NO_EFFECT = "--data-root has no effect, as no path begins with {{$DATA_ROOT}}"


def check_data_root(cfg: Config, path: Path, folder: Path | None) -> None:
    """Check that a config reads from ``--data-root``, if it is given.

    Args:
        cfg: The config, read after ``$DATA_ROOT`` was set, with its knobs.
        path: Its file.
        folder: The flag.

    Raises:
        UserError: If nothing that has an effect lies in the folder.
    """
    if folder and not reads_from(cfg, folder):
        mend = "leave it out, or write --cfg-options data_root=DIR, the folder of this data set"
        raise UserError(NO_EFFECT, path, mend)


def reads_from(cfg: Config, folder: Path) -> bool:
    """Return whether a part of a config that has an effect names something in a folder.

    Names of a config's own, by which it made its parts, do not count: a knob may have moved those.
    """
    known = (known_children("", {}, default_scope(cfg)) or frozenset()) - {"work_dir"}
    parts = {key: value for key, value in cfg.items() if key in known}
    texts = (value for _, value in nodes(parts) if isinstance(value, str))
    return any(lies_in(text, folder) for text in texts)


def lies_in(path: str, folder: Path) -> bool:
    """Return whether a path is a folder, or begins with it."""
    root = str(at_home(folder))
    return path == root or path.startswith(f"{root.rstrip('/')}/")
