"""What a run is, and its key.

A run is one network to be trained, said completely. Its key is the hash of its canonical JSON: the same in another
process, on another machine and on another Python. Fields at their default are left out, and a default never changes,
so a field added later orphans no stored run.
"""

import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from kdlib.augment import augmentations, mixings
from kdlib.data import datasets
from kdlib.models import networks
from kdlib.objective import terms
from kdlib.registry import Entry, KdlibError, Registry, unknown

PRECISIONS = ("fp32", "bf16")  # fp32 means TF32 off
SCHEDULES = ("cosine", "multistep")
KEY_LENGTH = 16  # hex digits
_SEEN = ("the number of classes", "the number of channels", "images of side")

_TYPE_NAMES = {int: "whole number", float: "finite number", str: "text", bool: "true or false value"}


def coerce(value: Any, kind: Any, name: str) -> Any:
    """`value` as the declared type, so that 4, 4.0 and numpy's 4 make one key; a sentence where it does not fit."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(k for k in typing.get_args(kind) if k is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise KdlibError(f"{name} is {value!r}: give a list.")
        return tuple(coerce(v, typing.get_args(kind)[0], name) for v in value)
    if getattr(value, "ndim", None) == 0:
        value = value.item()  # numpy and torch scalars
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if kind is float and number:
        return float(value)
    if kind is int and number and value == int(value):
        return int(value)
    if kind in (str, bool) and isinstance(value, kind):
        return kind(value)
    raise KdlibError(f"{name} is {value!r}: give a {_TYPE_NAMES[kind]}.")


@dataclass(frozen=True, init=False)
class Term:
    """One summand of a run's objective: weight x the named loss with its parameters, from one of the run's teachers.

    Term("kd", 0.9, temperature=4) or Term("cross_entropy", 0.1); `teacher` counts in the run's `teachers`.
    """

    name: str
    weight: float
    teacher: int
    params: tuple[tuple[str, Any], ...]

    def __init__(self, name: str, weight: float = 1.0, teacher: int = 0, **params: Any):
        known = terms[name].parameters
        for given in params:
            if given not in known:
                raise KdlibError(unknown(f"parameter of loss term '{name}'", given, known))
        coerced = {p: coerce(v, type(known[p]), f"{name}.{p}") for p, v in params.items()}
        for p in terms[name].options.get("positive", ()):
            if not coerced.get(p, known[p]) > 0:
                raise KdlibError(f"{name}.{p} is {coerced[p]}: give a value above 0.")
        for p in terms[name].options.get("fraction", ()):
            if not 0 <= coerced.get(p, known[p]) < 1:
                raise KdlibError(f"{name}.{p} is {coerced[p]}: give a value from 0 to below 1.")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "weight", coerce(weight, float, f"weight of {name}"))
        object.__setattr__(self, "teacher", coerce(teacher, int, f"teacher of {name}"))
        if self.teacher < 0:
            raise KdlibError(f"teacher of {name} is {teacher}: give 0 for the first of the run's teachers, or more.")
        kept = sorted((p, v) for p, v in coerced.items() if v != known[p])
        object.__setattr__(self, "params", tuple(kept))

    def __getattr__(self, name: str) -> Any:  # term.temperature, also at its default
        if not name.startswith("_"):
            for p, v in (*self.params, *terms[self.name].parameters.items()):
                if p == name:
                    return v
        raise AttributeError(name)

    @property
    def uses_teacher(self) -> bool:
        return terms[self.name].options.get("teacher", False)

    def spec(self) -> dict:
        """JSON-able, defaults left out."""
        short = {"name": self.name, "weight": self.weight, "teacher": self.teacher or None, **dict(self.params)}
        return {name: value for name, value in short.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One network to be trained, said completely; not in it: device, threads, budget.

    `seed` draws the initial weights; `data_seed` the order of the images and their augmentation. A teacher is a run
    itself and teaches with its last epoch's weights. Rates: `lr` at the first epoch; `schedule` "cosine" to zero over
    `epochs`, or "multistep", x0.1 at each of `milestones` (none: constant). `held_out` is the number of held-out
    images a class (None: the data set's own; 0: none, then no best epoch and no temperature). `imbalance_factor` is the
    largest class by the smallest in a long tail of the other images (1: none). `image_size` is the side after 2 x 2
    means (None: as it is). `mixing_alpha` is that of the mixing's Beta distribution. `width` is for networks that have
    one.
    """

    data: str
    network: str
    epochs: int
    image_size: int | None = None
    held_out: int | None = None
    imbalance_factor: float = 1.0
    augmentation: str = "standard"
    mixing: str = "none"
    mixing_alpha: float = 1.0
    width: int | None = None
    objective: tuple[Term, ...] = (Term("cross_entropy"),)
    teachers: tuple["Run", ...] = ()
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    milestones: tuple[int, ...] = ()
    seed: int = 0
    data_seed: int = 0
    precision: str = "fp32"
    evaluate_every: int = 1

    def __post_init__(self):
        for f in fields(self):
            if f.name not in ("objective", "teachers"):
                object.__setattr__(self, f.name, coerce(getattr(self, f.name), f.type, f.name))
        for name, kind in (("objective", Term), ("teachers", Run)):
            given = getattr(self, name)
            members = tuple(given) if isinstance(given, Iterable) else (given,)
            if not all(isinstance(member, kind) for member in members):
                raise KdlibError(f"{name} is {given!r}: give a list of {kind.__name__}s.")
            object.__setattr__(self, name, members)
        self._check()

    def _check(self):
        self._techniques()  # raises if one is unknown
        for name, value, known in [("precision", self.precision, PRECISIONS), ("schedule", self.schedule, SCHEDULES)]:
            if value not in known:
                raise KdlibError(unknown(name, value, known))
        least = {"epochs": 1, "batch_size": 2, "evaluate_every": 1, "held_out": 0, "image_size": 1, "width": 1,
                 "imbalance_factor": 1, "momentum": 0, "weight_decay": 0, "lr": 0}  # fmt: skip
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise KdlibError(f"{name} is {value}: give {low} or more.")
        if self.momentum >= 1:
            raise KdlibError(f"momentum is {self.momentum}: give a value below 1, or no step is ever forgotten.")
        if self.milestones and self.schedule != "multistep":
            raise KdlibError(f'The schedule "{self.schedule}" has no milestones: give schedule="multistep" with them.')
        if self.mixing_alpha <= 0:
            raise KdlibError(f"mixing_alpha is {self.mixing_alpha}: give a value above 0.")
        if self.mixing == "none" and self.mixing_alpha != 1:
            raise KdlibError(
                f"mixing_alpha is {self.mixing_alpha}, but nothing is mixed: name a mixing, or leave it out."
            )
        if not self.objective:
            raise KdlibError('The objective has no term: give at least one, such as Term("cross_entropy").')
        for term in self.objective:
            if term.uses_teacher and term.teacher >= len(self.teachers):
                raise KdlibError(
                    f"Loss term '{term.name}' asks for teacher {term.teacher}, but the run has {len(self.teachers)}: "
                    "add the teacher's run to `teachers`."
                )
        for teacher in self.teachers:
            for what, own, theirs in zip(_SEEN, self._sees(), teacher._sees(), strict=True):
                if own != theirs:
                    raise KdlibError(
                        f"The teacher {teacher.network} was made for {what} {theirs}, but the run for {own}: "
                        "a teacher sees the run's own images, so give both the same."
                    )

    def _sees(self) -> tuple:
        """_SEEN: what a network is built for."""
        options = datasets[self.data].options
        return options.get("num_classes"), options.get("channels"), self.image_size or options.get("size")

    # Not cached: a technique that is registered anew makes new runs of those that a notebook still holds.
    @property
    def key(self) -> str:
        """16 hex digits: the run's name in the store."""
        short = self.spec(nested=False)
        if versions := self.versions():
            short["versions"] = versions
        text = json.dumps(short, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    def versions(self) -> dict[str, int | str]:
        """Of each technique used that is no longer, or never was, at version 1."""
        return {f"{table.kind} {e.name}": e.version for table, e in self._techniques() if e.version != 1}

    def _techniques(self) -> list[tuple[Registry, Entry]]:
        used = [(datasets, self.data), (networks, self.network), (augmentations, self.augmentation)]
        used += [(mixings, self.mixing), *((terms, term.name) for term in self.objective)]
        return [(table, table[name]) for table, name in used]

    def spec(self, nested: bool = True) -> dict:
        """JSON-able, defaults left out; teachers as specs of their own, or (nested=False) as keys."""
        short = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.default is MISSING or value != f.default:
                short[f.name] = list(value) if isinstance(value, tuple) else value
        if "objective" in short:
            short["objective"] = [t.spec() for t in self.objective]
        if "teachers" in short:
            short["teachers"] = [t.spec() if nested else t.key for t in self.teachers]
        return short

    @classmethod
    def from_spec(cls, spec: dict) -> "Run":
        """The inverse of `spec()`."""
        known = {f.name for f in fields(cls)}
        for name in spec:
            if name not in known:
                raise KdlibError(unknown("field of a run", name, known))
        spec = dict(spec)
        spec["teachers"] = tuple(cls.from_spec(t) for t in spec.get("teachers", ()))
        if "objective" in spec:
            spec["objective"] = tuple(Term(**t) for t in spec["objective"])
        return cls(**spec)


def lineage(runs) -> list[Run]:
    """The runs and all their teachers, each once, teachers first."""
    seen: dict[str, Run] = {}
    for run in runs:
        for ancestor in (*lineage(run.teachers), run):
            seen.setdefault(ancestor.key, ancestor)
    return list(seen.values())
