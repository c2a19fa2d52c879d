"""How fast the data doctor looks at pictures, and how often it takes other pictures for nearly one.

Command:   python benchmarks/content_checks.py FOLDER [COUNT]
Looks at up to COUNT (2000) pictures below FOLDER in one thread, and searches pairs among them, and
among 100,000 random likenesses.  Prints seconds of processor time.  The pictures are compared with
changed copies of themselves, too: how many copies are found.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np

from bag_of_transfer.data_checks.likeness import likeness, nearest
from bag_of_transfer.data_checks.look import Look, look_at_picture
from bag_of_transfer.engine.cli import ToolParser
from bag_of_transfer.engine.data.image_files import files_below, has_image_suffix
from bag_of_transfer.engine.data.image_reader import read_pixels

NUM_RANDOM = 100_000
COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG of quality 50": lambda p: compressed(p, 50),
    "JPEG of quality 20": lambda p: compressed(p, 20),
    "half the size": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "20 levels brighter": lambda p: np.clip(p.astype(int) + 20, 0, 255).astype(np.uint8),
    "contrast x 1.3": lambda p: np.clip(p * 1.3, 0, 255).astype(np.uint8),
    "blurred (sigma 1.2)": lambda p: cv2.GaussianBlur(p, (5, 5), 1.2),
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "turned by 90 degrees": lambda p: cv2.rotate(p, cv2.ROTATE_90_CLOCKWISE),
    "2 % cropped on two sides": lambda p: p[p.shape[0] // 50 :, p.shape[1] // 50 :],
    "5 % cropped on two sides": lambda p: p[p.shape[0] // 20 :, p.shape[1] // 20 :],
}


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture after compression as JPEG."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def timed(work: Callable[[], list]) -> tuple[list, float]:
    """Return what work returns, and its seconds of processor time."""
    start = time.process_time()
    return work(), time.process_time() - start


def main() -> None:
    """Print all figures."""
    parser = ToolParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    files = files_below(args.folder) if args.folder.is_dir() else ()
    paths = [path for path in files if has_image_suffix(path.name)]
    paths = paths[:: max(1, len(paths) // args.count)][: args.count]
    if not paths:
        parser.error(f"no picture lies below {args.folder}")
    looks: list[Look]
    looks, seconds = timed(lambda: [look_at_picture(p, p.read_bytes()) for p in paths])
    print(f"looking: {len(paths) / seconds:.0f} pictures/s")
    _, seconds = timed(lambda: [read_pixels(path) for path in paths])
    print(f"decoding alone: {len(paths) / seconds:.0f} pictures/s")
    known = [bytes.fromhex(look.likeness) for look in looks]
    near, seconds = timed(lambda: nearest(known))
    found = sum(match is not None for match in near)
    print(f"{found} of {len(known)} have one that is nearly the same; {seconds:.1f} s")
    for name, change in COPIES.items():
        some = range(0, len(paths), max(1, len(paths) // 300))
        copies = [likeness(change(read_pixels(paths[at]))) for at in some]
        hits = sum(match is not None for match in nearest(copies, known))
        print(f"{name}: {100 * hits / len(copies):.0f} % of {len(copies)} copies found")
    digits = np.random.default_rng(0).integers(0, 256, (NUM_RANDOM, 32), dtype=np.uint8)
    digits[:, 0] &= 127  # the sign of the mean is not used
    near, seconds = timed(lambda: nearest([row.tobytes() for row in digits]))
    found = sum(match is not None for match in near)
    print(f"{NUM_RANDOM} random likenesses: {found} nearly the same; {seconds:.1f} s")


if __name__ == "__main__":
    main()
