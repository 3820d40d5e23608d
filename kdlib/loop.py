"""The one training loop: students that see the same batches, in lock-step, with the teachers that any of them needs.

Nobody's result depends on company: a student gives the same bits alone, in any group, beside any number of threads and
after a stop and resume, because it owns its network, optimiser and random numbers, and a teacher goes forward in chunks
of a fixed size.
"""

import ctypes
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from kdlib import draws, metrics, models
from kdlib.data.batches import Batch, Images
from kdlib.models.layers import fold_batch_norm
from kdlib.objective import terms
from kdlib.run import Run

CHUNK = 32  # images of a teacher's forward on a CPU: the bits depend on it
EVALUATION_CHUNK = 500


@dataclass
class Output:
    """What a network says of a batch: logits (B, K) and, where a term needs them, stage maps and pooled features."""

    logits: torch.Tensor
    maps: list[torch.Tensor] | None = None
    pooled: torch.Tensor | None = None


def keep_freed_memory() -> None:
    """Asks glibc not to hand memory back after every step: a pool's threads spent a third of a small step's time on
    getting it again, page by page."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: 32 MiB, the most it takes
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never


class Pool:
    """`threads` workers of one intra-op thread each; a single item is done in the caller's own thread."""

    def __init__(self, threads: int):
        keep_freed_memory()
        self.workers = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self.threads = threads

    def map(self, function: Callable, items: list) -> list:
        if self.threads == 1 or len(items) == 1:
            return [function(item) for item in items]
        return list(self.workers.map(function, items))


class Student:
    """One run in training: network, optimiser, what it has reached, and how to stop and go on."""

    def __init__(self, run: Run, images: Images, device: torch.device | str = "cpu"):
        self.run, self.device = run, torch.device(device)
        self.model = network(run, images).to(device=device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), run.lr, run.momentum, weight_decay=run.weight_decay, fused=True
        )
        self.losses = [terms[t.name].load() for t in run.objective]
        self.features = self.needs_features(run)
        self.epoch = 0  # epochs finished
        self.seconds = 0.0
        self.history: list[dict] = []
        self.best: dict | None = None  # epoch, accuracy, nll, state (weights)
        self.failure: str | None = None

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
            term.weight
            * loss(batch, output, *([lessons[term.teacher]] if term.uses_teacher else []), **dict(term.params))
            for term, loss in zip(self.run.objective, self.losses, strict=True)
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
        momentum = [self.optimiser.state[p].get("momentum_buffer") for p in self.model.parameters()]
        return {
            "weights": self.model.state_dict(),
            "momentum": momentum,
            **{name: getattr(self, name) for name in ("epoch", "seconds", "history", "best", "failure")},
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["weights"])
        for parameter, momentum in zip(self.model.parameters(), state["momentum"], strict=True):
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


def train_epochs(students: list[Student], teachers: dict, images: Images, pool: Pool) -> Iterator[int]:
    """Trains until every student is done, yielding the epoch just finished (counted from 1).

    Walks the epochs from the least advanced student; the others join when theirs is reached. `teachers` maps a key to
    a network in evaluation mode.
    """
    while waiting := [s for s in students if not s.done]:
        epoch = min(s.epoch for s in waiting)
        active = [s for s in waiting if s.epoch == epoch]
        taught_by = {t.key for s in active for t in s.run.teachers}
        features = any(s.features for s in active)
        for student in active:
            student.begin_epoch()
        for batch in images.batches(epoch):
            lessons = {k: teach(teachers[k], batch.images, features, active[0].run, pool) for k in taught_by}
            pool.map(lambda s: s.step(batch, [lessons[t.key] for t in s.run.teachers]), active)  # noqa: B023
        pool.map(lambda s: s.end_epoch(images), active)
        yield epoch + 1


def teach(model: torch.nn.Module, images: torch.Tensor, features: bool, run: Run, pool: Pool) -> Output:
    """A teacher's output, no gradient; on a CPU in chunks of one size, whoever else is there to compute them."""
    chunks = images.split(CHUNK) if images.device.type == "cpu" else [images]

    def one(chunk):
        with torch.no_grad(), autocast(run, images.device):
            return forward(model, chunk.contiguous(memory_format=torch.channels_last), features)

    parts = pool.map(one, list(chunks))
    if not features:
        return Output(torch.cat([p.logits for p in parts]))
    maps = [torch.cat(stage) for stage in zip(*(p.maps for p in parts), strict=True)]
    return Output(torch.cat([p.logits for p in parts]), maps, torch.cat([p.pooled for p in parts]))


def forward(model: torch.nn.Module, images: torch.Tensor, features: bool) -> Output:
    if not features:
        return Output(model(images).float())
    logits, maps, pooled = model(images, features=True)
    return Output(logits.float(), [m.float() for m in maps], pooled.float())


def evaluate(model: torch.nn.Module, images: Images, which: torch.Tensor, run: Run) -> torch.Tensor:
    """Logits (N, K) of uint8 images in evaluation mode, float32, on the CPU."""
    model.eval()
    with torch.no_grad(), autocast(run, which.device):
        parts = [model(images.normalise(chunk)).float() for chunk in which.split(EVALUATION_CHUNK) if len(chunk)]
    return torch.cat(parts).cpu() if parts else torch.empty(0, images.num_classes)


def network(run: Run, images: Images) -> torch.nn.Module:
    """The run's network with its initial weights: drawn from a generator keyed by `seed`, the global one left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(draws.words(1, run.seed, "initial weights")[0] >> 1))
        return models.build(run.network, images.num_classes, images.channels, images.image_size, run.width)


def ready_to_teach(run: Run, images: Images, weights: dict | None = None) -> torch.nn.Module:
    """The run's network with the weights (None: its initial ones), in evaluation mode where the images are; for
    forward passes only, since its BatchNorm is folded away."""
    model = network(run, images)
    if weights is not None:
        model.load_state_dict(weights)
    return fold_batch_norm(model).to(device=images.images.device, memory_format=torch.channels_last)


def learning_rate(run: Run, epoch: int) -> float:
    """In epoch `epoch` (counted from 0)."""
    if run.schedule == "cosine":
        return run.lr * (1 + math.cos(math.pi * epoch / run.epochs)) / 2
    return run.lr * 0.1 ** sum(epoch >= milestone for milestone in run.milestones)


def autocast(run: Run, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16")
