"""Names and what stands behind them: networks, loss terms, augmentations, data sets.

Each is a table that a notebook cell can add to. The tables stand in their own rooms (kdlib.models, kdlib.objective,
kdlib.augment, kdlib.data) and are filled without importing torch, so that a run's key needs neither torch nor data.
"""

import ast
import difflib
import hashlib
import importlib
import inspect
import linecache
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class OneLine:
    """Shown by IPython, and so by JupyterLab and papermill, as its one sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class KdlibError(OneLine, Exception):
    """What a user can mend: one sentence that names the thing and the remedy."""


class Stopped(OneLine, KeyboardInterrupt):
    """Training was interrupted and has saved what was reached: how far it came."""


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


class Registry:
    """A table from names to entries that raises one clear sentence on an unknown name."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, target: Callable | str, version: int | str = 1, **options: Any) -> None:
        self._entries[name] = Entry(name, target, version, options)

    def register(self, name: str, version: int | None = None, **options: Any) -> Callable:
        """Decorator. Without a version (a notebook cell) the hash of source and options is the version: an edited cell
        is a new technique, and its runs are new runs. What the source calls does not count."""

        def add(target: Callable) -> Callable:
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
