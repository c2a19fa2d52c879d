"""The three data sets: number of pictures, their contents, and the paths of the files.

Layout under the folder of the demo data:
``classification/{train,val}/<class>/<number>.png`` (64 px),
``detection/{JPEGImages,Annotations,ImageSets/Main,classes.txt}`` (128 px, VOC's layout),
``segmentation/{JPEGImages,SegmentationClass,ImageSets/Segmentation,classes.txt}`` (128 px).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from bag_of_transfer.demo_world.classes import CLASS_NAMES
from bag_of_transfer.demo_world.dice import Dice
from bag_of_transfer.demo_world.scene import Picture, Recipe, draw_picture

__all__ = ["CLASSIFICATION", "DETECTION", "SEGMENTATION", "SPLITS", "Split", "text_files"]

CLASSIFICATION, DETECTION, SEGMENTATION = "classification", "detection", "segmentation"

# Objects are equally large in pixels in all three sets, so that features carry over.  Clutter,
# occlusion and contrast (scene.py) were tuned by eye and by one run: the slim ResNet-18-D of
# configs/classification/resnet18-d_demo.py, six epochs, classifies 57 % of the val pictures right
# (chance: 8 %); with textured backgrounds of full contrast, 10 %.
_ONE_OBJECT = Recipe(
    size=64,
    num_objects=(1, 1),
    radius_px=(12, 30),
    margin_px=24,
    num_clutter=(0, 1),
    look_alike_percent=25,
    num_occluders=(0, 1),
)
_SOME_OBJECTS = Recipe(
    size=128,
    num_objects=(1, 4),
    radius_px=(12, 36),
    margin_px=16,
    num_clutter=(1, 3),
    look_alike_percent=20,
    num_occluders=(0, 2),
)
# More pixels show objects: otherwise a segmenter is good if it predicts only background.
_MANY_PIXELS = replace(_SOME_OBJECTS, num_objects=(2, 4), radius_px=(16, 38), num_clutter=(0, 2))


@dataclass(frozen=True)
class Split:
    """One split of one set; ``stream`` makes its pictures different from all others."""

    task: str
    name: str
    stream: int
    num_pictures: int
    recipe: Recipe

    @property
    def key(self) -> str:
        """Return the split's name, such as ``detection/train``."""
        return f"{self.task}/{self.name}"

    def draw(self, index: int, seed: int) -> Picture:
        """Draw picture ``index`` of this split; the classes of first objects take turns."""
        label = index % len(CLASS_NAMES)
        return draw_picture(Dice(seed, self.stream, index), self.recipe, label)

    def picture_name(self, index: int) -> str:
        """Return the name without suffix: ``dotted_star/0003`` or ``train_0003``."""
        if self.task == CLASSIFICATION:
            number, label = divmod(index, len(CLASS_NAMES))
            return f"{CLASS_NAMES[label]}/{number:04d}"
        return f"{self.name}_{index:04d}"

    def image_file(self, index: int) -> PurePosixPath:
        """Return the picture's file, relative to the folder of the demo data."""
        folder = self.name if self.task == CLASSIFICATION else "JPEGImages"
        return PurePosixPath(self.task, folder, f"{self.picture_name(index)}.png")

    def truth_file(self, index: int) -> PurePosixPath | None:
        """Return the file of annotation or mask; None where the folder is the class."""
        name = self.picture_name(index)
        if self.task == DETECTION:
            return PurePosixPath(self.task, "Annotations", f"{name}.xml")
        if self.task == SEGMENTATION:
            return PurePosixPath(self.task, "SegmentationClass", f"{name}.png")
        return None

    def files(self) -> Iterator[PurePosixPath]:
        """Yield every picture and annotation of the split."""
        for index in range(self.num_pictures):
            yield self.image_file(index)
            truth = self.truth_file(index)
            if truth is not None:
                yield truth


# Few pictures for the two fine-tuned tasks, because then pretraining helps most.
SPLITS: tuple[Split, ...] = (
    Split(CLASSIFICATION, "train", 1, 260 * len(CLASS_NAMES), _ONE_OBJECT),
    Split(CLASSIFICATION, "val", 2, 40 * len(CLASS_NAMES), _ONE_OBJECT),
    Split(DETECTION, "train", 3, 280, _SOME_OBJECTS),
    Split(DETECTION, "val", 4, 60, _SOME_OBJECTS),
    Split(DETECTION, "test", 5, 160, _SOME_OBJECTS),
    Split(SEGMENTATION, "train", 6, 200, _MANY_PIXELS),
    Split(SEGMENTATION, "val", 7, 50, _MANY_PIXELS),
    Split(SEGMENTATION, "test", 8, 120, _MANY_PIXELS),
)


def text_files() -> dict[PurePosixPath, str]:
    """Return the lists of pictures and of classes, by file."""
    lists = {DETECTION: "ImageSets/Main", SEGMENTATION: "ImageSets/Segmentation"}
    files = {
        PurePosixPath(split.task, lists[split.task], f"{split.name}.txt"): "".join(
            f"{split.picture_name(index)}\n" for index in range(split.num_pictures)
        )
        for split in SPLITS
        if split.task in lists
    }
    classes = {DETECTION: CLASS_NAMES, SEGMENTATION: ("background", *CLASS_NAMES)}
    for task, names in classes.items():
        files[PurePosixPath(task, "classes.txt")] = "".join(f"{name}\n" for name in names)
    return files
