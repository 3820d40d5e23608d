"""The parameters of step sizes and weights: what is wrong with one is said in one sentence."""

import pytest

from kdlib.registry import KdlibError
from kdlib.studies.imbalance_kd_calibration.settings import check_settings


@pytest.mark.parametrize(
    ("tried", "tuned"),
    [
        ({}, {}),
        ({"kd": {}}, {}),
        ({"kd": {4: []}}, {}),
        ({"kd": {0.5: [0.1, 1], 40: [0.05]}, "ablation": {1.0: [0.1]}}, {"crd": [40, 0.8], "baseline": (1, 0.1)}),
    ],
)
def test_settings_as_they_should_be(tried, tuned):
    assert check_settings(tried, tuned) is None


LISTS = "give lists of step sizes by the weight's divisor, such as {1: [0.05, 0.1]}."


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([0.1], "[0.1]"),
        (0.1, "0.1"),
        (None, "None"),
        ({1: 0.1}, "{1: 0.1}"),
        ({1: "0.1"}, "{1: '0.1'}"),
        ({1: ["1e-3"]}, "{1: ['1e-3']}"),  # what YAML makes of 1e-3
        ({1: [True]}, "{1: [True]}"),
        ({1: [0.0]}, "{1: [0.0]}"),
        ({0: [0.1]}, "{0: [0.1]}"),
        ({1: [float("inf")]}, "{1: [inf]}"),
        ({1: [[0.1]]}, "{1: [[0.1]]}"),
    ],
)
def test_what_is_tried_has_lists_of_step_sizes_by_divisor(given, shown):
    with pytest.raises(KdlibError) as said:
        check_settings({"kd": given}, {})
    assert str(said.value) == f"tried: kd is {shown}: {LISTS}"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([4], "[4]"),
        ([4, 0.1, 0.2], "[4, 0.1, 0.2]"),
        (0.1, "0.1"),
        ("40", "'40'"),
        ({4: 0.1}, "{4: 0.1}"),
        ([4, "1e-1"], "[4, '1e-1']"),
        ([4, -0.1], "[4, -0.1]"),
        ([float("nan"), 0.1], "[nan, 0.1]"),
        ([], "[]"),
    ],
)
def test_what_is_tuned_has_a_divisor_and_a_step_size(given, shown):
    with pytest.raises(KdlibError) as said:
        check_settings({}, {"crd": given})
    assert str(said.value) == f"tuned: crd is {shown}: give [divisor, step size], such as [1, 0.1]."


@pytest.mark.parametrize(
    ("tried", "tuned"),
    [({"ablation": {1: [0.1], 4: [0.1]}}, {}), ({}, {"ablation": [4, 0.1]})],
)
def test_a_student_without_a_teacher_has_no_term_to_divide(tried, tuned):
    with pytest.raises(KdlibError, match="^The ablation has the divisor 4, but no teacher's term to divide: give 1.$"):
        check_settings(tried, tuned)


@pytest.mark.parametrize(("tried", "tuned"), [({"rdk": {1: [0.1]}}, {}), ({}, {"rdk": [1, 0.1]})])
def test_a_method_that_nobody_knows_is_named(tried, tuned):
    with pytest.raises(KdlibError) as said:
        check_settings(tried, tuned)
    assert str(said.value) == (
        "Unknown method 'rdk': did you mean 'rkd'? Known: kd, crd, rkd, attention_transfer, baseline, ablation."
    )


def test_another_teacher_has_another_seed_than_the_tables_own():
    assert check_settings({}, {}, [1, 2]) is None
    with pytest.raises(KdlibError, match="^teacher_seeds has 0, the seed of the table's own teachers: give others.$"):
        check_settings({}, {}, [1, 0])


def test_papermill_writes_the_divisors_as_texts():
    check_settings({"kd": {"0.5": [0.1], "4": [0.1, 0.2]}, "baseline": {"1": [0.1]}}, {"kd": [4, 0.1]})
    with pytest.raises(KdlibError, match="by the weight's divisor"):
        check_settings({"kd": {"four": [0.1]}}, {})
    with pytest.raises(KdlibError, match="no teacher's term to divide"):
        check_settings({"baseline": {"2": [0.1]}}, {})
