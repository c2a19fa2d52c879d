"""The slim Faster R-CNN on 283 photographs of five classes, a third of the training split.

Paper:     arXiv:1812.01187, table 8 (on Pascal VOC)
Data:      DATA_ROOT/shapes5/{JPEGImages,Annotations,ImageSets/Main/{train,val,test}.txt}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_photographs.py --backbone FILE
Needs:     2 CPU cores, about 2 minutes
Result:    docs/results.md, section "Photographs: which tricks carry over?"
"""

_base_ = [
    "_base_/models/faster-rcnn_fpn_slim.py",
    "_base_/datasets/demo.py",
    "_base_/schedules/few-images.py",
    "../_base_/default_runtime.py",
]
photographs = "{{$DATA_ROOT:data}}/shapes5/"
# Every third image only, because pretraining matters most with few images.
few = dict(data_root=photographs, hold_out=3, held_out=True)
train_dataloader = dict(batch_size=8, dataset=few)
# They differ in size: in larger batches they would be padded.
val_dataloader = dict(batch_size=1, dataset=dict(data_root=photographs))
test_dataloader = dict(batch_size=1, dataset=dict(data_root=photographs))
train_cfg = dict(max_epochs=12, val_interval=12)
