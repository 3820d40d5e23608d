"""Notebooks executed and rendered to self-contained HTML, and the index of what was made.

Light at import: papermill and nbconvert, which take seconds, are imported when a notebook is executed.
"""

from kdlib.report.execute import execute, main
from kdlib.report.parameters import check, check_parameters, declared
from kdlib.report.summary import Summary

__all__ = ["Summary", "check", "check_parameters", "declared", "execute", "main"]
