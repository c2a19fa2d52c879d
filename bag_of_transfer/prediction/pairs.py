"""Draw what an annotation says beside what a network predicts."""

from collections import Counter
from collections.abc import Sequence

from PIL import Image, ImageDraw

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction import captions, drawing
from bag_of_transfer.prediction.colours import class_colours
from bag_of_transfer.prediction.results import Boxes, Classes, Mask, Result, percent
from bag_of_transfer.prediction.truth import TrueBoxes, TrueClass, TrueMask, Truth

__all__ = ["draw_pair", "side_by_side"]

GAP_PX = 4
CAPTION_PX, CAPTION_FONT_PX = 20, 14  # of small panels


def draw_pair(result: Result, truth: Truth, min_score: float) -> Image.Image:
    """Draw the truth on the left and the prediction on the right, with a legend of both below.

    A classifier's image is drawn once, with both below it.

    Args:
        result: The prediction.
        truth: What the annotation says, of the same task.
        min_score: Boxes with a lower score are not drawn.

    Raises:
        UserError: If a mask has another size than its image, or the truth is of another task.
    """
    if isinstance(result, Classes) and isinstance(truth, TrueClass):
        lines = [f"truth: {truth.name}", *result.lines()]
        return drawing.with_lines(drawing.enlarged(result.image())[0], lines)
    if isinstance(result, Boxes) and isinstance(truth, TrueBoxes):
        return _boxes_pair(result, truth, min_score)
    if isinstance(result, Mask) and isinstance(truth, TrueMask):
        return _mask_pair(result, truth)
    raise UserError("the truth is of another task than the network", result.path, "mend --truth")


def side_by_side(panels: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Put pictures in a row, each below its caption."""
    letters = max(CAPTION_FONT_PX, *(captions.font_px(panel.size) for _, panel in panels))
    above = round(CAPTION_PX * letters / CAPTION_FONT_PX)
    width = sum(panel.width for _, panel in panels) + GAP_PX * (len(panels) - 1)
    height = max(panel.height for _, panel in panels) + above
    sheet = Image.new("RGB", (width, height), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for name, panel in panels:
        text, font = captions.fitted(name, letters, panel.width - 4)
        draw.text((left + 2, above / 2), text, "black", font, anchor="lm")
        sheet.paste(panel, (left, above))
        left += panel.width + GAP_PX
    return sheet


def _boxes_pair(result: Boxes, truth: TrueBoxes, min_score: float) -> Image.Image:
    labels = [result.classes.index(name) for name in truth.names]
    image, boxes = result.image(), truth.boxes_xyxy
    true = drawing.with_boxes(image, boxes, labels, result.classes, has_legend=True)
    predicted = result.draw(min_score, has_legend=True)
    counts = Counter(truth.names), Counter(result.above(min_score).names)
    amounts = [{name: str(count) for name, count in each.items()} for each in counts]
    return _with_legend(result, (true, predicted), amounts)


def _mask_pair(result: Mask, truth: TrueMask) -> Image.Image:
    if truth.mask.shape != result.mask.shape:
        sizes = ("{1} x {0}".format(*mask.shape) for mask in (truth.mask, result.mask))
        what = "the mask is {} pixels, its image {}".format(*sizes)
        raise UserError(what, result.path, "save mask and image in one size, both upright")
    image, classes = result.image(), result.classes
    true, predicted = (drawing.with_mask(image, m, classes) for m in (truth.mask, result.mask))
    shares = truth.shares(classes), result.shares()
    amounts = [{name: percent(part) for name, part in share.items()} for share in shares]
    return _with_legend(result, (true, predicted), amounts)


def _with_legend(
    result: Result, panels: Sequence[Image.Image], amounts: Sequence[dict[str, str]]
) -> Image.Image:
    """Put truth and prediction side by side, above the classes that occur and their amounts."""
    colours = dict(zip(result.classes, class_colours(result.classes), strict=True))
    sheet = side_by_side(list(zip(("truth", "prediction"), panels, strict=True)))
    entries = []
    for name in dict.fromkeys(name for amount in amounts for name in amount):
        true, predicted = (amount.get(name, "0") for amount in amounts)
        entries.append((colours[name], f"{name}: {true} true, {predicted} predicted"))
    return drawing.with_legend(sheet, entries)
