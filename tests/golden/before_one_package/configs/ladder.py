"""Random weights against the small backbone, for detection and segmentation."""

rungs = dict(scratch=None, d=dict(label="D", config="configs/cls.py"))
short = ["train_cfg.max_epochs=2", "train_cfg.val_interval=2"]
tasks = dict(
    detection=dict(config="configs/det.py", cfg_options=short),
    segmentation=dict(config="configs/seg.py", cfg_options=short),
)
seeds = [0]
num_pictures = 1
