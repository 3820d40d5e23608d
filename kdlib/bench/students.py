"""Study A (long tail, distillation, calibration): students of one teacher, and the whole study, teachers counted."""

from functools import partial
from statistics import median

import torch

from kdlib.bench import usual
from kdlib.bench.measure import Result, Turns, in_turns
from kdlib.bench.ours import ENDLESS, Group, shares
from kdlib.bench.sample import NAME, SIDE, sample
from kdlib.run import Run, Term

LABELS = Term("cross_entropy", 0.5)  # for every label objective: they cost alike
KD = Term("kd", 0.5, temperature=4)
METHODS = (KD, Term("crd", 0.5 * 0.8, negatives=4096), Term("rkd", 0.5), Term("attention_transfer", 0.5 * 1000))
OBJECTIVES = 4  # of teachers, and of students
HALVES = 2  # without and with mixup
EPOCHS, IMAGES = 12, 11_165  # of the study on CPUs: CIFAR-10, imbalance factor 100
PROTOCOL = (
    "Both sides train students by all four methods; the usual way has its images stored at 16 x 16 already. "
    "Cross-entropy stands for all label objectives. Not counted on either side: mixup, evaluation, checkpoints, "
    "start-up."
)


def students(
    count: int = 16,
    batch: int = 128,
    steps: int = 1,
    rounds: int = 3,
    workers=(0, 1, 2, 3),
    student: str = "resnet18",
    teacher: str = "resnet50",
) -> Result:
    """`count` students of one teacher at 32 x 32, vanilla KD: in lock-step against one run by itself."""
    source = sample(steps * batch)
    make = partial(Run, data=NAME, epochs=ENDLESS, batch_size=batch, lr=0.01)
    taught = partial(make, network=student, teachers=(make(network=teacher),), objective=(LABELS, KD))
    group = Group([taught(seed=seed) for seed in range(count)])
    with usual.process(torch.get_num_threads()) as call:
        alone = usual.Alone(call, group.runs[0], steps, workers)
        turns = in_turns(rounds, alone.seconds_per_step, lambda: group.seconds_per_step() / count)
        usual_parts = alone.parts()
    parts = group.parts(repeats=2)
    usual_ms, ours_ms = 1e3 * median(turns.usual), 1e3 * median(turns.ours)
    return Result(
        name="students",
        value=turns.ratio,
        target=2.5,
        usual=usual_ms,
        ours=ours_ms,
        unit=f"ms a student and batch of {batch}",
        limit=(
            "each student's own convolutions, which both sides compute: were images and teacher free, it would be "
            f"{turns.ratio * sum(parts.values()) / parts['students']:.3g} x. Our time goes to {shares(parts)}."
        ),
        details=(
            f"{teacher} -> {count} x {student} at {SIDE} x {SIDE}, batch {batch} (the study's: 128); "
            f"steps per round: {steps}; {turns}; images: {source}",
            f"the usual way, {alone.speeds}. {usual_parts}. Ours: {1e3 * batch / ours_ms:.0f} images/s of one student. "
            "Not counted: start-up of its process.",
        ),
    )


def study(
    objectives: int = 1,
    batch: int = 128,
    steps: int = 12,
    rounds: int = 5,
    workers=(0, 1, 2, 3),
    images: int = IMAGES,
    teacher: str = "resnet20",
) -> Result:
    """Study A at 16 x 16: 128 resnet8 students, 8 baselines and 8 resnet20 teachers, trained too.

    Its ablations and repeats are not counted. Costs of one step, added up by how many runs there are of each kind. Our
    group has the students and baselines of `objectives` label objectives out of 4, and all of their teachers.
    """
    source = sample(images)
    students, baselines, teachers = half(objectives, batch, teacher)
    times = OBJECTIVES / objectives
    group, teachers_group = Group(students + baselines, steps), Group(teachers, steps)

    def our_half() -> float:
        teaching = group.teaching_seconds()
        return teaching + times * (group.seconds_per_step() - teaching)

    with usual.process(torch.get_num_threads()) as call:
        kinds = {method.name: [r for r in students if method in r.objective] for method in METHODS}
        kinds |= {"baseline": baselines, "teacher": teachers}
        alone = {kind: usual.Alone(call, runs[0], steps, workers, images) for kind, runs in kinds.items()}
        one_teacher = alone.pop("teacher")

        def usual_half() -> float:
            return times * sum(len(kinds[kind]) * one.seconds_per_step() for kind, one in alone.items())

        def usual_teachers() -> float:
            return len(teachers) * one_teacher.seconds_per_step()

        learning = in_turns(rounds, usual_half, our_half)
        training = in_turns(
            rounds, lambda: len(teachers) * one_teacher.seconds_per_step(), teachers_group.seconds_per_step
        )
        usual_parts = alone[KD.name].parts()
    parts = group.parts()
    usual_step, our_step = (median(getattr(learning, s)) + median(getattr(training, s)) for s in ("usual", "ours"))
    studying = times * parts["students"]
    spent = {"training teachers": median(training.ours), "teachers' forward": parts["teacher"]}
    spent |= {"students and baselines": studying, "batches": parts["batches"]}
    counts = [HALVES * round(n) for n in (times * len(students), times * len(baselines), len(teachers))]
    minutes = HALVES * EPOCHS * IMAGES / batch / 60
    return Result(
        name="study",
        value=usual_step / our_step,
        target=3,
        usual=minutes * usual_step,
        ours=minutes * our_step,
        unit="min for the whole study",
        limit=(
            "the students' own steps: were all else free, it would be "
            f"{usual_step / our_step * sum(spent.values()) / studying:.3g} x. Our time goes to {shares(spent)}."
        ),
        details=(
            f"{counts[0]} students resnet8, {counts[1]} baselines, {counts[2]} teachers {teacher} at 16 x 16, {EPOCHS} "
            f"epochs of {IMAGES:,} images each, batch {batch}; extrapolated from {steps} steps per round; images: "
            f"{source}",
            f"students and baselines: {_ratio(learning, times * len(group.runs))}. Teachers: "
            f"{_ratio(training, len(teachers))}.",
            f"our group: {len(students)} students (4 methods, 4 teachers) and {len(baselines)} without teacher, of the "
            f"{times * len(group.runs):.0f} of a half; its teachers' forward passes count once a half. {PROTOCOL}",
            f"the usual way: {'; '.join(f'{kind}, {one.speeds}' for kind, one in alone.items())}; teacher, "
            f"{one_teacher.speeds}. Vanilla KD. {usual_parts}.",
        ),
    )


def half(objectives: int, batch: int, teacher: str) -> tuple[list[Run], list[Run], list[Run]]:
    """Students, baselines and teachers of `objectives` label objectives: all 4 are half of the study."""
    make = partial(Run, data=NAME, image_size=16, epochs=ENDLESS, batch_size=batch, lr=0.01)
    teachers = [make(network=teacher, seed=seed) for seed in range(OBJECTIVES)]
    baselines = [make(network="resnet8", seed=seed) for seed in range(objectives)]
    students = [
        make(network="resnet8", seed=seed, teachers=(each,), objective=(LABELS, method))
        for seed in range(objectives)
        for each in teachers
        for method in METHODS
    ]
    return students, baselines, teachers


def _ratio(turns: Turns, runs: float) -> str:
    usual_ms, ours_ms = (1e3 * median(side) / runs for side in (turns.usual, turns.ours))
    return f"usual {usual_ms:.3g}, ours {ours_ms:.3g} ms per run and step, {turns.ratio:.3g} x ({turns})"
