"""Names, shapes and counts of all ResNets' tensors: users' files depend on them.

Look:    python tests/golden/resnet_keys.py
Renew:   python tests/golden/resnet_keys.py --update-golden     (then review the diff)
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

GOLDEN = Path(__file__).with_suffix(".json")
ROOT = Path(__file__).parents[2]
VARIANTS = ("ResNetA", "ResNetB", "ResNetC", "ResNetD")
DEPTHS = (18, 34, 50, 101, 152)
IN_FULL = {("ResNetB", 18), ("ResNetD", 18), ("ResNetD", 50)}  # the rest by hash: small file


def describe(variant: str, depth: int) -> dict[str, Any]:
    """Count and list the tensors of one network, batch counters left out."""
    import backbones

    with torch.device("meta"):  # shapes without memory or drawing
        network = getattr(backbones, variant)(depth)
    lines = sorted(
        f"{key} {'x'.join(map(str, value.shape))}"
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    )
    row: dict[str, Any] = {
        "num_params": sum(p.numel() for p in network.parameters()),
        "num_tensors": len(lines),
        "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
    }
    if (variant, depth) in IN_FULL:
        row["tensors"] = lines
    return row


def describe_all() -> dict[str, dict[str, Any]]:
    """Return one row per network, as in the golden file."""
    return {f"{v}-{d}": describe(v, d) for v in VARIANTS for d in DEPTHS}


def main() -> int:
    """Compare with the golden file, or write it; return 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update-golden", action="store_true")
    args = parser.parse_args()
    found = describe_all()
    if args.update_golden:
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    wanted = json.loads(GOLDEN.read_text())
    differing = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
    print(f"{len(found)} networks, {len(differing)} differ from {GOLDEN.name}: {differing}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
