"""The demo's ladder: is pretraining worth it, and do the tricks help, on the drawn world?

Command:   python tools/prepare_data.py demo && python tools/ladder.py configs/ladder/demo.py
Needs:     2 CPU cores, 3 to 10 minutes
Result:    docs/results.md, 3 seeds
"""

rungs = dict(
    scratch=None,
    b_standard=dict(config="configs/classification/resnet18-b_demo.py"),
    d_all_tricks=dict(config="configs/classification/resnet18-d-all_demo.py", teacher="b_standard"),
)
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_demo.py",
    segmentation="configs/segmentation/fcn_d8_demo.py",
)
seeds = [0]
