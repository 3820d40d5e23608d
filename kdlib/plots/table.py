"""Tables for reports."""

import pandas as pd
from great_tables import GT, loc, style


def table(frame: pd.DataFrame, note: str, digits: dict[str, int] | None = None, group: str | None = None) -> GT:
    """The rows as a table with a note under it.

    `digits` says how many a column shows after the point (2 if it does not); what is missing reads "–"; equal values
    of the column `group` become a heading over their rows.
    """
    shown = GT(frame, groupname_col=group).sub_missing(missing_text="–").tab_source_note(note)
    for column in frame.select_dtypes("number"):
        shown = shown.fmt_number(columns=column, decimals=(digits or {}).get(column, 2))
    return (
        shown.tab_options(data_row_padding="3px", table_font_size="0.9rem", row_group_font_weight="bold")
        .tab_style(style.css("white-space: nowrap"), [loc.body(), loc.column_labels()])
        .tab_style(style.css("font-size: .8rem; color: #59636e"), loc.source_notes())
    )
