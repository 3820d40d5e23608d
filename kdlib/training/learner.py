"""A student: one run in training, which owns its network and optimiser."""

import math
import time

import torch

from kdlib import draws, metrics
from kdlib.objective import terms
from kdlib.run import Run, Term
from kdlib.training.batches import Batch, Images
from kdlib.training.network import Output, autocast, evaluate, forward, network, pooled_width


class Learner:
    """One run in training: network, optimiser, what it has reached, and how to stop and go on."""

    def __init__(self, run: Run, images: Images, device: torch.device | str = "cpu"):
        self.run, self.device = run, torch.device(device)
        self.model = network(run).to(device=device, memory_format=torch.channels_last)
        self.losses = [terms[t.name].load() for t in run.objective]
        self.states = [term_state(term, run, images, self.device) for term in run.objective]
        self.optimiser = torch.optim.SGD(
            self.parameters(), run.lr, run.momentum, weight_decay=run.weight_decay, fused=True
        )
        self.features = self.needs_features(run)
        self.epoch = 0  # epochs finished
        self.seconds = 0.0
        self.history: list[dict] = []
        self.best: dict | None = None  # epoch, accuracy, nll, weights
        self.failure: str | None = None

    def parameters(self) -> list[torch.nn.Parameter]:
        """All that is trained: the network's, then those of its terms' states."""
        return [p for module in (self.model, *self.states) if module is not None for p in module.parameters()]

    def notes(self) -> list[str]:
        """What its terms have to say before training."""
        return [state.note for state in self.states if getattr(state, "note", None)]

    @staticmethod
    def needs_features(run: Run) -> bool:
        return any(terms[t.name].options.get("features", False) for t in run.objective)

    @property
    def done(self) -> bool:
        return self.failure is not None or self.epoch == self.run.epochs

    def begin_epoch(self) -> None:
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.run, self.epoch)
        self._values = torch.zeros(len(self.losses), dtype=torch.float64, device=self.device)
        self._suspect = torch.zeros_like(self._values)  # the terms of the first step with one that is not finite
        self._correct = torch.zeros((), dtype=torch.int64, device=self.device)
        self._seen = 0
        self._norms = None

    def step(self, batch: Batch, lessons: list[Output]) -> None:
        """One step of SGD on the batch; `lessons` are the outputs of the run's teachers."""
        start = time.perf_counter()
        with autocast(self.run, self.device):
            output = forward(self.model, batch.images, self.features)
        values = [
            term.weight * loss(batch, output, *self.given(term, state, lessons), **dict(term.params))
            for term, loss, state in zip(self.run.objective, self.losses, self.states, strict=True)
        ]
        if self._seen == 0 and self.epoch in (0, self.run.epochs - 1):
            self._norms = torch.stack([self._gradient_norm(value) for value in values])
        sum(values).backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        count = len(batch.index)
        values = torch.stack(values).detach().double()
        self._suspect = torch.where(self._suspect.isfinite().all(), values, self._suspect)
        self._values += values * count
        self._correct += (output.logits.detach().argmax(1) == batch.labels[0][0]).sum()
        self._seen += count
        self.seconds += time.perf_counter() - start

    def end_epoch(self, images: Images) -> None:
        """Writes the epoch into the history; a term that is no longer finite fails the run, not its company."""
        rate = self.optimiser.param_groups[0]["lr"]
        self.epoch += 1
        values = (self._values / self._seen).tolist()
        entry = {
            "epoch": self.epoch,
            "lr": rate,
            "terms": values,  # mean over the epoch's images, weight included
            "train_accuracy": self._correct.item() / self._seen,
        }
        if self._norms is not None:
            entry["gradient_norms"] = self._norms.tolist()
        # The gradients first: they are those of the epoch's first step.
        for what, numbers in (("gradient of ", entry.get("gradient_norms", ())), ("", self._suspect.tolist())):
            for term, number in zip(self.run.objective, numbers, strict=False):
                if not math.isfinite(number):
                    self.failure = f"the {what}loss term {term.name} became {number} in epoch {self.epoch}"
                    return
        last = self.epoch == self.run.epochs
        if len(images.held_out) and (self.epoch % self.run.evaluate_every == 0 or last):
            start = time.perf_counter()
            logits = evaluate(self.model, images, images.held_out, self.run)
            if not logits.isfinite().all():
                self.failure = f"the held-out logits were not finite after epoch {self.epoch}"
                return
            probs = logits.double().softmax(1)
            entry["held_out_accuracy"] = metrics.accuracy(probs, images.held_out_labels)
            entry["held_out_nll"] = metrics.nll(logits, images.held_out_labels)
            rank = (entry["held_out_accuracy"], -entry["held_out_nll"])
            if self.best is None or rank > (self.best["accuracy"], -self.best["nll"]):
                state = {name: value.clone() for name, value in self.model.state_dict().items()}
                self.best = {"epoch": self.epoch, "accuracy": rank[0], "nll": -rank[1], "weights": state}
            self.seconds += time.perf_counter() - start
        self.history.append(entry)

    @staticmethod
    def given(term: Term, state: torch.nn.Module | None, lessons: list[Output]) -> list:
        """What a term is called with beside the batch and the student's output."""
        lesson = [lessons[term.teacher]] if term.uses_teacher else []
        return lesson if state is None else [*lesson, state]

    def _gradient_norm(self, value: torch.Tensor) -> torch.Tensor:
        """Of one weighted term with respect to the network's weights, from the graph that the step will use; 0 where
        the term itself is not finite."""
        zero = value.new_zeros((), dtype=torch.float64)
        if not value.requires_grad:
            return zero
        gradients = torch.autograd.grad(value, list(self.model.parameters()), retain_graph=True, allow_unused=True)
        squares = [g.double().square().sum() for g in gradients if g is not None]
        return torch.where(value.isfinite(), sum(squares, start=zero).sqrt(), zero)

    def state(self) -> dict:
        """A checkpoint: tensors and plain values."""
        momentum = [self.optimiser.state[p].get("momentum_buffer") for p in self.parameters()]
        return {
            "weights": self.model.state_dict(),
            "momentum": momentum,
            "states": [None if state is None else state.state_dict() for state in self.states],
            **{name: getattr(self, name) for name in ("epoch", "seconds", "history", "best", "failure")},
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["weights"])
        for own, values in zip(self.states, state["states"], strict=True):
            if own is not None:
                own.load_state_dict(values)
        for parameter, momentum in zip(self.parameters(), state["momentum"], strict=True):
            if momentum is not None:
                # In the parameter's own memory layout: fused SGD on a CPU is silently wrong where they differ.
                self.optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        for name in ("epoch", "seconds", "history", "best", "failure"):
            setattr(self, name, state[name])

    def outcome(self, images: Images) -> tuple[dict, dict]:
        """Last weights, and logits "<moment>_<split>" as float32 arrays, held-out and test, at last and best."""
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        logits = self._logits("last", images)
        if self.best and self.best["epoch"] == self.epoch:
            logits |= {name.replace("last", "best"): values for name, values in logits.items()}
        elif self.best:
            self.model.load_state_dict(self.best["weights"])
            logits |= self._logits("best", images)
            self.model.load_state_dict(weights)
        return weights, logits

    def _logits(self, moment: str, images: Images) -> dict:
        return {
            f"{moment}_{split}": evaluate(self.model, images, getattr(images, split), self.run).numpy()
            for split in ("held_out", "test")
        }


def term_state(term: Term, run: Run, images: Images, device: torch.device) -> torch.nn.Module | None:
    """What the term learns or remembers, newly made: drawn like the network's weights, from a generator of its own."""
    make = terms[term.name].options.get("state")
    if make is None:
        return None
    seen = [run, run.teachers[term.teacher] if term.uses_teacher else None]
    widths = [each and pooled_width(each) for each in seen]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(draws.words(1, run.seed, f"initial state of {term.name}")[0] >> 1))
        params = {name: getattr(term, name) for name in terms[term.name].parameters}
        return make(images, *widths, **params).to(device)


def learning_rate(run: Run, epoch: int) -> float:
    """In epoch `epoch` (counted from 0)."""
    if run.schedule == "cosine":
        return run.lr * (1 + math.cos(math.pi * epoch / run.epochs)) / 2
    return run.lr * 0.1 ** sum(epoch >= milestone for milestone in run.milestones)
