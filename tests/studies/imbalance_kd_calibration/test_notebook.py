"""What the notebook declares, and that it breaks at no parameter after training."""

import long_tails
import pytest

from kdlib import KdlibError


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
        ({"objectives": [], "plain_repeats": 0}, "No run is declared"),
        ({"methods": ["fitnet"]}, "Unknown method 'fitnet'"),
        ({"objectives": ["focal"]}, "Unknown objective 'focal'"),
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


FEW = {"methods": ["rkd"], "objectives": ["balanced_softmax"], "mixup": [False]}


@pytest.mark.parametrize(
    ("parameters", "finished"),
    [
        ({"methods": []}, 6),  # a teacher, three plain baselines, a baseline and an ablation
        ({"objectives": []}, 3),
        ({"repeats": 2, "plain_repeats": 0}, 7),
        ({"budget": 0.0}, 0),
    ],
)
def test_every_section_bears_what_is_left_out(store, parameters, finished):
    namespace = long_tails.executed(**{**FEW, **parameters})
    assert len(namespace["results"].measured) == finished
    assert len(namespace["comparison"]) == 256
    assert set(namespace["verdicts"]["verdict"]) == {"not measured"}
