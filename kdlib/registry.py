"""Names and what stands behind them: networks, loss terms, augmentations, data sets.

Each is a table that a notebook cell can add to. The tables stand in their own rooms (kdlib.models, kdlib.objective,
kdlib.augment, kdlib.data) and are filled without importing torch, so that a run's key needs neither torch nor data.

A technique's version is part of the keys of its runs. It is raised, with a line beside it that says why, when the same
inputs give other numbers (tests/golden.json holds them). None of ours has been: all are at version 1.
"""

import ast
import difflib
import hashlib
import html
import importlib.util
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KdlibError(Exception):
    """What a user can mend: one sentence that names the thing and the remedy. IPython, and so Jupyter and papermill,
    shows it alone, since no line of code is at fault."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class Stopped(KeyboardInterrupt):
    """Training was interrupted and has saved what was reached: how far it came, in one line also in IPython."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Entry:
    """What a name stands for. `target` is a callable, or "module:attribute" to be imported when first needed."""

    name: str
    target: Callable | str
    version: int | str = 1
    options: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Callable:
        if callable(self.target):
            return self.target
        module, attribute = self.target.split(":")
        return getattr(importlib.import_module(module), attribute)

    @property
    def parameters(self) -> dict[str, Any]:
        """Keyword-only parameters of the target with their defaults: what a run may set."""
        signature = inspect.signature(self.load()).parameters.values()
        found = {p.name: p.default for p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY}
        for name, default in found.items():
            if not isinstance(default, (bool, int, float, str)):
                raise KdlibError(
                    f"Parameter '{name}' of '{self.name}' has no default that is a number, a text, true or false: "
                    "give it one, since a run's key leaves defaults out and coerces values to their type."
                )
        return found

    def call(self, takes: str, *arguments: Any, **settings: Any) -> Any:
        """The target, called. Raises KdlibError where its signature is another; `takes` says what it should take."""
        target = self.load()
        try:
            inspect.signature(target).bind(*arguments, **settings)
        except TypeError as error:
            raise KdlibError(f"'{self.name}' does not take what it is called with ({error}): {takes}.") from None
        return target(*arguments, **settings)

    def getdoc(self) -> str:
        """The target's docstring, which `kdlib.terms["kd"]?` shows in IPython. Nothing is imported to read it."""
        if callable(self.target):
            return inspect.getdoc(self.target) or ""
        module, attribute = self.target.split(":")
        source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
        found = (node for node in ast.parse(source).body if getattr(node, "name", None) == attribute)
        return next(map(ast.get_docstring, found), None) or ""

    @property
    def summary(self) -> str:
        """The docstring's first paragraph, as one line."""
        return " ".join(self.getdoc().partition("\n\n")[0].split())

    def shown(self) -> tuple[str, str, str, str]:
        """Its line in a table: name, parameters with their defaults, options that are plain values, and summary."""
        signature = inspect.signature(self.load()).parameters.values()
        defaults = {p.name: p.default for p in signature if p.default is not inspect.Parameter.empty}
        plain = {name: value for name, value in self.options.items() if isinstance(value, (bool, int, float, str))}
        return self.name, _settings(defaults), _settings(plain), self.summary


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


class Registry:
    """A table from names to entries that shows itself, and raises one clear sentence on an unknown name.

    `kind` says what an entry is, in the singular; `room` is the module whose docstring tells how to write one.
    """

    def __init__(self, kind: str, room: str = __name__):
        self.kind, self.room = kind, room
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, target: Callable | str, version: int | str = 1, **options: Any) -> None:
        self._entries[name] = Entry(name, target, version, options)

    def register(self, name: str, version: int | None = None, **options: Any) -> Callable:
        """Decorator. Without a version (a notebook cell) the hash of source and options is the version: an edited cell
        is a new technique, and its runs are new runs. What the source calls does not count. Raises KdlibError where the
        name is no text, or one of kdlib's own, which the studies' runs use."""
        if not isinstance(name, str):
            raise KdlibError(f'A {self.kind} needs a name: write register("mine") above it, with a text of yours.')

        def add(target: Callable) -> Callable:
            if name in self and _ours(self[name].target) and not _ours(target):
                raise KdlibError(f"'{name}' is kdlib's own {self.kind}: register yours under another name.")
            self.add(name, target, source_hash(target, options) if version is None else version, **options)
            return target

        return add

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise KdlibError(unknown(self.kind, name, self._entries)) from None

    def __iter__(self):
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(self)}"

    def __repr__(self) -> str:
        return "\n".join(_paragraph(*entry.shown()) for entry in self._entries.values())

    def _repr_html_(self) -> str:
        rows = [_row("td", entry.shown()) for entry in self._entries.values()]
        return f"<table>{_row('th', (self.kind, 'parameters', 'options', 'what it is'))}{''.join(rows)}</table>"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def getdoc(self) -> str:
        """What `kdlib.terms?` shows in IPython: what there is, and how to write another."""
        return f"{self!r}\n\n{inspect.getdoc(importlib.import_module(self.room))}"


def _paragraph(name: str, parameters: str, options: str, summary: str) -> str:
    about = textwrap.fill(summary, 100, initial_indent="    ", subsequent_indent="    ")
    return f"{name}({parameters})  {options}".rstrip() + f"\n{about}".rstrip()


def _row(cell: str, texts: Iterable[str]) -> str:
    """A row of an HTML table, in whatever colours its page has."""
    cells = [f'<{cell} style="text-align: left">{html.escape(text)}</{cell}>' for text in texts]
    return f"<tr>{''.join(cells)}</tr>"


def _ours(target: Callable | str) -> bool:
    module = target if isinstance(target, str) else getattr(target, "__module__", None) or ""
    return module.startswith("kdlib.")


def unknown(kind: str, name: str, known) -> str:
    """The sentence for a name that nobody knows: the nearest one, and all there are."""
    nearest = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'? " if nearest else ""
    return f"Unknown {kind} '{name}': {hint}Known: {', '.join(known)}."


def source_hash(target: Callable, options: dict[str, Any] | None = None) -> str:
    """First 12 hex digits of the SHA-256 of the source text of a function or class, notebook cells included, and of the
    options it is registered with. Raises KdlibError where no source is to be found."""
    try:
        text = textwrap.dedent(_source(target))
    except (OSError, TypeError):
        name = getattr(target, "__name__", repr(target))
        raise KdlibError(f"The source of {name} cannot be found: register it with version=1, and count on.") from None
    if options:
        named = {name: source_hash(value) if callable(value) else value for name, value in options.items()}
        text += repr(sorted(named.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _source(target: Callable) -> str:
    if not inspect.isclass(target):
        return inspect.getsource(target)
    # A class defined in a notebook has no file that inspect would find, but its methods know their cell.
    for member in vars(target).values():
        if inspect.isfunction(member):
            text = "".join(linecache.getlines(inspect.unwrap(member).__code__.co_filename))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef) and node.name == target.__name__:
                    return ast.get_source_segment(text, node)
    return inspect.getsource(target)
