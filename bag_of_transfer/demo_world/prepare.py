"""Draw the demo world, unless it is already there."""

from pathlib import Path

from bag_of_transfer.demo_world.draw import check_world, draw_world
from bag_of_transfer.demo_world.manifest import Manifest, counts, read_manifest
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.cores import available_cores

__all__ = ["prepare_demo"]


def prepare_demo(folder: Path, seed: int, golden_file: Path, update_golden: bool) -> Manifest:
    """Draw the world into ``folder``, or leave it if it is complete; print which, and the counts.

    Args:
        folder: Folder of the world.
        seed: Seed of the pictures.
        golden_file: The committed manifest of hashes, compared if its seed is ``seed``.
        update_golden: Draw in any case, and overwrite ``golden_file``.
    """
    golden = None if update_golden else read_manifest(golden_file)
    num_processes = available_cores()
    manifest = None
    if folder.is_dir() and not update_golden:
        manifest, wrong = check_world(folder, seed, golden, num_processes)
        print(f"{folder}: {f'to be drawn again: {wrong}' if wrong else 'complete, left as it is'}")
    manifest = manifest or draw_world(folder, seed, golden, num_processes)
    print("\n".join(counts(manifest)))
    if update_golden:
        write_json(golden_file, manifest)
    return manifest
