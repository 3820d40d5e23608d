"""What a table mixes is said."""

from kdlib.store.provenance import mixture


def record(device="cpu", cpu="A", weights="1", **spec):
    return {"provenance": {"device": device, "cpu": cpu}, "spec": spec, "taught_by": {"t": weights}}


def test_a_table_of_one_kind_has_no_footnote():
    assert mixture([]) == mixture([record(), record()]) == mixture([record("H", cpu="A"), record("H", cpu="B")]) == ""


def test_a_table_that_mixes_says_what():
    assert mixture([record(), record(cpu="B")]) == "; runs of A, B are mixed"
    assert mixture([record(), record("H")]) == "; runs of A, H are mixed"
    assert mixture([record(), record(precision="bf16")]) == "; runs of bf16, fp32 are mixed"
    both = mixture([record(), record(cpu="B", weights="2")])
    assert both == "; runs of A, B and of 2 trainings of teacher t are mixed"
