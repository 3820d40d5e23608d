"""What a person reads of runs."""

import json

import pytest
import tiny

from kdlib import KdlibError
from kdlib.store.listing import diff, listing, show
from kdlib.store.queries import select


def test_listing_shows_every_run_and_says_once_what_is_the_same(trained):
    store, chosen, _ = trained
    text = listing(select(store))
    assert all(run.key in text for run in chosen)
    assert f"{len(chosen) + 3} runs, all with" in text and "data tiny" in text.splitlines()[0]
    assert "0.5 cross_entropy + 0.5 kd(temperature 2)" in text
    assert listing([]) == "No runs."


def test_a_long_list_says_what_it_leaves_out():
    rows = [{"key": str(number), "status": "training"} for number in range(7)]
    assert listing(rows, limit=5).splitlines()[-2:] == ["  4", "… and 2 more: --limit 0 shows all."]
    assert listing(rows, limit=7) == listing(rows, limit=0) == listing(rows)
    assert "more" not in listing(rows)
    assert listing(rows, limit=2).startswith("7 runs, all with status training\n")


def test_diff_says_why_two_runs_differ(trained):
    store, chosen, _ = trained
    text = diff(store, chosen[0].key, chosen[1].key)
    assert "epochs: 2 | 3" in text and "seed: default | 1" in text and "width: default | 4" in text
    assert "network" not in text.split("data:")[0]
    assert "versions: the same" in text


def test_show_is_json_without_the_long_lists(trained):
    store, chosen, _ = trained
    shown = json.loads(show(store, chosen[0].key[:8]))
    assert shown["key"] == chosen[0].key and "history" not in shown and shown["last epoch"]["epoch"] == 2


def test_a_run_in_training_has_nothing_to_show(store):
    key = tiny.run().key
    (store.root / key).mkdir(parents=True)
    with pytest.raises(KdlibError, match=f"Run {key} has no record yet: it is still in training"):
        show(store, key[:6])
