"""Names at a package's door whose modules are imported when one is first used (PEP 562): opening it costs no torch."""

import importlib
import sys
from collections.abc import Callable, Iterable


def door(package: str, homes: dict[str, str], rooms: Iterable[str] = ()) -> tuple[Callable, Callable, list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    `homes` maps each name to the module in the package that defines it, `rooms` are modules that are names themselves.
    No name may be that of its own module: the import would put the module in its place.

    >>> getattribute, _, names = door("kdlib.losses", {"kd_loss": "logits"})
    >>> names, getattribute("kd_loss").__module__
    (['kd_loss'], 'kdlib.losses.logits')
    """
    names, modules = [*homes, *rooms], {*homes.values(), *rooms}

    def getattribute(name: str):
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module '{package}' has no attribute '{name}'", name=name, obj=sys.modules[package])

    return getattribute, lambda: sorted(names), names
