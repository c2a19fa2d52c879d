"""The manifest: hashes of what the drawn world must look like.

``tests/golden/demo_manifest.json`` is the committed one, of seed 0; the command
``python tools/prepare_data.py demo --update-golden`` writes it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.demo_world.classes import CLASS_NAMES
from bag_of_transfer.demo_world.sets import SPLITS
from bag_of_transfer.engine.fields import COUNT_OR_0, TEXT, WHOLE, by_name, fields, list_of, one_of
from bag_of_transfer.engine.json_file import read_json_or_none

__all__ = [
    "RUN",
    "Manifest",
    "counts",
    "first_difference",
    "make_manifest",
    "read_manifest",
    "run_hashes",
]

Manifest = dict[str, Any]

SCHEMA = 1
# Number of pictures per short hash: a test can draw the first few and compare.
RUN = 20
_HEX = 16
RULE = fields(
    {
        "schema": one_of(SCHEMA),
        "seed": WHOLE,
        "classes": list_of(TEXT),
        "splits": by_name(
            fields({"num_pictures": COUNT_OR_0, "sha256": TEXT, f"every_{RUN}": list_of(TEXT)})
        ),
    }
)


def run_hashes(digests: Sequence[bytes]) -> list[str]:
    """Return a short hash for every ``RUN`` pictures in a row."""
    runs = (digests[start : start + RUN] for start in range(0, len(digests), RUN))
    return [hashlib.sha256(b"".join(run)).hexdigest()[:_HEX] for run in runs]


def make_manifest(seed: int, digests: Mapping[str, Sequence[bytes]]) -> Manifest:
    """Return the manifest of pictures whose digests are given by ``Split.key``, in order."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "classes": list(CLASS_NAMES),
        "splits": {
            split.key: {
                "num_pictures": len(digests[split.key]),
                "sha256": hashlib.sha256(b"".join(digests[split.key])).hexdigest(),
                f"every_{RUN}": run_hashes(digests[split.key]),
            }
            for split in SPLITS
        },
    }


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest in ``path``; None if the file is missing or not a manifest."""
    manifest: Manifest | None = read_json_or_none(path, RULE)
    return manifest


def counts(manifest: Manifest) -> list[str]:
    """Return lines with the numbers of pictures and classes."""
    lines = []
    for task in dict.fromkeys(split.task for split in SPLITS):
        numbers = {
            s.name: manifest["splits"][s.key]["num_pictures"] for s in SPLITS if s.task == task
        }
        lines.append(f"{task}: {', '.join(f'{name} {n}' for name, n in numbers.items())}")
    total = sum(split["num_pictures"] for split in manifest["splits"].values())
    return [*lines, f"{total} pictures of {len(manifest['classes'])} classes"]


def first_difference(ours: Manifest, theirs: Manifest) -> str | None:
    """Return the split and picture from which two manifests differ; None if they do not."""
    for key, split in ours["splits"].items():
        other = theirs["splits"].get(key, {})
        if split != other:
            pairs = zip(split[f"every_{RUN}"], other.get(f"every_{RUN}", ()), strict=False)
            same = next((i for i, (a, b) in enumerate(pairs) if a != b), 0)
            return f"{key} differs from picture {same * RUN} on"
    return None if ours == theirs else "the classes or the seed differ"
