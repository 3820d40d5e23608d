"""How often our intervals hold the truth: a study of our own method, by simulation, which needs no run."""

from kdlib.studies.interval_coverage.stored import measurement, of_designs

__all__ = ["measurement", "of_designs"]
