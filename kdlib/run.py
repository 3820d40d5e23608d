"""What a run is, and its key.

A run is one network to be trained, said completely. Its key is the hash of its canonical JSON: the same in another
process, on another machine and on another Python. Fields at their default are left out, and a default never changes,
so a field added later orphans no stored run.
"""

import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
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


@dataclass(frozen=True)
class Range:
    """The numbers from `low`, or above it, to below `below`; `words` say so."""

    words: str
    low: float = -math.inf
    above: float = -math.inf
    below: float = math.inf

    def check(self, value: float | None, name: str) -> None:
        """KdlibError where a value is given and outside."""
        if value is not None and not (self.low <= value < self.below and value > self.above):
            raise KdlibError(f"{name} is {value}: give {self.words}.")


def at_least(low: int) -> Range:
    return Range(f"{low} or more", low=low)


POSITIVE = Range("a value above 0", above=0)
FRACTION = Range("a value from 0 to below 1", low=0, below=1)


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
        for option, allowed in (("positive", POSITIVE), ("fraction", FRACTION)):
            for p in terms[name].options.get(option, ()):
                allowed.check(coerced.get(p, known[p]), f"{name}.{p}")
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


def _of(meaning: str, default: Any = MISSING, allowed: Range | tuple[str, ...] | None = None) -> Any:
    """A field of a run: what it means, its default, and what is allowed where its type does not say so."""
    words = allowed.words if isinstance(allowed, Range) else " or ".join(allowed or ())
    return field(default=default, metadata={"doc": f"{meaning}; {words}" if words else meaning, "allowed": allowed})


def _by_name(cls: type) -> type:
    """The dataclass, its fields listed in the docstring; one that is unknown, missing or unnamed gets a sentence."""
    listed = "\n".join(f"    {f.name}: {f.metadata['doc']}" for f in fields(cls))
    cls.__doc__ = f"{cls.__doc__ or ''}\n\n{listed}"
    cls.__init__ = _with_sentences(cls.__init__, {f.name: f.default is MISSING for f in fields(cls)})
    return cls


def _with_sentences(init, needed: dict[str, bool]):
    @functools.wraps(init)
    def checked(self, *unnamed, **given):
        if unnamed:
            raise KdlibError(
                f"A run's fields are named: write {next(iter(needed))}={unnamed[0]!r}, not {unnamed[0]!r}."
            )
        if wrong := [name for name in given if name not in needed]:
            raise KdlibError(unknown("field of a run", wrong[0], needed))
        if missing := [name for name, is_needed in needed.items() if is_needed and name not in given]:
            raise KdlibError(f"A run needs {' and '.join(missing)}: write {missing[0]}=....")
        init(self, **given)

    return checked


@_by_name
@dataclass(frozen=True, kw_only=True)
class Run:
    """One network to be trained, said completely; not in it: device, threads, budget."""

    data: str = _of("the data set, by its name in kdlib.datasets")
    network: str = _of("by its name in kdlib.networks")
    epochs: int = _of("passes over the training images", allowed=at_least(1))
    image_size: int | None = _of("side in pixels after 2 x 2 means (None: as it is)", None, at_least(1))
    held_out: int | None = _of(
        "held-out images per class (None: the data set's own; 0: no best epoch and no temperature)", None, at_least(0)
    )
    imbalance_factor: float = _of(
        "the largest class by the smallest, in a long tail of the images that are not held out (1: none)",
        1.0,
        at_least(1),
    )
    augmentation: str = _of("of each image, by its name in kdlib.augmentations", "standard")
    mixing: str = _of("of images with one another, by its name in kdlib.augment.mixings", "none")
    mixing_alpha: float = _of("of the Beta distribution that the mixing draws from", 1.0, POSITIVE)
    width: int | None = _of("of networks that have one (None: the network's own)", None, at_least(1))
    objective: tuple[Term, ...] = _of("the loss: a weighted sum of terms (kdlib.terms)", (Term("cross_entropy"),))
    teachers: tuple["Run", ...] = _of("runs, which teach with their last epoch's weights", ())
    batch_size: int = _of("images per step", 128, at_least(2))
    lr: float = _of("step size of SGD in the first epoch", 0.1, at_least(0))
    momentum: float = _of("of SGD (at 1 no step would ever be forgotten)", 0.9, FRACTION)
    weight_decay: float = _of("of SGD, on every parameter", 5e-4, at_least(0))
    schedule: str = _of("of the step size, by epoch (to zero, or a tenth at each milestone)", "cosine", SCHEDULES)
    milestones: tuple[int, ...] = _of("of multistep, epochs counted from 0 (none: a constant step size)", ())
    seed: int = _of("draws the initial weights", 0)
    data_seed: int = _of("draws the order of the images and their augmentation", 0)
    precision: str = _of("of the arithmetic (TF32 off, or autocast)", "fp32", PRECISIONS)
    evaluate_every: int = _of("epochs between looks at the held-out images", 1, at_least(1))

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
        self._techniques()  # raises if one is unknown
        for f in fields(self):
            _check_allowed(f.name, getattr(self, f.name), f.metadata.get("allowed"))
        self._check_schedule_and_mixing()
        self._check_teachers()

    def _check_schedule_and_mixing(self) -> None:
        if self.milestones and self.schedule != "multistep":
            raise KdlibError(f'The schedule "{self.schedule}" has no milestones: give schedule="multistep" with them.')
        if self.mixing == "none" and self.mixing_alpha != 1:
            raise KdlibError(
                f"mixing_alpha is {self.mixing_alpha}, but nothing is mixed: name a mixing, or leave it out."
            )

    def _check_teachers(self) -> None:
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
        spec = dict(spec)
        spec["teachers"] = tuple(cls.from_spec(t) for t in spec.get("teachers", ()))
        if "objective" in spec:
            spec["objective"] = tuple(Term(**t) for t in spec["objective"])
        return cls(**spec)


def _check_allowed(name: str, value: Any, allowed: Range | tuple[str, ...] | None) -> None:
    """KdlibError where a field's value is none of those that the field allows."""
    if isinstance(allowed, Range):
        allowed.check(value, name)
    elif allowed and value not in allowed:
        raise KdlibError(unknown(name, value, allowed))


def lineage(runs) -> list[Run]:
    """The runs and all their teachers, each once, teachers first."""
    seen: dict[str, Run] = {}
    for run in runs:
        for ancestor in (*lineage(run.teachers), run):
            seen.setdefault(ancestor.key, ancestor)
    return list(seen.values())
