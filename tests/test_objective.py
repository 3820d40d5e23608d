"""Every loss term by its name, as the training loop calls it."""

import re

import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy

from kdlib import KdlibError, Term, losses, terms
from kdlib.training.batches import Images
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, train_epochs
from kdlib.training.network import Output, forward, ready_to_teach

LABELS = [name for name in terms if not terms[name].options.get("teacher")]
DISTILLATION = [name for name in terms if terms[name].options.get("teacher")]
COUNTED = {"adaptive_label_smoothing": (0.3, 0.0), "balanced_softmax": ()}
WEIGHTS = {"similarity_preserving": 3000.0, "attention_transfer": 1000.0}  # of terms whose values are small
FIXED = {"cross_entropy": (), "label_smoothing": (0.1,), "confidence_penalty": (0.1,)}


def learner_of(name, **fields):
    """A run with the term alone, just begun, its images, and its teacher's network."""
    teacher = tiny.teacher(**{k: v for k, v in fields.items() if k not in ("lr", "epochs")})
    run = tiny.run(
        objective=[Term(name, WEIGHTS.get(name, 1.0))], teachers=[teacher] if name in DISTILLATION else [], **fields
    )
    images = Images(run)
    return Learner(run, images), images, {t.key: ready_to_teach(t, images) for t in run.teachers}


def value_of(learner, batch, teachers):
    """Of its only term, without the weight."""
    outputs = [Output(*network(batch.images, features=True)) for network in teachers.values()]
    output = forward(learner.model, batch.images, features=True)
    (summand,) = learner.summands
    return summand.value(batch, output, outputs), output


def test_the_tables_of_this_test_have_every_term():
    assert set(LABELS) == {*COUNTED, *FIXED}
    assert set(DISTILLATION) == set(terms) - set(LABELS) and "crd" in DISTILLATION


@pytest.mark.parametrize("mixing", ["none", "mixup"])
@pytest.mark.parametrize("name", LABELS)
def test_a_label_term_is_its_loss_over_all_labels(name, mixing):
    """Of mixed images: lam L(y) + (1 - lam) L(y'), with the counts of the long tail."""
    learner, images, _ = learner_of(name, mixing=mixing, imbalance_factor=4)
    batch = next(images.batches(0))
    value, output = value_of(learner, batch, {})
    given = (images.class_counts, *COUNTED[name]) if name in COUNTED else FIXED[name]
    expected = 0.0
    for targets, weights in batch.labels:
        share = 1.0 if weights is None else weights[0].item()
        expected += share * getattr(losses, name)(output.logits.double(), targets, *given).item()
    assert value.item() == pytest.approx(expected, rel=1e-5)
    assert len(batch.labels) == 1 + (mixing == "mixup")


@pytest.mark.parametrize("name", DISTILLATION)
def test_a_distillation_term_teaches_every_layer_before_it(name):
    """A gradient that is not zero in every convolution; the last layer's only where the term sees logits."""
    learner, images, teachers = learner_of(name)
    value, _ = value_of(learner, next(images.batches(0)), teachers)
    value.backward()
    reached = {n for n, p in learner.model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    layers = {"conv1.weight", "conv2.weight", "bn1.weight", "bn2.weight"}
    assert layers <= reached
    assert ("fc.weight" in reached) == (not terms[name].options.get("features", False))
    assert all(p.grad is None for network in teachers.values() for p in network.parameters())


@pytest.mark.parametrize("name", [name for name in DISTILLATION if name != "crd"])  # whose value moves with its banks
def test_a_student_distilled_by_a_term_alone_comes_nearer_to_its_teacher(name):
    learner, images, teachers = learner_of(name, lr=0.02, epochs=10)
    for _ in train_epochs([learner], teachers, images, Pool(1)):
        pass
    first, *_, last = (entry["terms"][0] for entry in learner.history)
    assert last < first


def test_balanced_softmax_is_cross_entropy_of_shifted_logits():
    learner, images, _ = learner_of("balanced_softmax", imbalance_factor=8)
    batch = next(images.batches(0))
    value, output = value_of(learner, batch, {})
    shifted = output.logits + images.class_counts.float().log()
    assert value.item() == pytest.approx(cross_entropy(shifted, batch.labels[0][0]).item(), rel=1e-6)


def test_new_terms_leave_torchs_own_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for name in terms:
        learner_of(name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("term", "options", "sentence"),
    [
        (lambda batch, student, teacher: 0, {}, "takes .batch, student, teacher., .* register it with teacher=True"),
        (lambda batch, student: 0, {"teacher": True}, "but is given .*teacher.: .* or leave out the option teacher"),
        (lambda batch, student, state: 0, {}, "register it with state=make"),
        (lambda batch: 0, {}, "let it take all of these"),
        (lambda batch, student, *, strength: 0, {}, "Parameter 'strength' of 'mine' has no default"),
        (lambda batch, student: 0, {"feature": True}, "Unknown option of a loss term 'feature': did you"),
        (lambda batch, student, *, t=1.0: 0, {"positive": ("T",)}, "'mine' in positive=... 'T': Known: t"),
    ],
)  # fmt: skip
def test_a_term_that_is_registered_wrongly_is_said_at_once(term, options, sentence):
    with pytest.raises(KdlibError, match=sentence):
        terms.register("mine", version=1, **options)(term)
    assert "mine" not in terms


def test_every_term_says_its_formula_and_source():
    for name in terms:
        assert re.search(r"[(:] ?[A-Z].* (19|20)\d\d\)", terms[name].load().__doc__, re.DOTALL), name
