"""Put data in place under DATA_ROOT/NAME; `demo` is drawn here and needs no download."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo_world.draw import check_world, draw_world
from demo_world.manifest import Manifest, counts, read_manifest
from engine import doors
from engine.atomic import write_json

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "python tools/prepare_data.py demo"
GOLDEN = ROOT / "tests/golden/demo_manifest.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare the named data, unless it is there already."""
    made = doors.parser(__doc__, EXAMPLE)
    made.add_argument("name", choices=["demo"], help="which data")
    made.add_argument("--data-root", type=Path, help="folder of the data sets [$DATA_ROOT or data]")
    made.add_argument("--seed", type=int, default=0, help="seed of the drawn pictures [0]")
    made.add_argument(
        "--update-golden", action="store_true", help="write the committed manifest of hashes anew"
    )
    args = made.parse_args(argv)
    data_root = args.data_root or Path(os.environ.get("DATA_ROOT") or "data")
    # Resolved: a folder that is a link is filled where it points to, not replaced.
    manifest = prepare_demo((data_root / args.name).resolve(), args.seed, args.update_golden)
    if args.update_golden:
        write_json(GOLDEN, manifest)
    return 0


def prepare_demo(folder: Path, seed: int, update_golden: bool) -> Manifest:
    """Draw the world into ``folder``, or find it there complete; say which, and the counts."""
    golden = None if update_golden else read_manifest(GOLDEN)
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux only
    num_processes = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    manifest = None
    if folder.is_dir() and not update_golden:
        manifest, wrong = check_world(folder, seed, golden, num_processes)
        print(f"{folder}: {f'to be drawn anew: {wrong}' if wrong else 'complete, left as it is'}")
    manifest = manifest or draw_world(folder, seed, golden, num_processes)
    print("\n".join(counts(manifest)))
    return manifest


if __name__ == "__main__":
    sys.exit(doors.run_tool(main))
