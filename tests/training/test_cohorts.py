"""Who trains with whom, and which teacher is needed."""

import tiny
from tiny import train

from kdlib import Run, Term, plan

HALF = Term("cross_entropy", 0.5)


def test_teachers_come_first_and_company_sees_the_same_batches(store):
    teacher = tiny.teacher()
    middle = tiny.run(objective=[HALF, Term("kd")], teachers=[teacher])
    last = tiny.run(objective=[HALF, Term("kd")], teachers=[middle])
    other = [tiny.run(data_seed=1), tiny.run(batch_size=16), tiny.run(precision="bf16"), tiny.run(augmentation="none"),
             tiny.run(image_size=4), tiny.run(held_out=2), tiny.run(data="digits")]  # fmt: skip
    same = [tiny.run(lr=0.2), tiny.run(9), tiny.run(network="resnet8"), tiny.run(seed=3), tiny.run(evaluate_every=2)]
    planned = [[run.key for run in cohort.runs] for cohort in plan([last, *same, *other], store)]
    assert planned[:2] == [[teacher.key], [middle.key]]
    assert planned[2] == [last.key, *(run.key for run in same)]
    assert planned[3:] == [[run.key] for run in other]


def test_a_large_run_that_is_alone_gets_all_cores(store):
    def alone(*runs):
        return [cohort.alone for cohort in plan(runs, store)]

    large = Run(data="cifar10", network="resnet8", epochs=1)
    student = Run(data="cifar10", network="cnn2", epochs=1, objective=[Term("kd")], teachers=[large])
    assert alone(large) == [True]
    assert alone(student) == [True, True]
    assert alone(large, Run(data="cifar10", network="cnn2", epochs=1)) == [False]
    assert alone(tiny.run()) == [False]  # threads would wait for one another longer than they work
    store.save_record({"key": student.key, "status": "finished"})
    assert alone(student, Run(data="cifar10", network="cnn2", epochs=2)) == [False]  # finished ones count, too


def test_a_teacher_is_trained_only_for_a_student_that_needs_it(store, capsys):
    student = tiny.study()[2]
    train([student], store)
    store.remove(student.teachers[0].key)
    assert plan([student], store) == []
    again = tiny.run(lr=0.2, objective=student.objective, teachers=student.teachers)
    assert [[run.key for run in c.runs] for c in plan([student, again], store)] == [
        [student.teachers[0].key], [again.key]]  # fmt: skip
