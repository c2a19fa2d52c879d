"""Read ``tune`` in a ladder config: which values are tried for which keys, and with which seeds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.config.knob_names import SYNONYMS
from bag_of_transfer.engine.config.knobs import follow_options
from bag_of_transfer.engine.config.override_value import read_value
from bag_of_transfer.engine.config.overrides import apply_overrides, option_keys
from bag_of_transfer.engine.config_nodes import value_at
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.plan.checks import (
    check_keys,
    check_numbers,
    config_with,
    network_mistake,
)
from bag_of_transfer.ladder.search import Grid, Point, Value, options_of, point_name

__all__ = ["check_tuning_seeds", "read_grid", "read_searches", "refuse_tuned"]

MAX_NAME = 240  # characters of a folder's name: systems take 255, and a search lengthens values
WORD = re.compile(r"[\w.+-]+")  # a value becomes part of a folder's name


def read_searches(stated: Any, tasks: Sequence[str], path: Path) -> dict[str, Any]:
    """Check the form of ``tune``, and return what it states by task; ``{}`` for None.

    Args:
        stated: The entry of the ladder config.
        tasks: The names of its tasks.
        path: The ladder config.

    Raises:
        UserError: If it is no dict, or names what is no task.
    """
    if stated is None:
        return {}
    where = f"{path}: tune"
    if not isinstance(stated, Mapping):
        mend = "give dict(TASK={KEY: [values]}), or None for one recipe for all rungs"
        raise UserError(f"{stated!r} is not a dict", where, mend)
    check_keys(stated, {PRETRAINING, *tasks}, where)
    return dict(stated)


def read_grid(stated: Any, config: Path, cfg_options: Sequence[str], where: str) -> Grid:
    """Read and check the values to try.

    Args:
        stated: ``{KEY: [values]}``.
        config: The config that they change.
        cfg_options: Its overrides.
        where: Names the entry in errors.

    Raises:
        UserError: If there is no value, a value stands there twice, a key exists nowhere in the
            config, a value has another type than the config's, is out of its range or gives no
            network, or is neither finite number, word, True, False nor None, or is a word that
            would be read as one of the others, or if the keys together are too long.
    """
    if not isinstance(stated, Mapping) or not stated:
        mend = 'give {KEY: [values]}, such as {"optim_wrapper.optimizer.lr": [0.01, 0.02]}'
        raise UserError(f"{stated!r} gives no values to try", where, mend)
    keys = {key: str(SYNONYMS.get(key, key)) for key in stated}  # the plan has knobs by one name
    if len(set(keys.values())) < len(keys):
        mend = "give each knob once, lr and not base_lr beside it"
        raise UserError(f"{', '.join(stated)} name a knob twice", where, mend)
    axes = ((keys[key], _values(stated[key], f"{where}[{key!r}]")) for key in stated)
    grid = Grid(tuple(axes))
    longest = max(map(len, map(point_name, grid.points)))
    if longest > MAX_NAME:
        what = f"keys and values make a folder's name of {longest} characters"
        raise UserError(what, where, f"tune fewer keys: {MAX_NAME} characters are possible")
    cfg = resolved_config(config, cfg_options)
    for key, values in grid.axes:
        # Where a config's own network can't be built here, its values can't be tried so either.
        is_of_network = key.startswith("model.") and network_mistake(cfg) is None
        for value in values:
            changed = _changed(cfg, ((key, value),), where)
            if is_of_network and (mistake := network_mistake(changed)):
                raise UserError(mistake.what, f"{where} ({mistake.where})", mistake.mend)
    config_with(config, [*cfg_options, *options_of(grid.points[0])], where)  # all together
    return grid


def _values(stated: Any, where: str) -> tuple[Value, ...]:
    if not isinstance(stated, list | tuple) or not stated:
        mend = "give a list with at least one value, [0.01, 0.02, 0.04]"
        raise UserError(f"{stated!r} is no list of values", where, mend)
    for value in stated:
        if isinstance(value, str) and WORD.fullmatch(value):
            read = read_value("value", value)
            if read != value:
                what = f"the word {value!r} would be read as {read!r}"
                raise UserError(what, where, "leave out the quotation marks")
        elif not (value is None or isinstance(value, bool) or is_finite_number(value)):
            mend = "give finite numbers, words, True, False or None"
            raise UserError(f"{value!r} cannot be tried", where, mend)
    if len(set(stated)) < len(stated):  # 1, 1.0 and True are equal: no search tells them apart
        raise UserError(f"{stated!r} gives a value twice", where, "give each value once")
    return tuple(stated)


def _changed(cfg: Config, point: Point, where: str) -> Config:
    """Return a config with an override, checked: the value keeps type and range."""
    ((key, value),), (option,) = point, options_of(point)
    changed = Config(cfg.to_dict())
    try:
        follow_options(changed, apply_overrides(changed, [option]), ())
        _check_type(key, value, value_at(cfg.to_dict(), key))
        check_numbers(changed)
    except UserError as error:
        raise UserError(error.what, f"{where} ({key})", error.mend) from error
    return changed


def _check_type(key: str, value: Value, now: Any) -> None:
    """Check that a value has the type of the one that the config has now."""
    is_switch = isinstance(now, bool)
    if is_switch and not isinstance(value, bool):
        mend = f"give True and False: the config has {now}"
        raise UserError(f"{key} is True or False, not {value!r}", key, mend)
    if isinstance(now, int | float) and not is_switch and isinstance(value, bool | None):
        raise UserError(
            f"{key} is a number, not {value!r}", key, f"give numbers: the config has {now}"
        )
    if isinstance(now, Mapping) and value is not None:
        raise UserError(f"{key} is a dict, not {value!r}", key, "tune a key inside of it")


def refuse_tuned(
    options: Sequence[str], grids: Sequence[Grid | None], where: str, mend: str
) -> None:
    """Check that no override is replaced by tuned values wherever it is applied.

    Args:
        options: The overrides.
        grids: What is tuned in each config that they change.
        where: Names the overrides in errors.
        mend: What to do about one that has no effect.

    Raises:
        UserError: If its key is tuned in all of these configs.
    """
    for key in sorted(option_keys(options)):
        if all(grid and key in dict(grid.axes) for grid in grids):
            raise UserError(f"{key} is set here, but the values of tune replace it", where, mend)


def check_tuning_seeds(seeds: Sequence[int], reported: Sequence[int], where: str) -> None:
    """Check that no seed of a search is one of the tables.

    Raises:
        UserError: If one is: its test figures would be of a recipe that was fitted to it.
    """
    both = sorted(set(seeds) & set(reported))
    if both:
        mend = "give tuning_seeds that no table reports, such as [1000]"
        raise UserError(f"seed {both[0]} is tuned with and reported", where, mend)
