"""What README says is true: its example runs, its commands and files exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    shorter = example.replace("epochs=20", "epochs=1").replace("resnet20", "resnet8")
    assert shorter != example
    script = tmp_path / "example.py"
    script.write_text(shorter + "\nassert (table['status'] == 'finished').all() and logits.shape == (540, 10)\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KDLIB_STORE": str(tmp_path / "runs"), "KDLIB_RESULTS": ""}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted({p for p in re.findall(r"\]\(([^)#]+)\)", README) if not p.startswith("http")}))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(?:kdlib/)?([a-z_]+\.py)`", README))))
def test_modules_named_exist(name):
    assert (ROOT / "kdlib" / name).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(kdlib/[a-z]+)`", README))))
def test_rooms_named_exist(name):
    assert (ROOT / name / "__init__.py").exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    )make (\w+)", README, re.M))))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
