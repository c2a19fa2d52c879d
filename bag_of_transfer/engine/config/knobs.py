"""The knobs of a config: data root, classes, image size, batch, length and lr by one name each.

A text config hands values from its bases to the leaf only, so a knob is written to where it takes
effect once the files are read, and again when the command line has been merged.  A name that
nothing reads is refused with the key that works.  docs/own_images.md has an example of each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from mmengine.config import Config

from bag_of_transfer.engine.config.config_sources import Source, places_of
from bag_of_transfer.engine.config.config_vocabulary import known_children
from bag_of_transfer.engine.config.former_keys import today
from bag_of_transfer.engine.config.knob_data import set_classes, set_data_root
from bag_of_transfer.engine.config.knob_length import set_epochs, set_max_iters
from bag_of_transfer.engine.config.knob_names import ALL_NAMES, KNOBS, SYNONYMS
from bag_of_transfer.engine.config.knob_request import Request
from bag_of_transfer.engine.config.knob_size import anchors_kept, set_image_size
from bag_of_transfer.engine.config.override_value import CFG_OPTIONS
from bag_of_transfer.engine.config_nodes import dicts_with, value_at
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import COUNT, POSITIVE, shown
from bag_of_transfer.engine.lr import not_scaled, scaled_lr
from bag_of_transfer.engine.quantities import few, shortened
from bag_of_transfer.engine.recipe import Difference, differences
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["follow_files", "follow_options", "left_lines", "stated_lines"]

SHOWN = 4  # changes in a line
MOST_STATED = 8
LONGEST = 80  # characters of a value
_GONE = object()
ALIKE = 0.8  # of difflib: `epoch` and `epochs`
# At the top of a config, besides what mmengine reads: read by runs and tools, or written by them.
OURS = frozenset(
    {
        *("amp", "backbone_file", "compare_to", "draws", "lr_rule", "num_train_images", "rows"),
        *("task", "tta_test_cfg"),
    }
)


class _Place(NamedTuple):
    """A file, or the command line.

    Args:
        name: What it is called.
        keys: The dotted keys that it states.
        knobs: The knobs among its names.
        is_told: Whether a user needs to read what followed.
    """

    name: str
    keys: frozenset[str]
    knobs: frozenset[str]
    is_told: bool = True


def follow_files(cfg: Config, sources: Sequence[Source], flags: frozenset[str]) -> list[str]:
    """Let the knobs that a config's files state take effect, in place.

    Args:
        cfg: As read, without overrides.
        sources: Its files.
        flags: The knobs that the command line sets instead, by the names in use there.

    Returns:
        Lines that say what followed.

    Raises:
        UserError: If a knob has a wrong value, does not fit the config or contradicts a key, or
            if a user's file sets what nothing reads.
    """
    lines = [line for source in sources for line in _unread(cfg, source, sources)]
    places = [
        _Place(str(one.path), one.keys, one.unused & ALL_NAMES, one.is_own) for one in sources
    ]
    taken = {SYNONYMS.get(name, name) for name in flags}
    for knob in KNOBS:
        if knob not in taken:
            lines += _follow(cfg, knob, places)
    return lines


def follow_options(cfg: Config, keys: set[str], sources: Sequence[Source]) -> list[str]:
    """Let the knobs of the command line take effect, in place.

    Args:
        cfg: With the overrides.
        keys: The dotted keys that the command line sets.
        sources: The config's files.

    Returns:
        Lines that say what followed.

    Raises:
        UserError: As :func:`follow_files`.
    """
    tops = {key.partition(".")[0] for key in keys}
    for key in sorted(keys - tops):
        if key.partition(".")[0] in ALL_NAMES:
            raise UserError(
                f"{key} is a part of a knob", CFG_OPTIONS, f"set {key.partition('.')[0]}"
            )
    for name in sorted(tops - ALL_NAMES - _read(cfg)):
        raise _without_effect(name, CFG_OPTIONS, sources)
    place = _Place(CFG_OPTIONS, frozenset(keys), frozenset(tops & ALL_NAMES))
    return [line for knob in KNOBS for line in _follow(cfg, knob, [place])]


def stated_lines(cfg: Config, keys: set[str], sources: Sequence[Source]) -> list[str]:
    """Return a line for each file of the user's, and for the command line: what they set.

    Args:
        cfg: The config, with all of it.
        keys: The dotted keys that the command line sets.
        sources: The config's files.
    """
    own = [source for source in sources if source.is_own]
    # A file without bases is a whole config, and changes nothing.
    places = [(str(source.path), source.keys) for source in own if len(sources) > 1]
    lines = []
    for name, stated in (*places, (CFG_OPTIONS, frozenset(keys))):
        read = _read(cfg) | ALL_NAMES
        known = sorted(
            key
            for key in stated
            if key.partition(".")[0] in read and value_at(cfg._cfg_dict, key, _GONE) is not _GONE
        )
        last = [key for key in known if not any(other.startswith(f"{key}.") for other in known)]
        if last:
            lines.append(f"{name} sets {few([*_told(cfg, last)], MOST_STATED)}")
    return lines


def left_lines(cfg: Config, keys: set[str], sources: Sequence[Source]) -> list[str]:
    """Return a line if the batch size was set, and the lr, which was not, does not follow it.

    Args:
        cfg: The config, with all of it.
        keys: The dotted keys that the command line sets.
        sources: The config's files.
    """
    stated = keys.union(*(source.keys for source in sources if source.is_own))
    knobs = {SYNONYMS.get(name, name) for name in stated}
    if "batch_size" not in knobs or "lr" in knobs or "optim_wrapper.optimizer.lr" in stated:
        return []
    line = not_scaled(cfg)
    return [line] if line else []


def _told(cfg: Config, keys: Sequence[str]) -> Iterator[str]:
    """Yield keys with their values, but those of dicts and lists of dicts alone."""
    for key in keys:
        value = value_at(cfg._cfg_dict, key, _GONE)
        yield f"{key}={_text(value)}" if _is_plain(value) else key


def _follow(cfg: Config, knob: str, places: Sequence[_Place]) -> Iterator[str]:
    place, request = _request(cfg, knob, places)
    if place is None or request is None:
        return
    before = cfg.to_dict()
    SETTERS[knob](cfg, request)
    changed = [
        change for change in differences(before, cfg.to_dict()) if change.key not in ALL_NAMES
    ]
    synonym = f" (as {request.name})" if request.name != knob else ""
    if place.is_told:
        kept = KEPT[knob](cfg) if knob in KEPT else ""
        rest = f"; {kept}" if kept else ""
        yield f"{knob}={_text(request.value)}{synonym}: {_in_short(changed)}{rest}"


def _in_short(changed: Sequence[Difference]) -> str:
    """Say what was set, keys that changed alike together, those of training first."""
    if not changed:
        return "the config has it already"
    alike: dict[tuple[str, str], list[Difference]] = {}
    for change in sorted(changed, key=lambda change: not change.key.startswith("train")):
        alike.setdefault((repr(change.was), repr(change.now)), []).append(change)
    told = [
        f"{first.key}{f'={_text(first.now)}' if _is_plain(first.now) else ' follows'}"
        f"{f' and {len(others)} more' if others else ''}"
        for first, *others in alike.values()
    ]
    return "; ".join(told[:SHOWN]) + (f"; {len(told) - SHOWN} more" if told[SHOWN:] else "")


def _is_plain(value: Any) -> bool:
    return not isinstance(value, Mapping) and not any(dicts_with("type", {"": value}))


def _text(value: Any) -> str:
    return shortened(repr(value), LONGEST)


def _request(
    cfg: Config, knob: str, places: Sequence[_Place]
) -> tuple[_Place | None, Request | None]:
    """Return the last place that sets a knob, and what it states."""
    above: frozenset[str] = frozenset()
    for place in reversed(places):
        names = sorted(name for name in place.knobs if SYNONYMS.get(name, name) == knob)
        values = {name: _value(cfg, name) for name in names}
        if len(names) > 1 and any(value != values[names[0]] for value in values.values()):
            stated = ", ".join(f"{name}={shown(value)}" for name, value in values.items())
            raise UserError(f"one knob with two values, {stated}", place.name, f"keep {knob}")
        if names:
            return place, Request(names[0], values[names[0]], place.name, place.keys, above)
        above |= place.keys
    return None, None


def _value(cfg: Config, name: str) -> Any:
    value = cfg.get(name)
    if isinstance(value, list):
        value = tuple(value)
    # mmsegmentation's crops are (height, width).
    return value[::-1] if name == "crop_size" and isinstance(value, tuple) else value


def _set_batch_size(cfg: Config, request: Request) -> None:
    size, loader = request.checked(COUNT), cfg.get("train_dataloader") or {}
    if "batch_size" not in loader:
        raise request.refuse("no batch size is stated", "set train_dataloader.batch_sampler")
    if request.may_set("train_dataloader.batch_size", loader["batch_size"], size):
        loader["batch_size"] = size


def _set_lr(cfg: Config, request: Request) -> None:
    lr: float = request.checked(POSITIVE)
    optimizer: Any = (cfg.get("optim_wrapper") or {}).get("optimizer")
    if not isinstance(optimizer, dict):
        raise request.refuse("there is no single optimizer", "set optim_wrapper.NAME.optimizer.lr")
    if not request.may_set("optim_wrapper.optimizer.lr", optimizer.get("lr"), lr):
        return
    rule = cfg.get("lr_rule")
    if rule:  # a resolved config: its lr is scaled already
        counts = (rule["per_device"], rule["world"], rule["accumulation"])
        rule.lr, rule.effective = lr, scaled_lr(lr, rule["base_batch_size"], *counts)
    optimizer["lr"] = rule.effective if rule else lr


SETTERS: dict[str, Callable[[Config, Request], None]] = {
    "data_root": set_data_root,
    "classes": set_classes,
    "image_size": set_image_size,
    "batch_size": _set_batch_size,
    "epochs": set_epochs,
    "max_iters": set_max_iters,
    "lr": _set_lr,
}
# What a user may expect to follow, and does not; "" where nothing is left behind.
KEPT: dict[str, Callable[[Config], str]] = {"image_size": anchors_kept}


# ---- names without effect ----


def _read(cfg: Config) -> frozenset[str]:
    """Return the keys at a config's top that a run or a tool reads; knobs are not among them."""
    return (known_children("", {}, default_scope(cfg)) or frozenset()) | OURS


def _unread(cfg: Config, source: Source, sources: Sequence[Source]) -> Iterator[str]:
    """Yield a line for each new name of a user's file that nothing reads.

    Raises:
        UserError: If it is a name of a base, or nearly that of a knob or of a section.
    """
    below = sources[: list(sources).index(source)]
    known = {name for one in below for name in one.names}
    for name in sorted(source.unused - ALL_NAMES - _read(cfg)) if source.is_own else ():
        if name in known:
            raise _without_effect(name, str(source.path), sources)
        near = get_close_matches(name, sorted(_read(cfg) | ALL_NAMES), n=1, cutoff=ALIKE)
        if near:
            what = f"`{name}` changes nothing, nothing reads it"
            meant = SYNONYMS.get(near[0], near[0])
            raise UserError(what, str(source.path), f"did you mean `{meant}`?")
        hint = f", today it is `{today(name)}`" if today(name) else ""
        yield f"`{name}` in {source.path} changes nothing: nothing reads it{hint}"


def _without_effect(name: str, where: str, sources: Sequence[Source]) -> UserError:
    places = [place for place in places_of(name, sources) if place != name]
    mend = f"set {' and '.join(places[:3])}" if places else "set the key that it was used for"
    return UserError(
        f"`{name}` changes nothing here, the config has used its value already", where, mend
    )
