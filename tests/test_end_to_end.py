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
NOTEBOOK = "alpha_temperature_grid"
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

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600)

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


def test_report_trains_the_whole_grid(checkout, reported):
    assert "51 to train" in reported.stdout
    assert "51 of 51 measured" in reported.stdout
    summary = json.loads((checkout.root / f"reports/digits/{NOTEBOOK}.json").read_text())
    rows = summary["rows"]
    assert [sum(r["role"] == role for r in rows) for role in ("teacher", "plain", "cell")] == [1, 5, 45]
    accuracy = {role: [r["accuracy"] for r in rows if r["role"] == role] for role in ("teacher", "plain", "cell")}
    assert min(accuracy["teacher"] + accuracy["plain"]) > 0.9
    assert len(set(accuracy["cell"])) > 10  # the cells differ
    assert len(summary["published"]) == 49


def test_report_is_one_self_contained_page(checkout, reported):
    page = checkout.page(f"digits/{NOTEBOOK}.html")
    sources = [tag.get("src") or tag.get("href") for tag in page.find_all(["script", "link", "img", "iframe"])]
    assert not [s for s in sources if s and not s.startswith("data:")]
    assert page.find("math") and page.find("details")
    images = page.find_all("img")
    assert len(images) == 5 and all(len(image["alt"]) > 40 for image in images)
    assert "digits" in page.text and "20 epochs" in page.text  # the scale of the figures
    assert not page.find(string=re.compile("Traceback"))
    published = next(t for t in page.find_all("table") if "49 published" in t.text)
    rows = [row for row in published.find("tbody").find_all("tr") if len(row.find_all("td")) > 3]  # no headings
    assert len(rows) == 49


def test_index_leads_to_the_report(checkout, reported):
    links = [a["href"] for a in checkout.page("index.html").find_all("a")]
    assert f"digits/{NOTEBOOK}.html" in links


def test_second_report_trains_nothing(checkout, reported):
    done = checkout.run("kdlib", "report", NOTEBOOK)
    assert done.returncode == 0, done.stderr
    assert "51 runs measured." in done.stdout and "to train" not in done.stdout


def test_notebooks_run_cell_by_cell(checkout, reported):
    done = checkout.run("pytest", "--nbval-lax", "-p", "no:cacheprovider", "-p", "no:xdist", "notebooks")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_runs_can_be_looked_after(checkout, reported):
    listed = checkout.run("kdlib", "runs", "--where", "temperature=20", "--where", "network=cnn2").stdout
    keys = re.findall(r"^[0-9a-f]{16}", listed, re.M)
    assert len(keys) == 5
    assert "soft_cross_entropy.weight" in checkout.run("kdlib", "runs", "--diff", *keys[:2]).stdout
    assert json.loads(checkout.run("kdlib", "runs", "--show", keys[0]).stdout)["key"] == keys[0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("alfas=[0.1]", "alphas"),
        ("epochs=many", "'epochs' is 'many'"),
        ("epochs=0", "epochs is 0: give 1 or more"),
        ("alphas=[1.5]", "alpha is 1.5: give weights from 0 to 1"),
        ("temperatures=[0]", "temperature is 0"),
        ("data=cifar11", "did you mean 'cifar10'"),
        ("student=resnet9", "Unknown network 'resnet9'"),
    ],
)
def test_bad_parameters_get_one_sentence(checkout, given, sentence):
    done = checkout.run("kdlib", "report", NOTEBOOK, "-p", given)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("kdlib: ") and sentence in said
    assert "to train" not in done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
@pytest.mark.parametrize("name", [f"digits/{NOTEBOOK}.html", "index.html"])
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
