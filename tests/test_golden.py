"""What each technique makes of fixed inputs, by version: a value that changes at an unchanged version fails.

A run's key counts a technique by its version alone, so a change of what it computes would leave old records under keys
of new mathematics. Whoever means the change raises the version and writes the new values:

    python tests/test_golden.py
"""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kdlib import augmentations, draws, models, networks, terms
from kdlib.augment import mixings
from kdlib.training.batches import Batch
from kdlib.training.network import Output

GOLDEN = Path(__file__).with_name("golden.json")
TABLES = {"loss term": terms, "network": networks, "augmentation": augmentations, "mixing": mixings}
IMAGES, CLASSES = 8, 5


def fixed(*shape, start=1.0):
    """Numbers between -1 and 1 without pattern, the same everywhere."""
    count = torch.Size(shape).numel()
    return torch.sin(start * torch.arange(1, count + 1, dtype=torch.float64) ** 1.5).float().view(shape)


def term_values(entry):
    """Of a mixed batch: the value, and the length of its gradient in each thing that it sees of the student."""
    targets = torch.arange(IMAGES) % CLASSES
    weights = 0.5 + fixed(IMAGES).abs() / 2
    labels = [(targets, weights), (targets.flip(0), 1 - weights)]
    batch = Batch(
        torch.arange(IMAGES), fixed(IMAGES, 1, 8, 8), labels, torch.tensor([50, 20, 9, 4, 2]), ("golden", 0, 0)
    )
    maps = [(IMAGES, 3, 4, 4), (IMAGES, 4, 2, 2)], [(IMAGES, 2, 8, 8), (IMAGES, 5, 4, 4), (IMAGES, 6, 2, 2)]
    student, teacher = (
        Output(
            3 * fixed(IMAGES, CLASSES, start=s),
            [fixed(*m, start=s).abs() for m in own],
            fixed(IMAGES, own[-1][1], start=s),
        )
        for s, own in zip((1.1, 1.7), maps, strict=True)
    )
    seen = [student.logits, *student.maps, student.pooled]
    for tensor in seen:
        tensor.requires_grad_()
    given = [teacher] if entry.options.get("teacher") else []
    if make := entry.options.get("state"):
        torch.manual_seed(0)
        given.append(make(SimpleNamespace(labels=targets.repeat(5)), 4, 6, **entry.parameters))
    value = entry.load()(batch, student, *given)
    gradients = torch.autograd.grad(value, seen, allow_unused=True)
    return [value.item(), *(0.0 if g is None else g.norm().item() for g in gradients)]


def network_values(entry):
    """Logits of one image by weights that are all set, in evaluation mode."""
    model = models.build(entry.name, CLASSES, channels=1, image_size=8).eval()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            scale = 1.0 if parameter.dim() == 1 else (parameter[0].numel() / 2) ** -0.5
            parameter.copy_(scale * fixed(*parameter.shape, start=1 + number / 100))
        return model(fixed(1, 1, 8, 8)).flatten().tolist()


def augmentation_values(entry):
    def draw(purpose, choices):
        return torch.from_numpy((draws.words(IMAGES, "golden", purpose) % choices).astype("int64"))

    images = (127 * (1 + fixed(IMAGES, 3, 16, 16))).to(torch.uint8)
    made = entry.load()(images, draw, flip=True)
    return [hashlib.sha1(made.contiguous().numpy(), usedforsecurity=False).hexdigest()]


def mixing_values(entry):
    images, parts = entry.load()(fixed(IMAGES, 3, 4, 4), ("golden", 0, 0), 0.7)
    shares = [1.0 if weights is None else weights[0].item() for _, weights in parts]
    orders = [torch.arange(IMAGES)[order].tolist() for order, _ in parts]
    return [images[0].norm().item(), images.sum().item(), *shares, *sum(orders, [])]


MEASURE = {"loss term": term_values, "network": network_values, "augmentation": augmentation_values,
           "mixing": mixing_values}  # fmt: skip
TECHNIQUES = [f"{kind} {name}, version {table[name].version}" for kind, table in TABLES.items() for name in table]


def values_of(technique):
    what, _, _ = technique.rpartition(", version ")
    kind, _, name = what.rpartition(" ")
    return MEASURE[kind](TABLES[kind][name])


def test_every_technique_has_its_values_and_no_other():
    assert set(json.loads(GOLDEN.read_text())) == set(TECHNIQUES)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_values_stay_while_the_version_does(technique):
    golden = json.loads(GOLDEN.read_text())[technique]
    found = values_of(technique)
    if isinstance(golden[0], str):
        assert found == golden
    else:
        assert found == pytest.approx(golden, rel=1e-3, abs=1e-5)
        assert any(golden)


if __name__ == "__main__":
    lines = [f"{json.dumps(t)}: {json.dumps(values_of(t))}" for t in TECHNIQUES]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
