"""Which keys a dict may take that is read by the class of the dict around it, or key by key."""

from collections.abc import Mapping

from bag_of_transfer.engine.config.config_vocabulary import find_callables, parameter_names

__all__ = ["setting_names"]

# Dicts whose keys are read one by one, by their names: of detectors' data sets, of mmcv's NMS.
_SETTINGS = {
    "filter_cfg": frozenset({"filter_empty_gt", "min_size", "bbox_min_size"}),
    "nms": frozenset(
        {
            *("type", "iou_threshold", "score_threshold", "max_num", "split_thr"),
            *("class_agnostic", "offset", "sigma", "min_score", "method"),
        }
    ),
}
_SLIDING = frozenset({"mode", "crop_size", "stride"})  # test_cfg of mmsegmentation's networks


def setting_names(name: str, parent: object, scope: str) -> frozenset[str] | None:
    """Return the keys of a dict without a ``type`` that the class of the dict around it reads.

    A class of ours states the functions that read its settings in ``setting_readers``, by name:
    those of ImageClassifier are its tricks.

    Args:
        name: The dict's name, such as ``"distillation"``.
        parent: The dict around it.
        scope: Where its ``type`` is looked up.

    Returns:
        The names, or None where no class tells them.
    """
    type_ = parent.get("type") if isinstance(parent, Mapping) else None
    for target in find_callables(type_, scope):
        reader = getattr(target, "setting_readers", {}).get(name)
        if reader is not None:
            return parameter_names(reader)
        if name == "test_cfg" and hasattr(target, "slide_inference"):
            return _SLIDING
    return _SETTINGS.get(name)
