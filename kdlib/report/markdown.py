"""Markdown to HTML with formulas as MathML, which browsers draw without a script or a network."""

import re
from html import escape, unescape

import latex2mathml.converter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


class Renderer(IPythonRenderer):
    """Collects the headings of a whole document: (level, id, HTML). The first of level 1 is the document's title and is
    left to the page."""

    def __init__(self):
        super().__init__(escape=False)
        self.title = ""
        self.headings: list[tuple[int, str, str]] = []

    def convert(self, source: str) -> str:
        return MarkdownWithMath(renderer=self).render(source)

    def heading(self, text: str, level: int, **attrs) -> str:
        if level == 1 and not self.title:
            self.title = text
            return ""
        anchor = self._anchor(text)
        self.headings.append((level, anchor, text))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def _anchor(self, text: str) -> str:
        slug = re.sub(r"\W+", "-", plain_text(text).lower()).strip("-") or "section"
        taken = sum(anchor == slug or anchor.startswith(f"{slug}--") for _, anchor, _ in self.headings)
        return f"{slug}--{taken}" if taken else slug

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>{text}</table></div>'

    def block_mermaidjs(self, code: str) -> str:
        return f"<pre>{escape(code)}</pre>"

    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


def mathml(formula: str, display: str = "inline") -> str:
    """A TeX formula as MathML; as code where latex2mathml cannot read it or passes a command on unread."""
    formula = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", formula.strip())
    try:
        math = latex2mathml.converter.convert(formula, display=display)
    except Exception:  # latex2mathml has a dozen exceptions without a common base
        math = ""
    return f"<code>{escape(formula)}</code>" if not math or re.search(r"<m\w+>(\\|&<)", math) else math


def plain_text(html: str) -> str:
    """The words of an HTML fragment on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())
