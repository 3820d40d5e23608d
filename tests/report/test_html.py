"""An executed notebook as one page."""

from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from written import FACTS

from kdlib.report.html import render
from kdlib.report.markdown import mathml


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
