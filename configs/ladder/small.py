"""Is pretraining worth it, and do the tricks help, on photographs? Three rungs, three seeds.

Paper:     arXiv:1812.01187, tables 8 and 9, first and last row, beside a random start
Data:      DATA_ROOT/caltech and DATA_ROOT/shapes5, see the configs below
Command:   python tools/ladder.py configs/ladder/photographs.py
Needs:     2 CPU cores, about 40 minutes
Result:    docs/results.md, 3 seeds
"""

rungs = dict(
    scratch=None,
    b_standard=dict(config="configs/classification/resnet18-b_photographs.py"),
    d_all_tricks=dict(
        config="configs/classification/resnet18-d-all_photographs.py", teacher="b_standard"
    ),
)
tasks = dict(
    detection="configs/detection/faster-rcnn_fpn_photographs.py",
    segmentation="configs/segmentation/fcn_d8_photographs.py",
)
seeds = [0, 1, 2]
