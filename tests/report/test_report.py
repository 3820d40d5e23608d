import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kdlib import report
from kdlib.registry import KdlibError
from kdlib.report.execute import command, plan
from kdlib.report.html import render
from kdlib.report.index import write_index
from kdlib.report.markdown import mathml
from kdlib.report.parameters import declared, from_arguments, from_file, parse
from kdlib.report.summary import MIME, Summary

PARAMETERS = """\
epochs = 2  # passes over the data
lr = 0.1
alphas = [0.1, 1]  # weights of
temperatures: list[float] = [
    1,
    2.5,
]  # of the soft labels
data = "digits"
quiet = False
budget: float | None = None  # minutes
"""
# fmt: off
FACTS = {"study": "tiny", "profile": "digits", "date": "2025-01-02T03:04:05+00:00", "seconds": 1.5, "changed": [],
         "parameters": {}, "command": "python -m kdlib report tiny", "provenance": {"git": "abc", "dirty": False}}
# fmt: on


def write_notebook(path: Path, *cells) -> Path:
    tagged = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    check = new_code_cell("import kdlib.report\n\nkdlib.report.check_parameters()")
    nbformat.write(new_notebook(cells=[tagged, check, *cells], metadata=kernel), path)
    return path


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "tiny.ipynb")


# Parameters -----------------------------------------------------------------------------------------------------------


def test_declared_reads_names_defaults_types_and_comments(notebook):
    known = declared(notebook)
    assert {name: (p.default, p.kind) for name, p in known.items()} == {
        "epochs": (2, int),
        "lr": (0.1, float),
        "alphas": ([0.1, 1], list[float]),
        "temperatures": ([1.0, 2.5], list[float]),
        "data": ("digits", str),
        "quiet": (False, bool),
        "budget": (None, float | None),
    }
    meanings = [known[name].meaning for name in ("epochs", "lr", "temperatures")]
    assert meanings == ["passes over the data", "", "of the soft labels"]


def test_arguments_are_read_as_yaml_1_2(notebook):
    words = ["epochs=3", "alphas=[0.1,5e-1]", "quiet=true", "lr=1e-3", "data=no", "budget=30"]
    given = report.check(notebook, from_arguments(words))
    assert list(given.values()) == [3, [0.1, 0.5], True, 0.001, "no", 30.0]
    assert [type(given[name]) for name in ("epochs", "lr", "budget")] == [int, float, float]
    odd = ["a=010", "b=null", "c=None", "d=", "e=x=1", "f=1:30"]
    assert list(from_arguments(odd).values()) == [10, None, None, None, "x=1", "1:30"]


@pytest.mark.parametrize(
    "argument, sentence",
    [
        ("epoch=3", r"Unknown parameter of tiny 'epoch': did you mean 'epochs'\? Known: epochs, lr, "),
        ("epochs=many", r"Parameter 'epochs' is 'many': give a whole number, such as 2\."),
        ("epochs=2.5", r"Parameter 'epochs' is 2\.5: give a whole number"),
        ("epochs=true", r"Parameter 'epochs' is True: give a whole number"),
        ("lr=.inf", r"Parameter 'lr' is inf: give a number, such as 0\.1\."),
        ("alphas=0.1", r"Parameter 'alphas' is 0\.1: give a list of numbers, such as \[0\.1, 1\]\."),
        ("alphas=[0.1, x]", r"Parameter 'alphas' is \[0\.1, 'x'\]: give a list of numbers"),
        ("quiet=no", r"Parameter 'quiet' is 'no': give true or false, such as false\."),
        ("data=7", r"Parameter 'data' is 7: give a text, such as \"digits\"\."),
        ("budget=long", r"Parameter 'budget' is 'long': give a number or null\."),
        ("epochs", r"'epochs' sets no parameter: write NAME=VALUE"),
        ("alphas=[0.1", r"The value of 'alphas' cannot be read"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(notebook, argument, sentence):
    with pytest.raises(KdlibError, match=sentence):
        plan([str(notebook)], "digits", [argument])


@pytest.mark.parametrize(
    "source", ["epochs = int(3)", "a, b = 1, 2", "import os", "epochs: int = 'x'", "x: bad = 1", "x ="]
)
def test_a_parameters_cell_is_plain_assignments(source):
    with pytest.raises(KdlibError, match="Parameter"):
        parse(source)


def test_profiles_fill_in_and_arguments_win(notebook):
    profile = notebook.parent / "profiles" / "long" / "tiny.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("epochs: 100\nlr: 1e-2\n")
    (job,) = plan([str(notebook)], "long", ["epochs=50"])
    assert job.parameters == {"epochs": 50, "lr": 0.01}
    assert command(*job) == "python -m kdlib report tiny --profile long -p epochs=50"
    with pytest.raises(KdlibError, match="Unknown profile 'lang': did you mean 'long'.*digits, long"):
        plan([str(notebook)], "lang", [])
    profile.write_text("- 1")
    with pytest.raises(KdlibError, match="is no mapping"):
        from_file(profile)


def test_unknown_notebook_and_damaged_notebook(tmp_path):
    with pytest.raises(KdlibError, match="Unknown notebook 'nothing_like_it'"):
        plan(["nothing_like_it"], "digits", [])
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(KdlibError, match="cannot be read as a notebook"):
        plan([str(tmp_path / "bad.ipynb")], "digits", [])


# Executing ------------------------------------------------------------------------------------------------------------

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
    (page,) = report.main([str(notebook)], params=["epochs=3"], reports=tmp_path / "reports")

    assert page == tmp_path / "reports" / "digits" / "tiny.html"
    assert sorted(p.name for p in page.parent.iterdir()) == ["tiny.html", "tiny.json"]
    assert "epoch 14" in capfd.readouterr().out
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["measured"] == [44, 45] and facts["scale"] == "digits, 3 epochs"
    assert facts["rows"] == [{"T": 1, "accuracy": 0.5}, {"T": 2, "accuracy": None}]
    assert facts["parameters"]["epochs"] == 3 and facts["changed"] == facts["adjusted"] == ["epochs"]

    html = page.read_text()
    soup = BeautifulSoup(html, "html.parser")
    assert_needs_no_network(soup)
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
    assert "python -m kdlib report tiny -p epochs=3" in made.text and "torch" in made.text
    assert [row.th.text for row in made.select("tr.changed")] == ["epochs"]
    assert "Digits, 3 epochs" not in html and soup.select_one(".headline dd").text == "97.4 %"

    index = BeautifulSoup((tmp_path / "reports" / "index.html").read_text(), "html.parser")
    assert_needs_no_network(index)
    assert index.select_one("#tiny a")["href"] == "digits/tiny.html" and "44 of 45 measured" in index.text
    assert index.select_one("#tiny table.claims .verdict").text == "not measured"  # digits never decide


def assert_needs_no_network(soup):
    assert not soup.find_all(["script", "link", "iframe"])
    sources = [tag[name] for tag in soup.find_all(True) for name in ("src", "srcset", "data") if tag.get(name)]
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"url\(|@import", " ".join(style.text for style in soup.find_all("style")))


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
    assert [p.name for p in (tmp_path / "reports" / "digits").iterdir()] == ["tiny.partial.ipynb"]


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["epoch", "3"], r"Unknown parameter of this notebook 'epoch': did you mean 'epochs'"),
        (["quiet", "false"], r"Parameter 'quiet' is 'false': give true or false"),
        (["lr", "1"], None),
    ],
)
def test_the_second_cell_checks_for_plain_papermill(notebook, words, sentence):
    papermill = [sys.executable, "-m", "papermill", str(notebook), str(notebook.with_name("out.ipynb")), "-p", *words]
    done = subprocess.run([*papermill, "--no-progress-bar"], capture_output=True, text=True)
    assert (done.returncode == 0) == (sentence is None)
    if sentence:
        assert re.search(sentence, done.stderr)


# Rendering ------------------------------------------------------------------------------------------------------------


def rendered(*cells):
    page, facts = render(new_notebook(cells=list(cells)), FACTS)
    return BeautifulSoup(page, "html.parser"), facts


def test_alternative_text_comes_from_the_next_sentence_or_the_heading():
    def image():
        return new_code_cell("plot()", outputs=[new_output("display_data", {"image/png": "AAAA"})])

    words = new_markdown_cell("It **rises**. Then it falls.")
    soup, _ = rendered(new_markdown_cell("## Accuracy"), image(), words, image())
    assert [i["alt"] for i in soup.find_all("img")] == ["It rises.", "Accuracy"]


def test_logs_are_joined_folded_and_show_what_a_terminal_shows():
    printed = [("stdout", "a\r b\n" * 4), ("stderr", "warning"), ("stdout", "\x1b[31mred\x1b[0m <b>\n" * 4)]
    streams = [new_output("stream", name=name, text=text) for name, text in printed]
    soup, _ = rendered(new_code_cell("train()", outputs=streams), new_code_cell("x", outputs=streams[2:]))
    log, short = soup.select("pre:not(.highlight pre)")
    assert log.find_parent("details") and not short.find_parent("details")
    assert log.text == " b\n" * 4 + "\n".join(["red <b>"] * 4)


def test_headings_get_unique_anchors_and_formulas_that_cannot_be_read_stay_as_code():
    text = "## Results\n\n## Results\n\n$a<b$ and `$5` but \\begin{aligned}x&=1\\end{aligned}"
    soup, facts = rendered(new_markdown_cell(text))
    assert [h["id"] for h in soup.select("h2")] == ["results", "results--1", "how-this-was-made"]
    assert len(soup.find_all("math")) == 2 and facts["title"] == "tiny"
    assert mathml(r"a^2^3 < \softmux") == "<code>a^2^3 &lt; \\softmux</code>"
    assert mathml(r"\softmux z") == r"<code>\softmux z</code>"


# Summary and index ----------------------------------------------------------------------------------------------------


def test_a_summary_is_plain_json():
    rows = [{"T": np.int64(2), "accuracy": np.float32(0.5), "ece": float("nan")}]
    bundle = Summary(title="a < b", scale="s", measured=(1, 2), rows=rows)._repr_mimebundle_()
    assert json.loads(json.dumps(bundle[MIME], allow_nan=False))["rows"] == [{"T": 2, "accuracy": 0.5, "ece": None}]
    assert "1 of 2 measured" in bundle["text/plain"] and "a &lt; b" in bundle["text/html"]


def test_a_summary_knows_four_verdicts():
    with pytest.raises(KdlibError, match="Unknown verdict of 'c' 'hold': did you mean 'holds'"):
        Summary(title="t", scale="s", measured=(1, 1), verdicts=pd.DataFrame([{"claim": "c", "verdict": "hold"}]))


def test_an_index_without_reports_says_how_to_make_them(tmp_path):
    assert "python -m kdlib report" in write_index(tmp_path / "reports").read_text()


def write_report(
    reports: Path, profile: str, study: str, *verdicts: dict, adjusted: tuple[str, ...] = (), **more
) -> None:
    facts = {
        **FACTS,
        "adjusted": adjusted,
        "study": study,
        "profile": profile,
        "title": f"On {study}",
        "verdicts": verdicts,
        **more,
    }
    page = reports / profile / f"{study}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("")
    page.with_suffix(".json").write_text(json.dumps(facts))


def said(verdict: str, of: str = "D1", scope: str = "cnn2", evidence: str = "") -> dict:
    return {"id": of, "scope": scope, "claim": f"{of}: some words", "verdict": verdict, "evidence": evidence}


def index_of(reports: Path) -> dict[str, list[tuple[str, ...]]]:
    """{claim: [(verdict, where, evidence), ...]} of the page, and each chip's verdicts are those of its lines."""
    soup = BeautifulSoup(write_index(reports).read_text(), "html.parser")
    board: dict[str, list[tuple[str, ...]]] = {}
    name = ""
    for row in soup.select("table.claims tr"):
        name = row.th.text if row.th else name  # a claim's further lines follow its first
        verdict, evidence = row.find_all("td")[-2:]
        where = verdict.em.text if verdict.em else ""
        board.setdefault(name, []).append((verdict.span.text, where, evidence.text))
    chips = {li.text.split()[0]: [mark.text for mark in li.select(".verdict")] for li in soup.select(".chips li")}
    assert chips == {name: [line[0] for line in lines] for name, lines in board.items()}
    return board


def test_the_index_lists_every_claim_of_every_source(tmp_path):
    board = index_of(tmp_path)
    assert {name[0]: sum(other[0] == name[0] for other in board) for name in board} == {
        "A": 9, "B": 7, "C": 6, "D": 4, "E": 3}  # fmt: skip
    assert set(map(tuple, board.values())) == {(("not measured", "", ""),)}
    soup = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert_needs_no_network(soup)
    assert "vanilla KD is worse than CRD and RKD" in soup.find(id="imbalance_kd_calibration").text
    assert "29 claims" in soup.select_one(".score").text and "small scale" not in soup.select_one(".score").text


def test_the_profile_nearest_to_the_source_decides(tmp_path):
    study = "alpha_temperature_grid"
    for profile, verdict in [("digits", "fails"), ("mine", "holds")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
    assert index_of(tmp_path)["D1"] == [("holds", "mine, at small scale", "mine")]
    for profile, verdict in [("cifar_cpu", "undecided"), ("cifar_gpu", "fails"), ("paper", "holds")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
        where = profile if profile == "paper" else f"{profile}, at small scale"
        assert index_of(tmp_path)["D1"] == [(verdict, where, profile)]
    links = [a["href"] for a in BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser").select(".glance a")]
    assert links == [f"{name}/{study}.html" for name in ("paper", "cifar_gpu", "cifar_cpu", "mine", "digits")]


def test_the_sources_own_profile_is_of_small_scale_with_other_parameters(tmp_path):
    study, claim = "alpha_temperature_grid", said("holds", evidence="e")
    for adjusted, where in [(("budget",), "paper"), (("budget", "epochs"), "paper, at small scale")]:
        write_report(tmp_path, "paper", study, claim, adjusted=adjusted)
        assert index_of(tmp_path)["D1"] == [("holds", where, "e")]
        glance = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser").select(".glance")
        assert any("at small scale" in line.text for line in glance) == ("small" in where)


def test_a_profile_that_did_not_measure_a_claim_leaves_it_to_the_next(tmp_path):
    study = "alpha_temperature_grid"
    write_report(tmp_path, "paper", study, said("not measured", evidence="45 rows are missing"))
    assert index_of(tmp_path)["D1"] == [("not measured", "", "45 rows are missing")]
    write_report(tmp_path, "cifar_cpu", study, said("undecided"))
    assert index_of(tmp_path)["D1"] == [("undecided", "cifar_cpu, at small scale", "")]
    score = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser").select_one(".score")
    assert "1 of 1 verdicts at small scale" in score.text and "not measured 28" in score.text


def test_digits_never_decide(tmp_path):
    write_report(tmp_path, "digits", "alpha_temperature_grid", said("holds"))
    assert index_of(tmp_path)["D1"] == [("not measured", "", "handwritten digits never decide a claim")]


def test_scopes_are_decided_apart(tmp_path):
    study, tails = "imbalance_kd_calibration", ("CIFAR-10 IF 50", "CIFAR-10 IF 100")
    whole = said("not measured", "A1", "CIFAR-10 IF 50; CIFAR-10 IF 100 (decided apart)", "no rows")
    write_report(tmp_path, "paper", study, whole, said("holds", "A8", tails[0], "p"))
    assert index_of(tmp_path)["A1"] == [("not measured", "", "no rows")]
    lines = [said("not measured", "A1", tails[0], "no rows"), said("fails", "A1", tails[1], "q")]
    write_report(tmp_path, "cifar_cpu", study, *lines, *(said("fails", "A8", tail, "q") for tail in tails))
    board, small = index_of(tmp_path), "cifar_cpu, at small scale"
    assert board["A1"] == [("not measured", "", f"{tails[0]}: no rows"), ("fails", small, f"{tails[1]}: q")]
    assert board["A8"] == [("holds", "paper", f"{tails[0]}: p"), ("fails", small, f"{tails[1]}: q")]
    score = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser").select_one(".score").text
    assert "29 claims in 31 parts" in score and "2 of 3 verdicts at small scale" in score


def test_a_report_of_how_we_measure_is_linked_and_is_no_study(tmp_path):
    for profile in ("digits", "paper"):
        write_report(tmp_path, profile, "our_method", title="How we measure", scale=profile, method=True)
    board = index_of(tmp_path)
    assert {name[0] for name in board} == set("ABCDE")
    soup = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert [(link.text, link["href"]) for link in soup.select("footer a")] == [
        ("How we measure", "paper/our_method.html")]  # fmt: skip
    assert soup.find(id="our_method") is None
