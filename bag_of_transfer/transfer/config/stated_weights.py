"""The weights that a config of mmdet or mmsegmentation itself names, without ``--backbone``.

It imports nothing slow: ``train.py`` asks before it imports mmdet.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.filled_parts import BACKBONE

__all__ = ["loads", "refuse_no_weights", "settings_of", "stated_weights"]

LOADING = ("Pretrained", "BackboneFile")
SET_BY = ("model", "load_from")  # first words of the keys that may name weights


def stated_weights(cfg: Any) -> str:
    """Return a line about the weights that the config itself names.

    Raises:
        UserError: If it names none.
    """
    if cfg.get("load_from"):  # weights of the whole network; a later line says which fit
        return f"backbone: from load_from={cfg.load_from}"
    for node, name in ((cfg.model.backbone, BACKBONE), (cfg.model, "model")):
        if node.get("pretrained"):  # a path; or True, if timm fetches the weights
            source = node.get("name") if node.pretrained is True else node.pretrained
            return f"backbone: {source} ({name}.pretrained; not checked tensor by tensor)"
        for init_cfg in settings_of(node.get("init_cfg")):
            if loads(init_cfg):
                weights = f"{init_cfg.type} {init_cfg.get('checkpoint')}"
                return f"backbone: {weights} ({name}.init_cfg)"
    raise UserError(
        "nothing to start from, neither --backbone nor weights in init_cfg or load_from",
        BACKBONE,
        "add --backbone FILE, or --backbone scratch for a random start",
    )


def refuse_no_weights(path: Path, options: Sequence[str]) -> None:
    """Check that a config names weights, where that can be told without mmdet or mmsegmentation.

    Args:
        path: The config.
        options: Of ``--cfg-options``; where one of them may name weights, nothing is checked.

    Raises:
        UserError: If it names none.
    """
    if path.suffix != ".py" or any(option.startswith(SET_BY) for option in options):
        return
    try:
        from mmengine.config import Config  # half a second, and a tenth of what all takes

        with contextlib.redirect_stdout(io.StringIO()):
            # mmengine logs each variable that it reads, for which it imports torch.
            plain = dict(import_custom_modules=False, use_environment_variables=False)
            cfg = Config.fromfile(path, **plain)
        known = isinstance(cfg.model.backbone, Mapping)
    except Exception:  # a broken config is told when it is read with all that it needs
        return
    if known:
        stated_weights(cfg)


def loads(init_cfg: Mapping[str, Any]) -> bool:
    """Return whether a setting of ``init_cfg`` reads a file."""
    return bare_type(init_cfg) in LOADING


def settings_of(init_cfg: Any) -> list[Any]:
    """Return the settings of an ``init_cfg``, which may be one, several or none."""
    return init_cfg if isinstance(init_cfg, list) else [init_cfg] if init_cfg else []
