"""An own study is a notebook and nothing else: 40 lines, and it stands in the index as the published ones do."""

import json

from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell
from written import tagged, write_notebook

from kdlib import report

PARAMETERS = """\
data: str = "digits"  # data set
weights: list[float] = [0.5, 0.9]  # of the teacher's term
epochs: int = 1  # of all networks
budget: float = None  # minutes of training; none: to the end
"""
DECLARE = """\
# A student per weight, and the same without a teacher
from dataclasses import dataclass

from kdlib import Run, Term


@dataclass(frozen=True)
class Row:
    role: str
    weight: float = 0.0


same = {"data": data, "network": "cnn2", "width": 4, "epochs": epochs}
teacher = Run(**same, seed=7)


def taught(weight):
    objective = [Term("cross_entropy", 1 - weight), Term("kd", weight, temperature=4)]
    return Run(**same, objective=objective, teachers=[teacher])


declared = {Row("teacher"): [teacher], Row("baseline"): [Run(**same)]}
declared |= {Row("taught", weight): [taught(weight)] for weight in weights}
"""
TRAIN = """\
# What was measured
from kdlib import plots, studies

runs = [run for row in declared.values() for run in row]
results = studies.Results(declared, kdlib.train(runs, budget=budget))
"""
CLAIMS = """\
# What is claimed, and what decides it
from kdlib.intervals.verdicts import Verdict

study = studies.Study("mystudy")


@study.claim("M1", "A heavier teacher helps more.", rule="accuracy rises with the weight")
def heavier(rows):
    taught = [rows[Row("taught", w)][0]["metrics"]["last"]["raw"]["accuracy"] for w in weights]
    return Verdict("holds" if taught == sorted(taught) else "fails", f"{taught}")
"""
SUMMARY = """\
# A study at a glance
table = results.measured.query("role == 'taught'")
axes = table.plot("weight", "accuracy", kind="scatter", figsize=(4, 3))
published = [{"row": "a book's student", "published %": 91.0}]
kdlib.report.Summary(
    title="How heavy a teacher?", scale=f"{data}, {epochs} epochs", measured=(len(results.measured), len(runs)),
    rows=results.runs.drop(columns="row"), published=published, verdicts=study.judge(results.rows),
    picture=axes.figure, caption="Accuracy over the weight.", made=results.made,
)
"""  # fmt: skip


def test_a_study_of_40_lines_is_reported_and_listed(tmp_path, store):
    check = "# Parameters are checked first\nimport kdlib\n\nkdlib.report.check_parameters()"
    title = new_markdown_cell("# How heavy a teacher?\n\nDoes *more* of the teacher help?")
    cells = [title, tagged(DECLARE, "declare"), *map(new_code_cell, (TRAIN, CLAIMS, SUMMARY))]
    notebook = write_notebook(tmp_path / "mystudy.ipynb", *cells, parameters=PARAMETERS, check=check)
    lines = [line for source in (DECLARE, TRAIN, CLAIMS, SUMMARY) for line in source.splitlines() if line.strip()]
    assert len(lines) <= 40

    reports = tmp_path / "reports"
    (page,) = report.main([str(notebook)], reports=reports)
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["measured"] == [4, 4] and facts["published"] == [{"row": "a book's student", "published %": 91.0}]
    made = BeautifulSoup(page.read_text(), "html.parser").select_one(".provenance").text
    assert "4 runs" in made and "run-hours of training" in made and "digits (fingerprint" in made
    assert "at revision" in made and "with seed" in made and "What the page was made with, not the training:" in made

    index = BeautifulSoup((reports / "all.html").read_text(), "html.parser")
    card = index.find(id="mystudy")
    assert card.find_previous("h2", id="your-studies") and card.h2.text == "How heavy a teacher?"
    assert card.select_one(".chips li").text.split()[0] == "M1" and card.img["src"] == "digits/mystudy.png"
    line = card.select_one("table.claims tbody tr")
    assert line.select_one(".verdict").text in ("holds", "fails") and line.td.text == "A heavier teacher helps more."
    assert "29 claims" in index.select_one(".score").text  # those of the sources
    assert not (reports / "index.html").exists()
