"""tools/list_configs.py and tools/get_flops.py: which config is which row, and its cost."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.config.paper_rows import paper_rows

ROOT = Path(__file__).parents[2]
NUM_ROWS = dict(T1=2, T2=3, T3=6, T4=10, T5=4, T6=18, T7=2, T8=7, T9=7)
Tool = Callable[..., int]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return paper_rows(ROOT / "configs")


def test_json_holds_every_row(
    rows: list[dict[str, Any]], tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool("list_configs", "--json") == 0
    assert json.loads(capsys.readouterr().out) == rows


def test_every_table_has_its_rows(rows: list[dict[str, Any]]) -> None:
    assert Counter(row["table"] for row in rows) == NUM_ROWS
    assert len({(row["table"], row["row"]) for row in rows}) == len(rows) == 59
    for row in rows:
        assert {"config", "table", "row", "published", "compare_to", "measured"} <= row.keys()
        for key in ("config", "compare_to", "backbone"):
            assert row.get(key) is None or (ROOT / row[key]).is_file()
        assert row["config"] and row["published"]  # noqa: PT018
        assert row["measured"] is None
        assert ("backbone" in row) == (row["table"] in ("T8", "T9"))


@pytest.mark.parametrize(
    ("table", "row", "config", "published"),
    [
        ("T1", "ResNet-50 + tricks", "resnet50-d_cosine-lbs-distill-mixup-200e", (79.29, 94.63)),
        ("T2", "Inception-V3, baseline", "inception-v3_baseline", (77.32, 93.43)),
        ("T3", "MobileNet 1.0, efficient", "mobilenet_efficient", (71.90, 90.47)),
        ("T4", "batch 256, + FP16", "resnet50_warmup-zerogamma-nodecay-amp", (76.15, 93.09)),
        ("T4", "batch 1024, + zero gamma", "resnet50_warmup-zerogamma", (76.37, 92.96)),
        ("T5", "ResNet-50-C", "resnet50-c_efficient", (76.87, 93.48)),
        ("T6", "MobileNet 1.0, + mixup w/o distill", "mobilenet_cosine-lbs-mixup", (73.28, 91.30)),
        ("T6", "ResNet-50-D, + label smoothing", "resnet50-d_cosine-lbs_", (78.37, 94.10)),
        ("T7", "ResNet-50-D Best", "resnet50-d_cosine-lbs-mixup-200e", (56.70, 87.33)),
    ],
)
def test_rows_have_the_papers_figures(
    rows: list[dict[str, Any]], table: str, row: str, config: str, published: tuple[float, float]
) -> None:
    (found,) = [one for one in rows if (one["table"], one["row"]) == (table, row)]
    assert found["config"].startswith(f"configs/classification/{config}")
    assert (found["published"]["top1"], found["published"]["top5"]) == published


def test_rows_of_detection_and_segmentation_name_their_backbones(
    rows: list[dict[str, Any]],
) -> None:
    t8, t9 = ([row for row in rows if row["table"] == table] for table in ("T8", "T9"))
    top1 = [76.14, 77.16, 77.91, 78.34, 78.67, 79.16, 79.29]
    assert [row["published"]["top1"] for row in t8] == top1
    assert [row["published"]["top1"] for row in t9] == top1
    assert [row["published"]["mAP_voc07"] for row in t8] == [
        *(77.54, 78.30, 79.23, 80.71, 80.96, 81.10, 81.33)
    ]
    assert [row["published"]["mIoU"] for row in t9] == [
        *(37.05, 38.88, 39.33, 38.75, 38.90, 37.99, 38.40)
    ]
    for table in (t8, t9):
        assert [row["backbone"] for row in table] == [row["backbone"] for row in t8]
        assert "b_baseline" in table[0]["backbone"]
        # Each compares with an earlier row; both mixup and distillation with smoothing.
        earlier = [row["backbone"] for row in table]
        at = [earlier.index(row["compare_to"]) for row in table[1:]]
        assert at == [0, 1, 2, 3, 3, 4]
    assert len({row["config"] for row in t8}) == len({row["config"] for row in t9}) == 1


def test_one_table_to_read(tool: Tool, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool("list_configs", "--table", "3") == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"^T3 ", told, flags=re.MULTILINE)) == 6
    assert not re.findall(r"^T[^3]", told, flags=re.MULTILINE)
    assert "top1 76.21, top5 92.97, minutes_per_epoch 4.4; measured: unmeasured" in told
    with pytest.raises(SystemExit) as stopped:
        tool("list_configs", "--table", "10")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: argument --table: invalid choice: '10'")


# Table 5 (A to D); MobileNet: arXiv:1704.04861, table 4 (569 million multiply-adds, 4.2 million
# parameters); D's 25.6 million: timm's and mmpretrain's model cards.  The paper cuts A's 3.86.
@pytest.mark.parametrize(
    ("stem", "gflops", "params"),
    [
        ("resnet50_efficient", 3.8, 25.6),
        pytest.param("resnet50-b_efficient", 4.1, 25.6, marks=pytest.mark.slow),
        pytest.param("resnet50-c_efficient", 4.3, 25.6, marks=pytest.mark.slow),
        ("resnet50-d_efficient", 4.3, 25.6),
        ("mobilenet_efficient", 0.569, 4.2),
    ],
)
def test_flops_and_parameters_are_the_published(
    tool: Tool, capsys: pytest.CaptureFixture[str], stem: str, gflops: float, params: float
) -> None:
    path = ROOT / f"configs/classification/{stem}_8xb128_in1k.py"
    assert tool("get_flops", path) == 0
    told = capsys.readouterr().out
    assert "3 x 224 x 224" in told
    counted = float(re.search(r"GFLOPs +([\d.]+)", told)[1])  # type: ignore[index]
    assert counted == pytest.approx(gflops, abs=0.07 if gflops > 1 else 0.002)
    found = float(re.search(r"parameters +([\d.]+) M", told)[1])  # type: ignore[index]
    assert found == pytest.approx(params, abs=0.05)


def test_flops_take_the_configs_size_or_the_users(
    tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "configs/classification/inception-v3_efficient_8xb128_in1k.py"
    assert tool("get_flops", path) == 0
    assert "3 x 299 x 299" in capsys.readouterr().out
    grey = ["--cfg-options", "model.backbone.in_channels=1", "model.head.num_classes=3"]
    tiny = ROOT / "configs/classification/resnet18-d_tiny.py"
    assert tool("get_flops", tiny, *grey) == 0
    assert "input       1 x " in capsys.readouterr().out
    assert tool("get_flops", tiny, *grey, "val_dataloader.dataset.pipeline=[]") == 2
    assert "states the size of images" in capsys.readouterr().err
    small = ROOT / "configs/classification/mobilenet_efficient_8xb128_in1k.py"
    assert tool("get_flops", small, "--shape", "97", "131") == 0
    assert "3 x 97 x 131" in capsys.readouterr().out
    assert tool("get_flops", path, "--shape", "40", "50") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: the network can't take 40 x 50 pixels")
    assert told.rstrip().endswith("--shape: give more pixels")


def test_the_parameters_of_own_classes_are_counted_without_data(
    tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "configs/classification/resnet18-d-slim_own-images.py"
    assert tool("get_flops", path, "--cfg-options", "classes=[a,b,c]") == 0
    told = capsys.readouterr().out
    # 256 channels x 3 classes and 3 biases are less than 0.01 M.
    assert re.search(r"3 x 64 x 64\n.*\nparameters +2\.80 M, of the backbone 2\.80 M", told)
    assert tool("get_flops", path) == 2
    assert "model.head.num_classes: state it, model.head.num_classes=10," in capsys.readouterr().err
