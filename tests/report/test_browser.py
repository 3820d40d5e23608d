"""What a reader sees, in a browser: every text stands out from its ground, and no page scrolls sideways.

JupyterLab's own style sheets come with nbconvert, whose template `lab` puts them into a page.
"""

import shutil

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from written import FACTS, KERNEL, write_report

from kdlib import plots
from kdlib.report.html import render
from kdlib.report.index import write_indexes
from kdlib.report.summary import Summary

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LEAST = 4.5  # contrast of text: WCAG 2.2, AA
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1200, "height": 900}

# Every visible element with text of its own whose contrast is too low: [text, colour, ground, contrast].
PALE = """
(least) => {
  const rgba = c => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const light = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const dark = matchMedia('screen and (prefers-color-scheme: dark)').matches;
  const canvas = dark ? [18, 18, 18] : [255, 255, 255];
  const ground = e => e ? over(rgba(getComputedStyle(e).backgroundColor), ground(e.parentElement)) : canvas;
  const own = e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join('');
  const seen = e => e.checkVisibility() && getComputedStyle(e).fontSize !== '0px' && e.getClientRects().length;
  return [...document.body.querySelectorAll('*')].filter(e => own(e) && seen(e)).map(e => {
    const under = ground(e), color = over(rgba(getComputedStyle(e).color), under);
    const [low, high] = [light(color), light(under)].sort((a, b) => a - b);
    return [own(e).slice(0, 40), color.map(Math.round), under.map(Math.round), (high + .05) / (low + .05)];
  }).filter(found => found[3] < least);
}
"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def notebook():
    """One of everything that our notebooks show."""
    rows = pd.DataFrame(
        {"row": ["a", "a", "b", "b"], "ours: accuracy": [1.0, 2, 3, 4], "ours: ECE": [0.1, 0.2, None, 0]}
    )
    long = pd.DataFrame({"claim": ["A claim of many words. " * 9] * 2, "verdict": ["holds", "fails"]})
    figure, axes = plt.subplots(figsize=(9, 3))
    axes.plot([1, 2])
    shown = Summary(title="t", scale="digits", measured=(1, 2), headline={"best": "97 %"}, picture=figure)
    bundle = shown._repr_mimebundle_()
    plt.close(figure)
    tables = [
        plots.table(rows, "A note.", group="row"),
        plots.words(long, "A note."),
        plots.folded("more", plots.table(rows, "n")),
    ]
    outputs = [html(getattr(t, "as_raw_html", lambda t=t: t.data)()) for t in tables]
    outputs += [html(rows.to_html()), new_output("stream", name="stdout", text="epoch 1\n" * 9)]
    picture = new_output("display_data", {"image/png": bundle["application/vnd.kdlib.summary+json"]["picture"]})
    code = "# What it makes\n@decorated\ndef f(x):\n    return x + 1.5, 'text', None  # why"
    cells = [
        new_markdown_cell(
            "# A title\n\nWords, `code` and $T^2$.\n\n## A section\n\n> quoted\n\n| a | b |\n|-|-|\n| 1 | 2 |"
        ),
        new_code_cell(code, outputs=outputs, execution_count=1),
        new_code_cell("plot()", outputs=[picture, new_output("display_data", {"text/markdown": "A caption."})]),
        new_code_cell("summary", outputs=[new_output("display_data", bundle)]),
    ]
    return new_notebook(cells=cells, metadata=KERNEL)


def html(text: str):
    return new_output("display_data", {"text/html": text, "text/plain": "a table"})


def looked_at(browser, path, theme, medium="screen", viewport=DESK):
    """(pale texts, by how many pixels the page scrolls sideways), all that is folded opened."""
    page = browser.new_page(viewport=viewport, color_scheme=theme)
    page.route("http*://**", lambda route: route.abort())  # stock JupyterLab pages ask for MathJax
    page.emulate_media(media=medium, color_scheme=theme)
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = page.evaluate(PALE, LEAST), page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tables_can_be_read_in_jupyterlab(browser, notebook, tmp_path, theme):
    only_tables = new_notebook(cells=notebook.cells[1:2], metadata=KERNEL)
    page, _ = HTMLExporter(template_name="lab", theme=theme).from_notebook_node(only_tables)
    (tmp_path / "lab.html").write_text(page)
    pale, _ = looked_at(browser, tmp_path / "lab.html", theme)
    ours = {"a", "b", "accuracy", "ECE", "ours", "1.00", "0.10", "–", "A note.", "holds", "claim", "more"}
    assert [found for found in pale if found[0] in ours or found[0].startswith("A claim")] == []


@pytest.mark.parametrize("medium", ["screen", "print"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_reports_can_be_read(browser, notebook, tmp_path, theme, medium, viewport):
    facts = FACTS | {"parameters": {"epochs": 3, "lr": 0.1}, "changed": ["epochs"]}
    page, _ = render(notebook, facts)
    (tmp_path / "report.html").write_text(page)
    assert looked_at(browser, tmp_path / "report.html", theme, medium, viewport) == ([], 0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_index_can_be_read(browser, tmp_path, theme, viewport):
    said = [{"id": f"M{n}", "claim": "c", "verdict": v} for n, v in enumerate(("holds", "fails", "undecided"))]
    write_report(tmp_path, "digits", "mystudy", *said, scale="digits", measured=(1, 2))
    assert looked_at(browser, write_indexes(tmp_path), theme, viewport=viewport) == ([], 0)
