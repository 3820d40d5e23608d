"""Contrastive representation distillation (Tian, Krishnan & Isola 2020), exact, without gathering embeddings."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdlib import draws
from kdlib.registry import KdlibError

EPSILON = 1e-7  # in each denominator, as in the authors' code


class CRD(nn.Module):
    """Contrastive representation distillation (Tian et al. 2020): an image's student and teacher embeddings are drawn
    together, away from those of images of other classes.

    Features (B, student_dim) and (B, teacher_dim) go through a linear layer each and are l2-normalised; both layers
    learn, so their parameters belong into the optimiser. Each network has a memory bank (num_images, embedding) of what
    its embeddings last were. The state dict is all there is to resume from: layers, banks and both normalisers Z.
    Initial values come from torch's global generator. Raises KdlibError where the temperature is not above 0, or the
    momentum not from 0 to below 1; see `forward` for what a call takes.

    >>> crd, index = CRD(student_dim=3, teacher_dim=5, num_images=100), torch.tensor([4, 7])
    >>> negatives = torch.tensor([[8, 9], [1, 2]])  # places of images of other classes, per image
    >>> crd(torch.ones(2, 3), torch.ones(2, 5), index, negatives).shape
    torch.Size([])
    """

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        num_images: int,
        *,
        embedding: int = 128,
        temperature: float = 0.07,
        momentum: float = 0.5,
    ):
        super().__init__()
        if temperature <= 0:
            raise KdlibError(f"CRD's temperature is {temperature}: give one above 0.")
        if not 0 <= momentum < 1:
            raise KdlibError(f"CRD's momentum is {momentum}: give one from 0 to below 1, or its banks never change.")
        self.temperature, self.momentum = temperature, momentum
        self.student_embedding = nn.Linear(student_dim, embedding)
        self.teacher_embedding = nn.Linear(teacher_dim, embedding)
        bound = 1 / math.sqrt(embedding / 3)  # rows of length about 1
        for name in ("student_bank", "teacher_bank"):
            self.register_buffer(name, torch.empty(num_images, embedding).uniform_(-bound, bound))
        # Z of the student's and of the teacher's anchors; 0 until the first batch has fixed them.
        self.register_buffer("normalisers", torch.zeros(2))

    def forward(self, student_features: Tensor, teacher_features: Tensor, index: Tensor, negatives: Tensor) -> Tensor:
        """Student's anchors on the teacher's bank plus teacher's anchors on the student's, each averaged over B.

        Features are (B, student_dim) and (B, teacher_dim); `index` (B,) is where each image, its own positive, stands
        in the banks; `negatives` (B, k) are places of others (see other_classes). In training the banks then take in
        the batch; scores are of the banks as they were before. Raises KdlibError on shapes that do not fit.
        """
        self._check(student_features, teacher_features, index, negatives)
        student = F.normalize(self.student_embedding(student_features))
        teacher = F.normalize(self.teacher_embedding(teacher_features.detach()))
        batch, z = (index, negatives, self.temperature), self.normalisers
        of_student, z_student = _Contrast.apply(student, self.teacher_bank, z[0], *batch)
        of_teacher, z_teacher = _Contrast.apply(teacher, self.student_bank, z[1], *batch)
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                z.copy_(torch.stack([z_student, z_teacher]))
                for bank, rows in ((self.student_bank, student), (self.teacher_bank, teacher)):
                    mixed = self.momentum * bank[index] + (1 - self.momentum) * rows
                    bank.index_copy_(0, index, F.normalize(mixed))
        return of_student + of_teacher

    def _check(self, student: Tensor, teacher: Tensor, index: Tensor, negatives: Tensor) -> None:
        for name, features, layer in (
            ("student", student, self.student_embedding),
            ("teacher", teacher, self.teacher_embedding),
        ):
            if features.shape != (len(index), layer.in_features):
                raise KdlibError(
                    f"CRD got {name} features of shape {tuple(features.shape)}, not {(len(index), layer.in_features)}: "
                    "give pooled features of the images in index, and their width when CRD is made."
                )
        if negatives.dim() != 2 or len(negatives) != len(index) or not negatives.shape[1]:
            raise KdlibError(
                f"CRD got negatives of shape {tuple(negatives.shape)} for {len(index)} images: give (B, k) with k > 0."
            )


class _Contrast(torch.autograd.Function):
    """Noise-contrastive loss of anchors (B, D) against a bank (N, D), and the Z it used (z, or the batch's if z is 0).

    L = -1/B sum_i [log(P / (P + k/N + eps)) + sum over negatives of log(k/N / (P + k/N + eps))], with
    P = exp(<bank row, anchor> / temperature) / Z and Z taken as a constant.

    One product of the anchors with the whole bank costs less than gathering the k + 1 rows of each anchor, and so does
    one product back: the loss gives its own gradient, and nothing but that gradient (B, D) is kept for the backward.
    """

    @staticmethod
    def forward(ctx, anchors, bank, z, index, negatives, temperature):
        (count, k), size = negatives.shape, len(bank)
        scores = anchors @ bank.T  # (B, N)
        p, q = (scores.gather(1, rows).div_(temperature).exp_() for rows in (index[:, None], negatives))
        z = torch.where(z > 0, z, (p.sum() + q.sum()) * (size / (count * (k + 1))))
        p, q = p.div_(z), q.div_(z)
        noise = k / size
        # log1p, since P is about k times smaller than the noise, and 1 + P / noise would lose its digits.
        loss = torch.log1p((noise + EPSILON) / p).sum() + torch.log1p((q + EPSILON).div_(noise)).sum()
        if ctx.needs_input_grad[0]:
            p, q = -(noise + EPSILON) / (p + noise + EPSILON), q.div_(q + (noise + EPSILON))
            by_score = scores.zero_().scatter_add_(1, negatives, q).scatter_add_(1, index[:, None], p)
            ctx.save_for_backward((by_score @ bank).div_(temperature * count))
        ctx.mark_non_differentiable(z)
        return loss / count, z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, by_loss, _):
        (gradient,) = ctx.saved_tensors
        return by_loss * gradient, None, None, None, None, None


def num_negatives(asked: int, num_images: int) -> int:
    """How many negatives an image gets: never more than half of the images, which a long tail has few of."""
    return min(asked, num_images // 2)


def other_classes(labels: Tensor, index: Tensor, k: int, key: tuple) -> Tensor:
    """Negatives (B, k), int64: for each image in `index` (B,) the places in `labels` (N,) of k of other classes.

    No image twice in a row, unless k exceeds their number: then all come equally often, give or take one. The same key
    (numbers and texts, those of a step) gives the same negatives. Raises KdlibError where there is one class only.
    """
    anchors = labels[index]
    counts = (len(labels) - labels.bincount()[anchors]).cpu().numpy()
    if not counts.all():
        raise KdlibError("CRD's negatives are of other classes, and all images are of one: give two or more.")
    # The images of other classes stand in one random order per step, and each row walks through them, round and round,
    # from its own start by its own stride, coprime to their number so that none comes twice. By the random order alone
    # every row is a uniform random subset; rows of one step share that order, so their overlaps are not those of
    # independent draws. Those would take a random order per row, which costs more than the loss. (% of uint64 by int64
    # rounds to float64, so starts and strides take fewer values than there are images; rows are no less random by it.)
    start, stride = (draws.words(2 * len(index), *key, "crd walks").reshape(2, -1) % counts).astype("int64")
    start, stride = start.tolist(), _coprime(stride, counts).tolist()
    order = torch.from_numpy(draws.permutation(len(labels), *key, "crd order")).to(labels.device)
    ordered_labels, steps = labels[order], torch.arange(k, device=labels.device)
    negatives = torch.empty(len(index), k, dtype=torch.int64, device=labels.device)
    for label in anchors.unique().tolist():
        others = order.masked_select(ordered_labels != label)
        for row in (anchors == label).nonzero().flatten().tolist():
            walk = (steps * stride[row]).add_(start[row]).remainder_(len(others))
            torch.index_select(others, 0, walk, out=negatives[row])
    return negatives


def _coprime(numbers: np.ndarray, moduli: np.ndarray) -> np.ndarray:
    """Of each number the next one, itself included, that has no divisor in common with its modulus."""
    while (shared := np.gcd(numbers, moduli) > 1).any():
        numbers = numbers + shared
    return numbers
