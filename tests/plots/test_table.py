"""Tables."""

import re

import numpy as np
import pandas as pd
import pytest

from kdlib import plots
from kdlib.registry import KdlibError


def test_table_formats_marks_gaps_and_groups():
    frame = pd.DataFrame({"row": ["x", "y"], "accuracy": [61.128, np.nan], "T": [2.5, 5.0]})
    html = plots.table(frame, note="What it is.", digits={"T": 1}, group="row").as_raw_html()
    both = plots.table(pd.DataFrame({"a": [1.0], "ours: b": [2.0], "ours: c": [3.0]}), note="").as_raw_html()
    assert both.count("ours</") == 1 and ">b<" in both and ">c<" in both
    truths = plots.table(pd.DataFrame({"mixup": [True, False]}), note="").as_raw_html()
    assert ">yes<" in truths and ">no<" in truths
    assert "61.13" in html and ">2.5<" in html and ">–<" in html and "What it is." in html


def grey_cells(html):
    """The figures that a browser shows in another colour than their row's, with the colour."""
    cells = re.findall(r'<td style="([^"]*)"[^>]*>([^<]*)<', html)
    styles = [(dict(part.split(":") for part in style.split(";") if part.strip()), text) for style, text in cells]
    return {text: style[" color"].strip() for style, text in styles if " color" in style}


@pytest.mark.parametrize("group", [None, "row"])
def test_table_greys_the_marked_cells_of_a_column(group):
    frame = pd.DataFrame({"row": ["x", "y", "x"], "ours: ece": [0.1, 0.2, 0.3], "T": [1.0, 2.0, 3.0]})
    greyed = {"ours: ece": frame["ours: ece"] > 0.15, "T": [True, False, False]}
    found = grey_cells(plots.table(frame, note="", group=group, greyed=greyed).as_raw_html())
    assert set(found) == {"0.20", "0.30", "1.00"}
    assert not grey_cells(plots.table(frame, note="", greyed={"T": [False] * 3}).as_raw_html())
    (colour,) = set(found.values())
    share = int(colour[1:3], 16) / 255
    assert len({colour[1:3], colour[3:5], colour[5:]}) == 1, "no grey"
    assert 1.05 / (((share + 0.055) / 1.055) ** 2.4 + 0.05) > 4.5  # contrast with white, WCAG 2.2


def test_table_says_which_column_or_rows_it_cannot_grey():
    frame = pd.DataFrame({"ece": [0.1, 0.2]})
    with pytest.raises(KdlibError, match="Unknown column 'ecc': did you mean 'ece'"):
        plots.table(frame, note="", greyed={"ecc": [True, False]})
    with pytest.raises(KdlibError, match="Column 'ece' is greyed by 1 marks, and the table has 2 rows"):
        plots.table(frame, note="", greyed={"ece": [True]})
