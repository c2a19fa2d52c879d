import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image
from torch import nn

import backbones  # noqa: F401  registers ResNetA..D
from bag_of_transfer.classification import finished_run, trick_plots
from bag_of_transfer.classification.targets import smooth_one_hot
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.figures import save_figure
from bag_of_transfer.engine.run_files import newest_checkpoint
from tools import plot_tricks

K = 3
MODEL = {
    "type": "ImageClassifier",
    "backbone": {"type": "ResNetB", "depth": 18, "base_channels": 4, "out_indices": (3,)},
    "head": {"type": "LinearHead", "num_classes": K},
    "data_preprocessor": {
        **{"type": "ClassificationPreprocessor", "mean": [120.0] * 3, "std": [60.0] * 3},
    },
    "label_smoothing": {"eps": 0.1},
    # A teacher that is gone by now: drawing must not ask for it.
    "distillation": {"teacher": {"checkpoint": "nowhere.pth"}},
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("ant", "bee", "cow"):
        (tmp_path / "val" / name).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 256, (33, 41, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "val" / name / f"{number}.png")
    return tmp_path / "val"


def write_run(work_dir: Path, images: Path, seed: int, eps: float = 0.1) -> nn.Module:
    """Write the files that tools/train_cls.py writes; return the network."""
    work_dir.mkdir(parents=True)
    loader = {
        "batch_size": 4,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": {"type": "default_collate"},
        "dataset": {
            "type": "ImageFolder",
            "root": str(images),
            "pipeline": [{"type": "torchvision/PILToTensor"}],
        },
    }
    cfg = Config({"model": MODEL, "val_dataloader": loader, "default_scope": "mmengine"})
    (work_dir / "resolved_config.py").write_text(cfg.pretty_text)
    torch.manual_seed(seed)
    model = MODELS.build({**MODEL, "distillation": None})
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)  # eval and train mode must differ
    torch.save({"meta": {}, "state_dict": model.state_dict()}, work_dir / "epoch_3.pth")
    (work_dir / "last_checkpoint").write_text(f"/moved/away/{work_dir.name}/epoch_3.pth")
    lines = [
        {"epoch": epoch, "iter": 9 * epoch, "lr": 0.4 / epoch, "loss": 1.0, "top1": 20.0 + epoch}
        for epoch in (1, 2, 3)
    ]
    (work_dir / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    value = {"eps": eps, "form": "paper"} if eps else None
    tricks = {"label_smoothing": {"on": bool(eps), "value": value, "evidence": ""}}
    (work_dir / "tricks.json").write_text(json.dumps(tricks))
    return model


@pytest.mark.parametrize(("eps", "num_classes"), [(0.1, 1000), (0.3, 7), (0.01, 2)])
def test_the_gap_in_theory_is_that_of_the_best_logits(eps: float, num_classes: int) -> None:
    # The loss is least where softmax equals the target: logits are the target's logarithms.
    target = smooth_one_hot(torch.tensor([0]), num_classes, eps, "paper").double()[0]
    expected = (target[0].log() - target[1].log()).item()
    gap = trick_plots.gap_in_theory(np.array([eps]), num_classes)
    assert gap == pytest.approx([expected], rel=1e-5)


def test_the_gap_in_theory_of_the_paper() -> None:
    assert trick_plots.gap_in_theory(np.array([0.1]), 1000) == pytest.approx([math.log(999 * 9)])


def test_a_gap_is_the_true_logit_minus_the_mean_of_the_others() -> None:
    logits = torch.tensor([[5.0, 1.0, 3.0], [0.0, -2.0, 4.0]])
    gaps = trick_plots.gaps_of(logits, torch.tensor([0, 1]))
    # 5 - (1 + 3) / 2 and -2 - (0 + 4) / 2
    assert gaps.tolist() == [3.0, -4.0]


def test_gaps_of_a_run_are_those_of_its_network_in_eval_mode(tmp_path: Path, images: Path) -> None:
    trained = write_run(tmp_path / "run", images, seed=1).eval()
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert checkpoint == tmp_path / "run" / "epoch_3.pth"  # the pointer's own folder is gone
    model, loader = finished_run.trained_network(tmp_path / "run", checkpoint)
    gaps = trick_plots.logit_gaps(model, loader)
    for index in range(6):  # one by one, sorted by class; the loader's batches are of 4
        path = sorted(images.rglob("*.png"))[index]
        pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = trained((pixels - 120.0) / 60.0)[0].tolist()
        true = logits.pop(index // 2)
        assert gaps[index] == pytest.approx(true - sum(logits) / 2, abs=1e-4)
    assert gaps.std() > 0


def test_figure_3_shows_each_runs_lr_and_accuracy() -> None:
    curves = {
        "step": [{"epoch": 1, "lr": 0.4, "top1": 30.0}, {"epoch": 2, "lr": 0.04, "top1": 50.0}],
        # Validated every other epoch only.
        "cosine": [{"epoch": 1, "lr": 0.3}, {"epoch": 2, "lr": 0.1, "top1": 55.0}],
    }
    lr, accuracy = trick_plots.draw_lr_and_accuracy(curves).axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in lr.lines}
    assert drawn == {"step": [[1, 0.4], [2, 0.04]], "cosine": [[1, 0.3], [2, 0.1]]}
    drawn = {line.get_label(): line.get_xydata().tolist() for line in accuracy.lines}
    assert drawn == {"step": [[1, 30], [2, 50]], "cosine": [[2, 55]]}
    assert [text.get_text() for text in lr.get_legend().texts] == ["step", "cosine"]


def test_runs_differ_in_colour_and_in_line() -> None:
    curve = [{"epoch": 1, "lr": 0.4, "top1": 30.0}]
    left, _ = trick_plots.draw_lr_and_accuracy({"a": curve, "b": curve, "c": curve}).axes
    assert len({line.get_color() for line in left.lines}) == 3
    assert len({line.get_linestyle() for line in left.lines}) == 3


def test_figure_4_marks_the_theory_and_counts_every_image() -> None:
    rng = np.random.default_rng(0)
    gaps = {"plain": rng.normal(6, 3, 500), "smooth": rng.normal(4, 1, 300)}
    figure = trick_plots.draw_gaps(gaps, {"plain": 0.0, "smooth": 0.1}, 10)
    theory, measured = figure.axes
    (marker,) = [line for line in theory.lines if line.get_marker() == "o"]
    # (10 - 1) x 0.9 / 0.1 = 81
    assert marker.get_xydata().tolist() == [[0.1, pytest.approx(math.log(81))]]
    assert [line.get_xdata()[0] for line in measured.lines] == [pytest.approx(math.log(81))]
    outlines = [patch for patch in measured.patches if not patch.get_fill()]
    assert len(outlines) == 2
    for outline in outlines:
        x, y = outline.get_xy()[:-1].T
        area = float(np.sum(np.diff(x) * y[:-1]))
        assert area == pytest.approx(1)


def test_equal_gaps_can_be_drawn() -> None:
    figure = trick_plots.draw_gaps({"dead": np.zeros(5)}, {"dead": 0.0}, 10)
    assert len(figure.axes) == 2


@pytest.mark.slow
def test_a_figure_is_saved_twice_with_equal_bytes(tmp_path: Path) -> None:
    def saved(folder: str) -> list[bytes]:
        figure = trick_plots.draw_lr_and_accuracy({"a": [{"epoch": 1, "lr": 1.0, "top1": 3.0}]})
        return [path.read_bytes() for path in save_figure(figure, tmp_path / folder / "f")]

    first = saved("one")
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]
    assert first == saved("two")


def test_a_dot_in_a_figures_name_stays(tmp_path: Path) -> None:
    figure = trick_plots.draw_lr_and_accuracy({})
    paths = save_figure(figure, tmp_path / "lr0.1")
    assert [path.name for path in paths] == ["lr0.1.png", "lr0.1.svg"]


def test_a_curve_that_a_crash_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text('{"epoch": 1, "lr": 0.1}\n\n{"epoch": 2, "l')
    assert finished_run.read_curve(tmp_path) == [{"epoch": 1, "lr": 0.1}]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "no curve.jsonl: .* work dir of a train_cls.py run"),
        ("", "no epoch was finished"),
        ('{"iter": 5}\n', r"epoch is missing: .*curve\.jsonl:1"),
        ('{"epoch": \n{"epoch": 2}\n', "not JSON .*curve.jsonl:1: train again"),
        ("[1]\n{}\n5\n", "a list, not an object: .*curve.jsonl:1"),
    ],
)
def test_a_folder_without_a_curve_is_the_users_mistake(
    text: str | None, what: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "curve.jsonl").write_text(text)
    with pytest.raises(UserError, match=what):
        finished_run.read_curve(tmp_path)


def test_the_uniform_forms_eps_is_turned_into_the_papers(tmp_path: Path) -> None:
    value = {"eps": 0.1, "form": "uniform"}
    (tmp_path / "tricks.json").write_text(
        json.dumps({"label_smoothing": {"on": True, "value": value}})
    )
    # Nine of ten classes are others: they share 0.09.
    assert finished_run.paper_eps(tmp_path, 10) == pytest.approx(0.09)
    assert finished_run.paper_eps(tmp_path / "no such run", 10) == 0


def test_runs_are_named_by_what_tells_them_apart() -> None:
    paths = [Path("work_dirs/a/seed0"), Path("work_dirs/b/seed0")]
    assert finished_run.labels_of(paths) == [os.path.join("a", "seed0"), os.path.join("b", "seed0")]
    assert finished_run.labels_of(paths[:1]) == ["seed0"]


def test_the_tool_draws_both_figures(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "step", images, seed=1, eps=0)
    write_run(tmp_path / "cosine", images, seed=2)
    (tmp_path / "step" / "epoch_3.pth").unlink()
    argv = [str(tmp_path / "step"), str(tmp_path / "cosine"), "--out", str(tmp_path / "out")]
    assert plot_tricks.main(argv) == 0
    names = ["logit_gap.png", "logit_gap.svg", "lr_and_accuracy.png", "lr_and_accuracy.svg"]
    assert sorted(os.listdir(tmp_path / "out")) == names
    output = capsys.readouterr().out
    assert "step: no checkpoint, left out of logit_gap" in output
    assert str(tmp_path / "out" / "logit_gap.png") in output


@pytest.fixture
def empty_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write figures without drawing them, which other tests do: a second for each pair."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


@pytest.mark.usefixtures("empty_figures")
def test_the_figures_go_into_the_first_run_by_default(tmp_path: Path, images: Path) -> None:
    write_run(tmp_path / "run", images, seed=1)
    assert plot_tricks.main([str(tmp_path / "run")]) == 0
    assert len(os.listdir(tmp_path / "run" / "plots")) == 4


@pytest.mark.usefixtures("empty_figures")
def test_a_config_with_more_than_values_is_run_where_the_user_says_so(
    tmp_path: Path, images: Path
) -> None:
    write_run(tmp_path / "run", images, seed=1)
    with (tmp_path / "run/resolved_config.py").open("a") as config:
        config.write("\nval_dataloader['batch_size'] = len('ab')\n")
    argv = [str(tmp_path / "run")]
    with pytest.raises(UserError, match=r"not assign a value to a name.*--run-configs runs it"):
        plot_tricks.main(argv)
    assert plot_tricks.main([*argv, "--run-configs"]) == 0


def test_the_help_ends_in_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        plot_tricks.main(["-h"])
    assert done.value.code == 0
    assert "python tools/plot_tricks.py work_dirs/" in capsys.readouterr().out


def break_config(run: Path) -> None:
    (run / "resolved_config.py").unlink()


def break_model(run: Path) -> None:
    (run / "resolved_config.py").write_text("model = dict(type='FasterRCNN')\n")


def break_weights(run: Path) -> None:
    checkpoint: dict[str, Any] = torch.load(run / "epoch_3.pth")
    del checkpoint["state_dict"]["head.fc.bias"]
    torch.save(checkpoint, run / "epoch_3.pth")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (break_config, "no resolved_config.py: .*: give the work dir"),
        (break_model, "did not train a classifier: "),
        (break_weights, r"1 of \d+ tensors do not fit, first head\.fc\.bias: "),
    ],
)
def test_a_run_that_cannot_be_rebuilt_is_named(
    spoil: Any, what: str, tmp_path: Path, images: Path
) -> None:
    write_run(tmp_path / "run", images, seed=1)
    spoil(tmp_path / "run")
    with pytest.raises(UserError, match=what):
        plot_tricks.main([str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
