"""What the five sources published, as data: reports/published/."""

import pandas as pd

from kdlib.registry import KdlibError
from kdlib.store import repository


def published(study: str) -> pd.DataFrame:
    """The figures that a study's source prints, a row each; accuracies in percent, ECE and OE as fractions."""
    path = repository() / "reports" / "published" / f"{study}.csv"
    if not path.exists():
        raise KdlibError(f"There are no published figures for '{study}': {path} is missing.")
    return pd.read_csv(path)
