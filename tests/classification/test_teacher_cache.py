"""A teacher's stored answers: what is kept, how the loss differs, and what is refused."""

import json
import math
import pickle
import resource
import shutil

import numpy as np
import pytest
import torch

from bag_of_transfer.classification.distillation import distillation_loss
from bag_of_transfer.classification.teacher_cache import (
    CARD,
    CacheShape,
    CacheWriter,
    TeacherCache,
    fill_up,
    strongest,
)
from bag_of_transfer.engine.errors import UserError

V, N, K = 2, 5, 7


def card(**more):
    return {"num_views": V, "num_images": N, "top_k": 3, "num_classes": K, "seed": 0, **more}


def logits(seed=0, rows=N, classes=K, spread=4.0):
    return spread * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def make_older(folder):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "schema": 1}))


def write(folder, views=V, **more):
    writer = CacheWriter(folder, card(**more))
    for view in range(writer.views_done, views):
        writer.put(view, torch.tensor([4, 0, 2]), logits(view)[[4, 0, 2]])
        writer.put(view, torch.tensor([1, 3]), logits(view)[[1, 3]])
        writer.end_view(1.5)
    return folder


def without(folder, name):
    kept = json.loads((folder / CARD).read_text())
    del kept[name]
    (folder / CARD).write_text(json.dumps(kept))


def stored(cache, view, images=N):
    pairs = [cache.answer(view, index) for index in range(images)]
    classes, log_probs = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    return torch.from_numpy(classes), torch.from_numpy(log_probs)


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_with_all_classes_the_loss_is_the_live_one(tmp_path, temperature):
    cache = TeacherCache(write(tmp_path / "cache", top_k=K))
    student = logits(9)
    for view in range(V):
        teacher = fill_up(*stored(cache, view), K)
        live = float(distillation_loss(student, logits(view), temperature))
        # 16 bits keep a logarithm of size 16 to 2^-7 at worst.
        cached = float(distillation_loss(student, teacher, temperature))
        assert cached == pytest.approx(live, rel=2e-3)


def test_of_a_teacher_that_is_sure_few_classes_tell_nearly_all():
    teacher, student = logits(1, 64, 100, 6.0), logits(2, 64, 100)
    live = distillation_loss(student, teacher, 1.0)
    losses = [
        distillation_loss(student, fill_up(*strongest(teacher, k), 100), 1.0) for k in (1, 10, 50)
    ]
    errors = [abs(float(loss - live)) for loss in losses]
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.01 * live


def test_the_other_classes_share_the_rest_evenly():
    probabilities = torch.tensor([[0.3, 0.15, 0.5, 0.05]])
    filled = fill_up(*strongest(probabilities.log() + 7, 2), 4).exp()
    assert filled.numpy() == pytest.approx(np.array([[0.3, 0.1, 0.5, 0.1]]))


@pytest.mark.parametrize("sure", [0.5, 0.9, 0.9999, 1 - 1e-12])
@pytest.mark.parametrize(("top_k", "classes"), [(2, 3), (100, 102), (100, 120)])
def test_of_a_sure_teacher_the_rest_is_no_rounding_of_what_is_stored(
    tmp_path, sure, top_k, classes
):
    teacher, student = logits(1, 64, classes, 2.0).double(), logits(2, 64, classes)
    teacher[:, 0] = teacher[:, 1:].logsumexp(1) + math.log(sure / (1 - sure))
    even = teacher.log_softmax(1)
    order = even.argsort(1, descending=True)
    for row, places in zip(even, order[:, top_k:], strict=True):
        row[places] = (row[places].exp().mean()).log()
    sizes = dict(num_views=1, num_images=64, top_k=top_k, num_classes=classes)
    writer = CacheWriter(tmp_path, card(**sizes))
    writer.put(0, torch.arange(64), teacher.float())
    writer.end_view(1.0)
    answers = fill_up(*stored(TeacherCache(tmp_path), 0, 64), classes)
    student.requires_grad_()
    losses = [distillation_loss(student, taught, 20.0) for taught in (answers, even.float())]
    ours, wanted = (torch.autograd.grad(loss, student)[0] for loss in losses)
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=2e-3)
    assert (ours - wanted).norm() < 5e-3 * wanted.norm()


def test_a_cache_that_was_cut_off_goes_on_at_the_view_that_was_not_whole(tmp_path):
    folder = write(tmp_path / "cache", views=1)
    with pytest.raises(UserError, match="only 1 of 2 views are there"):
        TeacherCache(folder)
    whole = write(tmp_path / "whole")
    cache = TeacherCache(write(folder))
    assert (cache.card["views_done"], cache.card["seconds"]) == (2, 3.0)
    for view in range(V):
        assert all(map(torch.equal, stored(cache, view), stored(TeacherCache(whole), view)))


def test_another_process_opens_the_files_anew(tmp_path):
    cache = TeacherCache(write(tmp_path))
    sent = pickle.dumps(cache)
    assert len(sent) < 1000
    assert all(map(torch.equal, stored(pickle.loads(sent), 1), stored(cache, 1)))


@pytest.mark.parametrize("views", [1, V])
def test_an_older_cache_is_read_and_goes_on_where_it_lacks_nothing(tmp_path, views):
    whole = write(tmp_path / "whole", views, top_k=K)
    make_older(whole)
    assert stored(TeacherCache(write(whole, top_k=K)), 0)[1].shape == (N, K)
    part = write(tmp_path / "part", views)
    make_older(part)
    for read in (TeacherCache, write):
        with pytest.raises(UserError, match=r"an older version made the cache.*remove the folder"):
            read(part)


def test_an_image_without_an_answer_is_named(tmp_path):
    writer = CacheWriter(tmp_path, card(num_views=1))
    writer.put(0, torch.tensor([0, 1, 2, 4]), logits()[:4])
    writer.end_view(1.0)
    with pytest.raises(UserError, match="view 0 has no answer for image 3"):
        TeacherCache(tmp_path).answer(0, 3)


def test_more_classes_than_16_bits_count_take_a_larger_type():
    assert CacheShape(1, 1, 1, 2**16).class_type == np.uint16
    assert CacheShape(1, 1, 1, 2**16 + 1).class_type == np.uint32
    assert CacheShape(50, 1_281_167, 10, 1000).num_bytes == 50 * 1_281_167 * 42
    assert CacheShape(1, 1, 10, 10).num_bytes == 40


def test_a_disk_too_small_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(UserError, match=r"takes .* B, .* B are free: .*--views"):
        CacheWriter(tmp_path / "cache", card())
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_fills_up_meanwhile_is_an_error_and_the_next_call_goes_on(
    tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):
        pytest.fail("on a full disk, writing to a map ends the process")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patched:
        patched.setattr(np.lib.format, "open_memmap", refuse)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                CacheWriter(tmp_path, card(num_images=1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert TeacherCache(write(tmp_path)).shape.num_images == N


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "card.json").unlink(), "holds no teacher's cache"),
        (
            lambda folder: (folder / "card.json").write_text("{}"),
            "schema is missing",
        ),
        (lambda folder: without(folder, "seed"), "seed is missing"),
        (lambda folder: (folder / "classes.npy").unlink(), "the file can't be read"),
        (lambda folder: (folder / "log_probs.npy").write_bytes(b"\x93NUMPY"), "can't be read"),
        (lambda folder: np.save(folder / "classes.npy", np.zeros(3)), "the array is float64"),
    ],
)
def test_a_damaged_cache_is_one_line(tmp_path, damage, message):
    folder = write(tmp_path)
    damage(folder)
    with pytest.raises(UserError, match=message):
        TeacherCache(folder)
