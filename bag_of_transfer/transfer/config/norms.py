"""Let the norms of a config compute what those of a backbone file do."""

from typing import Any

from mmengine.config import ConfigDict

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.config_writer import Settings
from bag_of_transfer.transfer.config.filled_parts import HEAD
from bag_of_transfer.transfer.network_fields import BackboneFacts
from bag_of_transfer.transfer.norms import PLAIN, has_group_norms

__all__ = ["fit_norms"]


def fit_norms(settings: Settings, facts: BackboneFacts, node: str) -> None:
    """Set eps and groups of a part's ``norm_cfg`` to those of the file.

    Args:
        settings: The config.
        facts: What is known of the file.  Older cards do not say the groups of GN: then those of
            the config count.
        node: The key of the backbone or of the shared head.

    Raises:
        UserError: If one of the two has GN and the other has not.
    """
    stated = settings.get(f"{node}.norm_cfg") or {}
    kind, in_file = stated.get("type", "BN"), "GN" if has_group_norms(facts.shapes) else "BN"
    if (kind == "GN") != (in_file == "GN"):
        raise UserError(
            f"the config's backbone normalises by {kind}, the file's by {in_file}",
            f"{node}.norm_cfg",
            "use a config with the file's norms, or another file",
        )
    wanted: dict[str, Any] = facts.card.norm or (PLAIN if in_file == "BN" else {})
    for key in wanted.keys() - {"type"}:
        if stated.get(key, PLAIN.get(key)) == wanted[key]:
            continue
        if not stated:  # without norm_cfg ResNetStage4 does not train gamma and beta
            settings.get(node).norm_cfg = ConfigDict(type="BN", requires_grad=node != HEAD)
        settings.set(f"{node}.norm_cfg.{key}", wanted[key])
