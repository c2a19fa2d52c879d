"""The demo's ladder: is pretraining worth it on the drawn images, and do the tricks help?

Paper:     arXiv:1812.01187, tables 8 and 9, first and last row (drawn images here)
Data:      python tools/prepare_data.py demo
Command:   python tools/ladder.py configs/ladder/demo.py
Needs:     2 CPU cores, 7 minutes
Result:    docs/results.md, section "The demo"
"""

rungs = dict(
    scratch=None,
    b_standard=dict(label="B-standard", config="configs/classification/resnet18-b_demo.py"),
    d_all_tricks=dict(
        label="D, all tricks",
        config="configs/classification/resnet18-d-all_demo.py",
        teacher="b_standard",
    ),
)
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_demo.py",
    segmentation="configs/segmentation/fcn_d8_demo.py",
)
tune = None  # it would take an hour; configs/ladder/small.py tunes
seeds = [0]
