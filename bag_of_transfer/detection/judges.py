"""Which of our metrics replaces which of mmdet's; their modules are imported when one is used."""

from collections.abc import Mapping
from typing import Any

from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.data.own_readers import LOCAL
from bag_of_transfer.engine.tasks import Judge

__all__ = ["JUDGES"]

METRICS = "bag_of_transfer.detection.metrics"  # by name: it imports mmdet, which takes seconds
_SIZES = ("50", "75", "s", "m", "l")
_COCO_AP = {"coco/bbox_mAP": "AP", **{f"coco/bbox_mAP_{size}": f"AP{size}" for size in _SIZES}}
# Of boxes, AP takes 100 of an image with each of these: mmdet's default, RTMDet's, COCO's own.
# With the first, mmdet's AP50 and the others take 1000: see _limit_of_boxes.
PROPOSALS = ((100, 300, 1000), (100, 1, 10), (1, 10, 100))
BOXES = 100  # of an image, by COCO's rules
_SAME = {"proposal_nums": PROPOSALS, "prefix": (None,)}
_EITHER = (True, False)


def _limit_of_boxes(cfg: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Return how the values differ from mmdet's if a detector gives more boxes than COCO counts."""
    settings = {"test_cfg": (cfg.get("model") or {}).get("test_cfg")}
    given = [
        node["max_per_img"]
        for place, node in dicts_with("max_per_img", settings)
        if "rpn" not in place.split(".")
    ]
    most = max(theirs.get("proposal_nums") or PROPOSALS[0])
    if most <= BOXES or not any(isinstance(one, int) and one > BOXES for one in given):
        return ""
    return f"at most {BOXES} boxes of an image count (mmdet's: in bbox_mAP, in the others {most})"


JUDGES = {
    "VOCMetric": Judge(
        "VocMetric",
        METRICS,
        frozenset({"collect_device"}),
        {
            **_SAME,
            "metric": ("mAP", ["mAP"]),
            "iou_thrs": (0.5, [0.5]),
            "scale_ranges": (None,),
            "eval_mode": ("11points",),
        },
        {"pascal_voc/mAP": "mAP_voc07"},
    ),
    "CocoMetric": Judge(
        "CocoBoxMetric",
        METRICS,
        frozenset({"collect_device", "ann_file"}),
        {
            **_SAME,
            "metric": ("bbox", ["bbox"]),
            "classwise": _EITHER,  # ours has the values of each class in any case
            **dict.fromkeys(("iou_thrs", "metric_items", "outfile_prefix"), (None,)),
            **dict.fromkeys(("format_only", "sort_categories"), (False,)),
            "use_mp_eval": _EITHER,
            "backend_args": LOCAL,
        },
        _COCO_AP,
        _limit_of_boxes,
    ),
}
