"""The SLURM script, with an srun that says what it was asked for."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/classification/resnet18-d_tiny.py"


@pytest.fixture
def slurm(tmp_path):
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)

    def call(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", ROOT / "tools/slurm_train.sh", *argv],
            cwd=ROOT,
            env={"PATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_the_tool_runs_once_per_gpu_with_its_flags(slurm) -> None:
    run = slurm("gpu", "tools/train_cls.py", CONFIG, "--amp", "fp16", GPUS="16")
    asked = run.stdout.splitlines()
    assert run.returncode == 0
    assert {"--partition=gpu", "--ntasks=16", "--ntasks-per-node=8", "--gres=gpu:8"} <= set(asked)
    assert "--job-name=resnet18-d_tiny" in asked
    command = ["python", "-u", "tools/train_cls.py", CONFIG, "--launcher", "slurm"]
    assert asked[-8:] == [*command, "--amp", "fp16"]


def test_few_gpus_are_asked_for_on_one_node(slurm) -> None:
    asked = slurm("gpu", "tools/train_cls.py", CONFIG, GPUS="2", SRUN_ARGS="--qos high").stdout
    assert {"--ntasks-per-node=2", "--gres=gpu:2", "--qos", "high"} <= set(asked.splitlines())


def test_a_config_of_an_installed_library_is_left_to_the_tool(slurm) -> None:
    stock = "mmdet::atss/atss_r50_fpn_1x_coco.py"
    run = slurm("gpu", "tools/train.py", stock, "--backbone", "scratch")
    assert run.returncode == 0
    assert "--job-name=atss_r50_fpn_1x_coco" in run.stdout.splitlines()
    assert run.stdout.splitlines()[-5:-2] == [stock, "--launcher", "slurm"]


@pytest.mark.parametrize("argv", [("gpu", CONFIG), ("gpu", "tools/train_cls.py", "missing.py")])
def test_what_is_missing_is_said(slurm, argv) -> None:
    run = slurm(*argv)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
