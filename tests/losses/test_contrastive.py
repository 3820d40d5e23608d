"""CRD against naive loops, a gather in float64, finite differences, and by its properties."""

import copy
import math
from collections import Counter
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chisquare

from kdlib.losses import CRD
from kdlib.losses.contrastive import num_negatives, other_classes
from kdlib.registry import KdlibError

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
INDEX, NEGATIVES = torch.tensor([4, 1]), torch.tensor([[0, 2, 5], [3, 5, 0]])


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make(*sizes, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CRD(*sizes, **options)


def tiny():
    """In float64: 6 images, embeddings of 4 numbers, features of 5 and 3."""
    return make(5, 3, 6, embedding=4).double()


def batches(count):
    return [(draw(2, 5, seed=2 * i), draw(2, 3, seed=2 * i + 1), INDEX, NEGATIVES) for i in range(count)]


class Naive:
    """The definition, number by number."""

    def __init__(self, crd):
        self.crd = copy.deepcopy(crd)
        self.banks = [crd.student_bank.tolist(), crd.teacher_bank.tolist()]
        self.z = [None, None]

    def step(self, student, teacher, index, negatives):
        index, negatives = index.tolist(), negatives.tolist()
        layers = (self.crd.student_embedding, self.crd.teacher_embedding)
        own = [
            [self.unit(row) for row in layer(features).tolist()]
            for layer, features in zip(layers, (student, teacher), strict=True)
        ]
        loss = sum(self.side(side, own[side], self.banks[1 - side], index, negatives) for side in (0, 1))
        for bank, embeddings in zip(self.banks, own, strict=True):
            for i, new in zip(index, embeddings, strict=True):
                bank[i] = self.unit([0.5 * v + 0.5 * f for v, f in zip(bank[i], new, strict=True)])
        return loss

    def side(self, side, anchors, bank, index, negatives):
        n, k = len(bank), len(negatives[0])
        rows = [[i, *others] for i, others in zip(index, negatives, strict=True)]
        scores = [
            [math.exp(sum(v * f for v, f in zip(bank[j], anchor, strict=True)) / 0.07) for j in row]
            for row, anchor in zip(rows, anchors, strict=True)
        ]
        if self.z[side] is None:
            self.z[side] = sum(map(sum, scores)) / (len(rows) * (k + 1)) * n
        total = 0.0
        for positive, *others in [[s / self.z[side] for s in row] for row in scores]:
            total += math.log(positive / (positive + k / n + 1e-7))
            total += sum(math.log((k / n) / (p + k / n + 1e-7)) for p in others)
        return -total / len(rows)

    @staticmethod
    def unit(row):
        return [v / math.sqrt(sum(u * u for u in row)) for v in row]


def gathered(crd, student, teacher, index, negatives):
    """The usual formulation with embeddings (B, k + 1, D), in float64."""
    crd = copy.deepcopy(crd).double()
    student, teacher = student.detach().double().requires_grad_(), teacher.double()
    rows = torch.cat([index[:, None], negatives], 1)
    anchors = F.normalize(crd.student_embedding(student)), F.normalize(crd.teacher_embedding(teacher))
    loss = 0
    for own, bank in zip(anchors, (crd.teacher_bank, crd.student_bank), strict=True):
        scores = torch.einsum("bkd,bd->bk", bank[rows], own).div(0.07).exp()
        p = scores / (scores.mean().detach() * len(bank))
        noise = negatives.shape[1] / len(bank)
        loss = loss - (p[:, 0] / (p[:, 0] + noise + 1e-7)).log().sum() / len(rows)
        loss = loss - (noise / (p[:, 1:] + noise + 1e-7)).log().sum() / len(rows)
    return loss, torch.autograd.grad(loss, [student, *crd.parameters()])


def test_three_steps_equal_naive_loops():
    """The first fixes Z; the third scores banks that the first two have changed."""
    crd = tiny()
    naive = Naive(crd)
    for batch in batches(3):
        assert crd(*batch).item() == pytest.approx(naive.step(*batch), rel=1e-12)
    for bank, expected in zip((crd.student_bank, crd.teacher_bank), naive.banks, strict=True):
        assert torch.allclose(bank, torch.tensor(expected, dtype=torch.float64), rtol=1e-12)
    assert crd.normalisers.tolist() == pytest.approx(naive.z, rel=1e-12)


def test_equal_scores_give_the_loss_of_a_guess_among_k_plus_one():
    """Empty banks: every score is 1, so Z is N and every P is 1 / N."""
    crd, k = tiny(), 3
    crd.student_bank.zero_()
    crd.teacher_bank.zero_()
    expected = 2 * (math.log(k + 1) + k * math.log((k + 1) / k))
    assert crd(*batches(1)[0]).item() == pytest.approx(expected, rel=1e-5)  # but for epsilon
    assert crd.normalisers.tolist() == [6.0, 6.0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("places", [3000, 50])  # 50: most negatives come more than once
def test_float32_equals_a_gather_in_float64(device, places):
    crd = make(24, 16, 3000).to(device)
    student, teacher = draw(8, 24, dtype=torch.float32).to(device), draw(8, 16, seed=1, dtype=torch.float32).to(device)
    index = torch.arange(8, device=device)
    negatives = torch.rand(8, 2900, generator=torch.Generator().manual_seed(2)).argsort(1) % (places - 8) + 8
    batch = (student.requires_grad_(), teacher, index, negatives.to(device))
    expected, gradients = gathered(crd, *batch)
    loss = crd(*batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, reference in zip(torch.autograd.grad(loss, [student, *crd.parameters()]), gradients, strict=True):
        assert (ours - reference).norm() < 1e-5 * reference.norm()


def test_float64_equals_a_gather_to_the_last_digits():
    crd, (student, *rest) = tiny(), batches(1)[0]
    expected, gradients = gathered(crd, student, *rest)
    loss = crd(student.requires_grad_(), *rest)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for ours, reference in zip(torch.autograd.grad(loss, [student, *crd.parameters()]), gradients, strict=True):
        assert torch.allclose(ours, reference, rtol=1e-11, atol=1e-13)


def test_gradcheck():
    crd = tiny()
    student, teacher, *places = batches(1)[0]
    crd(student, teacher, *places)
    crd.eval()  # Z and banks stay as they are
    names, parameters = zip(*crd.named_parameters(), strict=True)

    def loss(student, *values):
        return torch.func.functional_call(crd, dict(zip(names, values, strict=True)), (student, teacher, *places))

    assert torch.autograd.gradcheck(loss, (student.requires_grad_(), *parameters))


def test_gradients_reach_the_student_and_both_layers_but_no_teacher():
    crd = tiny()
    student, teacher, *places = batches(1)[0]
    crd(student.requires_grad_(), teacher.requires_grad_(), *places).backward()
    assert teacher.grad is None
    for tensor in (student, *crd.parameters()):
        assert tensor.grad.norm() > 0


def test_a_gradient_taken_before_backward_is_the_same():
    crd = tiny()
    student, *rest = batches(1)[0]
    loss = 0.8 * crd(student.requires_grad_(), *rest)
    (first,) = torch.autograd.grad(loss, student, retain_graph=True)
    loss.backward()
    assert torch.equal(first, student.grad)


def test_banks_take_in_the_batch_as_unit_rows_and_nothing_else():
    crd = tiny()
    before = crd.student_bank.clone(), crd.teacher_bank.clone()
    crd(*batches(1)[0])
    others = [i for i in range(6) if i not in INDEX]
    for bank, old in zip((crd.student_bank, crd.teacher_bank), before, strict=True):
        assert torch.allclose(bank[INDEX].norm(dim=1), torch.ones(2, dtype=torch.float64), rtol=1e-12)
        assert torch.equal(bank[others], old[others])
        assert not bank.requires_grad


def test_z_is_fixed_by_the_first_batch():
    crd = tiny()
    assert crd.normalisers.tolist() == [0, 0]
    first, second = batches(2)
    crd(*first)
    fixed = crd.normalisers.clone()
    assert (fixed > 0).all()
    crd(*second)
    assert torch.equal(crd.normalisers, fixed)


@pytest.mark.parametrize("training", [False, True])
def test_only_training_with_gradients_changes_the_state(training):
    crd = tiny().train(training)
    before = copy.deepcopy(crd.state_dict())
    with torch.set_grad_enabled(not training):
        assert crd(*batches(1)[0]).isfinite()
    assert all(torch.equal(value, before[name]) for name, value in crd.state_dict().items())


def test_a_state_dict_resumes_to_the_same_bits():
    def step(crd, batch):
        crd.zero_grad()
        loss = crd(*batch)
        loss.backward()
        with torch.no_grad():
            for parameter in crd.parameters():
                parameter -= 0.1 * parameter.grad
        return loss

    first, second = batches(2)
    whole, stopped, resumed = tiny(), tiny(), make(5, 3, 6, seed=9, embedding=4).double()
    step(whole, first)
    step(stopped, first)
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    assert torch.equal(step(whole, second), step(resumed, second))
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_initial_values_come_from_the_global_generator():
    first, same, other = make(5, 3, 400), make(5, 3, 400), make(5, 3, 400, seed=1)
    for name in ("student_bank", "teacher_bank", "student_embedding.weight", "teacher_embedding.bias"):
        values = [crd.state_dict()[name] for crd in (first, same, other)]
        assert torch.equal(values[0], values[1]) and not torch.equal(values[0], values[2])
    bound = math.sqrt(3 / 128)
    assert 0.99 * bound < first.student_bank.abs().max() <= bound
    assert not torch.equal(first.student_bank, first.teacher_bank)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: draw(2, 4)}, r"student features of shape \(2, 4\), not \(2, 5\)"),
        ({1: draw(1, 3)}, r"teacher features of shape \(1, 3\), not \(2, 3\)"),
        ({3: NEGATIVES[:1]}, r"negatives of shape \(1, 3\) for 2 images"),
        ({3: NEGATIVES[:, :0]}, r"negatives of shape \(2, 0\)"),
        ({3: NEGATIVES[0]}, r"negatives of shape \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(change, message):
    batch = [change.get(place, value) for place, value in enumerate(batches(1)[0])]
    with pytest.raises(KdlibError, match=message):
        tiny()(*batch)


@pytest.mark.parametrize("option", [{"temperature": 0}, {"momentum": 1}, {"momentum": -0.1}])
def test_options_out_of_range_are_named(option):
    with pytest.raises(KdlibError, match=f"{next(iter(option))} is {next(iter(option.values()))}"):
        make(5, 3, 6, **option)


@pytest.mark.parametrize(
    ("asked", "images", "used"), [(16_384, 45_000, 16_384), (4096, 11_165, 4096), (4096, 1100, 550)]
)
def test_never_more_negatives_than_half_of_the_images(asked, images, used):
    assert num_negatives(asked, images) == used


@pytest.mark.parametrize("device", DEVICES)
def test_negatives_are_of_other_classes_and_come_once(device):
    labels = torch.arange(500, device=device) ** 2 % 7  # four classes of unequal size
    index = torch.tensor([3, 0, 499, 77, 7, 1], device=device)
    negatives = other_classes(labels, index, 250, (0, 1, 2))
    assert negatives.shape == (6, 250) and negatives.dtype == torch.int64 and negatives.device == labels.device
    assert negatives.min() >= 0 and negatives.max() < 500
    assert (labels[negatives] != labels[index][:, None]).all()
    assert all(len(row.unique()) == 250 for row in negatives)
    assert len({tuple(sorted(row.tolist())) for row in negatives}) == 6


def test_negatives_depend_on_their_key_alone():
    labels, index = torch.arange(100) % 10, torch.arange(8)
    first, same, other = (other_classes(labels, index, 50, (0, 0, step)) for step in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_every_subset_of_the_other_images_is_equally_likely():
    labels, index, k = torch.tensor([0, 1, 1, 2, 2, 2]), torch.tensor([0, 2, 5]), 2
    rows = [other_classes(labels, index, k, ("uniform", step)).sort(1).values.tolist() for step in range(1500)]
    for place, anchor in enumerate(index):
        found = Counter(tuple(row[place]) for row in rows)
        others = (labels != labels[anchor]).nonzero().flatten().tolist()
        assert chisquare([found[pair] for pair in combinations(others, k)]).pvalue > 0.01
        assert sum(found[pair] for pair in combinations(others, k)) == len(rows)


def test_more_negatives_than_images_come_equally_often():
    labels, index = torch.tensor([0, 0, 0, 0, 0, 1, 2, 2]), torch.tensor([0, 5])
    few, many = (row.bincount(minlength=8) for row in other_classes(labels, index, 10, (0,)))
    assert few[:5].sum() == 0 and sorted(few[5:].tolist()) == [3, 3, 4]
    assert many[5] == 0 and set(many.tolist()) - {0} == {1, 2}


def test_one_class_has_no_negatives():
    with pytest.raises(KdlibError, match="all images are of one"):
        other_classes(torch.zeros(9, dtype=torch.int64), torch.arange(3), 4, (0,))
