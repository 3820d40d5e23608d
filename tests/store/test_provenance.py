"""What a table mixes is said."""

from builders import record

from kdlib.store.provenance import mixture


def test_a_table_of_one_kind_has_no_footnote():
    assert mixture([]) == mixture([record(), record()]) == mixture([record(device="H"), record(device="H", cpu="B")])
    assert mixture([]) == ""


def test_a_table_that_mixes_says_what():
    assert mixture([record(), record(cpu="B")]) == "; runs of A, B are mixed"
    assert mixture([record(), record(device="H")]) == "; runs of A, H are mixed"
    assert mixture([record(), record(precision="bf16")]) == "; runs of bf16, fp32 are mixed"
    both = mixture([record(taught_by={"t": "1"}), record(cpu="B", taught_by={"t": "2"})])
    assert both == "; runs of A, B and of 2 trainings of teacher t are mixed"
