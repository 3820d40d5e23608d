"""What a notebook hands to the index."""

import json

import numpy as np
import pandas as pd
import pytest

from kdlib.registry import KdlibError
from kdlib.report.summary import MIME, Summary


def test_a_summary_is_plain_json():
    rows = [{"T": np.int64(2), "accuracy": np.float32(0.5), "ece": float("nan")}]
    bundle = Summary(title="a < b", scale="s", measured=(1, 2), rows=rows)._repr_mimebundle_()
    assert json.loads(json.dumps(bundle[MIME], allow_nan=False))["rows"] == [{"T": 2, "accuracy": 0.5, "ece": None}]
    assert "1 of 2 measured" in bundle["text/plain"] and "a &lt; b" in bundle["text/html"]


def test_a_summary_knows_four_verdicts():
    with pytest.raises(KdlibError, match="Unknown verdict of 'c' 'hold': did you mean 'holds'"):
        Summary(title="t", scale="s", measured=(1, 1), verdicts=pd.DataFrame([{"claim": "c", "verdict": "hold"}]))
