"""From the names in a run to loss terms: the only place that knows them.

A term is a function of (batch, student) or (batch, student, teacher) with keyword-only parameters, which a run's Term
may set; it returns a scalar. `batch` is kdlib.data.Batch; `student` and `teacher` are kdlib.loop.Output: logits (B, K),
stage maps and pooled features (the last two only where a term was registered with features=True). Options of
`register`: teacher=True if the term needs one; features=True; positive=(...) names the parameters that must be > 0.

This module imports no torch (a key needs these signatures and versions): kdlib.losses is loaded at the first call.
"""

import kdlib
from kdlib.registry import Registry

terms = Registry("loss term")


def over_labels(batch, label_loss):
    """sum_j mean_i w_ij L(y_ij): plain images have one label, mixed images several, each with its weight."""
    return sum(label_loss(targets, weights) for targets, weights in batch.labels)


@terms.register("cross_entropy", version=1)
def cross_entropy(batch, student):
    return over_labels(batch, lambda y, w: kdlib.losses.cross_entropy(student.logits, y, weights=w))


@terms.register("kd", version=1, teacher=True, positive=("temperature",))
def kd(batch, student, teacher, *, temperature=4.0):
    return kdlib.losses.kd_loss(student.logits, teacher.logits, temperature)


@terms.register("soft_cross_entropy", version=1, teacher=True, positive=("temperature",))
def soft_cross_entropy(batch, student, teacher, *, temperature=1.0):
    """Both at the temperature, without the factor T^2: the term of the alpha/temperature grid."""
    target = (teacher.logits / temperature).softmax(1)
    return kdlib.losses.soft_cross_entropy(student.logits, target, temperature)


@terms.register("similarity_preserving", version=1, teacher=True, features=True)
def similarity_preserving(batch, student, teacher):
    return kdlib.losses.similarity_preserving(student.maps[-1], teacher.maps[-1])
