"""A part of one's own that is wrong fails its own runs, by its name, and nobody else's."""

import re

import pytest
import tiny
import torch
from torch import nn

import kdlib
from kdlib import KdlibError, Term
from kdlib.training.failures import RunError, blame


def trained(store, *runs, threads=2):
    table = kdlib.train([*runs], threads=threads, store=store)
    return [(row.status, row.reason if row.status == "failed" else None) for row in table.itertuples()]


def with_term(function, **options):
    kdlib.terms.add("mine", function, 2, **options)
    teachers = [tiny.teacher()] if options.get("teacher") else []
    return tiny.run(objective=[Term("cross_entropy"), Term("mine")], teachers=teachers)


def reads_maps(batch, student, teacher):
    return (student.maps[-1].mean() - teacher.maps[-1].mean()).square()


def reads_pooled(batch, student):
    return student.pooled.square().mean()


def vector(batch, student):
    return student.logits.sum(1)


def number(batch, student):
    return 0.5


def nothing(batch, student):
    pass


def late(batch, student):
    if batch.key[1:] == (1, 2):
        raise ValueError("of the second epoch\nwith more lines")
    return student.logits.mean()


def changes_in_place(batch, student):
    return student.logits.exp().mul_(2).sum() + student.logits.exp_().sum()


def sentence_of_its_own(batch, student):
    raise KdlibError("Mine cannot be computed here.")


UNASKED = "of a network that was not asked for them: register it with features=True"
WRONG_TERMS = {
    f"the loss term mine failed: it reads .pooled {UNASKED}": reads_pooled,
    "the loss term mine returned a tensor of shape (32,): let it return a scalar tensor": vector,
    "the loss term mine returned 0.5 (float): let it return a scalar tensor": number,
    "the loss term mine returned None (NoneType): let it return a scalar tensor": nothing,
    "the loss term mine failed: ValueError: of the second epoch": late,
    "the loss term mine failed: Mine cannot be computed here": sentence_of_its_own,
}


@pytest.mark.parametrize("reason", WRONG_TERMS)
def test_a_wrong_term_fails_its_own_runs_only(reason, store, capsys):
    run, other = with_term(WRONG_TERMS[reason]), tiny.run()
    assert trained(store, run, other) == [("failed", reason), ("finished", None)]
    assert f"1 run failed: {reason}." in capsys.readouterr().out.splitlines()
    record = store.record(run.key)
    assert record["data"]["train"] == 160 and len(record["history"]) == (reason.endswith("second epoch"))
    assert trained(store, run, other)[0] == ("failed", reason)  # it is not tried again


def test_a_term_whose_gradient_cannot_be_had_fails_its_own_runs_only(store):
    (sick, well) = trained(store, with_term(changes_in_place), tiny.run())
    assert sick[0] == "failed" and sick[1].startswith("the gradient of the objective failed: RuntimeError: one of the")
    assert well[0] == "finished"


def test_features_are_not_lent_by_company(store):
    """A term that forgot features=True fails whoever else asks for the teacher's features."""
    run = with_term(reads_maps, teacher=True)
    rkd = tiny.run(objective=[Term("cross_entropy"), Term("rkd")], teachers=run.teachers)
    both = tiny.run(objective=[Term("rkd"), Term("mine")], teachers=run.teachers)
    found = trained(store, run, rkd, both)
    failed = "failed", f"the loss term mine failed: it reads .maps {UNASKED}"
    assert found == [failed, ("finished", None), failed]


def test_an_edited_part_is_tried_again(store):
    run = with_term(vector)
    assert trained(store, run)[0][0] == "failed"
    kdlib.terms.add("mine", lambda batch, student: vector(batch, student).mean(), 3)
    assert trained(store, run)[0] == ("finished", None)


class Linear(nn.Module):
    """Answers as networks do, but for the outputs and features that it was told to have."""

    outputs = 10

    def __init__(self, num_classes, channels, image_size):
        super().__init__()
        self.fc = nn.Linear(channels * image_size**2, self.outputs)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Twelve(Linear):
    outputs = 12


class Unbuildable(nn.Module):
    def __init__(self, num_classes, channels, image_size):
        super().__init__()
        self.fc = nn.Linear(channels, "many")


class OnlyLogits(Linear):
    def forward(self, x, features=False):
        return super().forward(x)


class FailsInTraining(Linear):
    def forward(self, x):
        if self.training:
            raise IndexError("in training")
        return super().forward(x)


WRONG_NETWORKS = {
    "gave logits of shape (2, 12) for 2 images of 10 classes: let its last layer have num_classes outputs": Twelve,
    "failed: TypeError: empty(): ": Unbuildable,
    "failed: IndexError: in training": FailsInTraining,
}


@pytest.mark.parametrize("reason", WRONG_NETWORKS)
def test_a_wrong_network_fails_its_own_runs_only(reason, store):
    kdlib.networks.add("net", WRONG_NETWORKS[reason], 2)
    sick, well = trained(store, tiny.run(network="net"), tiny.run())
    assert sick[0] == "failed" and sick[1].startswith(f"the network net {reason}")
    assert well == ("finished", None)


@pytest.mark.parametrize(
    ("net", "reason"), [(Linear, "TypeError: .*unexpected keyword argument 'features'"), (OnlyLogits, "ValueError: ")]
)
def test_a_network_without_features_is_enough_where_no_term_needs_them(net, reason, store):
    """As a student and as a teacher, of which some runs want features and others do not."""
    kdlib.networks.add("net", net, 2)
    teacher = tiny.run(network="net")
    logits, features = Term("kd", 0.5), Term("similarity_preserving", 10)
    runs = [tiny.run(objective=[Term("cross_entropy"), term], teachers=[teacher]) for term in (logits, features)]
    own = tiny.run(network="net", objective=[Term("cross_entropy"), features], teachers=[tiny.teacher()])
    found = trained(store, teacher, *runs, own)
    assert [status for status, _ in found] == ["finished", "finished", "failed", "failed"]
    for _, why in found[2:]:
        assert re.fullmatch(f"the network net with features=True failed: {reason}.*", why)


def floats(images, draw, flip):
    return images.float() / 255


def smaller(images, draw, flip):
    return images[:, :, 1:, 1:]


def fails(images, draw, flip):
    return images[:, :, draw("too far", 3)[0] + 9]


WRONG_AUGMENTATIONS = {
    "made 32 x 1 x 8 x 8 float32 of 32 x 1 x 8 x 8 uint8: let it keep shape and type": floats,
    "made 32 x 1 x 7 x 7 uint8 of 32 x 1 x 8 x 8 uint8: let it keep shape and type": smaller,
    "failed: IndexError: ": fails,
    "made NoneType of 32 x 1 x 8 x 8 uint8: let it keep shape and type": lambda images, draw, flip: None,
    "failed: TypeError: ": lambda images: images,
}


@pytest.mark.parametrize("reason", WRONG_AUGMENTATIONS)
def test_a_wrong_augmentation_fails_its_cohort_with_one_sentence(reason, store, capsys):
    kdlib.augmentations.add("mine", WRONG_AUGMENTATIONS[reason], 2)
    sick = [tiny.run(augmentation="mine", seed=seed) for seed in range(3)]
    found = trained(store, *sick, tiny.run())
    assert {status for status, _ in found[:3]} == {"failed"} and found[3] == ("finished", None)
    (why,) = {reason for _, reason in found[:3]}
    assert why.startswith(f"the augmentation mine {reason}")
    assert capsys.readouterr().out.count(f"3 runs failed: {why}.") == 1


def doubles(images, key, alpha):
    return images.double(), [(slice(None), None)]


def mixed(shares, count=32):
    def mine(images, key, alpha):
        order = torch.arange(count)
        return images, [(order, torch.full((32,), share)) for share in shares]

    return mine


WRONG_MIXINGS = {
    "gave an image shares that sum to 1.4: let them sum to 1": mixed([0.7, 0.7]),
    "gave 31 places for 32 images: give one per image": mixed([1.0], 31),
    "failed: ValueError: ": lambda images, key, alpha: images,
    "made 32 x 1 x 8 x 8 float64 of 32 x 1 x 8 x 8 float32": doubles,
}


@pytest.mark.parametrize("reason", WRONG_MIXINGS)
def test_a_wrong_mixing_fails_its_cohort(reason, store):
    kdlib.mixings.add("mine", WRONG_MIXINGS[reason], 2)
    sick, well = trained(store, tiny.run(mixing="mine"), tiny.run())
    assert sick[0] == "failed" and sick[1].startswith(f"the mixing mine {reason}")
    assert well == ("finished", None)


def test_a_data_set_whose_code_is_wrong_fails_its_runs(store):
    def broken(split, root):
        return {}["images"]

    kdlib.datasets.add("broken", broken, 2, **kdlib.datasets["tiny"].options)
    sick, well = tiny.run(data="broken"), tiny.run()
    assert trained(store, sick, well) == [
        ("failed", "the data set broken failed: KeyError: 'images'"),
        ("finished", None),
    ]
    assert store.record(sick.key)["data"] == {}


@pytest.mark.parametrize("error", [FileNotFoundError("mine.npz"), MemoryError(), torch.OutOfMemoryError("17 GiB")])
def test_what_is_the_machines_fault_fails_no_run(error, store):
    """It would never be tried again."""

    def unlucky(batch, student):
        raise error

    run = with_term(unlucky)
    with pytest.raises(type(error)):
        trained(store, run)
    assert store.record(run.key) is None


def test_an_interrupt_is_nobodys_mistake():
    with pytest.raises(KeyboardInterrupt), blame("the network mine"):
        raise KeyboardInterrupt
    with pytest.raises(KdlibError, match="^Give 3.$"), blame("the network mine", passing=KdlibError):
        raise KdlibError("Give 3.")
    with pytest.raises(RunError, match="^the network mine failed: Give 3$"), blame("the network mine"):
        raise KdlibError("Give 3.")
