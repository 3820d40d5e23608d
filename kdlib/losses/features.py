"""Losses between the features of a student and a teacher, whose widths may differ."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kdlib.registry import KdlibError


def attention_transfer(student_maps: Sequence[Tensor], teacher_maps: Sequence[Tensor], p: float = 2) -> Tensor:
    """Where the networks look (Zagoruyko & Komodakis 2017): mean (A_s - A_t)^2, summed over the stages.

    A(F) is the mean over channels of |F|^p as a vector over the places, l2-normalised. Maps are (B, C, H, W), one per
    stage; those of a pair are first averaged down to the smaller of their sizes. Stages are paired from the last one
    backwards, so that networks with unequal numbers of stages compare their deepest. Raises KdlibError where there is
    no stage, or the batches differ.

    >>> student, teacher = torch.ones(1, 2, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    >>> attention_transfer([student], [teacher])
    tensor(0.2929)
    """
    pairs = list(zip(reversed(student_maps), reversed(teacher_maps), strict=False))
    if not pairs:
        raise KdlibError("attention_transfer got no stage maps: call the networks with features=True.")
    return torch.stack([_attention_distance(s, t.detach(), p) for s, t in pairs]).sum()


def rkd_loss(
    student_features: Tensor, teacher_features: Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0
) -> Tensor:
    """Relational knowledge distillation (Park et al. 2019) on features (B, D), B above 1; the two D may differ.

    Distances d_ij = ||e_i - e_j|| / (mean of the positive ones) and the cosines at j of all triplets (i, j, k), each
    compared by smooth L1, averaged over all B^2 pairs and all B^3 triplets as in the authors' code. Raises KdlibError
    where the batches differ.

    >>> student, teacher = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> rkd_loss(student, teacher)
    tensor(8.1157)
    """
    _same_batch(student_features, teacher_features)
    student_distances, student_angles = _relations(student_features)
    teacher_distances, teacher_angles = _relations(teacher_features.detach())
    distance = F.smooth_l1_loss(student_distances, teacher_distances)
    angle = F.smooth_l1_loss(student_angles, teacher_angles)
    return distance_weight * distance + angle_weight * angle


def similarity_preserving(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """||Q_s - Q_t||_F^2 / B^2 (Tung & Mori 2019), with Q = F F^T over the images of the batch, rows l2-normalised.

    Maps are (B, C, H, W) or (B, D); they are flattened, and only B must agree: raises KdlibError where it does not.

    >>> similarity_preserving(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.2929)
    """
    _same_batch(student_map, teacher_map)
    return (_similarities(student_map) - _similarities(teacher_map.detach())).square().mean()


def _attention_distance(student: Tensor, teacher: Tensor, p: float) -> Tensor:
    _same_batch(student, teacher)
    size = [min(s, t) for s, t in zip(student.shape[2:], teacher.shape[2:], strict=True)]
    return (_attention(student, size, p) - _attention(teacher, size, p)).square().mean()


def _attention(features: Tensor, size: list[int], p: float) -> Tensor:
    if list(features.shape[2:]) != size:  # pooling to the same size changes nothing and takes half of the loss's time
        features = F.adaptive_avg_pool2d(features, size)
    return F.normalize(features.abs().pow(p).mean(1).flatten(1))


def _relations(features: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (B, B) relative to their mean, and cosines (B, B, B), of which [j, i, k] is at j."""
    # Differences, not the Gram matrix, which loses near neighbours to cancellation in float32. At 0 the norm's gradient
    # is 0, and a unit vector's would be without bound: there the difference itself, which is 0, stands for it.
    differences = features.unsqueeze(0) - features.unsqueeze(1)
    distances = torch.linalg.vector_norm(differences, dim=2)
    mean = distances.sum() / (distances > 0).sum().clamp(min=1)
    units = differences / torch.where(distances > 0, distances, 1.0).unsqueeze(2)
    return distances / mean.clamp(min=1e-12), units @ units.transpose(1, 2)


def _similarities(features: Tensor) -> Tensor:
    flat = features.flatten(1)
    return F.normalize(flat @ flat.T)


def _same_batch(student: Tensor, teacher: Tensor) -> None:
    if len(student) != len(teacher):
        raise KdlibError(
            f"Student and teacher have {len(student)} and {len(teacher)} images: give both for the same batch."
        )
