"""An executed notebook as one HTML file that needs nothing else: no script, no font, no network."""

import re
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from nbconvert.filters import Highlight2HTML, ansi2html
from nbformat import NotebookNode

from kdlib.report.markdown import Renderer, mathml, plain_text
from kdlib.report.summary import MIME

TEMPLATES = Path(__file__).parent / "templates"
SHORT = 6  # lines of printed text that are shown; longer ones are folded


def render(notebook: NotebookNode, facts: dict[str, Any], index: str = "index.html") -> tuple[str, dict[str, Any]]:
    """The page, and `facts` completed by the notebook's summary: what the index of reports joins. `facts`: study,
    profile, date, seconds, parameters, changed (names of those that are not the notebook's own), provenance. `index`
    is the page to which it leads back, in the folder above."""
    markdown = Renderer()
    cells = [_cell(cell, markdown) for cell in notebook.cells]
    facts = {"title": plain_text(markdown.title) or facts["study"], **summary(notebook), **facts}
    page = template("report.html.j2").render(
        facts=facts,
        index=index,
        title=markdown.title or facts["title"],
        cells=_captioned(cells),
        headings=[h for h in markdown.headings if h[0] <= 3],
        meanings=_meanings(notebook),
    )
    return page, facts


def template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["value"] = _value
    return environment


def summary(notebook: NotebookNode) -> dict[str, Any]:
    """What the notebook's last kdlib.report.Summary says; {} where it shows none."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    found = [output.data[MIME] for output in outputs if MIME in output.get("data", {})]
    return dict(found[-1]) if found else {}


# Cells: {"html"} for text, {"code", "label", "outputs"} for code; an output: {"kind", ...} ----------------------------


def _cell(cell: NotebookNode, markdown: Renderer) -> dict[str, Any]:
    if cell.cell_type == "markdown":
        return {"html": markdown.convert(cell.source)}
    if cell.cell_type != "code" or not cell.source.strip():
        return {"html": ""}
    failed = any(output.output_type == "error" for output in cell.outputs)
    outputs = [_output(o, markdown) for o in cell.outputs if failed or o.get("name") != "stderr"]
    return {
        "code": Highlight2HTML(pygments_lexer="ipython3")(cell.source),
        "label": _label(cell),
        "outputs": _joined([o for o in outputs if o]),
    }


def _label(cell: NotebookNode) -> str:
    """What a folded cell is called: by its tag, or by the comment that it begins with."""
    tags = {"parameters": "parameters", "injected-parameters": "parameters of this report"}
    first = cell.source.lstrip().splitlines()[0]
    named = [tags[tag] for tag in cell.metadata.get("tags", ()) if tag in tags]
    comment = first.lstrip("# ") if first.startswith("#") else ""
    return named[0] if named else comment


def _output(output: NotebookNode, markdown: Renderer) -> dict[str, Any] | None:
    if output.output_type == "stream":
        return {"kind": "log", "text": _overwritten(output.text)}
    if output.output_type == "error":
        return {"kind": "text", "html": ansi2html("\n".join(output.traceback))}
    if MIME in output.data:
        return None
    for mime, show in _SHOW.items():
        if mime in output.data:
            return show(output.data[mime], output.metadata.get(mime, {}), markdown)
    return None


def _image(kind: str, encode=lambda data: data.replace("\n", "")):
    def show(data, about, markdown):
        return {"kind": "image", "source": f"data:{kind},{encode(data)}", "width": about.get("width"), "caption": ""}

    return show


_SHOW = {  # the first that an output has, in this order
    "text/html": lambda data, about, markdown: {"kind": "table" if "<table" in data else "html", "html": data},
    "text/markdown": lambda data, about, markdown: {"kind": "markdown", "html": markdown.convert(data)},
    "image/svg+xml": _image("image/svg+xml", quote),
    "image/png": _image("image/png;base64"),
    "image/jpeg": _image("image/jpeg;base64"),
    "text/latex": lambda data, about, markdown: {"kind": "html", "html": mathml(data.strip("$ \n"), "block")},
    "text/plain": lambda data, about, markdown: {"kind": "text", "html": ansi2html(data)},
}


def _overwritten(text: str) -> str:
    """What a terminal would still show of lines that were rewritten after a carriage return."""
    return re.sub(r"(?m)^.*\r(?!\n)", "", text.replace("\r\n", "\n"))


def _joined(outputs: list[dict]) -> list[dict]:
    """Printed text that follows printed text is one log; its colours become HTML."""
    joined: list[dict] = []
    for output in outputs:
        if joined and output["kind"] == joined[-1]["kind"] == "log":
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    for output in joined:
        if output["kind"] == "log":
            output["lines"] = output["text"].count("\n") or 1
            output["folded"] = output["lines"] > SHORT
            output["html"] = ansi2html(output["text"].rstrip("\n"))
    return joined


def _captioned(cells: list[dict]) -> list[dict]:
    """Each image with its words: the Markdown shown right after it is its caption; else the text of the next cell, or
    the last heading, says to those who cannot see it what it is."""
    heading = ""
    for cell, following in zip_longest(cells, cells[1:], fillvalue={}):
        headings = re.findall(r"<h\d[^>]*>(.*?)</h\d>", cell.get("html", ""))
        heading = plain_text(headings[-1]) if headings else heading
        outputs = cell.get("outputs", [])
        for image, words in zip_longest(outputs, outputs[1:], fillvalue={}):
            if image["kind"] == "image":
                if words.get("kind") == "markdown":
                    image["caption"] = words["html"]
                    words["kind"] = "used"
                text = following.get("html", "")
                image["alt"] = plain_text(image["caption"]) or _sentence(text) or heading
    return cells


def _sentence(html: str) -> str:
    """The first sentence of a text that does not begin with a heading."""
    first = re.match(r"\s*<p>(.*?)</p>", html, re.S)
    return re.split(r"(?<=[.!?])\s", plain_text(first[1]))[0] if first else ""


def _meanings(notebook: NotebookNode) -> dict[str, str]:
    """The comments of the parameters cell."""
    from kdlib.report.parameters import parse

    tagged = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    return {name: p.meaning for source in tagged for name, p in parse(source).items()}


def _value(value: Any) -> str:
    """As one would write it: lists without brackets, numbers without superfluous digits."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
