"""What the notebook declares, and that it breaks at no parameter after training."""

import json

import long_tails
import pytest

from kdlib import KdlibError
from kdlib.report.declaration import declaration
from kdlib.report.jobs import plan
from kdlib.studies.imbalance_kd_calibration import Row, Variant, is_core

ROOT = long_tails.NOTEBOOK.parents[1]


def declared(**parameters):
    return long_tails.executed("declare", **parameters)["declared"]


def roles(rows):
    return {role: sum(row.role == role for row in rows) for role in ("teacher", "baseline", "ablation", "student")}


def test_the_whole_table_is_declared():
    rows = declared()
    assert roles(rows) == {"teacher": 8, "baseline": 8, "ablation": 8, "student": 128}
    assert {len(runs) for row, runs in rows.items() if row != long_tails.baseline(table=("tiny", 2.0))} == {1}
    assert len(rows[long_tails.baseline(table=("tiny", 2.0))]) == 3


def test_a_students_teachers_and_its_row_are_the_same():
    rows = declared(repeats=2)
    for row, runs in rows.items():
        for repeat, run in enumerate(runs if row.role == "student" else ()):
            assert (run.seed, run.data_seed) == (repeat, repeat)
            assert run.teachers == tuple(rows[row.teacher]) and run.teachers[0].seed == 1000
            assert [term.weight for term in run.objective][0] == 0.5
            (ablation,) = rows[row.ablation][repeat].objective
            (baseline,) = rows[row.baseline][min(repeat, len(rows[row.baseline]) - 1)].objective
            assert ablation == run.objective[0] and (baseline.name, baseline.weight) == (ablation.name, 1.0)


@pytest.mark.parametrize(
    ("twice", "once"),
    [
        ({"objectives": ["cross_entropy"] * 2}, {"objectives": ["cross_entropy"]}),
        ({"methods": ["rkd", "rkd"]}, {"methods": ["rkd"]}),
        ({"mixup": [True, True]}, {"mixup": [True]}),
        ({"data_sets": ["tiny", "tiny"]}, {}),
        ({"imbalance_factors": [2, 2.0]}, {}),
    ],
)
def test_what_is_given_twice_counts_once(twice, once):
    assert declared(**twice) == declared(**once)


@pytest.mark.parametrize(
    ("parameters", "left"),
    [
        ({"methods": []}, {"teacher": 8, "baseline": 8, "ablation": 8, "student": 0}),
        ({"objectives": []}, {"teacher": 0, "baseline": 1, "ablation": 0, "student": 0}),
        ({"mixup": []}, {"teacher": 0, "baseline": 1, "ablation": 0, "student": 0}),
    ],
)
def test_an_empty_list_leaves_its_part_out(parameters, left):
    assert roles(declared(**parameters)) == left


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"data_sets": []}, "No run is declared: give a data set and an imbalance factor"),
        ({"imbalance_factors": []}, "No run is declared"),
        ({"objectives": [], "repeats": 0, "plain_repeats": 0, "core_repeats": 0}, "No run is declared"),
        ({"methods": ["fitnet"]}, "Unknown method 'fitnet'"),
        ({"objectives": ["focal"]}, "Unknown objective 'focal'"),
        ({"tried": {"fitnet": {1: [0.1]}}}, "Unknown method 'fitnet'.*Known: kd, .*, baseline, ablation"),
        ({"tuned": {"fitnet": [1, 0.1]}}, "Unknown method 'fitnet'"),
        ({"tried": {"kd": [0.1]}}, r"tried: kd is \[0.1\]: give lists of step sizes"),
        ({"tuned": {"kd": [4]}}, r"tuned: kd is \[4\]: give \[divisor, step size\]"),
        ({"teacher_seeds": [1, 0]}, "teacher_seeds has 0, the seed of the table's own teachers: give others"),
        ({"core_repeats": -1}, "core_repeats is -1: give 0 or more"),
        ({"tuned_repeats": -1}, "tuned_repeats is -1: give 0 or more"),
        ({"data_sets": ["cifar11"]}, "did you mean 'cifar10'"),
        ({"imbalance_factors": [0.5]}, "imbalance_factor is 0.5: give 1 or more"),
        ({"mixup_alpha": 0.0}, "mixing_alpha is 0.0: give a value above 0"),
        ({"epochs": 0}, "epochs is 0: give 1 or more"),
        ({"repeats": -1}, "repeats is -1: give 0 or more"),
    ],
)
def test_what_is_out_of_range_is_said_before_anything_is_trained(parameters, said):
    with pytest.raises(KdlibError, match=said):
        declared(**parameters)


# Rows over seeds, and beside the table --------------------------------------------------------------------------------

PLACE = ("tiny", 2.0)
BS, CE = "balanced_softmax", "cross_entropy"


def of(role, **parameters):
    """The declared rows of a role, with their runs."""
    return {row: runs for row, runs in declared(**parameters).items() if row.role == role}


@pytest.mark.parametrize(
    ("parameters", "number"),
    [({}, 3), ({"repeats": 4}, 4), ({"core_repeats": 5}, 5), ({"plain_repeats": 0}, 1), ({"plain_repeats": 6}, 6)],
)
def test_the_plain_baseline_is_repeated_as_often_as_any_parameter_says(parameters, number):
    assert len(declared(**parameters)[long_tails.baseline(table=PLACE)]) == number


def test_rows_that_stand_for_their_kind_are_repeated():
    rows = declared(core_repeats=4)
    core = {row for row in rows if isinstance(row, Row) and is_core(row)}
    assert {row for row, runs in rows.items() if len(runs) == 4} == core and len(core) == 4 + 2 + 5
    assert all([run.seed for run in rows[row]] == [run.data_seed for run in rows[row]] == [0, 1, 2, 3] for row in core)
    assert {len(runs) for row, runs in rows.items() if row not in core} == {1}


def test_every_setting_that_is_tried_is_a_run_of_the_first_seed():
    tried = {"baseline": {1: [0.1, 0.2]}, "kd": {4: [0.1], 0.5: [0.4]}}
    rows = of("tried", tried=tried)
    assert list(rows) == [
        Variant("tried", *PLACE, method, BS, lr=lr, divisor=divisor)
        for method, lr, divisor in [("baseline", 0.1, 1.0), ("baseline", 0.2, 1.0), ("kd", 0.1, 4.0), ("kd", 0.4, 0.5)]
    ]
    runs = [run for made in rows.values() for run in made]
    assert [run.lr for run in runs] == [0.1, 0.2, 0.1, 0.4] and {(run.seed, run.data_seed) for run in runs} == {(0, 0)}
    assert [[term.weight for term in run.objective] for run in runs] == [[1], [1], [0.5, 0.5 / 4], [0.5, 0.5 / 0.5]]
    table = declared()[Row("student", *PLACE, "kd", BS, BS)][0]
    assert runs[2].teachers == table.teachers and runs[2].mixing == "none"


def test_what_was_tuned_runs_on_every_table_at_seeds_that_had_no_say():
    tuned = {"ablation": [1, 0.4], "crd": [40, 0.8]}
    rows = of("tuned", tuned=tuned, tuned_repeats=2, imbalance_factors=[2, 4])
    assert list(rows) == [
        Variant("tuned", "tiny", factor, method, BS, lr=lr, divisor=divisor)
        for factor in (2.0, 4.0)
        for method, lr, divisor in [("ablation", 0.4, 1.0), ("crd", 0.8, 40.0)]
    ]
    for row, runs in rows.items():
        assert [(run.seed, run.data_seed) for run in runs] == [(1, 1), (2, 2)] and {run.lr for run in runs} == {row.lr}
        assert {run.imbalance_factor for run in runs} == {row.imbalance_factor}
    (labels, crd) = rows[Variant("tuned", *PLACE, "crd", BS, lr=0.8, divisor=40.0)][0].objective
    assert (labels.weight, crd.weight) == (0.5, pytest.approx(0.01))


def test_other_teachers_have_students_by_vanilla_kd_at_the_strongest_imbalance():
    parameters = {"teacher_seeds": [1, 2], "imbalance_factors": [2, 4]}
    rows = of("other teacher", **parameters)
    assert {row: len(runs) for row, runs in rows.items()} == {
        Variant("other teacher", "tiny", 4.0, "kd", objective, teacher_seed=seed): 3
        for objective in (CE, BS)
        for seed in (1, 2)
    }
    table = declared(core_repeats=3, **parameters)
    for row, runs in rows.items():
        for own, run in zip(table[row.row], runs, strict=True):
            assert (run.seed, run.objective) == (own.seed, own.objective)  # its teacher is all that differs
            (teacher,), (other,) = run.teachers, own.teachers
            assert teacher.data_seed == row.teacher_seed and teacher.seed == 1000 + row.teacher_seed
            assert teacher.objective == other.objective and (other.seed, other.data_seed) == (1000, 0)
    others = {run.teachers[0].key for runs in rows.values() for run in runs}
    assert len(others) == 4 and others.isdisjoint(run.key for runs in table.values() for run in runs)


def test_longer_training_of_the_baseline_with_and_without_mixup():
    rows = of("longer", longer_epochs=9, imbalance_factors=[2, 4])
    assert list(rows) == [Variant("longer", "tiny", 4.0, "baseline", CE, mixup, epochs=9) for mixup in (False, True)]
    assert {run.epochs for runs in rows.values() for run in runs} == {9} and len(of("longer")) == 0
    baseline = declared(imbalance_factors=[2, 4])[Row("baseline", "tiny", 4.0, student_objective=CE)][0]
    (plain,), _ = rows.values()
    assert (plain.objective, plain.lr, plain.seed) == (baseline.objective, baseline.lr, baseline.seed)


BESIDE = {"tried": {"kd": {1: [0.1]}, "crd": {1: [0.1]}}, "tuned": {"kd": [1, 0.1], "crd": [1, 0.1]}}


@pytest.mark.parametrize(
    ("parameters", "methods"),
    [
        ({}, ["kd", "crd"]),
        ({"methods": ["kd"]}, ["kd"]),
        ({"methods": []}, []),
        ({"objectives": [CE]}, []),
        ({"mixup": [True]}, []),
    ],
)
def test_settings_of_what_is_left_out_are_left_out(parameters, methods):
    rows = declared(**BESIDE, **parameters)
    for role in ("tried", "tuned"):
        assert [row.method for row in rows if row.role == role] == methods


def test_no_record_of_a_step_size_is_an_orphan():
    """What was trained at other step sizes for the laptop's profile is declared by it."""
    (job,) = plan([str(long_tails.NOTEBOOK)], "cifar_cpu")
    keys = {run.key for run in declaration(job).runs}
    records = map(json.loads, (path.read_text() for path in (ROOT / "reports" / "results").glob("*.json")))
    of_long_tails = [record for record in records if "imbalance_factor" in record["spec"]]
    tuned = {record["key"] for record in of_long_tails if "lr" in record["spec"]}  # a default is left out
    assert len(tuned) > 40 and tuned <= keys


# Every section --------------------------------------------------------------------------------------------------------

FEW = {"methods": ["rkd"], "objectives": ["balanced_softmax"], "mixup": [False]}
EVERYTHING = {
    "methods": ["kd"], "core_repeats": 3, "tried": {"baseline": {1: [0.1]}, "kd": {4: [0.1]}}, "tuned_repeats": 2,
    "tuned": {"baseline": [1, 0.1], "kd": [4, 0.1]}, "teacher_seeds": [1], "longer_epochs": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "finished"),
    [
        ({"methods": []}, 6),  # a teacher, three plain baselines, a baseline and an ablation
        ({"objectives": []}, 3),
        ({"repeats": 2, "plain_repeats": 0}, 9),  # a teacher and 2 of all four others
        ({"budget": 0.0}, 0),
        # A teacher, 4 x 3 rows that stand for their kind, 2 tried, 2 x 2 tuned, 3 of another teacher, 1 longer.
        (EVERYTHING, 23),
    ],
)
def test_every_section_bears_what_is_left_out(store, parameters, finished):
    namespace = long_tails.executed(**{**FEW, **parameters})
    assert len(namespace["results"].measured) == finished
    assert len(namespace["comparison"]) == 256
    assert set(namespace["verdicts"]["verdict"]) == {"not measured"}
