"""As a user does it: the whole report on digits in a fresh checkout and a fresh store, then all that hangs on it.

The tests of this module stand in order: the first trains, the others use its store.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
GRID, LONG_TAIL = "alpha_temperature_grid", "imbalance_kd_calibration"
RUNS = {GRID: 62, LONG_TAIL: 184}
FIGURES = {GRID: 7, LONG_TAIL: 13}  # digits stand beside no published table
every_report = pytest.mark.parametrize("name", RUNS)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Checkout:
    """A copy of the checkout with a store of its own; committed records are switched off, so that it has to train."""

    def __init__(self, folder: Path):
        self.root = folder / "checkout"
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for name in filter(lambda n: (ROOT / n).is_file(), listed.stdout.splitlines()):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        own = {"KDLIB_STORE": str(folder / "store"), "KDLIB_RESULTS": "", "PYTHONPATH": str(self.root)}
        self.environment = os.environ | own
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "as committed")

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True).stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=1200
        )

    def page(self, name: str) -> BeautifulSoup:
        return BeautifulSoup((self.root / "reports" / name).read_text(), "html.parser")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def reported(checkout):
    done = checkout.run("kdlib", "report")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def summary(checkout, name):
    return json.loads((checkout.root / f"reports/digits/{name}.json").read_text())


@every_report
def test_report_trains_everything(checkout, reported, name):
    assert f"{name}, profile digits: {RUNS[name]} runs declared, {RUNS[name]} new" in reported.stdout
    assert f"{RUNS[name]} to train" in reported.stdout
    said = summary(checkout, name)
    assert said["measured"] == [RUNS[name], RUNS[name]] == [said["made"]["runs"]] * 2
    assert {claim["verdict"] for claim in said["verdicts"]} == {"not measured"}  # digits never decide


def test_the_grid_is_whole(checkout, reported):
    rows = summary(checkout, GRID)["rows"]
    counts = {"teacher": 1, "baseline": 5, "cell": 45, "ablation": 5, "ablation at full step": 1}
    assert {role: sum(r["role"] == role for r in rows) for role in counts} == counts
    accuracy = {role: [r["accuracy"] for r in rows if r["role"] == role] for role in ("teacher", "baseline", "cell")}
    assert min(accuracy["teacher"] + accuracy["baseline"]) > 0.9
    assert len(set(accuracy["cell"])) > 10  # the cells differ
    assert len(summary(checkout, GRID)["published"]) == 49


def test_the_long_tail_study_is_whole(checkout, reported):
    rows = summary(checkout, LONG_TAIL)["rows"]
    counts = {role: sum(r["role"] == role for r in rows) for role in dict.fromkeys(r["role"] for r in rows)}
    assert counts == {"teacher": 8, "baseline": 18, "ablation": 12, "student": 138, "tried": 2, "tuned": 6}
    accuracy = {role: [r["accuracy"] for r in rows if r["role"] == role] for role in counts}
    assert min(accuracy["teacher"] + accuracy["baseline"]) > 0.7 and max(accuracy["student"]) > 0.85
    assert len({r["nll"] for r in rows}) == RUNS[LONG_TAIL]  # no two are alike: every ingredient and every seed counts
    assert len(summary(checkout, LONG_TAIL)["published"]) == 256


@every_report
def test_report_is_one_self_contained_page(checkout, reported, name):
    page = checkout.page(f"digits/{name}.html")
    sources = [tag.get("src") or tag.get("href") for tag in page.find_all(["script", "link", "img", "iframe"])]
    assert not [s for s in sources if s and not s.startswith("data:")]
    assert page.find("math") and page.find("details")
    images = page.find_all("img")
    assert len(images) == FIGURES[name] and all(len(image["alt"]) > 40 for image in images)
    assert "digits" in page.text and re.search(r"\d+ epochs", page.text)  # the scale of the figures
    assert not page.find(string=re.compile("Traceback"))


def test_every_published_figure_stands_beside_ours(checkout, reported):
    page = checkout.page(f"digits/{GRID}.html")
    published = next(t for t in page.find_all("table") if "ours minus published" in t.text)
    rows = [row for row in published.find("tbody").find_all("tr") if len(row.find_all("td")) > 3]  # no headings
    assert len(rows) == 49
    tables = [t.text for t in checkout.page(f"digits/{LONG_TAIL}.html").find_all("table")]
    assert sum("79.60" in text and "printed under other names" in text for text in tables) == 1


@every_report
def test_one_page_leads_to_all_reports(checkout, reported, name):
    assert reported.stdout.splitlines()[-1] == "All reports: reports/all.html"
    links = [a["href"] for a in checkout.page("all.html").find_all("a")]
    assert f"digits/{name}.html" in links and f"cifar_cpu/{name}.html" in links
    assert "digits/" not in checkout.page("index.html").decode()


def test_git_status_stays_clean(checkout, reported):
    assert checkout.git("status", "--porcelain") == ""


@every_report
def test_second_report_trains_nothing(checkout, reported, name):
    done = checkout.run("kdlib", "report", name)
    assert done.returncode == 0, done.stderr
    assert f"{RUNS[name]} runs declared, 0 new" in done.stdout and "to train" not in done.stdout


def test_notebooks_run_cell_by_cell(checkout, reported):
    done = checkout.run("pytest", "--nbval-lax", "-p", "no:cacheprovider", "-p", "no:xdist", "notebooks")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_runs_can_be_looked_after(checkout, reported):
    listed = checkout.run("kdlib", "runs", "list", "--where", "soft_cross_entropy.temperature=20").stdout
    keys = re.findall(r"^[0-9a-f]{16}", listed, re.M)
    assert len(keys) == 5
    assert "soft_cross_entropy.weight" in checkout.run("kdlib", "runs", "diff", *keys[:2]).stdout
    assert json.loads(checkout.run("kdlib", "runs", "show", keys[0]).stdout)["key"] == keys[0]


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        (GRID, "alfas=[0.1]", "alphas"),
        (GRID, "epochs=many", "'epochs' is 'many'"),
        (GRID, "epochs=0", "epochs is 0: give 1 or more"),
        (GRID, "alphas=[1.5]", "alpha is 1.5: give a weight from 0, labels alone, to 1"),
        (GRID, "temperatures=[0]", "temperature is 0"),
        (GRID, "full_step_alphas=[1]", "alpha is 1: without the teacher no term is left"),
        (GRID, "repeated_cell=[0.6, 10]", "repeated_cell is [0.6, 10.0], which is not on the grid"),
        (GRID, "data=cifar11", "did you mean 'cifar10'"),
        (GRID, "student=resnet9", "Unknown network 'resnet9'"),
        (LONG_TAIL, "imbalance_factors=[0.5]", "imbalance_factor is 0.5: give 1 or more"),
        (
            LONG_TAIL,
            "imbalance_factors=[500]",
            "leaves the last class empty at 107 images in the first: give 107 or less",
        ),
        (LONG_TAIL, "mixup_alpha=0", "mixing_alpha is 0.0: give a value above 0"),
        (LONG_TAIL, "methods=[crdd]", "Unknown method 'crdd': did you mean 'crd'"),
        (LONG_TAIL, "objectives=[balanced]", "did you mean 'balanced_softmax'"),
    ],
)
def test_bad_parameters_get_one_sentence(checkout, name, given, sentence):
    done = checkout.run("kdlib", "report", name, "-p", given)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("kdlib: ") and sentence in said
    assert "to train" not in done.stdout
    assert checkout.git("status", "--porcelain") == ""
    assert not list(checkout.root.glob("reports/digits/*--*.html"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
@pytest.mark.parametrize("name", [f"digits/{GRID}.html", f"digits/{LONG_TAIL}.html", "all.html"])
def test_page_opens_without_network(checkout, reported, name):
    sync_api = pytest.importorskip("playwright.sync_api")
    asked, complaints = [], []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((checkout.root / "reports" / name).as_uri())
        assert page.locator("h1").is_visible()
        widths = page.evaluate("[...document.images].map(i => i.naturalWidth)")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    assert all(width > 100 for width in widths)
    assert wide <= 0  # the page itself never scrolls sideways
