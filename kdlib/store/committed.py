"""Records that came with the checkout, read where the store has none. Nobody writes here but `export`.

<results>/<key>.json              the record of a run
<results>/<key>.weights.pt        the weights of a small teacher
<results>/<key>.logits.npz        of some runs: held-out and test logits at the last epoch, float16
<results>/evaluations/<key>.json  what was measured on finished runs
<results>/runs.csv                all of them on a line each, for a person
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdlib.registry import KdlibError
from kdlib.store import files


def keys(results: Path | None) -> set[str]:
    """Of the committed runs; `results` is None where there are none."""
    return {path.stem for path in results.glob("*.json")} if results else set()


def has(results: Path | None, name: str) -> bool:
    return results is not None and (results / name).exists()


def read(results: Path | None, name: str, load: Callable[[Path], Any]) -> Any | None:
    """What `load` makes of a committed file; None where there is none. Raises KdlibError where it is damaged."""
    if results is None:
        return None
    try:
        return files.read(results / name, load)
    except files.DamagedError:
        raise KdlibError(f"{results / name} is damaged: bring it back with git checkout.") from None
