"""Tables."""

import numpy as np
import pandas as pd

from kdlib import plots


def test_table_formats_marks_gaps_and_groups():
    frame = pd.DataFrame({"row": ["x", "y"], "accuracy": [61.128, np.nan], "T": [2.5, 5.0]})
    html = plots.table(frame, note="What it is.", digits={"T": 1}, group="row").as_raw_html()
    both = plots.table(pd.DataFrame({"a": [1.0], "ours: b": [2.0], "ours: c": [3.0]}), note="").as_raw_html()
    assert both.count("ours</") == 1 and ">b<" in both and ">c<" in both
    truths = plots.table(pd.DataFrame({"mixup": [True, False]}), note="").as_raw_html()
    assert ">yes<" in truths and ">no<" in truths
    assert "61.13" in html and ">2.5<" in html and ">–<" in html and "What it is." in html
