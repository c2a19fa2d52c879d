"""A backbone that is frozen first, on two gloo processes: the training of one process.

They have the same global batch, and average gradients of the parts that train only.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.registry import HOOKS

from tests.tools.run_in_each_process import run_in_each_process
from tests.tools.test_two_processes import (
    CLS_LEAF,
    HALF,
    SEG_LEAF,
    check_same_training,
    check_same_weights,
    joined,
    steps_of,
)

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 3, {"cls": 6, "seg": 2}
FREEZE = """
find_unused_parameters = True
train_cfg = dict(max_epochs=3, val_interval=3)
custom_hooks = [
    dict(type="FreezeBackboneFirst", {length}),
    dict(type="EMAHook", momentum=0.1),
    dict(type="StepWitness"),
]
"""
CLIPPED = "optim_wrapper = dict(clip_grad=dict(max_norm=0.5))\n"
# By name: the task, how long its backbone is frozen, what more its config says.
VARIANTS = {
    "cls": ("cls", "epochs=1", ""),
    "cls_within": ("cls", "iters=9", CLIPPED),
    "seg": ("seg", "epochs=1", ""),
}


class Runs(NamedTuple):
    folder: Path
    pretrained: Path
    codes: list[Any]


@pytest.fixture(scope="module")
def runs(world, tool, pretrained, tmp_path_factory) -> Runs:
    if torch.cuda.is_available():
        pytest.skip("gloo is for machines without a GPU")
    folder, plan = tmp_path_factory.mktemp("frozen"), []
    for name, (task, length, more) in VARIANTS.items():
        config = folder / f"{name}.py"
        leaf = {"cls": CLS_LEAF, "seg": SEG_LEAF}[task]
        config.write_text(leaf + FREEZE.format(length=length) + more)
        flags = [config, "--amp", "off", "--data-root", world]
        entry = "train_cls" if task == "cls" else "train"
        if task == "seg":
            flags += ["--backbone", pretrained / "backbone.safetensors"]
        start = (pretrained / "last_checkpoint").read_text()
        options = [f"load_from={start}"] if task == "cls" else []
        own = ["--cfg-options", *options] if options else []
        try:
            assert tool(entry, *flags, "--work-dir", folder / f"one_{name}", *own) == 0
        finally:
            HOOKS.module_dict.pop("StepWitness", None)
            sys.modules.pop("step_witness", None)
        where = folder / f"two_{name}" / "rank{rank}"
        both = [*flags, "--work-dir", where, "--launcher", "pytorch"]
        plan.append((entry, [str(w) for w in [*both, "--cfg-options", HALF, *options]]))
    (folder / "plan.json").write_text(json.dumps(plan))
    print(run_in_each_process(folder / "plan.json"))
    codes = [json.loads((folder / f"codes_rank{rank}.json").read_text()) for rank in (0, 1)]
    return Runs(folder, pretrained, codes)


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_train_as_one_does(runs: Runs, name: str) -> None:
    assert runs.codes == [[0] * len(VARIANTS)] * 2
    shards = [steps_of(runs.folder / f"two_{name}/rank{rank}", rank) for rank in (0, 1)]
    whole, number = steps_of(runs.folder / f"one_{name}"), EPOCHS * STEPS[VARIANTS[name][0]]
    both = joined(*shards)
    apart = max(abs(a.loss / b.loss - 1) for a, b in zip(whole, both, strict=True))
    print(f"{name}: largest relative difference of losses {apart:.2g}")
    check_same_training(whole, both, number)
    check_same_weights(runs.folder / f"one_{name}", runs.folder / f"two_{name}/rank0")
