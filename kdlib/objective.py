"""From the names in a run to loss terms: the only place that knows them.

A term is a function of (batch, student) or (batch, student, teacher) with keyword-only parameters, which a run's Term
may set; it returns a scalar. `batch` is kdlib.training.batches.Batch; `student` and `teacher` are
kdlib.training.network.Output: logits (B, K), stage maps and pooled features (the last two only where a term was
registered with features=True).

Options of `register`: teacher=True if the term needs one; features=True; positive=(...) names the parameters that must
be > 0, fraction=(...) those from 0 to below 1; state=make for a term that learns or remembers. `make(images,
student_dim, teacher_dim, **params)`, with kdlib.training.batches.Images, the widths of the pooled features (None
without a teacher) and all the term's parameters, gives a module that the term is called with last; its parameters are
trained with the student's, and its state is checkpointed. Options that do not fit the function are refused.

This module imports no torch (a key needs these signatures and versions): kdlib.losses is loaded at the first call.
"""

import inspect
from collections.abc import Callable
from typing import Any

from kdlib import losses
from kdlib.registry import Entry, KdlibError, Registry, unknown

OPTIONS = ("teacher", "features", "positive", "fraction", "state")


class Terms(Registry):
    """A table of loss terms. What a term takes and what its options say it is given must be the same."""

    def add(self, name: str, target: Callable, version: int | str = 1, **options: Any) -> None:
        """Raises KdlibError where the options do not fit the term."""
        _check_options(name, options, Entry(name, target).parameters)
        _check_signature(name, options, inspect.signature(target))
        super().add(name, target, version, **options)


def _check_options(name: str, options: dict[str, Any], parameters: dict[str, Any]) -> None:
    for option in options:
        if option not in OPTIONS:
            raise KdlibError(unknown("option of a loss term", option, OPTIONS))
    for option in ("positive", "fraction"):
        for parameter in options.get(option, ()):
            if parameter not in parameters:
                raise KdlibError(unknown(f"parameter of loss term '{name}' in {option}=...", parameter, parameters))


def _check_signature(name: str, options: dict[str, Any], signature: inspect.Signature) -> None:
    """The term is called with batch, student and what its options promise, by place."""
    promised = [option for option in ("teacher", "state") if options.get(option)]
    given = ["batch", "student", *promised]
    try:
        signature.bind(*given)
    except TypeError:
        taken = [
            p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        remedy = _remedy(taken[len(given) :], promised)
        raise KdlibError(
            f"Loss term '{name}' takes ({', '.join(taken)}), but is given ({', '.join(given)}): {remedy}."
        ) from None


def _remedy(unpromised: list[str], promised: list[str]) -> str:
    if unpromised:
        return f"register it with {'state=make' if 'state' in unpromised else 'teacher=True'}"
    return f"let it take all of these{', or leave out the option ' if promised else ''}{' or '.join(promised)}"


terms = Terms("loss term", __name__)


def over_labels(batch, label_loss):
    """sum_j mean_i w_ij L(y_ij): plain images have one label, mixed images several, each with its weight."""
    return sum(label_loss(targets, weights) for targets, weights in batch.labels)


@terms.register("cross_entropy", version=1)
def cross_entropy(batch, student):
    """-log p_y (the logarithmic score: Good 1952), the mean over the batch."""
    return over_labels(batch, lambda y, w: losses.cross_entropy(student.logits, y, weights=w))


@terms.register("label_smoothing", version=1, fraction=("epsilon",))
def label_smoothing(batch, student, *, epsilon=0.1):
    """Cross-entropy to (1 - epsilon) onehot(y) + epsilon / K (Szegedy et al. 2016)."""
    return over_labels(batch, lambda y, w: losses.label_smoothing(student.logits, y, epsilon, weights=w))


@terms.register("adaptive_label_smoothing", version=1, fraction=("head", "tail"))
def adaptive_label_smoothing(batch, student, *, head=0.3, tail=0.0):
    """Label smoothing with an epsilon from `head` for the most frequent class to `tail` for the rarest (MiSLAS: Zhong
    et al. 2021)."""
    loss, counts = losses.adaptive_label_smoothing, batch.class_counts
    return over_labels(batch, lambda y, w: loss(student.logits, y, counts, head, tail, weights=w))


@terms.register("confidence_penalty", version=1)
def confidence_penalty(batch, student, *, beta=0.1):
    """Cross-entropy - beta H(p), H the entropy of the prediction (Pereyra et al. 2017)."""
    return over_labels(batch, lambda y, w: losses.confidence_penalty(student.logits, y, beta, weights=w))


@terms.register("balanced_softmax", version=1)
def balanced_softmax(batch, student):
    """Cross-entropy of z_k + log n_k, n_k the training images of class k (Ren et al. 2020)."""
    loss, counts = losses.balanced_softmax, batch.class_counts
    return over_labels(batch, lambda y, w: loss(student.logits, y, counts, weights=w))


@terms.register("kd", version=1, teacher=True, positive=("temperature",))
def kd(batch, student, teacher, *, temperature=4.0):
    """T^2 KL(softmax(z_teacher / T) || softmax(z / T)) (Hinton et al. 2015)."""
    return losses.kd_loss(student.logits, teacher.logits, temperature)


@terms.register("soft_cross_entropy", version=1, teacher=True, positive=("temperature",))
def soft_cross_entropy(batch, student, teacher, *, temperature=1.0):
    """-sum_k q_k log softmax(z / T)_k, q = softmax(z_teacher / T): kd up to its factor T^2 and the entropy of q
    (Hinton et al. 2015)."""
    target = (teacher.logits / temperature).softmax(1)
    return losses.soft_cross_entropy(student.logits, target, temperature)


@terms.register("similarity_preserving", version=1, teacher=True, features=True)
def similarity_preserving(batch, student, teacher):
    """Squared distance of the two batches of pairwise similarities, from the last stage map (Tung & Mori 2019)."""
    return losses.similarity_preserving(student.maps[-1], teacher.maps[-1])


@terms.register("attention_transfer", version=1, teacher=True, features=True, positive=("p",))
def attention_transfer(batch, student, teacher, *, p=2.0):
    """Mean squared distance of the attention maps, the l2-normalised mean of |F|^p over channels, summed over stages
    (Zagoruyko & Komodakis 2017)."""
    return losses.attention_transfer(student.maps, teacher.maps, p)


@terms.register("rkd", version=1, teacher=True, features=True)
def rkd(batch, student, teacher, *, distance_weight=25.0, angle_weight=50.0):
    """Differences of the pairwise distances and of the angles between pooled features (Park et al. 2019)."""
    return losses.rkd_loss(student.pooled, teacher.pooled, distance_weight, angle_weight)


def crd_state(images, student_dim, teacher_dim, *, negatives, **params):
    """Embeddings and memory banks; fewer negatives than asked for where there are too few images, which is said."""
    state = losses.CRD(student_dim, teacher_dim, len(images.labels), **params)
    state.register_buffer("labels", images.labels, persistent=False)
    state.count = losses.contrastive.num_negatives(negatives, len(images.labels))
    if state.count < negatives:
        few = f"{len(images.labels):,} training images"
        state.note = f"CRD draws {state.count:,} negatives an image, half of the {few}, instead of {negatives:,}."
    return state


@terms.register(
    "crd",
    version=1,
    teacher=True,
    features=True,
    positive=("negatives", "temperature", "embedding"),
    fraction=("momentum",),
    state=crd_state,
)
def crd(batch, student, teacher, state, *, negatives=16384, temperature=0.07, momentum=0.5, embedding=128):
    """Contrastive: the own teacher's embedding told from those of images of other classes (CRD: Tian et al. 2020)."""
    draw = losses.contrastive.other_classes
    others = batch.once(("crd", state.count), lambda: draw(state.labels, batch.index, state.count, batch.key))
    return state(student.pooled, teacher.pooled, batch.index, others)
