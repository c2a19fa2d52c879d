"""Tables 8 and 9 of the paper: seven backbones, Faster R-CNN on VOC, FCN on ADE20K.

Paper:     arXiv:1812.01187, tables 8 and 9 (one run per row)
Data:      python tools/prepare_data.py {imagenet,voc,ade20k}
Command:   python tools/ladder.py configs/ladder/paper.py
Needs:     one GPU per cell (--jobs N runs N cells at once); memory and time unmeasured
           (--dry-run estimates the time)
Batches:   all as large as the paper's, so that every learning rate is the paper's: pretraining
           adds up 8 passes, each with the images of one of the paper's 8 GPUs (for BN); the
           segmenter takes the images of 4 GPUs in one batch, the detector takes 4 images
Test:      the segmenter at several scales, with flip and windows, as the paper's code did at that
           time; with one scale, weights published with 39.5 mIoU have 36.5 (gluon-cv#1696)
Result:    unmeasured
"""

of_8_gpus = ["optim_wrapper.accumulative_counts=8"]
of_4_gpus = ["train_dataloader.batch_size=16"]
folder = "configs/classification/resnet50-"
rungs = dict(
    teacher=dict(
        config="configs/classification/resnet152-d_cosine-lbs_8xb64_in1k.py",
        teaches_only=True,
        cfg_options=of_8_gpus,
    ),
    teacher_mixup=dict(
        config="configs/classification/resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k.py",
        teaches_only=True,
        cfg_options=of_8_gpus,
    ),
    b_standard=dict(
        row="B-standard", config=folder + "b_baseline_8xb32_in1k.py", cfg_options=of_8_gpus
    ),
    d_efficient=dict(
        row="D-efficient", config=folder + "d_efficient_8xb128_in1k.py", cfg_options=of_8_gpus
    ),
    cosine=dict(row="+ cosine", config=folder + "d_cosine_8xb128_in1k.py", cfg_options=of_8_gpus),
    smooth=dict(
        row="+ smooth", config=folder + "d_cosine-lbs_8xb128_in1k.py", cfg_options=of_8_gpus
    ),
    distill=dict(
        row="+ distill w/o mixup",
        config=folder + "d_cosine-lbs-distill_8xb128_in1k.py",
        cfg_options=of_8_gpus,
        teacher="teacher",
    ),
    mixup=dict(
        row="+ mixup w/o distill",
        config=folder + "d_cosine-lbs-mixup-200e_8xb128_in1k.py",
        cfg_options=of_8_gpus,
        compared_with="smooth",
    ),
    distill_mixup=dict(
        row="+ distill w/ mixup",
        config=folder + "d_cosine-lbs-distill-mixup-200e_8xb128_in1k.py",
        cfg_options=of_8_gpus,
        teacher="teacher_mixup",
    ),
)
reference = "b_standard"
tasks = dict(
    detection=dict(config="configs/detection/faster-rcnn_c4_paper_voc.py", published_split=True),
    segmentation=dict(
        config="configs/segmentation/fcn_d8_paper_ade20k.py",
        cfg_options=of_4_gpus,
        published_split=True,
        tta=True,
    ),
)
tune = None  # the paper's one recipe; to tune, hold a part of train out: held_out in the tasks
seeds = [0]
