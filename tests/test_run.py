"""Keys: what makes two runs the same run, anywhere and for good."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kdlib
from kdlib import KdlibError, Run, Term
from kdlib.run import lineage

ROOT = Path(kdlib.__file__).resolve().parents[1]

TEACHER = {"data": "cifar10", "network": "resnet20", "epochs": 15}
KD = {"name": "kd", "weight": 0.9, "temperature": 2.5}
# Specs and their keys, for good: a key that changes orphans every stored run.
GOLDEN = {
    "410c17a4d80ed19b": {"data": "digits", "network": "cnn2", "epochs": 20},
    "6c42e28f7d300172": TEACHER,
    "d73859c6d19569a1": {
        "data": "cifar10", "network": "cnn2", "epochs": 10, "teachers": [TEACHER],
        "objective": [{"name": "cross_entropy", "weight": 0.1},
                      {"name": "soft_cross_entropy", "weight": 0.9, "temperature": 4.0}],
    },
    "54b586f1071cf990": {
        "data": "digits", "network": "cnn2", "epochs": 20, "image_size": 4, "held_out": 0, "augmentation": "none",
        "width": 8, "batch_size": 64, "lr": 0.05, "momentum": 0.8, "weight_decay": 0.0001, "schedule": "multistep",
        "milestones": [10, 15], "seed": 3, "data_seed": 4, "precision": "bf16", "evaluate_every": 2,
    },
    "7945000d3cc0b367": {
        "data": "cifar10", "network": "resnet8", "epochs": 12, "image_size": 16, "imbalance_factor": 100.0,
        "mixing": "mixup", "mixing_alpha": 0.1,
        "objective": [{"name": "adaptive_label_smoothing", "weight": 0.5, "tail": 0.1}],
    },
    "35ddae4f48007d18": {
        "data": "cifar100", "network": "resnet8", "epochs": 240, "teachers": [{**TEACHER, "data": "cifar100"},
                                                                            {**TEACHER, "data": "cifar100", "seed": 1}],
        "objective": [{"name": "cross_entropy", "weight": 1.0}, KD, {**KD, "teacher": 1},
                      {"name": "similarity_preserving", "weight": 3000.0}],
    },
}  # fmt: skip

# Prints the golden specs' keys; nothing may be imported but the standard library and kdlib.
ELSEWHERE = """
import json, sys
sys.path.insert(0, sys.argv[1])
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "torchvision", "pandas"):
            raise ImportError(f"{name} is not needed for a key")
sys.meta_path.insert(0, Refuse())
from kdlib.run import Run
print(json.dumps([Run.from_spec(spec).key for spec in json.loads(sys.argv[2])]))
"""


def keys_elsewhere(python, seed):
    """The golden specs' keys, from another process that can import neither torch nor numpy."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    specs = json.dumps(list(GOLDEN.values()))
    command = [python, "-I", "-c", ELSEWHERE, ROOT, specs]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def other_pythons():
    """Pythons of other versions on this machine that kdlib supports."""
    found = {}
    for minor in range(11, 16):
        name = f"python3.{minor}"
        places = [shutil.which(name), *sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/{name}"))]
        for place in filter(None, places):
            asked = [place, "-c", "import sys; print(*sys.version_info[:2])"]
            done = subprocess.run(asked, capture_output=True, text=True)
            if done.stdout.split() == ["3", str(minor)] and minor != sys.version_info.minor:
                found[name] = place
    return found


OTHERS = other_pythons()


def test_keys_never_change():
    assert {Run.from_spec(spec).key: spec for spec in GOLDEN.values()} == GOLDEN


def test_keys_are_the_same_in_another_process_without_torch_or_numpy():
    assert keys_elsewhere(sys.executable, "1") == list(GOLDEN)


@pytest.mark.parametrize("name", OTHERS or [pytest.param(None, marks=pytest.mark.skip("no other Python is here"))])
def test_keys_are_the_same_on_another_python(name):
    assert keys_elsewhere(OTHERS[name], "2") == list(GOLDEN)


def grid_cell(epochs=4, temperature=4, weight=0.5, **fields):
    term = Term("soft_cross_entropy", weight, temperature=temperature)
    return Run(data="digits", network="cnn2", epochs=epochs, objective=[term], teachers=[plain()], **fields)


def plain(**fields):
    return Run(**{"data": "digits", "network": "resnet8", "epochs": 2, **fields})


@pytest.mark.parametrize(
    "four", [4, 4.0, np.int64(4), np.float32(4), np.uint8(4), np.array(4), torch.tensor(4)], ids=repr
)
def test_four_is_four(four):
    steps = {"schedule": "multistep"}
    same = grid_cell(four, four, four, lr=four, milestones=[four], width=four, **steps)
    assert same.key == grid_cell(4, 4, 4, lr=4, milestones=(4,), width=4, **steps).key
    assert same == grid_cell(4, 4, 4, lr=4, milestones=(4,), width=4, **steps)


def test_a_default_that_is_given_is_left_out():
    explicit = plain(
        image_size=None, held_out=None, augmentation="standard", width=None, objective=(Term("cross_entropy", 1),),
        teachers=(), batch_size=128, lr=0.1, momentum=0.9, weight_decay=5e-4, schedule="cosine", milestones=[], seed=0,
        data_seed=0, precision="fp32", evaluate_every=1,
    )  # fmt: skip
    assert explicit.key == plain().key
    assert explicit.spec() == {"data": "digits", "network": "resnet8", "epochs": 2}
    assert Term("kd", 0.9, teacher=0, temperature=4).spec() == Term("kd", 0.9).spec() == {"name": "kd", "weight": 0.9}


def test_the_order_of_parameters_does_not_matter():
    def term(batch, student, *, first=1.0, second=2.0):
        return student.logits.sum()

    kdlib.terms.add("two", term)
    assert Term("two", 1, first=3, second=4) == Term("two", 1, second=4, first=3)
    one, other = ({"name": "two", "weight": 1, **p} for p in ({"first": 3, "second": 4}, {"second": 4, "first": 3}))
    assert Run.from_spec({**TEACHER, "objective": [one]}).key == Run.from_spec({**TEACHER, "objective": [other]}).key


@dataclass(frozen=True, kw_only=True)
class LaterRun(Run):
    """Run, as it may look after a field was added."""

    views: int = 1


def test_a_field_that_is_added_later_changes_no_key():
    for key, spec in GOLDEN.items():
        assert LaterRun.from_spec(spec).key == key
    assert LaterRun(**TEACHER, views=1).key == Run(**TEACHER).key != LaterRun(**TEACHER, views=2).key


def test_every_field_counts():
    base = grid_cell(mixing="mixup")
    other = {
        "data": "cifar10", "network": "resnet14", "epochs": 5, "image_size": 4, "held_out": 3, "augmentation": "none",
        "width": 2, "objective": (Term("kd", 0.5),), "teachers": (plain(seed=1),), "batch_size": 64, "lr": 0.2,
        "momentum": 0.8, "weight_decay": 0.0, "schedule": "multistep", "milestones": (2,), "seed": 1, "data_seed": 1,
        "precision": "bf16", "evaluate_every": 2, "imbalance_factor": 5.0, "mixing": "none", "mixing_alpha": 0.2,
    }  # fmt: skip
    assert set(other) == set(Run.__dataclass_fields__)
    same = {name: getattr(base, name) for name in other}
    keys = {base.key}
    for name, value in other.items():
        fields = {**same, name: value}
        if name in ("data", "image_size"):  # a teacher sees the same images
            fields |= {"teachers": (plain(**{name: value}),)}
        if name == "milestones":  # only this schedule has them
            fields |= {"schedule": other["schedule"]}
        keys.add(Run(**fields).key)
    assert len(keys) == len(other) + 1


def test_teachers_count_by_their_keys():
    taught = grid_cell()
    assert taught.spec(nested=False)["teachers"] == [plain().key]
    assert taught.spec()["teachers"] == [plain().spec()]
    assert taught.key != Run.from_spec({**taught.spec(), "teachers": [plain(lr=0.2).spec()]}).key


@pytest.mark.parametrize(
    ("table", "name"),
    [("datasets", "digits"), ("networks", "cnn2"), ("augmentations", "standard"), ("terms", "soft_cross_entropy")],
)
def test_the_version_of_every_technique_counts(table, name):
    run, student = grid_cell(), Run(data="cifar10", network="resnet8", epochs=1, augmentation="none")
    before, untouched = run.key, student.key
    table = getattr(kdlib, table)
    entry = table[name]
    keys = {before}
    for version in (2, "0123456789ab"):
        table.add(name, entry.target, version, **entry.options)
        keys.add(run.key)  # of a run that a notebook still holds, too
        assert student.key == untouched
        assert run.versions() == {f"{table.kind} {name}": version}
    assert len(keys) == 3
    table.add(name, entry.target, 1, **entry.options)
    assert run.key == before


def test_the_version_of_a_teachers_technique_counts():
    run = grid_cell()
    before = run.key
    kdlib.networks.add("resnet8", kdlib.networks["resnet8"].target, 2, depth=8)
    assert run.key != before


def test_equal_names_of_two_kinds_are_two_techniques():
    kdlib.networks.add("none", kdlib.networks["cnn2"].target, 2)
    run = Run(data="digits", network="none", epochs=1, augmentation="none")
    assert run.versions() == {"network none": 2}


@pytest.mark.parametrize("spec", GOLDEN.values())
def test_a_spec_leads_back_to_its_run(spec):
    run = Run.from_spec(spec)
    again = Run.from_spec(json.loads(json.dumps(run.spec())))
    assert again == run
    assert again.key == run.key
    assert again.spec() == run.spec()


def test_parameters_of_a_term_can_be_read():
    term = Term("kd", 0.9)
    assert (term.temperature, Term("kd", temperature=2).temperature) == (4.0, 2.0)
    with pytest.raises(AttributeError):
        _ = term.temprature


def test_lineage_has_everyone_once_and_teachers_first():
    first, second = plain(), plain(seed=1)
    middle = Run(data="digits", network="cnn2", epochs=1, objective=[Term("kd")], teachers=[first])
    last = Run(data="digits", network="cnn2", epochs=2, objective=[Term("kd")], teachers=[middle, second])
    assert lineage([last, middle, first]) == [first, middle, second, last]


BAD = {
    "epochs is 0: give 1 or more": {"epochs": 0},
    "epochs is 2.5: give a whole number": {"epochs": 2.5},
    "epochs is inf: give a whole number": {"epochs": float("inf")},
    "epochs is True: give a whole number": {"epochs": True},
    "lr is nan: give a finite number": {"lr": float("nan")},
    "lr is 'fast': give a finite number": {"lr": "fast"},
    "lr is -1.0: give 0 or more": {"lr": -1},
    "lr is array": {"lr": np.array([0.1, 0.2])},
    "batch_size is 1: give 2 or more": {"batch_size": 1},
    "held_out is -1: give 0 or more": {"held_out": -1},
    "imbalance_factor is 0.5: give 1 or more": {"imbalance_factor": 0.5},
    "mixing_alpha is 0.0: give a value above 0": {"mixing": "mixup", "mixing_alpha": 0},
    "mixing_alpha is 0.1, but nothing is mixed": {"mixing_alpha": 0.1},
    "Unknown mixing 'mixip': did you mean 'mixup'": {"mixing": "mixip"},
    "momentum is 1.5: give a value from 0 to below 1": {"momentum": 1.5},
    'The schedule "cosine" has no milestones: give schedule="multistep"': {"milestones": [5]},
    "milestones is 5: give a list": {"milestones": 5},
    "milestones is '10': give a list": {"milestones": "10"},
    "Unknown data set 'cifar1o': did you mean 'cifar10'\\? Known: digits, cifar10, cifar100": {"data": "cifar1o"},
    "Unknown network 'resnet21': did you mean 'resnet.*cnn2": {"network": "resnet21"},
    "network is 8: give a text": {"network": 8},
    "Unknown augmentation 'mixdown'.*standard": {"augmentation": "mixdown"},
    "Unknown precision 'fp16': did you mean 'bf16'\\? Known: fp32, bf16": {"precision": "fp16"},
    "Unknown schedule 'step'": {"schedule": "step"},
    "The objective has no term": {"objective": ()},
    "objective is .*: give a list of Terms": {"objective": ["cross_entropy"]},
    "teachers is .*: give a list of Runs": {"teachers": ["resnet20"]},
    "Loss term 'kd' asks for teacher 0, but the run has 0": {"objective": [Term("kd")]},
    "The teacher resnet20 was made for images of side 32, but the run for 16": {
        "image_size": 16, "teachers": [Run(**TEACHER)], "objective": [Term("kd")]
    },
    "The teacher resnet20 was made for the number of classes 10, but the run for 100": {
        "data": "cifar100", "teachers": [Run(**TEACHER)], "objective": [Term("kd")]
    },
}  # fmt: skip


@pytest.mark.parametrize("sentence", BAD)
def test_a_bad_run_gets_one_sentence(sentence):
    with pytest.raises(KdlibError, match=sentence) as caught:
        Run(**{**TEACHER, **BAD[sentence]})
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("sentence", "arguments", "params"),
    [
        ("Unknown loss term 'kdd': did you mean 'kd'\\? Known: cross_entropy, .*kd", ("kdd",), {}),
        ("Unknown parameter of loss term 'kd' 'T': Known: temperature", ("kd",), {"T": 4}),
        ("kd.temperature is 0.0: give a value above 0", ("kd",), {"temperature": 0}),
        ("soft_cross_entropy.temperature is -1.0: give a value above 0", ("soft_cross_entropy",), {"temperature": -1}),
        ("crd.momentum is 1.0: give a value from 0 to below 1", ("crd",), {"momentum": 1}),
        ("crd.embedding is 0: give a value above 0", ("crd",), {"embedding": 0}),
        ("label_smoothing.epsilon is 3.0: give a value from 0 to below 1", ("label_smoothing",), {"epsilon": 3}),
        ("kd.temperature is nan: give a finite number", ("kd",), {"temperature": float("nan")}),
        ("weight of kd is '0.9': give a finite number", ("kd", "0.9"), {}),
        ("teacher of kd is -1: give 0", ("kd", 1, -1), {}),
    ],
)
def test_a_bad_term_gets_one_sentence(sentence, arguments, params):
    with pytest.raises(KdlibError, match=sentence):
        Term(*arguments, **params)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Run(data="digits", network="cnn2", epoch=1), "Unknown field of a run 'epoch': did you mean 'epochs'"),
        (lambda: Run("digits"), "A run's fields are named: write data='digits'"),
        (lambda: Run(data="digits"), "A run needs network and epochs: write network="),
    ],
)
def test_fields_that_are_unknown_unnamed_or_missing_get_one_sentence(make, sentence):
    with pytest.raises(KdlibError, match=sentence):
        make()


def test_each_field_says_what_it_means_and_what_is_allowed():
    for name, field in Run.__dataclass_fields__.items():
        assert f"\n    {name}: {field.metadata['doc']}" in Run.__doc__
    assert "\n    batch_size: images per step; 2 or more" in Run.__doc__
    assert "\n    precision: of the arithmetic (TF32 off, or autocast); fp32 or bf16" in Run.__doc__


def test_runs_can_be_copied_and_pickled():
    run = grid_cell()
    assert pickle.loads(pickle.dumps(run)) == copy.deepcopy(run) == replace(run) == run


def test_a_spec_with_an_unknown_field_gets_one_sentence():
    with pytest.raises(KdlibError, match="Unknown field of a run 'epoch': did you mean 'epochs'"):
        Run.from_spec({"data": "digits", "network": "cnn2", "epoch": 1})
