"""Set values in a config, but do not overwrite values that the user set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from bag_of_transfer.engine.config_nodes import value_at
from bag_of_transfer.engine.errors import UserError, without_colons

__all__ = ["Settings", "nearly_equal"]

MEND = (
    "remove the values that disagree, move them to a file named in _base_ (a base's values are "
    "defaults), or choose another backbone"
)

# Of mean and std on the 0 to 255 scale; 123.68 and 123.675 are the same mean (docs/files.md).
TOLERANCE = 0.1


def nearly_equal(stated: Any, wanted: Any) -> bool:
    """Return whether two means or stds, lists on the 0 to 255 scale, agree; or other values."""
    if not isinstance(stated, Sequence) or not isinstance(wanted, Sequence):
        return bool(stated == wanted)
    pairs = zip(stated, wanted, strict=False)
    return len(stated) == len(wanted) and all(abs(a - b) <= TOLERANCE for a, b in pairs)


def _equal(stated: Any, wanted: Any) -> bool:
    return _plain(stated) == _plain(wanted)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return [_plain(item) for item in value] if is_list else value


class Settings:
    """Write into a config by dotted keys, and keep a line for each change.

    Values of the user that disagree are collected, so that one error can name them all.

    Args:
        cfg: The config, which is changed in place.
        explicit: Dotted keys that the user set in the leaf config or by ``--cfg-options``;
            the values of a base are defaults and may be changed.
        source: Where the values come from, for the error: ``"the backbone's card"``.
    """

    def __init__(self, cfg: Config, explicit: set[str], source: str) -> None:
        self.cfg, self.explicit, self.source = cfg, explicit, source
        self.lines: list[str] = []
        self._disagreements: dict[str, tuple[Any, Any, str]] = {}

    def get(self, dotted: str, default: Any = None) -> Any:
        """Return the value of a dotted key, in which numbers are indices of lists."""
        value = value_at(self.cfg._cfg_dict, dotted)
        return default if value is None else value

    def set(
        self,
        dotted: str,
        value: Any,
        agrees: Callable[[Any, Any], bool] = _equal,
        *,
        why: str = "",
    ) -> None:
        """Set one value, or note that the user set another one.

        A value of None counts as not set.  :meth:`refuse_disagreements` raises what was noted.
        """
        stated = self.get(dotted)
        if stated is not None and self.is_explicit(dotted) and not agrees(stated, value):
            self.disagree(dotted, value, why)
            return
        if not _equal(stated, value):
            before = "" if stated is None else f"{stated} -> "
            self.lines.append(f"{dotted}: {before}{value}")
        path, key = dotted.rsplit(".", 1)
        self.get(path)[key] = ConfigDict(value) if isinstance(value, dict) else value

    def disagree(self, dotted: str, wanted: Any, why: str = "") -> None:
        """Note that the user set another value than ``wanted``."""
        self._disagreements[dotted] = (self.get(dotted), wanted, why and f" {why}")

    def refuse_disagreements(self) -> None:
        """Raise one error for all values that disagree.

        Raises:
            UserError: If a disagreement was noted.
        """
        noted = self._disagreements
        if len(noted) == 1:
            ((where, (stated, wanted, why)),) = noted.items()
            what = f"the config sets {stated!r}, but {self.source} needs {wanted!r}{why}"
            raise UserError(what, where, MEND)
        if noted:
            values = (
                f"{key}={old!r} must be {new!r}{why}" for key, (old, new, why) in noted.items()
            )
            what = f"{self.source} disagrees with {len(noted)} values of the config"
            raise UserError(
                without_colons(f"{what} ({'; '.join(values)})"),
                "the config's own lines and --cfg-options",
                MEND,
            )

    def drop(self, dotted: str) -> None:
        """Remove a value, if there is one."""
        path, key = dotted.rsplit(".", 1)
        node = self.get(path) or {}
        dropped = node.pop(key, None)
        if dropped is not None:
            self.lines.append(f"{dotted}: {dropped} -> dropped")

    def is_explicit(self, dotted: str) -> bool:
        """Return whether the user set the value, or a value inside it."""
        # mmseg's configs define the preprocessor as a variable outside the model.
        names = [dotted]
        if dotted.startswith("model.data_preprocessor."):
            names.append(dotted.removeprefix("model."))
        return any(f"{key}.".startswith(f"{name}.") for key in self.explicit for name in names)
