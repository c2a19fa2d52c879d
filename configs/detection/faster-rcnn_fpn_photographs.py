"""The slim Faster R-CNN on 283 photographs of five classes, a third of the training split.

Paper:     arXiv:1812.01187, table 8 (Pascal VOC there)
Data:      DATA_ROOT/shapes5/{JPEGImages,Annotations,ImageSets/Main/{train,val,test}.txt}
Command:   python tools/train.py configs/detection/faster-rcnn_fpn_photographs.py --backbone FILE
Needs:     2 CPU cores, about 2 minutes
Result:    see docs/results.md
"""

_base_ = ["faster-rcnn_fpn_demo.py"]
photographs = "{{$DATA_ROOT:data}}/shapes5/"
# The list goes class by class: every third image, not the first ones.
train_dataloader = dict(dataset=dict(data_root=photographs, indices=list(range(0, 849, 3))))
val_dataloader = dict(dataset=dict(data_root=photographs))
test_dataloader = dict(dataset=dict(data_root=photographs))
train_cfg = dict(max_epochs=12, val_interval=12)
