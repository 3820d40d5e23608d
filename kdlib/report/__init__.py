"""Notebooks executed and rendered to self-contained HTML, and the pages that list what was made.

Light at import: papermill and nbconvert, which take seconds, are imported when a notebook is executed, and neither is
needed to check a notebook's parameters or to train what it declares.
"""

from kdlib.report.declaration import train_declared
from kdlib.report.execute import main
from kdlib.report.index import write_indexes
from kdlib.report.inside import check_parameters
from kdlib.report.parameters import check, declared
from kdlib.report.summary import Summary

__all__ = ["Summary", "check", "check_parameters", "declared", "main", "train_declared", "write_indexes"]
