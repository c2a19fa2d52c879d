"""Read a config file, apply the flags, and know which keys the user set."""

import contextlib
import copy
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from bag_of_transfer.engine.arguments import check_config, check_seed
from bag_of_transfer.engine.cli import set_data_root
from bag_of_transfer.engine.config.config_sources import config_sources, keys_in, parsed_config
from bag_of_transfer.engine.config.config_values import (
    check_sections,
    check_values,
    settle_whole_numbers,
)
from bag_of_transfer.engine.config.custom_imports import (
    announce_names,
    import_error,
    import_stated,
    with_those_of_bases,
)
from bag_of_transfer.engine.config.data_root import check_data_root
from bag_of_transfer.engine.config.json_config import SUFFIX, read_json_config, stated_keys
from bag_of_transfer.engine.config.knob_names import ALL_NAMES
from bag_of_transfer.engine.config.knobs import (
    follow_files,
    follow_options,
    left_lines,
    stated_lines,
)
from bag_of_transfer.engine.config.overrides import apply_overrides, option_keys
from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.config.read_once import is_reading_once, kept
from bag_of_transfer.engine.config.type_names import name_scope, name_types
from bag_of_transfer.engine.environment import check_environment
from bag_of_transfer.engine.errors import UserError, former_name_in
from bag_of_transfer.engine.home import at_home
from bag_of_transfer.engine.log_file import hush
from bag_of_transfer.engine.stock_configs import is_stock
from bag_of_transfer.engine.tasks import Phase, Task, all_tasks, find_task, tasks_in

__all__ = [
    "UserKeys",
    "leaf_keys",
    "load_config",
    "phase_of",
    "read_config",
    "resolved_config",
    "settle",
]


class UserKeys(set[str]):
    """The dotted keys that the user set.

    Attributes:
        lines: What the user changed, and what followed from it.
        options: The overrides, as given.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Take the keys."""
        super().__init__(keys)
        self.lines: list[str] = []
        self.options: Sequence[str] | Mapping[str, Any] = ()


def load_config(
    path: Path,
    phase: Phase,
    *,
    options: Sequence[str] | Mapping[str, Any] = (),
    data_root: Path | None = None,
    work_dir: Path | None = None,
    seed: int | None = None,
    launcher: str = "none",
) -> tuple[Config, UserKeys]:
    """Read the config, apply the flags, and return which keys the user set in leaf or flags.

    The values of a config of an installed package are defaults, even where it is the leaf.

    Args:
        path: The config file.
        phase: The phase whose tasks the tool takes.
        options: Overrides, ``KEY=VALUE`` or by their dotted keys.
        data_root: Folder of the data sets, for this and later configs of this process.
        work_dir: Output folder; None: the config's, or else ``work_dirs/<config name>``.
        seed: Random seed; None: the config's, or else 0.
        launcher: What started this process, or ``none``.

    Returns:
        The config, with ``task`` filled in, and the user's dotted keys.

    Raises:
        UserError: For a missing or broken file, an override that exists nowhere, a config
            of another tool, a data root without effect, or a seed that NumPy does not take.
    """
    check_environment()
    prepare_process()
    set_data_root(data_root)
    explicit = UserKeys(() if is_stock(path) else leaf_keys(path))
    cfg = read_config(path)
    if "default_scope" not in cfg:  # "no model" says more than "a config of another tool"
        check_sections(cfg, path)
    task = find_task(cfg)
    if task is None or task.phase is not phase:
        raise _of_another_tool(cfg, task, tasks_in(phase), path)
    init_default_scope(task.scope)
    _import_data_sets(task)
    # yapf would take seconds, several times a run, to beautify the text of the config.
    object.__setattr__(cfg, "_format_python_code", False)
    check_sections(cfg, path)
    settle(cfg, path, options, explicit)
    check_data_root(cfg, path, data_root)
    explicit.options = options
    check_sections(cfg, path)
    settle_whole_numbers(cfg)
    check_values(cfg)
    cfg.task, cfg.default_scope = task.name, task.scope
    cfg.work_dir = str(work_dir or cfg.get("work_dir") or Path("work_dirs", path.stem))
    cfg.randomness = dict(cfg.get("randomness", {}), seed=_settled_seed(cfg, seed))
    cfg.launcher = launcher
    return cfg, explicit


def resolved_config(path: Path, options: Sequence[str] | Mapping[str, Any] = ()) -> Config:
    """Read a config, with its overrides and with its knobs where they take effect.

    Args:
        path: The config file.
        options: Overrides, ``KEY=VALUE`` or by their dotted keys.

    Raises:
        UserError: As :func:`read_config` and :func:`settle`.
    """
    cfg = read_config(path)
    settle(cfg, path, options)
    return cfg


def settle(
    cfg: Config,
    path: Path,
    options: Sequence[str] | Mapping[str, Any] = (),
    explicit: UserKeys | None = None,
) -> None:
    """Apply overrides and knobs to a config that was read, in place; ``~/`` is the user's home.

    Args:
        cfg: The config as read.
        path: Its file.
        options: The overrides.
        explicit: Keys and lines are added to it.

    Raises:
        UserError: If an override or a knob cannot take effect.
    """
    is_json = path.suffix == SUFFIX
    sources = [] if is_json else kept(("sources", path), lambda: config_sources(path))
    lines = follow_files(cfg, sources, option_keys(options) & ALL_NAMES)
    keys = apply_overrides(cfg, options) if options else set()
    lines += follow_options(cfg, keys, sources)
    lines = [*stated_lines(cfg, keys, sources), *lines, *left_lines(cfg, keys, sources)]
    for key, value in list(cfg.items()):
        if (found := at_home(value)) is not value:
            cfg[key] = found
    if explicit is not None:
        explicit |= keys
        explicit.lines += lines


def _import_data_sets(task: Task) -> None:
    """Import a stock config's data sets, which ours has done already, without what mmdet prints."""
    if task.judges:  # its package is imported, and with it what its library needs
        with contextlib.redirect_stdout(io.StringIO()):
            import_module(f"{task.scope}.datasets")


def phase_of(path: Path) -> Phase:
    """Return the phase of a config's task, for a tool that takes all.

    Raises:
        UserError: For a missing or broken file, or one of no task.
    """
    check_environment()
    prepare_process()
    cfg = read_config(path, import_named=False)
    task = find_task(cfg)
    if task is None:
        raise _of_another_tool(cfg, None, all_tasks(), path)
    return task.phase


def _of_another_tool(
    cfg: Config, task: Task | None, taken: Sequence[Task], path: Path
) -> UserError:
    scope = cfg.get("default_scope")
    scopes = " or ".join(repr(known.scope) for known in taken)
    if task is not None:
        what = f"a config of another tool (its default_scope is {scope!r}, not {scopes})"
        return UserError(what, path, task.phase.value)
    mend = f"set default_scope to {scopes}"
    what = "there is no default_scope" if scope is None else f"default_scope is {scope!r}"
    return UserError(f"{what}, this tool takes {scopes}", path, mend)


def read_config(path: Path, import_named: bool = True) -> Config:
    """Read a config, and keep the libraries from printing messages about it.

    Within :func:`read_once`, a config that was read before is copied.

    Args:
        path: The file.
        import_named: Whether to import the modules that it names in ``custom_imports``.

    Raises:
        UserError: If it or one of its bases is missing, is not Python, or fails when it is read;
            of JSON, see :func:`read_json_config`.
    """
    cfg = kept(("config", path, import_named), lambda: _read(path, import_named))
    return copy.deepcopy(cfg) if is_reading_once() else cfg


def _read(path: Path, import_named: bool) -> Config:
    check_config(path)
    _refuse_yaml(path)
    if path.suffix == SUFFIX:
        return _read_json(path, import_named)
    hush(MMLogger.get_current_instance())
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
            cfg = Config.fromfile(path, import_custom_modules=False)
            stated = cfg.get("custom_imports") if import_named else None
            if stated:
                stated = with_those_of_bases(stated, path)
                cfg.custom_imports = current = import_stated(stated)
            name_scope(cfg)
            if import_named:
                name_types(cfg)
    except FileNotFoundError as error:
        raise UserError("a base of the config is missing", path, str(error)) from error
    except UserError:
        raise
    except ImportError as error:
        raise former_name_in(error) or import_error(error, path) from error
    except Exception as error:  # a config is code, and may fail in any way
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        mend = "mend it or the base that fails; --debug shows where"
        mistake = UserError(f"the config cannot be read ({reason})", path, mend)
        raise mistake from error
    if stated:
        announce_names(stated, current)
    return cfg


def _read_json(path: Path, import_named: bool) -> Config:
    prepare_process()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # as above
            return read_json_config(path, import_named)
    except ImportError as error:
        raise import_error(error, path) from error


def _settled_seed(cfg: Config, flag: int | None) -> int:
    stated = cfg.get("randomness", {}).get("seed")
    seed = next((value for value in (flag, stated) if value is not None), 0)
    check_seed(seed, "randomness.seed" if flag is None else "--seed")
    return int(seed)


def _refuse_yaml(path: Path) -> None:
    """Check that a config is no YAML, which looks like data, and whose tags mmengine executes.

    Raises:
        UserError: If its name says that it is.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        raise UserError("a config in YAML", path, "write it in Python, as those in configs/")


def leaf_keys(path: Path) -> set[str]:
    """Return the dotted keys that the config file itself sets, not those that its bases set.

    Raises:
        UserError: If the file is missing or not Python, nor JSON of ``--dump-config``.
    """
    check_config(path)
    if path.suffix == SUFFIX:
        return stated_keys(path)
    return keys_in(parsed_config(path))
