"""The commands of docs/distributed.md, word by word against the tools' own flags."""

import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config
from torch.distributed.run import get_args_parser

from bag_of_transfer.classification.metrics import (
    TopK,  # registered: overrides are checked against it
)
from bag_of_transfer.engine.config.config_file import load_config
from bag_of_transfer.engine.config.tool_flags import config_flags, training_parser
from bag_of_transfer.engine.lr import apply_lr_rule
from bag_of_transfer.engine.tasks import Phase

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs/distributed.md").read_text()
CONFIG = "configs/classification/resnet50-d_efficient_8xb128_in1k.py"
ROWS = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", DOC, flags=re.MULTILINE))
(EXAMPLE,) = re.findall(r"```bash\n(.+)\n```", DOC)
TORCHRUN = {name: command for name, command in ROWS.items() if command.startswith("torchrun ")}


@pytest.fixture(autouse=True)
def started_by_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the commands are typed, as one of the processes."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RANK", "0")


def config_of(command: str) -> Config:
    """Load the config as ``tools/train_cls.py`` does with what follows its name."""
    words = shlex.split(command.replace("CONFIG", CONFIG))
    tool = next(index for index, word in enumerate(words) if word.startswith("tools/train"))
    assert (ROOT / words[tool]).is_file()
    args = training_parser("", "").parse_args(words[tool + 1 :])
    return load_config(ROOT / args.config, Phase.PRETRAINING, **config_flags(args))[0]


def lr_line(command: str, world_size: int) -> str:
    return apply_lr_rule(config_of(command), world_size)


def test_every_row_is_looked_at() -> None:
    assert len(ROWS) == 6
    assert len(TORCHRUN) == 3


@pytest.mark.parametrize("name", ROWS)
def test_the_tool_knows_the_flags(name: str) -> None:
    launcher = "pytorch" if name in TORCHRUN else "none"  # SLURM's is the script's to add
    assert config_of(ROWS[name]).launcher == launcher


@pytest.mark.parametrize("name", TORCHRUN)
def test_torchrun_knows_the_flags(name: str) -> None:
    words = shlex.split(TORCHRUN[name].replace("=N", "=1"))[1:]
    args = get_args_parser().parse_args(words)
    assert args.training_script == "tools/train_cls.py"
    assert int(args.nproc_per_node) == (2 if "CPU" in name else 8)
    assert args.nnodes == ("2" if "machines" in name else "1:1")
    assert args.master_addr == ("ADDRESS" if "machines" in name else "127.0.0.1")


def test_the_slurm_row_names_the_script_and_its_variable() -> None:
    setting, script, partition, *_ = ROWS["SLURM"].split()
    text = (ROOT / script).read_text()
    assert setting == "GPUS=16"
    assert "${GPUS:-8}" in text
    assert partition == "PARTITION"
    assert f"{script} PARTITION TOOL CONFIG" in text


def test_one_gpu_keeps_the_papers_batch_and_lr() -> None:
    (said,) = re.findall(r"says `(lr .+?)`", DOC)
    assert said == "lr 0.4 = 0.1 x 1024 / 256"
    accumulated = ROWS["one GPU, the batch of eight"]
    assert lr_line(EXAMPLE, 1) == lr_line(accumulated, 1) == said
    assert lr_line(ROWS["one machine, 8 GPUs"], 8) == said
    assert lr_line(ROWS["one GPU"], 1) == "lr 0.05 = 0.1 x 128 / 256"


def test_results_may_be_collected_without_a_common_folder() -> None:
    (option,) = re.findall(r"`--cfg-options (val_evaluator\S+)`", DOC)
    cfg = config_of(f"{ROWS['one GPU']} --cfg-options {option}")
    assert TopK(**{key: one for key, one in cfg.val_evaluator.items() if key != "type"})
    assert cfg.val_evaluator.collect_device == "gpu"
