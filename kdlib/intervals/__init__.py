"""What a figure is worth: intervals, comparisons, verdicts, and how often the intervals hold the truth."""
