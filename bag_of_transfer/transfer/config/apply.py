"""``--backbone FILE|scratch``: fit an mmdet or mmsegmentation config to a backbone.

A value of the user that disagrees is an error; one of a base is changed, and a line says so.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS
from torch import nn

from backbones import ResNet
from backbones.blocks import DEPTHS, VARIANTS, stage_out_channels
from bag_of_transfer.engine.arguments import SCRATCH
from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import TIMM, Card, card_path, read_card
from bag_of_transfer.transfer.backbone_file import BackboneFile
from bag_of_transfer.transfer.config.channels import derive_channels
from bag_of_transfer.transfer.config.config_writer import Settings, nearly_equal
from bag_of_transfer.transfer.config.filled_parts import BACKBONE, HEAD
from bag_of_transfer.transfer.config.norms import fit_norms
from bag_of_transfer.transfer.config.stated_weights import loads, settings_of, stated_weights
from bag_of_transfer.transfer.config.timm_backbone import (
    TAKEN,
    put_timm_network,
    stated_timm_network,
)
from bag_of_transfer.transfer.network_fields import BackboneFacts
from bag_of_transfer.transfer.network_shapes import SIZES
from bag_of_transfer.transfer.resnet_type import equivalent_type
from bag_of_transfer.transfer.tensor_file import read_shapes

__all__ = ["apply_backbone", "build_parts"]

PREPROCESSOR = "model.data_preprocessor"
# Arguments of mm*'s ResNets that are dropped: our type and the file's tensors replace them.
REPLACED = ("style", "deep_stem", "avg_down", "stage_with_dcn", "name", "options")


def apply_backbone(
    cfg: Config, choice: str | Path | BackboneFacts | None, explicit: set[str]
) -> list[str]:
    """Make ``cfg`` start from a backbone file, or from random weights if the user asks for it.

    Args:
        cfg: A config for mmdet or mmseg, ours or theirs; changed in place.  ``cfg.backbone_file``
            records the changes, for ``metrics.json``.
        choice: A backbone file, or the facts of one that is not written yet; ``"scratch"``; or
            None: then the config must name weights.
        explicit: Dotted keys that the user set in the leaf config or by ``--cfg-options``.

    Returns:
        Lines to print, which say what was changed.

    Raises:
        UserError: If no weights are named, the file or its card is damaged, values of the user
            disagree with it (the error names all), or random layers would be frozen.
    """
    if not isinstance(cfg.get("model", {}).get("backbone"), Mapping):
        what = "the config's model has no backbone"
        if "backbone" in (cfg.get("model", {}).get("detector") or {}):  # trackers, Soft Teacher
            what += ", it is in model.detector.backbone"
        raise UserError(what, BACKBONE, "give the config of a detector or segmenter itself")
    if choice is None:
        _check_stated_file(cfg)
        return [stated_weights(cfg)]
    is_scratch = str(choice) == SCRATCH
    settings = Settings(cfg, explicit, "a random start" if is_scratch else "the backbone's card")
    _forget_load_from(settings)
    _forget_stated_weights(settings)
    if is_scratch:
        lines = _start_from_scratch(settings)
    elif isinstance(choice, BackboneFacts):
        lines = _start_from_file(settings, choice, Path("a file that is not written yet"))
    else:
        facts = BackboneFacts(read_card(choice), read_shapes(Path(choice)))
        lines = _start_from_file(settings, facts, Path(choice))
    settings.refuse_disagreements()
    return lines


def build_parts(model: ConfigDict) -> tuple[nn.Module, nn.Module | None]:
    """Build a model's backbone and its shared head, if it has one, without the other parts."""
    head = (model.get("roi_head") or {}).get("shared_head")
    return MODELS.build(model.backbone), MODELS.build(head) if head else None


# ---- neither file nor scratch ----


def _check_stated_file(cfg: Config) -> None:
    """Refuse images that are not normalised as the card of a file in ``init_cfg`` says."""
    owners, images = (cfg.model, cfg.model.backbone), cfg.model.get("data_preprocessor")
    stated = (init_cfg for owner in owners for init_cfg in settings_of(owner.get("init_cfg")))
    files = [one for one in stated if bare_type(one) == BackboneFile.__name__]
    for path in (Path(one.checkpoint) for one in files):
        if images is None or not (path.is_file() and card_path(path).is_file()):
            continue  # a resumed run needs the file no more
        for key, wanted in _normalisation(read_card(path)).items():
            value = images.get(key) or False
            if not nearly_equal(value, wanted):
                what = f"the config sets {value!r}, but the card of {path.name} needs {wanted!r}"
                mend = "state the card's value, or name the file by --backbone, which does"
                raise UserError(what, f"{PREPROCESSOR}.{key}", mend)


def _normalisation(card: Card) -> dict[str, Any]:
    """Return the preprocessor's mean, std and order of channels for a card's network."""
    # mm*'s loaders read three channels as BGR; other images are read as they are stored.
    to_rgb = card.channel_order == "RGB" and card.in_channels == 3
    return {"mean": list(card.mean), "std": list(card.std), "bgr_to_rgb": to_rgb}


def _forget_load_from(settings: Settings) -> None:
    """Drop ``load_from``, the weights of a whole network, which a base or stock config may have.

    Raises:
        UserError: If the user set it, together with ``--backbone``.
    """
    stated = settings.cfg.get("load_from")
    if stated and settings.is_explicit("load_from"):
        raise UserError(
            f"load_from={stated!r} would overwrite the backbone",
            "load_from",
            "leave out either load_from or --backbone",
        )
    if stated:
        settings.cfg.load_from = None
        settings.lines.append(f"load_from: {stated} -> dropped, it would overwrite the backbone")


def _forget_stated_weights(settings: Settings) -> None:
    # Otherwise they would be loaded after the file, or instead of it.
    for node in ("model", BACKBONE, HEAD):
        settings.drop(f"{node}.pretrained")
        if any(map(loads, settings_of(settings.get(f"{node}.init_cfg")))):
            settings.drop(f"{node}.init_cfg")


# ---- scratch ----


def _start_from_scratch(settings: Settings) -> list[str]:
    backbone = settings.get(BACKBONE)
    ours = equivalent_type(backbone)
    if _is_timm(backbone):
        derive_channels(settings, stated_timm_network(settings).out_channels)
    for node in (BACKBONE, HEAD):
        if settings.get(node) is not None:
            _unfreeze(settings, node, is_resnet=ours is not None)
    if ours is not None:
        stages = _stages(backbone.get("depth"), backbone.get("base_channels", 64))
        _fit_shared_head(settings, {"type": ours, **backbone}, replace=False)
        derive_channels(settings, stages)
    lines = ["backbone: random weights (scratch); nothing frozen, BN trained", *settings.lines]
    settings.cfg.backbone_file = dict(path=SCRATCH, sha256=None, changed=lines)
    return lines


def _unfreeze(settings: Settings, node: str, is_resnet: bool) -> None:
    why = "(frozen layers would keep random weights)"
    wanted: dict[str, Any] = {"norm_eval": False}
    if node == BACKBONE:
        wanted["frozen_stages"] = -1
    for key, value in wanted.items():
        if is_resnet or settings.get(f"{node}.{key}") is not None:  # others may lack the argument
            settings.set(f"{node}.{key}", value, why=why)
    norm_cfg = settings.get(f"{node}.norm_cfg") or {}
    if norm_cfg.get("requires_grad") is not None:
        settings.set(f"{node}.norm_cfg.requires_grad", True, why=why)
    elif node == HEAD and not norm_cfg:  # without norm_cfg ResNetStage4 freezes BN
        settings.set(f"{node}.norm_cfg", dict(type="BN", requires_grad=True), why=why)


# ---- a file ----


def _start_from_file(settings: Settings, facts: BackboneFacts, path: Path) -> list[str]:
    card, before = facts.card, _stated_stages(settings.get(BACKBONE))
    stages = _replace_backbone(settings, facts)
    _fit_preprocessor(settings, card)
    network = {"type": card.type, "depth": card.depth, "base_channels": card.base_channels}
    has_head = _fit_shared_head(settings, network, replace=True)
    if has_head:
        fit_norms(settings, facts, HEAD)
    derive_channels(settings, stages, before)
    # With a shared head the whole model gets init_cfg: one load fills both and counts both.
    owner = settings.cfg.model if has_head else settings.cfg.model.backbone
    owner.init_cfg = ConfigDict(type=BackboneFile.__name__, checkpoint=str(path))
    settings.cfg.backbone_file = dict(path=str(path), sha256=card.sha256, changed=settings.lines)
    widths = f" (stem {card.stem_channels}, base {card.base_channels})"
    first = f"backbone: {card.title}{'' if card.type == TIMM else widths} from {path}"
    return [first, *settings.lines]


def _replace_backbone(settings: Settings, facts: BackboneFacts) -> Sequence[int]:
    """Write the card's network into the config; return the number of channels of each stage."""
    card, old = facts.card, settings.get(BACKBONE)
    stated = TIMM if _is_timm(old) else equivalent_type(old)
    if stated is None:
        raise UserError(
            f"{old.type} is not a ResNet, its settings have no meaning for a {card.type}",
            f"{BACKBONE}.type",
            "use a config with a ResNet, or train without --backbone",
        )
    if settings.is_explicit(f"{BACKBONE}.type") and stated != card.type:
        settings.disagree(f"{BACKBONE}.type", card.type)
    if stated != TIMM and old.type not in VARIANTS and settings.cfg.get("default_scope") == "mmdet":
        old.setdefault("norm_eval", True)  # the default of mmdet; ours is False
    if old.type != card.type:
        settings.lines.append(f"{BACKBONE}.type: {old.type} -> {card.type}")
        old.type = card.type
    _drop_foreign(settings, old, card.type)
    if card.type == TIMM:
        if stated != TIMM:  # some networks of timm have more than four stages
            old.setdefault("out_indices", tuple(range(old.get("num_stages", 4))))
        return put_timm_network(settings, card).out_channels
    for name in SIZES:
        settings.set(f"{BACKBONE}.{name}", getattr(card, name))
    fit_norms(settings, facts, BACKBONE)
    assert card.depth is not None
    assert card.base_channels is not None  # both were checked by read_card
    return _stages(card.depth, card.base_channels)


def _is_timm(backbone: Mapping[str, Any]) -> bool:
    return bare_type(backbone) == TIMM


def _stated_stages(backbone: Mapping[str, Any]) -> list[int] | None:
    """Return the channels of the stages of the config's ResNet; None if it is not a ResNet."""
    if equivalent_type(backbone) is None or backbone.get("depth") not in DEPTHS:
        return None
    return _stages(backbone["depth"], backbone.get("base_channels", 64))


def _stages(depth: Any, base_channels: Any) -> list[int]:
    try:
        return [stage_out_channels(depth, base_channels, stage) for stage in range(4)]
    except (TypeError, ValueError) as error:
        raise UserError(str(error), BACKBONE, "correct its depth or base_channels") from error


def _drop_foreign(settings: Settings, backbone: ConfigDict, kind: str) -> None:
    # For a network of timm, put_timm_network drops the arguments that only our ResNets take.
    taken = {"type", "_scope_", *inspect.signature(ResNet.__init__).parameters}
    if kind == TIMM:
        taken.update(TAKEN)
    foreign = [key for key in backbone if key not in taken]
    lacking = [key for key in foreign if key not in REPLACED and backbone[key] is not None]
    if lacking:
        raise UserError(
            f"{kind} does not take {', '.join(f'{key}={backbone[key]!r}' for key in lacking)}",
            ", ".join(f"{BACKBONE}.{key}" for key in lacking),
            "use a config with a plain ResNet, or without --backbone",
        )
    for key in foreign:
        settings.drop(f"{BACKBONE}.{key}")
    backbone.pop("_scope_", None)


def _fit_preprocessor(settings: Settings, card: Card) -> None:
    node = PREPROCESSOR
    if settings.get(node) is None:
        raise UserError(
            "the config has no data_preprocessor to normalise images",
            node,
            "define one: DetDataPreprocessor (mmdet) or SegDataPreProcessor (mmseg)",
        )
    for key, value in _normalisation(card).items():
        settings.set(f"{node}.{key}", value, nearly_equal)
    if settings.get(f"{node}.rgb_to_bgr"):
        settings.set(f"{node}.rgb_to_bgr", False)


def _fit_shared_head(settings: Settings, network: Mapping[str, Any], replace: bool) -> bool:
    """Make the shared head stage 4 of the same network; return whether the model has one.

    mmdet's ``ResLayer`` has neither pooled shortcuts nor other widths, so ``ResNetStage4`` replaces
    it for a file's stage 4.
    """
    head = settings.get(HEAD)
    if head is None:
        return False
    if head.type != "ResNetStage4":
        if not replace:
            return True
        kept = ("stride", "dilation", "norm_cfg", "norm_eval", "with_cp")
        stated = {key: head[key] for key in kept if key in head}
        settings.lines.append(f"{HEAD}.type: {head.type} -> ResNetStage4")
        settings.get("model.roi_head").shared_head = ConfigDict(type="ResNetStage4", **stated)
    settings.set(f"{HEAD}.variant", network["type"])
    settings.set(f"{HEAD}.depth", network["depth"])
    settings.set(f"{HEAD}.base_channels", network.get("base_channels", 64))
    return True
