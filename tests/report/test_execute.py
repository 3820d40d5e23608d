"""Notebooks executed and rendered, through the whole of `report`."""

import base64
import json
import signal
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell
from written import needs_no_network, tagged, write_notebook

from kdlib import report
from kdlib.registry import KdlibError

TITLE = (
    "# A *tiny* study\n\nDoes $p^T = \\mathrm{softmax}(z / T)$ help?\n\n## Protocol\n\n$$L = (1-\\alpha)\\,H(y, p)$$"
)
TRAIN = """\
# train
import sys, warnings
for epoch in range(epochs * 5):
    print(f"epoch {epoch}")
warnings.warn("not for readers")
assert sys.executable == EXECUTABLE
"""
FIGURE = """\
import matplotlib.pyplot as plt
from IPython.display import Markdown, display

figure, axes = plt.subplots(figsize=(2, 1))
axes.plot([1, 2])
display(figure, Markdown("Accuracy rises with $T$ <em>here</em>."))
plt.close(figure)
"""
TABLE = "import pandas as pd\n\npd.DataFrame({'T': [1, 2], 'accuracy': [0.5, 0.75]})"
SUMMARY = """\
kdlib.report.Summary(
    title="A tiny study",
    scale=f"{data}, {epochs} epochs",
    measured=(44, 45),
    headline={"best": "97.4 %"},
    rows=pd.DataFrame({"T": [1, 2], "accuracy": [0.5, float("nan")]}),
    verdicts=[{"claim": "Higher is better", "verdict": "holds"}],
)
"""


def test_a_notebook_becomes_one_html_file_and_one_json(tmp_path, capfd, monkeypatch):
    # Another "python3" comes first on Jupyter's path: the report must be made by this Python all the same.
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "Other", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    cells = [TRAIN.replace("EXECUTABLE", repr(sys.executable)), FIGURE, TABLE, SUMMARY]
    notebook = write_notebook(tmp_path / "tiny.ipynb", new_markdown_cell(TITLE), *map(new_code_cell, cells))
    (page,) = report.main([str(notebook)], params=["epochs=3"], to="longer", reports=tmp_path / "reports")

    assert page == tmp_path / "reports" / "digits" / "tiny--longer.html"
    assert sorted(p.name for p in page.parent.iterdir()) == ["tiny--longer.html", "tiny--longer.json"]
    assert "epoch 14" in capfd.readouterr().out
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["measured"] == [44, 45] and facts["scale"] == "digits, 3 epochs"
    assert facts["rows"] == [{"T": 1, "accuracy": 0.5}, {"T": 2, "accuracy": None}]
    assert facts["parameters"]["epochs"] == 3 and facts["changed"] == facts["adjusted"] == ["epochs"]

    html = page.read_text()
    soup = BeautifulSoup(html, "html.parser")
    assert needs_no_network(soup)
    assert soup.title.text == "A tiny study" and soup.h1.text == "A tiny study" and soup.html["lang"] == "en"
    assert [math["display"] for math in soup.find_all("math")] == ["inline", "block", "inline"]
    assert soup.select_one("nav a[href='#protocol']") and soup.find(id="protocol").text == "Protocol"
    assert "epoch 14" in soup.select_one("details.log pre").text
    assert len(soup.select("details.code")) == 7 and "UserWarning" not in soup.get_text()
    image = soup.select_one("figure img")
    assert base64.b64decode(image["src"].split(",")[1]).startswith(b"\x89PNG")
    assert image["alt"].startswith("Accuracy rises with") and soup.figcaption.em.text == "here"
    assert soup.select_one(".scroll table.dataframe")
    made = soup.select_one(".provenance")
    assert "python -m kdlib report tiny -p epochs=3 --to longer" in made.text and "torch" in made.text
    assert [row.th.text for row in made.select("tr.changed")] == ["epochs"]
    assert "Digits, 3 epochs" not in html and soup.select_one(".headline dd").text == "97.4 %"

    index = BeautifulSoup((tmp_path / "reports" / "all.html").read_text(), "html.parser")
    assert needs_no_network(index)
    assert index.select_one("#tiny a")["href"] == "digits/tiny--longer.html" and "44 of 45 measured" in index.text
    own = index.select_one("#tiny table.claims")  # a study of the user's own: digits decide
    assert index.find(id="your-studies") and own.select_one(".verdict").text == "holds" and "digits" in own.text


@pytest.mark.parametrize(
    "source, sentence",
    [
        ("from kdlib.registry import KdlibError\n\nraise KdlibError('Give alpha in [0, 1].')", r"tiny: Give alpha in"),
        ("1 / 0", r"Cell 3 failed with ZeroDivisionError: division by zero \(see .*tiny\.partial\.ipynb\)"),
        ("import os\n\nos._exit(9)", r"The kernel stopped .*tiny\.partial\.ipynb"),
    ],
)
def test_a_failing_cell_is_one_sentence_and_no_report(tmp_path, source, sentence):
    notebook = write_notebook(tmp_path / "tiny.ipynb", new_code_cell(source))
    with pytest.raises(KdlibError, match=sentence):
        report.main([str(notebook)], reports=tmp_path / "reports")
    assert [str(p.relative_to(tmp_path)) for p in (tmp_path / "reports").rglob("*.*")] == [
        "reports/digits/tiny.partial.ipynb"
    ]


def test_other_parameters_overwrite_no_report_and_a_failure_none_at_all(tmp_path):
    reports, fail = tmp_path / "reports", new_code_cell("assert epochs < 9")
    notebook = write_notebook(tmp_path / "tiny.ipynb", fail)
    for params in [], ["epochs=3"]:
        report.main([str(notebook)], params=params, reports=reports)
    before = {path: path.read_bytes() for path in reports.rglob("*.*")}
    names = {path.name for path in before}
    assert names == {"all.html", "tiny.html", "tiny.json", "tiny--epochs-3.html", "tiny--epochs-3.json"}
    with pytest.raises(KdlibError, match=r"tiny: Cell 3 failed with AssertionError \(see"):
        report.main([str(notebook)], params=["epochs=9"], to="epochs-3", reports=reports)
    assert {path: path.read_bytes() for path in before} == before


def test_what_would_be_trained_is_said_before_the_kernel_starts(tmp_path, capsys, store):
    runs = "from kdlib import Run\n\nprint('twice?')\ndeclared = [Run(data=data, network='cnn2', epochs=epochs)]"
    notebook = write_notebook(tmp_path / "tiny.ipynb", tagged(runs, "declare"))
    report.main([str(notebook)], reports=tmp_path / "reports")
    said = capsys.readouterr().out
    assert said.startswith("tiny, profile digits: 1 run declared, 1 new\n") and said.count("twice?") == 1
    assert said.splitlines()[-1].startswith("All reports: ") and said.rstrip().endswith("all.html")


def test_a_place_that_cannot_be_written_gets_one_sentence(tmp_path):
    (tmp_path / "reports").write_text("a file")
    notebook = write_notebook(tmp_path / "tiny.ipynb")
    with pytest.raises(KdlibError, match=r"reports/digits cannot be made \(Not a directory\)"):
        report.main([str(notebook)], reports=tmp_path / "reports")


def test_ctrl_c_reaches_the_kernel_and_stops_all(tmp_path):
    """As the stop button does; the second notebook is not begun."""
    wait = "import time\n\nprint('ready', flush=True)\ntime.sleep(100)"
    notebooks = [str(write_notebook(tmp_path / f"{name}.ipynb", new_code_cell(wait))) for name in "ab"]
    code = "from pathlib import Path\nfrom kdlib import __main__, report\n\nwith __main__.stopping_in_words():\n"
    code += f"    report.main({notebooks}, reports=Path({str(tmp_path)!r}))"
    running = subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = next(line for line in running.stdout if "ready" in line)
    running.send_signal(signal.SIGINT)
    rest, complaint = running.communicate(timeout=60)
    assert running.returncode == 1 and complaint.splitlines()[-1] == "Stopped." and "b, profile" not in said + rest
