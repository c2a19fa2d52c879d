"""The images that a backbone was trained on, as a split to compare with those it is judged by."""

from pathlib import Path

from bag_of_transfer.data_checks.kinds import Finding
from bag_of_transfer.data_checks.splits import PRETRAINING, Example, Split, listening, split_of
from bag_of_transfer.engine.config.config_file import load_config
from bag_of_transfer.engine.data import data_sets, held_out
from bag_of_transfer.engine.data.image_files import files_below, has_image_suffix
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase

__all__ = ["pretraining_split"]


def pretraining_split(source: Path) -> tuple[Split, list[Finding]]:
    """Return the images of a pretraining, and what building its data set warns of.

    Args:
        source: A classifier's config, whose training images count, or a folder of images.

    Raises:
        UserError: If there is no such file or folder, it has no image, or the config's training
            data cannot be read.
    """
    if not source.is_dir():
        return _of_config(source)
    images = [path for path in files_below(source) if has_image_suffix(path.name)]
    if not images:
        raise UserError("the folder has no image", source, "name another folder, or a config")
    examples = tuple(Example(path, source) for path in images)
    return Split(PRETRAINING, (), examples, ()), []


def _of_config(source: Path) -> tuple[Split, list[Finding]]:
    findings: list[Finding] = []
    cfg, _ = load_config(source, Phase.PRETRAINING)
    with listening(findings, PRETRAINING):
        held_out.hold_out(cfg)
        described = held_out.training_images(cfg)
        split = split_of(PRETRAINING, data_sets.build_dataset(described, cfg.default_scope))
    return split, findings
