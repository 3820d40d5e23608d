"""From the names in a run to loss terms: the only place that knows them.

A term is a function of (batch, student) or (batch, student, teacher) with keyword-only parameters, which a run's Term
may set; it returns a scalar. `batch` is kdlib.training.batches.Batch; `student` and `teacher` are
kdlib.training.network.Output: logits (B, K), stage maps and pooled features (the last two only where a term was
registered with features=True).

Options of `register`: teacher=True if the term needs one; features=True; positive=(...) names the parameters that must
be > 0, fraction=(...) those from 0 to below 1; state=make for a term that learns or remembers. `make(images,
student_dim, teacher_dim, **params)`, with kdlib.training.batches.Images, the widths of the pooled features (None
without a teacher) and all the term's parameters, gives a module that the term is called with last; its parameters are
trained with the student's, and its state is checkpointed.

This module imports no torch (a key needs these signatures and versions): kdlib.losses is loaded at the first call.
"""

from kdlib import losses
from kdlib.registry import Registry

terms = Registry("loss term", __name__)


def over_labels(batch, label_loss):
    """sum_j mean_i w_ij L(y_ij): plain images have one label, mixed images several, each with its weight."""
    return sum(label_loss(targets, weights) for targets, weights in batch.labels)


@terms.register("cross_entropy", version=1)
def cross_entropy(batch, student):
    """The logarithmic score of the labels (Good 1952)."""
    return over_labels(batch, lambda y, w: losses.cross_entropy(student.logits, y, weights=w))


@terms.register("label_smoothing", version=1, fraction=("epsilon",))
def label_smoothing(batch, student, *, epsilon=0.1):
    """Cross-entropy to smoothed labels (Szegedy et al. 2016)."""
    return over_labels(batch, lambda y, w: losses.label_smoothing(student.logits, y, epsilon, weights=w))


@terms.register("adaptive_label_smoothing", version=1, fraction=("head", "tail"))
def adaptive_label_smoothing(batch, student, *, head=0.3, tail=0.0):
    """Label smoothing by the classes' frequency (MiSLAS: Zhong et al. 2021)."""
    loss, counts = losses.adaptive_label_smoothing, batch.class_counts
    return over_labels(batch, lambda y, w: loss(student.logits, y, counts, head, tail, weights=w))


@terms.register("confidence_penalty", version=1)
def confidence_penalty(batch, student, *, beta=0.1):
    """Cross-entropy - beta * entropy of the prediction (Pereyra et al. 2017)."""
    return over_labels(batch, lambda y, w: losses.confidence_penalty(student.logits, y, beta, weights=w))


@terms.register("balanced_softmax", version=1)
def balanced_softmax(batch, student):
    """Cross-entropy of logits shifted by the log of the class counts (Ren et al. 2020)."""
    loss, counts = losses.balanced_softmax, batch.class_counts
    return over_labels(batch, lambda y, w: loss(student.logits, y, counts, weights=w))


@terms.register("kd", version=1, teacher=True, positive=("temperature",))
def kd(batch, student, teacher, *, temperature=4.0):
    """Knowledge distillation with its factor T^2 (Hinton et al. 2015)."""
    return losses.kd_loss(student.logits, teacher.logits, temperature)


@terms.register("soft_cross_entropy", version=1, teacher=True, positive=("temperature",))
def soft_cross_entropy(batch, student, teacher, *, temperature=1.0):
    """Cross-entropy to the teacher, both at the temperature, without the factor T^2 (Hinton et al. 2015)."""
    target = (teacher.logits / temperature).softmax(1)
    return losses.soft_cross_entropy(student.logits, target, temperature)


@terms.register("similarity_preserving", version=1, teacher=True, features=True)
def similarity_preserving(batch, student, teacher):
    """Similarities between the images of a batch, from the last stage maps (Tung & Mori 2019)."""
    return losses.similarity_preserving(student.maps[-1], teacher.maps[-1])


@terms.register("attention_transfer", version=1, teacher=True, features=True, positive=("p",))
def attention_transfer(batch, student, teacher, *, p=2.0):
    """Where the networks look, summed over the stages (Zagoruyko & Komodakis 2017)."""
    return losses.attention_transfer(student.maps, teacher.maps, p)


@terms.register("rkd", version=1, teacher=True, features=True)
def rkd(batch, student, teacher, *, distance_weight=25.0, angle_weight=50.0):
    """Distances and angles between the images of a batch (Park et al. 2019)."""
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
    """Contrastive representation distillation, with memory banks (Tian et al. 2020)."""
    draw = losses.contrastive.other_classes
    others = batch.once(("crd", state.count), lambda: draw(state.labels, batch.index, state.count, batch.key))
    return state(student.pooled, teacher.pooled, batch.index, others)
