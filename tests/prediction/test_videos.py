"""Videos: each frame is predicted as its picture would be; what is cut, odd or ended is kept."""

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.files import write_predictions
from bag_of_transfer.prediction.inputs import check_alone, find_images
from bag_of_transfer.prediction.videos import Video, write_video
from bag_of_transfer.prediction.work import Choices
from tests.prediction.tiny_networks import CONFIGS

NUM, SIZE = 7, (97, 65)


def film(path: Path, num: int = NUM, codec: str = "mp4v", size: tuple[int, int] = SIZE) -> Path:
    """Write a video of frames that differ: a bright square moves over noise."""
    noise = np.random.default_rng(0).integers(0, 120, (size[1], size[0], 3)).astype(np.uint8)
    fourcc = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 12.5, size)
    assert writer.isOpened()
    for number in range(num):
        frame = noise.copy()
        frame[20:40, 3 * number : 3 * number + 20] = (40, 200, 250)
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "clip.mp4")


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame for _, frame in Video.of_file(path).frames()]


def predict(predictor, inputs: list[Path], out: Path, **choices) -> tuple[dict, dict]:
    """Return the head that the tool prints, and the record."""
    head = write_predictions(predictor, find_images(inputs, out), out, Choices(**choices))
    return head, json.loads((out / "predictions.json").read_text())


@pytest.mark.parametrize("task", CONFIGS)
def test_a_frame_is_predicted_as_its_picture_would_be(
    predictors, clip: Path, tmp_path: Path, task: str
) -> None:
    head, record = predict(predictors[task], [clip], tmp_path / "out", batch_size=4)
    assert (head["num_images"], head["num_videos"], head["num_frames"]) == (0, 1, NUM)
    assert record["images"] == []
    (row,) = record["videos"]
    assert Path(row["file"]) == clip
    assert (row["video"], row["num_frames"], row["fps"]) == ("clip.mp4", NUM, 12.5)
    assert [frame["frame"] for frame in row["frames"]] == list(range(NUM))
    assert row["frames"][5]["seconds"] == pytest.approx(5 / 12.5)
    pictures = frames_of(clip)
    assert len(pictures) == NUM
    for number in (0, NUM - 1):
        file = tmp_path / "frame.png"
        cv2.imwrite(str(file), pictures[number][..., ::-1])
        (result,) = predictors[task](file)
        shown = result.above(0.3) if task == "det" else result
        if task == "seg":
            mask = row["frames"][number].pop("mask")
            assert mask == f"masks/clip.mp4/{number:06}.png"
            assert (np.asarray(Image.open(tmp_path / "out" / mask)) == result.mask).mean() > 0.99
        wanted = shown.record()
        for key, value in wanted.items():
            got = row["frames"][number][key]
            if key == "pixel_share":
                assert got == pytest.approx(value, abs=0.01)
            elif key == "top5":
                assert [one["name"] for one in got] == [one["name"] for one in value]
            elif key != "names":
                np.testing.assert_allclose(got, value, atol=0.05)
    drawn = frames_of(tmp_path / "out/clip.mp4")
    assert len(drawn) == NUM
    assert len({frame.shape for frame in drawn}) == 1
    assert drawn[0].shape[0] % 2 == drawn[0].shape[1] % 2 == 0
    assert drawn[0].shape[0] >= 240  # small frames are enlarged as pictures are


def test_every_third_frame_keeps_the_time(predictors, clip: Path, tmp_path: Path) -> None:
    _, record = predict(predictors["cls"], [clip], tmp_path / "out", every=3)
    (row,) = record["videos"]
    assert [frame["frame"] for frame in row["frames"]] == [0, 3, 6]
    drawn = Video.of_file(tmp_path / "out/clip.mp4")
    assert drawn.fps == pytest.approx(12.5 / 3, rel=0.01)
    assert len(frames_of(tmp_path / "out/clip.mp4")) == 3


def test_a_cut_video_gives_what_can_be_read_and_it_is_said(predictors, tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.avi", 40, "MJPG").read_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 2])
    (folder / "none.mp4").write_bytes(film(tmp_path / "b.mp4").read_bytes()[:2000])  # no index
    (folder / "text.avi").write_text("no video")
    head, record = predict(predictors["cls"], [folder], tmp_path / "out")
    (row,) = record["videos"]
    assert 5 < row["num_frames"] < 35
    assert row["num_frames"] == len(row["frames"]) == len(frames_of(tmp_path / "out/cut.mp4"))
    (cut,) = head["cut_short"]
    assert (Path(cut["file"]).name, cut["why"]) == (
        "cut.avi",
        f"{row['num_frames']} of 40 frames could be read",
    )
    assert row["num_stated"] == 40
    assert sorted(Path(one["file"]).name for one in record["left_out"]) == ["none.mp4", "text.avi"]
    assert head["num_left_out"] == 2
    for name in ("none.mp4", "text.avi"):
        with pytest.raises(UserError, match=rf"the video can't be read \(.*\): .*{name}"):
            check_alone(find_images([folder / name], tmp_path / "out"))


@pytest.mark.parametrize(
    "content",
    [b"", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.ts\n", b"ffconcat version 1.0\nfile a.png\n"],
    ids=["empty", "play list", "list of files"],
)
def test_only_the_content_makes_a_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UserError, match="the video can't be read"):
        Video.of_file(tmp_path / "a.mp4")


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_is_no_file_is_no_video(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "a.mp4").mkdir()
    with pytest.raises(UserError, match="the video can't be read"):
        Video.of_file(tmp_path / "a.mp4")


def test_an_ended_call_keeps_the_frames_until_then(
    predictors, clip: Path, tmp_path: Path, monkeypatch
) -> None:
    predictor = predictors["cls"]
    step, calls = predictor.network.test_step, []

    def stopped(data):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(data)

    monkeypatch.setattr(predictor.network, "test_step", stopped)
    with pytest.raises(KeyboardInterrupt, match="lists what was predicted until then"):
        predict(predictor, [clip], tmp_path / "out", batch_size=2)
    record = json.loads((tmp_path / "out/predictions.json").read_text())
    assert record["is_complete"] is False
    assert len(record["videos"][0]["frames"]) == record["num_frames"] == 4
    assert len(frames_of(tmp_path / "out/clip.mp4")) == 4
    there = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert there == ["clip.mp4", "predictions.json"]  # nothing half-written


def test_an_error_leaves_no_half_video(clip: Path, tmp_path: Path) -> None:
    def pictures() -> Iterator[Image.Image]:
        yield Image.new("RGB", (32, 32))
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_video(tmp_path / "out.mp4", pictures(), 10)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"the video cannot be written: .*out\.xyz"):
        write_video(tmp_path / "out.xyz", [Image.new("RGB", (32, 32))], 10)


def test_memory_does_not_grow_with_the_length(predictors, tmp_path: Path, monkeypatch) -> None:
    """Frames are let go, and rows wait on disk: see also test_record_file.py."""
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most, read = [], Video.frames

    class Counted(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def counted(self, every):
        for number, frame in read(self, every):
            frame = frame.view(Counted)
            alive.add(frame)
            most.append(len(alive))
            yield number, frame

    monkeypatch.setattr(Video, "frames", counted)
    video = film(tmp_path / "long.mp4", 30, size=(64, 48))
    predict(predictors["cls"], [video], tmp_path / "out", batch_size=4)
    assert len(most) == 30
    assert max(most) <= 2 * 4 + 1


@pytest.mark.slow
def test_ffmpeg_says_nothing_where_errors_are_reported(tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(film(tmp_path / "clip.mp4").read_bytes()[:2000])
    code = (
        "import sys; from pathlib import Path;"
        "from bag_of_transfer.prediction.videos import Video;"
        "from bag_of_transfer.engine.errors import UserError\n"
        "try: Video.of_file(Path(sys.argv[1]))\n"
        "except UserError: print('refused')"
    )
    call = [sys.executable, "-c", code, str(tmp_path / "cut.mp4")]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")
