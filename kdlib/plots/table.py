"""Tables for reports."""

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from great_tables import GT, loc, style
from IPython.display import HTML

from kdlib.plots.parts import level
from kdlib.registry import KdlibError, unknown

# great_tables sets the colour of a table's text, and JupyterLab that of its rows, both for their own ground: where the
# theme is dark, dark letters would stand on dark rows.
PAPER = ".gt_table tr { background-color: #FFFFFF !important; color: #333333 !important; }"
PALE = "#757575"  # the lightest grey that is read well on white: contrast 4.6 to 1 (WCAG 2.2 asks for 4.5)


def table(
    frame: pd.DataFrame,
    note: str,
    digits: dict[str, int] | None = None,
    group: str | None = None,
    greyed: Mapping[str, Sequence[bool]] | None = None,
) -> GT:
    """The rows as a table with a note under it.

    `digits` says how many a column shows after the point (2 if it does not); what is missing reads "–", truths read
    "yes" and "no"; equal values of the column `group` become a heading over their rows; columns "ours: ECE" and
    "ours: score" stand side by side under "ours"; `greyed` says of a column which of its rows are set in grey. Raises
    KdlibError where its column or number of rows is not the frame's.
    """
    frame = frame.assign(**{column: frame[column].map(level) for column in frame.select_dtypes(bool)})
    shown = _plain(frame, note, group).tab_spanner_delim(": ")
    shown = shown.tab_style(style.css("white-space: nowrap;"), [loc.body(), loc.column_labels()])
    for column in frame.select_dtypes("number"):
        shown = shown.fmt_number(columns=column, decimals=(digits or {}).get(column, 2))
    for column, marks in (greyed or {}).items():
        shown = shown.tab_style(style.text(color=PALE), _cells(frame, column, marks))
    return shown


def _cells(frame: pd.DataFrame, column: str, marks: Sequence[bool]) -> loc.body:
    """The marked cells of a column."""
    if column not in frame:
        raise KdlibError(unknown("column", column, frame))
    if len(marks) != len(frame):
        raise KdlibError(
            f"Column '{column}' is greyed by {len(marks)} marks, and the table has {len(frame)} rows: give one for "
            "each row."
        )
    return loc.body(columns=column, rows=[row for row, marked in enumerate(marks) if marked])


def words(frame: pd.DataFrame, note: str, group: str | None = None) -> GT:
    """A table of sentences, which may take several lines."""
    return _plain(frame, note, group).tab_style(style.css("vertical-align: top; min-width: 10.5em"), loc.body())


def folded(title: str, shown: GT) -> HTML:
    """A table that a reader opens by its title."""
    return HTML(f"<details><summary>{escape(title)}</summary>{shown.as_raw_html()}</details>")


def _plain(frame: pd.DataFrame, note: str, group: str | None) -> GT:
    shown = GT(frame, groupname_col=group).sub_missing(missing_text="–").tab_source_note(note).opt_css(PAPER)
    return shown.tab_options(
        data_row_padding="3px", table_font_size="0.9rem", row_group_font_weight="bold", source_notes_font_size="0.8rem"
    )
