"""The benches at a tiny scale: sane figures, and both sides do the same work. No timing is asserted."""

import copy
import math
import subprocess
import sys

import pytest
import torch

from kdlib import bench
from kdlib.bench import crd, grid, step, students, usual
from kdlib.bench.crop_flip import crop_flip
from kdlib.bench.imports import imports
from kdlib.bench.measure import Result, Turns, in_turns
from kdlib.bench.ours import Group
from kdlib.bench.sample import NAME, SIDE, sample
from kdlib.data import datasets
from kdlib.registry import KdlibError
from kdlib.run import Run
from kdlib.training.batches import Images
from kdlib.training.learner import Learner
from kdlib.training.network import forward, network, ready_to_teach


@pytest.fixture(autouse=True)
def on_noise(tmp_path, monkeypatch):
    """No CIFAR-10."""
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path))


BENCHES = {
    "grid": lambda: grid.grid(students=2, batch=4, steps=1, rounds=1, workers=(0, 1)),
    "students": lambda: students.students(
        count=2, batch=8, steps=1, rounds=1, workers=(0,), student="resnet8", teacher="resnet8"
    ),
    "study": lambda: students.study(batch=8, steps=1, rounds=1, workers=(0,), images=32, teacher="resnet8"),
    "crop_flip": lambda: crop_flip(batch=4, steps=2, rounds=2),
    "step": lambda: step.step(batch=4, steps=1, rounds=1, teacher="resnet8"),
    "crd": lambda: crd.crd(batch=4, negatives=8, images=50, steps=1, rounds=1),
    "import": lambda: imports(repeats=1),
}


def test_every_bench_is_tried_here():
    assert set(BENCHES) == set(bench.benches)


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_gives_sane_figures_and_leaves_the_threads_alone(name):
    threads = torch.get_num_threads()
    result = BENCHES[name]()
    assert torch.get_num_threads() == threads
    assert result.name == name
    for figure in (result.value, result.target, result.usual, result.ours):
        assert math.isfinite(figure) and figure > 0
    if result.kind == "x":
        assert result.value == pytest.approx(result.usual / result.ours)
        assert "noise" in str(result) and "images/s" in str(result)
    assert all(len(line) <= 120 for line in str(result).splitlines())


def test_main_prints_the_named_benches(capsys):
    mine = Result(name="mine", value=3.0, target=2.0, usual=1234.5, ours=411.5, unit="ms", limit="none", details=("a",))
    bench.benches.add("mine", lambda: mine)
    bench.main(["mine"])
    first, _, head, *rest = capsys.readouterr().out.splitlines()
    assert "cores" in first and "load" in first
    assert " ".join(head.split()) == "mine 3 x target at least 2 x: reached (usual 1,234, ours 412 ms)"
    assert rest == ["    a", "    limit: none"]


def test_an_unknown_bench_is_named_with_the_nearest_before_anything_is_measured(capsys):
    with pytest.raises(KdlibError, match="Unknown bench 'gird': did you mean 'grid'"):
        bench.main(["import", "gird"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("kind", "value", "reached"), [("x", 2.0, True), ("x", 0.9, False), ("s", 2.0, False)])
def test_a_target_is_a_least_ratio_or_most_seconds(kind, value, reached):
    result = Result(name="n", value=value, target=1.0, kind=kind, usual=1, ours=1, unit="s", limit="none")
    assert result.reached is reached
    assert ("MISSED" in str(result)) is not reached


def test_turns_alternate_ours_first_and_compare_medians():
    order = []
    usual_times, our_times = iter([4.0, 6.0, 50.0]), iter([1.0, 2.0, 3.0])

    def side(name, times):
        order.append(name)
        return next(times)

    turns = in_turns(3, lambda: side("usual", usual_times), lambda: side("ours", our_times))
    assert order == ["ours", "usual"] * 3
    assert turns == Turns([4.0, 6.0, 50.0], [1.0, 2.0, 3.0])
    assert turns.ratio == 3.0
    assert str(turns) == "3 rounds in turns, 3 to 16.7 x"


@pytest.mark.parametrize("method", students.METHODS, ids=lambda term: term.name)
def test_both_sides_take_the_same_step(method):
    """From the same weights by the same batch: fused or not, gathered or not, folded or not."""
    sample(40)
    teacher, *_ = students.half(1, 8, "resnet8")[2]
    run = next(r for r in students.half(1, 8, "resnet8")[0] if method in r.objective and r.teachers == (teacher,))
    plain, images = usual.Plain(run, 40), Images(run)
    ours, taught_by = Learner(run, images), ready_to_teach(teacher, images)
    batch = next(images.batches(0))
    batch.key = (0, 0)  # of the plain loop's first step
    plain.step(batch.images, batch.labels[0][0], batch.index, plain.teach(batch.images))
    ours.begin_epoch()
    ours.step(batch, [forward(taught_by, batch.images, ours.features)])
    start = dict(network(run).named_parameters())
    for name, value in ours.model.named_parameters():
        step, usual_step = (after.detach() - start[name] for after in (value, plain.student.get_parameter(name)))
        assert step.norm() > 0
        assert (step - usual_step).norm() < 1e-3 * step.norm()
    for mine, theirs in zip(ours.summands, plain.summands, strict=True):
        for name, value in mine.state.state_dict().items() if mine.state else ():
            assert torch.allclose(value, theirs.state.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_two_halves_are_the_runs_of_study_a():
    sample(4)
    kinds = students.half(students.OBJECTIVES, 128, "resnet20")
    assert [students.HALVES * len({run.key for run in runs}) for runs in kinds] == [128, 8, 8]
    taught, baselines, teachers = kinds
    assert {run.teachers for run in taught} == {(teacher,) for teacher in teachers}
    assert not any(run.teachers for run in baselines)


def test_an_epoch_takes_the_first_batches_but_crd_remembers_all_images():
    sample(40)
    learner = next(r for r in students.half(1, 8, "resnet8")[0] if r.objective[1].name == "crd")
    group = Group([learner], steps=2)
    assert group.images.steps() == len(list(group.images.batches(0))) == 2
    assert len(group.learners[0].summands[1].state.student_bank) == 40


def test_both_sides_of_crd_compute_the_same_for_two_steps():
    model, inputs = crd.setting((4, 8, 50))
    ours, theirs = (copy.deepcopy(model).double() for _ in range(2))
    inputs = [v.detach().double() if v.is_floating_point() else v for v in inputs]
    for _ in range(2):
        assert ours(*inputs).item() == pytest.approx(usual.gathered(theirs, *inputs).item())
    for name, value in ours.state_dict().items():
        assert torch.allclose(value, theirs.state_dict()[name])


def test_peak_bytes_are_those_of_the_tensors_held_at_one_time():
    def loss(model, student, *_):
        for _ in range(3):
            held = torch.zeros(1000, 1000)
        return student.sum() + held.sum()

    # The new tensor is there before the old one is given up.
    assert crd.peak_bytes(loss, (4, 8, 50)) == pytest.approx(8e6, rel=0.01)


@pytest.mark.parametrize("side", [SIDE, SIDE // 2])
def test_both_sides_see_the_same_pixels(side):
    """A usual picture is one of the crops of ours (81 at 32), mirrored or not, normalised alike."""
    sample(3)
    images = Images(Run(data=NAME, network="cnn2", epochs=1, batch_size=3, image_size=side))
    pictures = usual.Pictures(images)
    padded = torch.nn.functional.pad(images.images, (side // 8,) * 4)
    crops = padded.unfold(2, side, 1).unfold(3, side, 1)  # (3, 3, 9, 9, 32, 32) at 32
    for index in range(len(pictures)):
        picture, label, place = pictures[index]
        candidates = crops[index].permute(1, 2, 0, 3, 4).flatten(0, 1)
        candidates = images.normalise(torch.cat([candidates, candidates.flip(3)]))
        assert (candidates - picture).abs().amax((1, 2, 3)).min() < 1e-5
        assert label == images.labels[index] and place == index


def test_without_cifar10_the_images_are_noise_always_the_same():
    assert sample(4).startswith("noise")
    first = datasets[NAME].load()("train", None)[0]
    sample(4)
    assert torch.equal(datasets[NAME].load()("train", None)[0], first)
    assert first.shape == (4, 3, SIDE, SIDE) and first.dtype == torch.uint8


def test_the_help_names_every_bench_without_torch():
    code = "import sys, kdlib.bench; print(kdlib.bench.overview()); assert 'torch' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == bench.overview()
    paragraphs = said.strip().split("\n\n")
    assert [paragraph.partition(": ")[0] for paragraph in paragraphs] == list(bench.benches)
    assert all(20 < len(paragraph) < 140 for paragraph in paragraphs)
