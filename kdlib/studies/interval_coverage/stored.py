"""The simulations, kept: they take half an hour at full size, and a report reads what was stored."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd

from kdlib.intervals import coverage, designs
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
    name = f"coverage_{replications}x{images}_seed{seed}_v{coverage.VERSION}.csv"
    facts = {"replications": replications, "images": images, "seed": seed}
    return for_reading(pd.read_csv(_kept(name, coverage.simulate, facts)))


def of_designs(replications: int, seed: int) -> pd.DataFrame:
    """A line per design, stored likewise: about a second per replication. Columns are those of `designs.simulate`, and
    `verdict`; then replications, seed, date and revision."""
    name = f"designs_{replications}_seed{seed}_v{designs.VERSION}.csv"
    table = pd.read_csv(_kept(name, designs.simulate, {"replications": replications, "seed": seed}))
    return table.assign(verdict=table["coverage %"].map(verdict))


def _kept(name: str, simulate: Callable[..., pd.DataFrame], facts: dict[str, int]) -> Path:
    """The file of a simulation of these facts; made where there is none."""
    store = Store()
    for folder in filter(None, (store.root, store.results)):
        if (folder / name).exists():
            return folder / name
    store.check_writable()  # before ten minutes of work
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    table = simulate(**facts).assign(**facts, date=date, revision=provenance()["git"])
    text = table.to_csv(index=False, float_format="%.6g")
    write_atomically(store.root / name, lambda file: file.write(text.encode()))
    return store.root / name


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
