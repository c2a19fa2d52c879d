"""A knob that the user has set, and whether a more specific key of the user's contradicts it."""

from dataclasses import dataclass
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import Rule, shown

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A knob with its value.

    Args:
        name: As the user has typed it.
        value: As the user has stated it.
        where: The file or the flag that states it.
        beside: The dotted keys that the same place states.
        above: Those of the places that are read later, and have the last word.
    """

    name: str
    value: Any
    where: str
    beside: frozenset[str]
    above: frozenset[str]

    def leaves(self, key: str) -> bool:
        """Return whether the user has stated a key, or one below it, with or above the knob."""
        return _states(self.beside | self.above, key)

    def may_set(self, key: str, current: Any, value: Any) -> bool:
        """Return whether the knob decides a key that is its very meaning.

        Args:
            key: Its dotted name.
            current: What it is now.
            value: What the knob would make of it.

        Raises:
            UserError: If the same place states the key, with another value.
        """
        if _states(self.above, key):
            return False
        if _states(self.beside, key) and current != value:
            what = f"{self.name}={shown(self.value)} contradicts {key}={shown(current)}"
            raise UserError(what, self.where, "keep one of the two")
        return True

    def checked(self, rule: Rule) -> Any:
        """Return the value.

        Raises:
            UserError: If it breaks the rule.
        """
        if not rule.keeps(self.value):
            raise UserError(f"{self.name} is {shown(self.value)}", self.where, f"give {rule.words}")
        return self.value

    def refuse(self, reason: str, mend: str) -> UserError:
        """Return the error that says why the knob cannot be set in this config."""
        return UserError(f"{self.name} cannot be set here, {reason}", self.where, mend)


def _states(keys: frozenset[str], key: str) -> bool:
    return any(stated == key or stated.startswith(f"{key}.") for stated in keys)
