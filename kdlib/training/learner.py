"""A learner: one run in training, which owns its network, its loss terms and its optimiser."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from kdlib import draws, metrics
from kdlib.objective import terms
from kdlib.registry import KdlibError
from kdlib.run import Run, Term
from kdlib.training.batches import Batch, Images
from kdlib.training.failures import RunError, blame, own_work
from kdlib.training.network import Output, autocast, evaluate, forward, network, pooled_width, try_out

KEPT = ("epoch", "seconds", "history", "best", "failure")  # plain values in a checkpoint


@dataclass(frozen=True)
class Reached:
    """What a run has come to at its end: what its record is made of. `logits` are float32 arrays by
    "<moment>_<split>", held-out and test, at the last and the best epoch; a failed run has a reason instead."""

    run: Run
    failure: str | None = None
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    best_epoch: int | None = None
    weights: dict = field(default_factory=dict)
    logits: dict = field(default_factory=dict)


class Summand:
    """A term of the objective at work: its function, and what it learns or remembers."""

    def __init__(self, term: Term, run: Run, images: Images, device: torch.device | str = "cpu"):
        entry = terms[term.name]
        self.term, self.function, self.params = term, entry.load(), dict(term.params)
        self.uses_teacher, self.features = term.uses_teacher, entry.options.get("features", False)
        self.blame = blame(f"the loss term {term.name}")
        self.state = initial_state(term, run, images, torch.device(device))

    def value(self, batch: Batch, student: Output, teachers: list[Output]) -> torch.Tensor:
        """Of the batch, without the term's weight: a scalar. `teachers` are the outputs of the run's teachers."""
        seen = [student, teachers[self.term.teacher]] if self.uses_teacher else [student]
        if not self.features:  # whatever its company asked for: a run must not depend on it
            seen = [Output(output.logits) for output in seen]
        state = [] if self.state is None else [self.state]
        with self.blame:
            value = self.function(batch, *seen, *state, **self.params)
        if not isinstance(value, torch.Tensor) or value.ndim:
            raise RunError(f"the loss term {self.term.name} returned {_kind(value)}: let it return a scalar tensor")
        return value


@dataclass
class Sums:
    """Over an epoch's images, kept on the training device, so that no step waits for a GPU."""

    values: torch.Tensor  # of each weighted term
    suspect: torch.Tensor  # the terms of the first step with one that is not finite
    correct: torch.Tensor
    seen: int = 0
    gradient_norms: torch.Tensor | None = None  # of each weighted term, at the epoch's first step

    @classmethod
    def zero(cls, count: int, device: torch.device) -> "Sums":
        values = torch.zeros(count, dtype=torch.float64, device=device)
        return cls(values, torch.zeros_like(values), torch.zeros((), dtype=torch.int64, device=device))

    def add(self, values: list[torch.Tensor], logits: torch.Tensor, targets: torch.Tensor) -> None:
        values = torch.stack(values).detach().double()
        self.suspect = torch.where(self.suspect.isfinite().all(), values, self.suspect)
        self.values += values * len(targets)
        self.correct += (logits.detach().argmax(1) == targets).sum()
        self.seen += len(targets)

    def means(self) -> dict:
        """For the history: terms are means over the epoch's images, weight included."""
        found = {"terms": (self.values / self.seen).tolist(), "train_accuracy": self.correct.item() / self.seen}
        return found if self.gradient_norms is None else found | {"gradient_norms": self.gradient_norms.tolist()}

    def not_finite(self) -> dict[str, list[float]]:
        """Where to look, the gradients first: they are those of the epoch's first step."""
        norms = [] if self.gradient_norms is None else self.gradient_norms.tolist()
        return {"gradient of loss term": norms, "loss term": self.suspect.tolist()}


class Learner:
    """One run in training: network, optimiser, what it has reached, and how to stop and go on."""

    def __init__(self, run: Run, images: Images, device: torch.device | str = "cpu"):
        self.run, self.device = run, torch.device(device)
        self.teacher_keys = [teacher.key for teacher in run.teachers]
        self.features = any(terms[term.name].options.get("features", False) for term in run.objective)
        self.model = network(run).to(device=device, memory_format=torch.channels_last)
        try_out(self.model, run, images, self.features)
        self.summands = [Summand(term, run, images, device) for term in run.objective]
        self.optimiser = torch.optim.SGD(
            self.parameters(), run.lr, run.momentum, weight_decay=run.weight_decay, fused=True
        )
        self.sums = Sums.zero(len(self.summands), self.device)
        self.epoch = 0  # epochs finished
        self.seconds = 0.0
        self.history: list[dict] = []
        self.best: dict | None = None  # epoch, accuracy, nll, weights
        self.failure: str | None = None

    def parameters(self) -> list[torch.nn.Parameter]:
        """All that is trained: the network's, then those of its terms' states."""
        modules = [self.model, *(summand.state for summand in self.summands)]
        return [parameter for module in modules if module is not None for parameter in module.parameters()]

    def notes(self) -> list[str]:
        """What its terms have to say before training."""
        return [summand.state.note for summand in self.summands if getattr(summand.state, "note", None)]

    @property
    def done(self) -> bool:
        return self.failure is not None or self.epoch == self.run.epochs

    @own_work
    def meet(self, teachers: dict[str, torch.nn.Module], images: Images) -> None:
        """Fails the run where its terms need features that one of its teachers does not give."""
        for teacher in self.run.teachers if self.features else ():
            try_out(teachers[teacher.key], teacher, images, features=True)

    def begin_epoch(self) -> None:
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.run, self.epoch)
        self.sums = Sums.zero(len(self.summands), self.device)

    @own_work
    def step(self, batch: Batch, teachers: list[Output]) -> None:
        """One step of SGD on the batch; `teachers` are the outputs of the run's teachers."""
        with autocast(self.run, self.device), blame(f"the network {self.run.network}"):
            output = forward(self.model, batch.images, self.features)
        values = [summand.term.weight * summand.value(batch, output, teachers) for summand in self.summands]
        with blame("the gradient of the objective"):
            if self.sums.seen == 0 and self.epoch in (0, self.run.epochs - 1):
                self.sums.gradient_norms = torch.stack([self._gradient_norm(value) for value in values])
            sum(values).backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.sums.add(values, output.logits, batch.labels[0][0])

    @own_work
    def end_epoch(self, images: Images) -> None:
        """Writes the epoch into the history; a term that is no longer finite fails the run, not its company."""
        self.epoch += 1
        self._check_finite()
        entry = {"epoch": self.epoch, "lr": self.optimiser.param_groups[0]["lr"], **self.sums.means()}
        due = self.epoch % self.run.evaluate_every == 0 or self.epoch == self.run.epochs
        if due and len(images.held_out):
            entry |= self._validate(images)
        self.history.append(entry)

    def _check_finite(self) -> None:
        for what, numbers in self.sums.not_finite().items():
            for term, number in zip(self.run.objective, numbers, strict=False):
                if not math.isfinite(number):
                    raise RunError(f"the {what} {term.name} became {number} in epoch {self.epoch}")

    def _validate(self, images: Images) -> dict[str, float]:
        """Accuracy and NLL on the held-out images, for the history; the weights are kept where they are the best."""
        logits = evaluate(self.model, images, images.held_out, self.run)
        if not logits.isfinite().all():
            raise RunError(f"the held-out logits were not finite after epoch {self.epoch}")
        accuracy = metrics.accuracy(logits.double().softmax(1), images.held_out_labels)
        nll = metrics.nll(logits, images.held_out_labels)
        if self.best is None or (accuracy, -nll) > (self.best["accuracy"], -self.best["nll"]):
            self.best = {"epoch": self.epoch, "accuracy": accuracy, "nll": nll, "weights": self._weights()}
        return {"held_out_accuracy": accuracy, "held_out_nll": nll}

    def _gradient_norm(self, value: torch.Tensor) -> torch.Tensor:
        """Of one weighted term with respect to the network's weights, from the graph that the step will use; 0 where
        the term itself is not finite."""
        zero = value.new_zeros((), dtype=torch.float64)
        if not value.requires_grad:
            return zero
        gradients = torch.autograd.grad(value, list(self.model.parameters()), retain_graph=True, allow_unused=True)
        squares = [g.double().square().sum() for g in gradients if g is not None]
        return torch.where(value.isfinite(), sum(squares, start=zero).sqrt(), zero)

    # To stop and go on -----------------------------------------------------------------------------------------------

    def state(self) -> dict:
        """A checkpoint: tensors and plain values, which training on changes (kdlib.training.checkpoints.copied)."""
        return {
            "weights": self.model.state_dict(),
            "momentum": [self.optimiser.state[p].get("momentum_buffer") for p in self.parameters()],
            "states": [None if s.state is None else s.state.state_dict() for s in self.summands],
            **{name: getattr(self, name) for name in KEPT},
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["weights"])
        for summand, values in zip(self.summands, state["states"], strict=True):
            if summand.state is not None:
                summand.state.load_state_dict(values)
        for parameter, momentum in zip(self.parameters(), state["momentum"], strict=True):
            if momentum is not None:
                # In the parameter's own memory layout: fused SGD on a CPU is silently wrong where they differ.
                self.optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        for name in KEPT:
            setattr(self, name, state[name])

    # At the end ------------------------------------------------------------------------------------------------------

    def reached(self, images: Images) -> Reached:
        weights, logits = self.outcome(images) or ({}, {})
        best_epoch = self.best["epoch"] if self.best else None
        return Reached(self.run, self.failure, self.history, self.seconds, best_epoch, weights, logits)

    @own_work
    def outcome(self, images: Images) -> tuple[dict, dict]:
        """Last weights, and the logits as in `Reached`; the network is left as it was. Logits that are not finite fail
        the run."""
        weights, logits = self._weights(), self._logits("last", images)
        if self.best and self.best["epoch"] == self.epoch:
            logits |= {name.replace("last", "best"): values for name, values in logits.items()}
        elif self.best:
            self.model.load_state_dict(self.best["weights"])
            logits |= self._logits("best", images)
            self.model.load_state_dict(weights)
        return weights, logits

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def _logits(self, moment: str, images: Images) -> dict[str, np.ndarray]:
        splits = ("held_out", "test")
        found = {f"{moment}_{s}": evaluate(self.model, images, getattr(images, s), self.run).numpy() for s in splits}
        if not all(np.isfinite(logits).all() for logits in found.values()):
            raise RunError("the logits at the end were not finite")
        return found


def initial_state(term: Term, run: Run, images: Images, device: torch.device) -> torch.nn.Module | None:
    """What the term learns or remembers, newly made: drawn like the network's weights, from a generator of its own."""
    make = terms[term.name].options.get("state")
    if make is None:
        return None
    seen = [run, run.teachers[term.teacher] if term.uses_teacher else None]
    widths = [each and pooled_width(each) for each in seen]
    params = {name: getattr(term, name) for name in terms[term.name].parameters}
    with torch.random.fork_rng(devices=[]), blame(f"the state of loss term {term.name}", passing=KdlibError):
        torch.default_generator.manual_seed(int(draws.words(1, run.seed, f"initial state of {term.name}")[0] >> 1))
        return make(images, *widths, **params).to(device)


def learning_rate(run: Run, epoch: int) -> float:
    """In epoch `epoch` (counted from 0)."""
    if run.schedule == "cosine":
        return run.lr * (1 + math.cos(math.pi * epoch / run.epochs)) / 2
    return run.lr * 0.1 ** sum(epoch >= milestone for milestone in run.milestones)


def _kind(value) -> str:
    shaped = isinstance(value, torch.Tensor)
    return f"a tensor of shape {tuple(value.shape)}" if shaped else f"{value!r} ({type(value).__name__})"
