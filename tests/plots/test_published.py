"""Published figures beside ours."""

import numpy as np
import pandas as pd
from figures import points

from kdlib import plots

PALETTE = {"a": "#111111", "b": "#222222"}


def test_published_against_ours_shows_each_row_that_has_both():
    pairs = pd.DataFrame({"method": ["a", "b"] * 4, "ece": np.arange(8) / 10, "accuracy %": np.arange(8) + 60.0})
    pairs = pairs.assign(**{"published ECE": pairs["ece"] / 2, "published (%)": 77.0})
    pairs.loc[3, "published ECE"] = np.nan
    panels = {"Accuracy: +0.10": ("published (%)", "accuracy %"), "ECE: +1.00": ("published ECE", "ece")}
    accuracy, ece = plots.published_against_ours(pairs, panels, hue="method", palette=PALETTE).axes
    given = pairs.drop(3)[["published ECE", "ece", "method"]].itertuples(index=False)
    assert points(ece) == {(theirs, ours): PALETTE[method] for theirs, ours, method in given}
    assert (accuracy.get_title(loc="left"), accuracy.get_xlabel()) == ("Accuracy: +0.10", "published (%)")
