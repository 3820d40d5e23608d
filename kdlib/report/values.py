"""Values of parameters from text: the command line's and a profile's."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from kdlib.registry import KdlibError


class _Yaml(yaml.SafeLoader):
    """YAML 1.2's core schema, where 1e-3 is a number, `no` is a text and 010 is ten; PyYAML reads 1.1."""

    yaml_implicit_resolvers = {}


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|None|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+.0123456789")),
]:
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Yaml.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def from_arguments(arguments: Iterable[str]) -> dict[str, Any]:
    """["epochs=3", "alphas=[0.1, 0.5]"] as a dict of values."""
    given = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not (equals and name.strip().isidentifier()):
            raise KdlibError(f"'{argument}' sets no parameter: write NAME=VALUE, such as -p epochs=3.")
        given[name.strip()] = _load(text, f"The value of '{name.strip()}'")
    return given


def from_file(path: Path) -> dict[str, Any]:
    """A profile's values."""
    values = _load(path.read_text(encoding="utf-8"), f"The profile {path}")
    if not isinstance(values or {}, dict):
        raise KdlibError(f"The profile {path} is no mapping: write `name: value` lines.")
    return values or {}


def _load(text: str, what: str) -> Any:
    try:
        return yaml.load(text, _Yaml)
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or "no YAML"
        raise KdlibError(
            f"{what} cannot be read ({reason}): write it as YAML, such as 3, 1e-3, false or [0.1, 0.5]."
        ) from None
