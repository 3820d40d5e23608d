"""Losses between the logits of a student and soft labels. All tensors are (B, K) unless said otherwise."""

import torch.nn.functional as F
from torch import Tensor

from kdlib.registry import KdlibError


def kd_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) at temperature T, summed over classes (Hinton et al. 2015).

    T^2 keeps the size of the gradient comparable between temperatures.
    """
    _check(student_logits, teacher_logits, temperature)
    student = (student_logits / temperature).log_softmax(1)
    teacher = (teacher_logits.detach() / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def soft_cross_entropy(logits: Tensor, target_probs: Tensor, temperature: float = 1.0) -> Tensor:
    """-sum_k q_k log p_k with the given soft labels q; `temperature` softens the prediction only."""
    _check(logits, target_probs, temperature)
    return _soft_cross_entropies(logits / temperature, target_probs.detach()).mean()


def wsl_loss(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Weighted soft labels (Zhou et al. 2021): T^2 mean_i w_i softCE_i at temperature T.

    w_i = 1 - exp(-CE_s / (CE_t + 1e-7)), from both networks' cross-entropies to `targets` (B,) at T = 1 and without
    gradient: an image counts the less, the better the student already does on it compared with the teacher.
    """
    _check(student_logits, teacher_logits, temperature)
    teacher_logits = teacher_logits.detach()
    student_error = F.cross_entropy(student_logits.detach(), targets, reduction="none")
    teacher_error = F.cross_entropy(teacher_logits, targets, reduction="none")
    weights = -(-student_error / (teacher_error + 1e-7)).expm1()
    target_probs = (teacher_logits / temperature).softmax(1)
    return temperature**2 * (weights * _soft_cross_entropies(student_logits / temperature, target_probs)).mean()


def _soft_cross_entropies(logits: Tensor, target_probs: Tensor) -> Tensor:
    return -(target_probs * logits.log_softmax(1)).sum(1)


def _check(student: Tensor, teacher: Tensor, temperature: float) -> None:
    if student.shape != teacher.shape:
        raise KdlibError(
            f"Student and teacher have shapes {tuple(student.shape)} and {tuple(teacher.shape)}: "
            "give both for the same images and classes."
        )
    if not temperature > 0:
        raise KdlibError(f"The temperature is {temperature}: give a value above 0.")
