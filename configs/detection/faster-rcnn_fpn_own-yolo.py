"""Your own images with boxes in YOLO's layout; the classes are read from data.yaml.

Paper:     none
Data:      DATA_ROOT/own-yolo/{data.yaml,images/{train,val,test},labels/{train,val,test}}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_own-yolo.py --backbone FILE
Needs:     a GPU with 8 GB or more (an estimate); --dry-run estimates the time
Result:    unmeasured
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn.py",
    "_base_/datasets/yolo_format.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
own = "{{$DATA_ROOT:data}}/own-yolo/"
train_dataloader = dict(dataset=dict(data_root=own))
val_dataloader = dict(dataset=dict(data_root=own))
test_dataloader = dict(dataset=dict(data_root=own))
