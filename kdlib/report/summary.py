"""What a notebook hands to the index of reports: shown as the last value of its last cell.

It travels in the notebook's output, so a notebook knows no path and plain papermill carries it just as well.
"""

import base64
import io
import json
import math
from dataclasses import dataclass, field
from html import escape
from typing import Any

from kdlib.intervals.verdicts import VERDICTS
from kdlib.registry import KdlibError, unknown

MIME = "application/vnd.kdlib.summary+json"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A study at a glance.

    `headline` maps a few words to a figure with its unit ({"best student": "97.4 %"}); `scale` says in one line what
    was trained (data, epochs, repeats); `measured` is (runs with a record, runs asked for). `rows`, `published` and
    `verdicts` are data frames or lists of dicts; a verdict has at least "claim" and "verdict", one of VERDICTS.
    `picture` is the matplotlib figure that the index shows; `caption` says what to see in it. `made` says where the
    runs come from: "runs" (how many), "hours" of training, "seeds", "hardware" and "revisions" (lists), and the
    fingerprints of their "data" by name.
    `method`: it is of how we measure, not of a source's claims, and the index links it as such.
    """

    title: str
    scale: str
    measured: tuple[int, int]
    headline: dict[str, str] = field(default_factory=dict)
    rows: Any = ()
    published: Any = ()
    verdicts: Any = ()
    picture: Any = None
    caption: str = ""
    made: dict[str, Any] = field(default_factory=dict)
    method: bool = False

    def __post_init__(self):
        for verdict in plain(self.verdicts):
            if "claim" not in verdict or verdict.get("verdict") not in VERDICTS:
                raise KdlibError(unknown(f"verdict of '{verdict.get('claim')}'", verdict.get("verdict"), VERDICTS))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        measured = "{} of {} measured".format(*self.measured)
        figures = [f"{name}: {value}" for name, value in self.headline.items()]
        text = "\n".join([self.title, f"{self.scale} · {measured}", *figures])
        first, *rest = map(escape, text.splitlines())
        html = f"<p><strong>{first}</strong><br>{'<br>'.join(rest)}</p>"
        data = plain({**vars(self), "picture": self.picture and _png(self.picture)})
        return {MIME: data, "text/plain": text, "text/html": html}


def _png(figure: Any) -> str:
    """Base64, the only way in which JSON carries a picture."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()


def plain(value: Any) -> Any:
    """`value` in JSON's own types: data frames as lists of rows, numpy's numbers as Python's, NaN as null."""
    if hasattr(value, "to_json"):
        return json.loads(value.to_json(orient="records", double_precision=15))
    if isinstance(value, dict):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
