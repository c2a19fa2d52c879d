"""Draw what an annotation says beside what a network predicts."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction import captions, drawing
from bag_of_transfer.prediction.colours import Colour, class_colours
from bag_of_transfer.prediction.outcomes import EXTRA, FOUND, MISSED, NOT_COUNTED, WRONG, judge
from bag_of_transfer.prediction.results import Boxes, Classes, Mask, Result, percent
from bag_of_transfer.prediction.truth import TrueBoxes, TrueClass, TrueMask, Truth

__all__ = ["COLOURS", "draw_pair", "side_by_side"]

GAP_PX = 4
# Told apart by people with any colour vision (Okabe and Ito, https://jfly.uni-koeln.de/color/).
COLOURS: dict[str, Colour] = {
    FOUND: (0, 158, 115),
    MISSED: (213, 94, 0),
    WRONG: (204, 121, 167),
    EXTRA: (86, 180, 233),
    NOT_COUNTED: (170, 170, 170),
}
MAX_EXTRA = 8  # the likeliest; a network that has learnt little would cover the picture
CAPTION_PX, CAPTION_FONT_PX = 20, 14  # of small panels


def draw_pair(result: Result, truth: Truth, min_score: float) -> Image.Image:
    """Draw the truth on the left and the prediction on the right, with a legend of both below.

    Boxes have a colour for what became of them: found, missed, of the wrong class, or extra.  A
    classifier's image is drawn once, with both below it.

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
    kept = result.above(min_score)
    outcomes = judge(kept, truth)
    image, classes = result.image(), result.classes
    labels = [classes.index(name) for name in truth.names]
    colours = [COLOURS[outcome] for outcome in outcomes.true]
    true = drawing.with_boxes(image, truth.boxes_xyxy, labels, classes, colours=colours)
    extra = [number for number, outcome in enumerate(outcomes.predicted) if outcome == EXTRA]
    left_out = extra[MAX_EXTRA:]
    shown = np.setdiff1d(np.arange(len(kept.scores)), left_out)
    predicted = drawing.with_boxes(
        image,
        kept.boxes_xyxy[shown],
        kept.labels[shown].tolist(),
        classes,
        kept.scores[shown].tolist(),
        colours=[COLOURS[outcomes.predicted[number]] for number in shown],
    )
    names = f"truth: {len(labels)}", f"prediction: {len(kept.scores)} above {min_score:g}"
    sheet = side_by_side(list(zip(names, (true, predicted), strict=True)))
    counts = {word: str(outcomes.true.count(word)) for word in COLOURS}
    counts[EXTRA] = f"{len(extra)}, {MAX_EXTRA} drawn" if left_out else str(len(extra))
    words = [word for word in COLOURS if word != NOT_COUNTED or counts[word] != "0"]
    return drawing.with_legend(sheet, [(COLOURS[w], f"{w}: {counts[w]}") for w in words])


def _mask_pair(result: Mask, truth: TrueMask) -> Image.Image:
    if truth.mask.shape != result.mask.shape:
        sizes = ("{1} x {0}".format(*mask.shape) for mask in (truth.mask, result.mask))
        what = "the mask is {} pixels, its image {}".format(*sizes)
        raise UserError(what, result.path, "save mask and image in one size, both upright")
    image, classes = result.image(), result.classes
    true, predicted = (drawing.with_mask(image, m, classes) for m in (truth.mask, result.mask))
    shares = truth.shares(classes), result.shares()
    colours = dict(zip(classes, class_colours(classes), strict=True))
    entries = []
    for name in dict.fromkeys(name for share in shares for name in share):
        of_true, of_predicted = (percent(share.get(name, 0.0)) for share in shares)
        entries.append((colours[name], f"{name}: {of_true} true, {of_predicted} predicted"))
    sheet = side_by_side([("truth", true), ("prediction", predicted)])
    return drawing.with_legend(sheet, entries)
