"""Two processes never train the same run, and a killed one holds nothing up."""

import os
import subprocess
import sys

from kdlib.places import ROOT
from kdlib.store import Store
from kdlib.store.locks import claim
from kdlib.training.weights import save_checkpoint, save_weights


def test_claims_are_exclusive_and_bounded(store):
    with claim(store, ["a", "b", "c"], 2) as mine:
        assert mine == {"a", "b"}
        with claim(Store(store.root), ["a", "b", "c", "d"], 4) as theirs:
            assert theirs == {"c", "d"}
    with claim(store, ["a", "b"], 2) as mine:
        assert mine == {"a", "b"}


def test_what_is_settled_is_not_claimed(store):
    store.save_record({"key": "failed", "status": "failed"})
    save_weights(store, "finished", {})
    store.save_record({"key": "finished", "status": "finished"})
    store.save_record({"key": "without weights", "status": "finished"})
    save_checkpoint(store, "half", {})
    with claim(store, ["failed", "finished", "without weights", "half", "new"], 9) as mine:
        assert mine == {"without weights", "half", "new"}


def test_a_killed_processs_claims_are_free(store):
    script = (
        "from kdlib.store import Store\nfrom kdlib.store.locks import claim\nimport sys\n"
        "held = claim(Store(), ['a'], 1)\nprint(held.__enter__(), flush=True)\nsys.stdin.readline()"
    )
    command, environment = [sys.executable, "-c", script], os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout.readline() == "{'a'}\n"
        with claim(store, ["a"], 1) as mine:
            assert mine == set()
        process.kill()
        process.wait()
    with claim(store, ["a"], 1) as mine:
        assert mine == {"a"}
