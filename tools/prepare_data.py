"""Put data in place under DATA_ROOT/NAME, whole or not at all; a second call leaves it as it is.

`demo` is drawn. The others come from their official archives, either in --archives DIR or
downloaded into DATA_ROOT/downloads (a broken download is continued). Sizes, checksums and counts
are compared with the official ones. ImageNet requires a log-in: fetch its three files by hand.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.engine import cli
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.interruption import telling
from bag_of_transfer.engine.own_files import ROOT

EXAMPLE = "python tools/prepare_data.py voc --archives ~/Downloads"
GOLDEN = ROOT / "tests/golden/demo_manifest.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a data set, unless it is already complete."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("name", choices=["demo", *DATA_SETS], help="data set")
    parser.add_argument("--archives", type=Path, metavar="DIR", help="folder of official archives")
    tool_flags.add_data_root_flag(parser, "the data sets")
    parser.add_argument("--seed", type=int, default=0, help="demo: seed of the drawn pictures [0]")
    parser.add_argument(
        "--update-golden", action="store_true", help="demo: overwrite the committed hashes"
    )
    args = parser.parse_args(argv)

    from bag_of_transfer.archives.prepare import prepare
    from bag_of_transfer.demo_world.draw import prepare_demo

    data_root = args.data_root or Path(os.environ.get("DATA_ROOT") or "data")
    # Resolved: if the folder is a link, the files go where it points to.
    folder = (data_root / args.name).resolve()
    if args.name == "demo":
        prepare_demo(folder, args.seed, GOLDEN, args.update_golden)
    else:
        with telling(lambda: "downloads are kept; the same command goes on"):
            prepare(DATA_SETS[args.name], folder, args.archives, data_root / "downloads")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
