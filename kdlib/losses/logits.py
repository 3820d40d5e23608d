"""Losses between the logits of a student and soft labels. All tensors are (B, K) unless said otherwise."""

import torch.nn.functional as F
from torch import Tensor

from kdlib.registry import KdlibError


def kd_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Knowledge distillation (Hinton et al. 2015): T^2 KL(teacher || student), both at temperature T, in nats.

    Logits are (B, K) both; T^2 keeps the size of the gradient comparable between temperatures. Raises KdlibError where
    the shapes differ, or the temperature is not above 0.

    >>> student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    >>> kd_loss(student, teacher, temperature=4.0)
    tensor(0.1215)
    """
    _check(student_logits, teacher_logits, temperature)
    student = (student_logits / temperature).log_softmax(1)
    teacher = (teacher_logits.detach() / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def soft_cross_entropy(logits: Tensor, target_probs: Tensor, temperature: float = 1.0) -> Tensor:
    """Cross-entropy to soft labels q, -sum_k q_k log p_k, in nats (Hinton et al. 2015, without their T^2).

    Logits and `target_probs` are (B, K); `temperature` softens the prediction only. Raises KdlibError where the shapes
    differ, or the temperature is not above 0.

    >>> soft_cross_entropy(torch.tensor([[2.0, 0.0]]), target_probs=torch.tensor([[0.5, 0.5]]))
    tensor(1.1269)
    """
    _check(logits, target_probs, temperature)
    return _soft_cross_entropies(logits / temperature, target_probs.detach()).mean()


def wsl_loss(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Weighted soft labels (Zhou et al. 2021): T^2 mean_i w_i softCE_i at temperature T.

    Logits are (B, K). w_i = 1 - exp(-CE_s / (CE_t + 1e-7)), from both networks' cross-entropies to `targets` (B,),
    int64, at T = 1 and without gradient: an image counts the less, the better the student already does on it compared
    with the teacher. Raises KdlibError where the shapes differ, or the temperature is not above 0.

    >>> student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    >>> wsl_loss(student, teacher, targets=torch.tensor([0]), temperature=2.0)
    tensor(0.9205)
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
