"""Check what mmdet's ``XMLDataset`` and ``VOCDataset`` have read from their files."""

from collections import Counter
from pathlib import Path

from mmdet.datasets import XMLDataset
from mmengine.fileio import list_from_file

from bag_of_transfer.detection.stock_boxes import check_boxes
from bag_of_transfer.detection.voc_xml import read_xml

__all__ = ["check"]


def check(dataset: XMLDataset) -> None:
    """Read the annotations with our reader, and warn of the boxes that were dropped.

    Raises:
        UserError: If an annotation is refused, or no box counts.
    """
    folder = Path(dataset.sub_data_root, dataset.ann_subdir)
    if type(dataset).load_data_list is not XMLDataset.load_data_list or not folder.is_dir():
        return  # files of another kind, or on another machine
    in_files: Counter[str] = Counter()
    for name in list_from_file(dataset.ann_file, backend_args=dataset.backend_args):
        image = read_xml(folder / f"{name}.xml", name, Path(dataset.img_subdir, name))
        in_files.update(box.class_name for box in image.boxes)
    check_boxes(dataset, in_files)
