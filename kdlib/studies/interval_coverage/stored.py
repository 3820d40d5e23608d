"""The simulation, kept: it takes ten minutes at full size, and a report reads what was stored."""

from datetime import datetime
from pathlib import Path

import pandas as pd

from kdlib.intervals import coverage
from kdlib.store import Store, write_atomically
from kdlib.store.provenance import provenance

METRICS = {"accuracy": "accuracy", "nll": "NLL", "brier": "Brier", "ece": "ECE"}
OURS = "kdlib"  # among the estimators
GOOD = 92, 98  # percent of test sets: a 95% interval that holds the truth this often is a good one


def measurement(replications: int, images: int, seed: int) -> pd.DataFrame:
    """A line per case and estimator, from the store or the committed results, or else simulated now and stored: about
    half a second per replication of 10,000 images on one thread.

    Columns are those of `coverage.simulate`, but in place of `case`: `runs`, how many a row has; `networks`, named by
    their true ECE; and `verdict`. Then replications, images, seed, date and revision of what was simulated.
    """
    return for_reading(pd.read_csv(_kept(replications=replications, images=images, seed=seed)))


def _kept(**facts: int) -> Path:
    """The file of these facts and of the simulation's version; made where there is none."""
    store, name = Store(), "coverage_{replications}x{images}_seed{seed}_v{version}.csv"
    name = name.format(**facts, version=coverage.VERSION)
    for folder in filter(None, (store.root, store.results)):
        if (folder / name).exists():
            return folder / name
    store.check_writable()  # before ten minutes of work
    _simulate(store.root / name, facts)
    return store.root / name


def _simulate(path: Path, facts: dict[str, int]) -> None:
    table = coverage.simulate(**facts)
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    text = table.assign(**facts, date=date, revision=provenance()["git"]).to_csv(index=False, float_format="%.6g")
    write_atomically(path, lambda file: file.write(text.encode()))


def for_reading(table: pd.DataFrame) -> pd.DataFrame:
    """A simulation's table in words."""
    cases = table["case"].str.extract("^(?P<runs>.*?): (?P<networks>.*)$")
    shown = cases.join(table.drop(columns="case"))
    return shown.assign(
        metric=table["metric"].map(METRICS),
        verdict=table["coverage %"].map(verdict),
        **{"true value": table["true value"].round(4) + 0.0},  # or half of the zeros would have a minus
    )


def verdict(percent: float) -> str:
    """Whether a coverage is "within" 92 to 98 %, "too low" or "too high"."""
    low, high = GOOD
    if low <= percent <= high:
        return "within"
    return "too low" if percent < low else "too high"
