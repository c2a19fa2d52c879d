"""Tables 8 and 9 of the paper: seven backbones, Faster R-CNN on VOC, FCN on ADE20K.

Paper:     arXiv:1812.01187, tables 8 and 9 (one run per row there)
Data:      python tools/prepare_data.py {imagenet,voc,ade20k}
Command:   python tools/ladder.py configs/ladder/paper.py
Needs:     8 GPUs; time unmeasured (--dry-run tells)
Result:    unmeasured
"""

folder = "configs/classification/resnet50-"
rungs = dict(
    teacher=dict(
        config="configs/classification/resnet152-d_cosine-lbs_8xb64_in1k.py", teaches_only=True
    ),
    b_standard=dict(row="B-standard", config=folder + "b_baseline_8xb32_in1k.py"),
    d_efficient=dict(row="D-efficient", config=folder + "d_efficient_8xb128_in1k.py"),
    cosine=dict(row="+ cosine", config=folder + "d_cosine_8xb128_in1k.py"),
    smooth=dict(row="+ smooth", config=folder + "d_cosine-lbs_8xb128_in1k.py"),
    distill=dict(
        row="+ distill w/o mixup",
        config=folder + "d_cosine-lbs-distill_8xb128_in1k.py",
        teacher="teacher",
    ),
    mixup=dict(row="+ mixup w/o distill", config=folder + "d_cosine-lbs-mixup-200e_8xb128_in1k.py"),
    distill_mixup=dict(
        row="+ distill w/ mixup",
        config=folder + "d_cosine-lbs-distill-mixup-200e_8xb128_in1k.py",
        teacher="teacher",
    ),
)
reference = "b_standard"
tasks = dict(
    detection=dict(config="configs/detection/faster-rcnn_c4_paper_voc.py", published_split=True),
    segmentation=dict(config="configs/segmentation/fcn_d8_paper_ade20k.py", published_split=True),
)
seeds = [0]
