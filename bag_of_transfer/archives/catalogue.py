"""The six data sets, as their authors publish them.

Sources.  MD5 and addresses: torchvision 0.29, ``datasets/{voc,imagenet,places365,
oxford_iiit_pet}.py``.  Sizes, and SHA-256 where torchvision has no hash: tensorflow/datasets,
``url_checksums/{voc,coco,ade20k,oxford_iiit_pet,places365_small,imagenet2012}.txt``; other
repositories with hashes of COCO's and ADE20K's archives have the same.  No source states the
size of ImageNet's development kit.  Counts: the data sets' pages.
"""

from bag_of_transfer.archives.arrange import (
    arrange_imagenet,
    arrange_pets,
    arrange_places365,
    leave_as_unpacked,
)
from bag_of_transfer.archives.counting import (
    count_ade20k,
    count_class_folders,
    count_coco,
    count_pets,
    count_voc,
)
from bag_of_transfer.archives.records import Archive, DataSet

__all__ = ["DATA_SETS"]

_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"
_COCO = "http://images.cocodataset.org"  # no https: its certificate is another host's
_ADE = "http://data.csail.mit.edu/places/ADEchallenge"
_PLACES = "http://data.csail.mit.edu/places/places365"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets"

VOC = DataSet(
    name="voc",
    title="PASCAL VOC 2007 and 2012",
    page="http://host.robots.ox.ac.uk/pascal/VOC/",
    archives=(
        Archive(
            name="VOCtrainval_06-Nov-2007.tar",
            url=f"{_VOC}/voc2007/VOCtrainval_06-Nov-2007.tar",
            size=460_032_000,
            digest="md5:c52e279531787c972589f7e41ab4ae64",
            holds="VOCdevkit/VOC2007/",
            becomes="VOCdevkit/VOC2007/",
        ),
        Archive(  # unpacked into the same folder: its images and lists are others
            name="VOCtest_06-Nov-2007.tar",
            url=f"{_VOC}/voc2007/VOCtest_06-Nov-2007.tar",
            size=451_020_800,
            digest="md5:b6e924de25625d8de591ea690078ad9f",
            holds="VOCdevkit/VOC2007/",
            becomes="VOCdevkit/VOC2007/",
        ),
        Archive(
            name="VOCtrainval_11-May-2012.tar",
            url=f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
            size=1_999_639_040,
            digest="md5:6cd6e144f989b92b3379bac3b3de84fd",
            holds="VOCdevkit/VOC2012/",
            becomes="VOCdevkit/VOC2012/",
        ),
    ),
    arrange=leave_as_unpacked,
    count=count_voc,
    counts={
        "VOC07+12 trainval": 16_551,
        "VOC07 test": 4_952,
        "VOC12 masks train": 1_464,
        "VOC12 masks val": 1_449,
    },
)

COCO = DataSet(
    name="coco",
    title="COCO 2017",
    page="https://cocodataset.org/#download",
    archives=(
        Archive(
            name="annotations_trainval2017.zip",
            url=f"{_COCO}/annotations/annotations_trainval2017.zip",
            size=252_907_541,
            digest="sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            holds="annotations/",
            becomes="annotations/",
        ),
        Archive(
            name="val2017.zip",
            url=f"{_COCO}/zips/val2017.zip",
            size=815_585_330,
            digest="sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            holds="val2017/",
            becomes="val2017/",
        ),
        Archive(
            name="train2017.zip",
            url=f"{_COCO}/zips/train2017.zip",
            size=19_336_861_798,
            digest="sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            holds="train2017/",
            becomes="train2017/",
        ),
    ),
    arrange=leave_as_unpacked,
    count=count_coco,
    counts={"train2017": 118_287, "val2017": 5_000, "annotation files": 2},
)

ADE20K = DataSet(
    name="ade20k",
    title="ADE20K (SceneParse150)",
    page="http://sceneparsing.csail.mit.edu/",
    archives=(
        Archive(
            name="ADEChallengeData2016.zip",
            url=f"{_ADE}/ADEChallengeData2016.zip",
            size=967_382_037,
            digest="sha256:7ff1be44964418441f542a7cc1e1a650e7dc0fc275f5d23252bc9bbdbc977b29",
            holds="ADEChallengeData2016/",
            becomes="",
        ),
    ),
    arrange=leave_as_unpacked,
    count=count_ade20k,
    counts={"training": 20_210, "validation": 2_000},
)

IMAGENET = DataSet(
    name="imagenet",
    title="ImageNet (ILSVRC 2012)",
    page="https://image-net.org/challenges/LSVRC/2012/2012-downloads.php",
    archives=(
        Archive(
            name="ILSVRC2012_devkit_t12.tar.gz",
            url="",
            size=None,
            digest="md5:fa75699e90414af021442c21a62c3abf",
            holds="ILSVRC2012_devkit_t12/data/",
            becomes="devkit/",
        ),
        Archive(
            name="ILSVRC2012_img_val.tar",
            url="",
            size=6_744_924_160,
            digest="md5:29b22e2961454d5413ddabcf34fc5622",
            holds="ILSVRC2012_val_",
            becomes="val/ILSVRC2012_val_",
        ),
        Archive(
            name="ILSVRC2012_img_train.tar",
            url="",
            size=147_897_477_120,
            digest="md5:1d675b47d978889d74fa0da5fadfb00e",
            holds="n",
            becomes="train/n",
            nested=True,
        ),
    ),
    arrange=arrange_imagenet,
    count=count_class_folders,
    counts={"train": 1_281_167, "val": 50_000, "classes of train": 1_000, "classes of both": 1_000},
    login=True,
)

PLACES365 = DataSet(
    name="places365",
    title="Places365-Standard (256 px)",
    page="http://places2.csail.mit.edu/download.html",
    archives=(
        Archive(
            name="filelist_places365-standard.tar",
            url=f"{_PLACES}/filelist_places365-standard.tar",
            size=67_498_496,
            digest="md5:35a0585fee1fa656440f3ab298f8479c",
            holds="",
            becomes="filelist/",
        ),
        Archive(
            name="val_256.tar",
            url=f"{_PLACES}/val_256.tar",
            size=525_158_400,
            digest="md5:e27b17d8d44f4af9a78502beb927f808",
            holds="val_256/",
            becomes="val/",
        ),
        Archive(
            name="train_256_places365standard.tar",
            url=f"{_PLACES}/train_256_places365standard.tar",
            size=26_103_685_120,
            digest="md5:53ca1c756c3d1e7809517cc47c5561c5",
            holds="data_256/",
            becomes="train/",
        ),
    ),
    arrange=arrange_places365,
    count=count_class_folders,
    counts={"train": 1_803_460, "val": 36_500, "classes of train": 365, "classes of both": 365},
)

PETS = DataSet(
    name="oxford-pets",
    title="Oxford-IIIT Pet",
    page=f"{_PETS}/",
    archives=(
        Archive(
            name="annotations.tar.gz",
            url=f"{_PETS}/data/annotations.tar.gz",
            size=19_173_078,
            digest="md5:95a8c909bbe2e81eed6a22bccdf3f68f",
            holds="annotations/",
            becomes="annotations/",
        ),
        Archive(
            name="images.tar.gz",
            url=f"{_PETS}/data/images.tar.gz",
            size=791_918_971,
            digest="md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
            holds="images/",
            becomes="JPEGImages/",
        ),
    ),
    arrange=arrange_pets,
    count=count_pets,
    counts={
        "trainval": 3_680,
        "test": 3_669,
        "masks trainval": 3_680,
        "masks test": 3_669,
        "classes of both": 37,
    },
)

DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set for data_set in (IMAGENET, PLACES365, VOC, COCO, ADE20K, PETS)
}
