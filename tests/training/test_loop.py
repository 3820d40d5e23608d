"""The training loop against plain torch, and what a student leaves alone."""

import copy
import io
import math
import random
import re

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F

import kdlib
from kdlib import Term
from kdlib.training.batches import Images
from kdlib.training.learner import Learner, learning_rate
from kdlib.training.loop import Pool, teach, train_epochs
from kdlib.training.network import Output, evaluate, network, ready_to_teach
from kdlib.training.weights import digest

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: the CUDA path cannot be tried")
HALF = Term("cross_entropy", 0.5)


@pytest.fixture(scope="module")
def images():
    return Images(tiny.run())


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def trained(run, images, teachers=None, pool=1):
    student = Learner(run, images)
    for _ in train_epochs([student], teachers or {}, images, Pool(pool)):
        pass
    return student


def taught(**fields):
    """A run with every kind of term, and its teacher as a network."""
    teacher = tiny.teacher()
    objective = [HALF, Term("kd", 0.4, temperature=2), Term("similarity_preserving", 100)]
    return tiny.run(**fields, objective=objective, teachers=[teacher])


def in_plain_torch(run, images, teacher):
    """The same training, written without kdlib's loop, losses or fused steps, in float64."""
    model = network(run).double()
    teacher = copy.deepcopy(teacher).double()
    optimiser = torch.optim.SGD(model.parameters(), run.lr, 0.9, weight_decay=5e-4, foreach=False, fused=False)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=run.epochs)

    def similarity(features):
        return F.normalize(features.flatten(1) @ features.flatten(1).T)

    values = []
    for epoch in range(run.epochs):
        model.train()
        total = torch.zeros(3, dtype=torch.float64)
        for batch in images.batches(epoch):
            x, y = batch.images.double(), batch.labels[0][0]
            z, maps, _ = model(x, features=True)
            with torch.no_grad():
                t, teacher_maps, _ = teacher(x, features=True)
            p = F.softmax(t / 2, 1)
            terms = torch.stack([
                0.5 * F.cross_entropy(z, y),
                0.4 * 4 * (p * (p.log() - F.log_softmax(z / 2, 1))).sum(1).mean(),
                100 * (similarity(maps[-1]) - similarity(teacher_maps[-1])).pow(2).sum() / len(y) ** 2,
            ])  # fmt: skip
            optimiser.zero_grad()
            terms.sum().backward()
            optimiser.step()
            total += terms.detach() * len(y)
        values.append((total / len(images.labels)).tolist())
        schedule.step()
    return model, values


@pytest.mark.parametrize("kind", ["cnn2", "resnet8"])
def test_training_is_that_of_plain_torch(kind, images):
    run = taught(network=kind, lr=0.01)
    teacher = ready_to_teach(run.teachers[0], images)
    student = trained(run, images, {run.teachers[0].key: teacher})
    model, values = in_plain_torch(run, images, teacher)
    assert [entry["terms"] for entry in student.history] == [pytest.approx(v, rel=1e-4) for v in values]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(student.model.state_dict()[name].double(), value.double(), rtol=1e-3, atol=1e-4)


def test_learning_rates_are_those_of_torch():
    for run in (tiny.run(30, lr=0.3), tiny.run(7, lr=0.01)):
        optimiser = torch.optim.SGD([torch.zeros(1)], run.lr)
        assert rates(run) == pytest.approx(
            rates_of(torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, run.epochs), run), rel=1e-9, abs=1e-12
        )
    for milestones in ((), (3,), (2, 5, 6), (0, 9), (4, 4)):
        run = tiny.run(8, lr=0.2, schedule="multistep", milestones=milestones)
        optimiser = torch.optim.SGD([torch.zeros(1)], run.lr)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, list(milestones), gamma=0.1)
        assert rates(run) == pytest.approx(rates_of(schedule, run), rel=1e-9)
    assert rates(tiny.run(4, schedule="multistep", milestones=[2])) == pytest.approx([0.1, 0.1, 0.01, 0.01])


def rates(run):
    return [learning_rate(run, epoch) for epoch in range(run.epochs)]


def rates_of(schedule, run):
    found = []
    for _ in range(run.epochs):
        found.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    return found


def test_history_says_what_happened(images):
    run = tiny.run(5, evaluate_every=2)
    student = trained(run, images)
    assert [entry["epoch"] for entry in student.history] == [1, 2, 3, 4, 5]
    assert [entry["lr"] for entry in student.history] == rates(run)
    assert [e["epoch"] for e in student.history if "held_out_accuracy" in e] == [2, 4, 5]
    evaluated = [e for e in student.history if "held_out_accuracy" in e]
    best = max(evaluated, key=lambda e: (e["held_out_accuracy"], -e["held_out_nll"]))
    assert student.best["epoch"] == best["epoch"]
    with torch.no_grad():
        logits = copy.deepcopy(student.model).eval()(images.normalise(images.held_out))
    right = (logits.argmax(1) == images.held_out_labels).double().mean().item()
    assert student.history[-1]["held_out_accuracy"] == pytest.approx(right)
    assert student.history[-1]["held_out_nll"] == pytest.approx(F.cross_entropy(logits, images.held_out_labels).item())
    assert student.history[-1]["train_accuracy"] > 0.2
    assert student.seconds > 0


def test_the_best_epoch_is_kept(images):
    bests = set()
    for seed in range(5):
        run = tiny.run(6, lr=2.0, seed=seed, schedule="multistep")  # so wild that the last epoch is seldom the best
        student = Learner(run, images)
        weights = {}
        for epoch in train_epochs([student], {}, images, Pool(1)):
            weights[epoch] = {name: value.clone() for name, value in student.model.state_dict().items()}
        best = student.best["epoch"]
        bests.add(best)
        assert digest(student.best["weights"]) == digest(weights[best])
        last, logits = student.outcome(images)
        assert digest(last) == digest(weights[6]) == digest(student.model.state_dict())
        for moment, epoch in (("last", 6), ("best", best)):
            model = ready_to_teach(run, images, weights[epoch])
            for split in ("held_out", "test"):
                with torch.no_grad():
                    expected = model(images.normalise(getattr(images, split))).numpy()
                np.testing.assert_allclose(logits[f"{moment}_{split}"], expected, rtol=1e-4, atol=1e-4)
    assert bests - {6}


def test_without_held_out_images_there_is_no_best_epoch():
    images = Images(tiny.run(held_out=0))
    student = trained(tiny.run(held_out=0), images)
    assert student.best is None
    assert not any("held_out_accuracy" in entry for entry in student.history)
    _, logits = student.outcome(images)
    assert {name: values.shape for name, values in logits.items()} == {"last_held_out": (0, 10), "last_test": (100, 10)}


@pytest.mark.parametrize("epochs", [1, 3])
def test_gradient_norms_are_those_of_each_term_alone(epochs, images):
    run = taught(epochs=epochs)
    teacher = ready_to_teach(run.teachers[0], images)
    student = Learner(run, images)
    before = {0: copy.deepcopy(student.model)}
    for epoch in train_epochs([student], {run.teachers[0].key: teacher}, images, Pool(1)):
        before[epoch] = copy.deepcopy(student.model)
    assert {e["epoch"] for e in student.history if "gradient_norms" in e} == {1, epochs}
    for epoch in {0, epochs - 1}:
        batch = next(images.batches(epoch))
        with torch.no_grad():
            lesson = Output(*teacher(batch.images, features=True))
        norms = []
        for term in run.objective:
            model = before[epoch].train()
            model.zero_grad()
            output = Output(*model(batch.images, features=True))
            loss = kdlib.terms[term.name].load()
            value = loss(batch, output, *([lesson] if term.uses_teacher else []), **dict(term.params))
            (term.weight * value).backward()
            reached = [p.grad.double() for p in model.parameters() if p.grad is not None]
            norms.append(math.sqrt(sum(g.pow(2).sum().item() for g in reached)))
        assert student.history[epoch]["gradient_norms"] == pytest.approx(norms, rel=1e-4)


def test_gradient_norms_change_no_bit(images, monkeypatch):
    run = taught()
    teachers = {run.teachers[0].key: ready_to_teach(run.teachers[0], images)}
    with_norms = digest(trained(run, images, teachers).model.state_dict())
    monkeypatch.setattr(Learner, "_gradient_norm", lambda self, value: torch.zeros((), dtype=torch.float64))
    assert digest(trained(run, images, teachers).model.state_dict()) == with_norms


def test_a_teacher_has_no_gradient_and_stays_as_it_is(images):
    run = taught()
    teacher = ready_to_teach(run.teachers[0], images)
    before = digest(teacher.state_dict())
    trained(run, images, {run.teachers[0].key: teacher}, pool=2)
    assert digest(teacher.state_dict()) == before  # BatchNorm's running statistics, too
    assert all(p.grad is None for p in teacher.parameters())
    lesson = teach(teacher, next(images.batches(0)).images, True, run, Pool(1))
    assert not any(t.requires_grad for t in (lesson.logits, *lesson.maps, lesson.pooled))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_teacher_says_the_same_to_everyone(threads, images):
    run = taught()
    teacher = ready_to_teach(run.teachers[0], images)
    batch = images.normalise(images.images[:75])
    with_maps, without = (teach(teacher, batch, features, run, Pool(threads)) for features in (True, False))
    assert torch.equal(with_maps.logits, without.logits)
    with torch.no_grad():
        chunks = [teacher(c.contiguous(memory_format=torch.channels_last), features=True) for c in batch.split(32)]
    assert torch.equal(with_maps.logits, torch.cat([c[0] for c in chunks]))
    assert all(torch.equal(m, torch.cat([c[1][i] for c in chunks])) for i, m in enumerate(with_maps.maps))
    assert torch.equal(with_maps.pooled, torch.cat([c[2] for c in chunks]))


class Listener(torch.nn.Module):
    """Says of each image the sum of its pixels, and notes how many it was shown at a time."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        self.sizes.append(len(x))
        return x.flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize("count", [31, 32, 75, 128])
def test_a_teacher_is_shown_chunks_of_one_size(count, images):
    """Its bits depend on it."""
    listener = Listener()
    batch = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    lesson = teach(listener, batch, False, tiny.run(), Pool(2))
    assert torch.allclose(lesson.logits, batch.flatten(1).sum(1, keepdim=True))
    assert sorted(listener.sizes, reverse=True) == [32] * (count // 32) + [count % 32] * (count % 32 > 0)


def saved(student):
    """A student's state, through a file and back."""
    file = io.BytesIO()
    torch.save(student.state(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("kind", ["cnn2", "resnet8"])
def test_a_fused_step_after_a_resume_is_the_unfused_one(kind, images):
    run = tiny.run(4, kind)
    student = Learner(run, images)
    next(train_epochs([student], {}, images, Pool(1)))
    state = saved(student)
    resumed = Learner(run, images)
    resumed.restore(state)
    plain = network(run)
    plain.load_state_dict(state["weights"])
    optimiser = torch.optim.SGD(
        plain.parameters(), learning_rate(run, 1), 0.9, weight_decay=5e-4, foreach=False, fused=False
    )
    for parameter, momentum in zip(plain.parameters(), state["momentum"], strict=True):
        optimiser.state[parameter]["momentum_buffer"] = momentum.clone().contiguous()
    resumed.begin_epoch()
    for batch in list(images.batches(1))[:2]:
        resumed.step(batch, [])
        optimiser.zero_grad()
        F.cross_entropy(plain.train()(batch.images.contiguous()), batch.labels[0][0]).backward()
        optimiser.step()
        for one, other in zip(resumed.model.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_resume_changes_no_bit_and_shorter_runs_join(images):
    long, short = tiny.run(5), tiny.run(3, seed=1)
    alone = {run.key: digest(trained(run, images).model.state_dict()) for run in (long, short)}
    first = Learner(long, images)
    epochs = train_epochs([first], {}, images, Pool(1))
    assert [next(epochs), next(epochs)] == [1, 2]
    resumed, fresh = Learner(long, images), Learner(short, images)
    resumed.restore(saved(first))
    reached = []
    for epoch in train_epochs([resumed, fresh], {}, images, Pool(2)):
        reached.append((epoch, resumed.epoch, fresh.epoch))
    # The one that is ahead waits until its epoch is reached; the shorter one is done before.
    assert reached == [(1, 2, 1), (2, 2, 2), (3, 3, 3), (4, 4, 3), (5, 5, 3)]
    assert {s.run.key: digest(s.model.state_dict()) for s in (resumed, fresh)} == alone


def test_momentum_may_be_zero(images):
    run = tiny.run(3, momentum=0)
    student = Learner(run, images)
    epochs = train_epochs([student], {}, images, Pool(1))
    next(epochs)
    resumed = Learner(run, images)
    resumed.restore(saved(student))
    for s in (student, resumed):
        for _ in train_epochs([s], {}, images, Pool(1)):
            pass
    assert digest(resumed.model.state_dict()) == digest(student.model.state_dict())


def test_initial_weights_follow_the_seed_alone(images):
    weights = [digest(network(run).state_dict()) for run in (
        tiny.run(), tiny.run(9, data_seed=5, lr=0.5), tiny.run(seed=1), tiny.run(seed=1, epochs=4))]  # fmt: skip
    assert weights[0] == weights[1] != weights[2] == weights[3]


def test_training_leaves_global_random_numbers_alone(images):
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    run = taught()
    trained(run, images, {run.teachers[0].key: ready_to_teach(run.teachers[0], images)}, pool=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def broken(name, term):
    """A run with a term that goes wrong."""
    kdlib.terms.add(name, term)
    return tiny.run(objective=[Term("cross_entropy"), Term(name)])


def not_a_number(batch, student):
    return student.logits.sum() * float("nan")


def late(batch, student):
    """Goes wrong in the middle of an epoch: when it comes to the first training image."""
    return student.logits.sum() * (float("inf") if 0 in batch.index else 0)


def endless_slope(batch, student):
    return (student.logits * 0).sum().sqrt()  # 0, of slope infinity times 0


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        (not_a_number, "the loss term broken became nan in epoch 1"),
        (late, "the loss term broken became (inf|-inf|nan) in epoch 1"),
        (endless_slope, "the gradient of loss term broken became nan in epoch 1"),
    ],
)
def test_a_term_that_is_not_finite_fails_its_run_by_its_name(term, reason, images):
    """Even though a step later every term is NaN."""
    student = trained(broken("broken", term), images)
    assert re.fullmatch(reason, student.failure)
    assert student.done and student.history == []


def test_logits_that_are_not_finite_fail_their_run(images, monkeypatch):
    monkeypatch.setattr(images, "steps", lambda: 1)
    student = trained(tiny.run(lr=1e38, weight_decay=1e30), images)
    assert student.failure == "the held-out logits were not finite after epoch 1"


def test_bf16_is_another_precision(images):
    run = taught(precision="bf16")
    student = trained(run, images, {run.teachers[0].key: ready_to_teach(run.teachers[0], images)})
    exact = trained(taught(), images, {run.teachers[0].key: ready_to_teach(run.teachers[0], images)})
    assert all(p.dtype == torch.float32 for p in student.model.parameters())
    assert digest(student.model.state_dict()) != digest(exact.model.state_dict())
    assert student.history[0]["terms"] == pytest.approx(exact.history[0]["terms"], rel=0.05)
    logits = evaluate(student.model, images, images.test, run)
    assert logits.dtype == torch.float32 and logits.isfinite().all()
    assert torch.equal(logits, logits.bfloat16().float())  # as autocast computed them


def on_the_gpu(run):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    images = Images(run, "cuda")
    student = Learner(run, images, "cuda")
    teachers = {t.key: ready_to_teach(t, images) for t in run.teachers}
    for _ in train_epochs([student], teachers, images, Pool(1)):
        pass
    return student


@gpu
def test_on_a_gpu_the_bits_are_the_same_twice():
    one, other = on_the_gpu(taught(network="resnet8")), on_the_gpu(taught(network="resnet8"))
    assert digest(one.model.state_dict()) == digest(other.model.state_dict())
    weights = one.model.conv1.weight, one.model.layer3[0].conv1.weight
    assert all(w.is_cuda and w.is_contiguous(memory_format=torch.channels_last) for w in weights)


@gpu
def test_a_gpu_trains_what_a_cpu_does(images):
    run = taught(epochs=1, network="resnet8", lr=0.01)
    there = on_the_gpu(run)
    here = trained(run, images, {run.teachers[0].key: ready_to_teach(run.teachers[0], images)})
    assert there.history[0]["terms"] == pytest.approx(here.history[0]["terms"], rel=1e-3)
    assert there.history[0]["gradient_norms"] == pytest.approx(here.history[0]["gradient_norms"], rel=1e-3)
    for one, other in zip(there.model.parameters(), here.model.parameters(), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-2, atol=1e-3)


@gpu
def test_a_gpu_trains_in_bf16():
    student = on_the_gpu(taught(precision="bf16", network="resnet8"))
    assert not student.failure
    assert student.history[-1]["terms"][0] < student.history[0]["terms"][0]
    assert all(p.dtype == torch.float32 for p in student.model.parameters())
