"""What all studies share, and a room per published study.

    study.py        a study's claims, the rules that decide them, and the figures that its source printed
    printed.py      figures that a source printed as records, so that its own table goes through the same rules
    results.py      what was measured of declared rows: per run, per row, and by comparison, in the units that are shown
    calibration.py  how one network's ECE changes with bins and batches
    sentences.py    findings in words

An own study is a notebook and nothing else: it makes a `Study`, declares rows of runs, and writes its rules beneath.
A published one also has a room here, with its rows, its rules and the plots that no other study needs.
"""

from kdlib import lazy

_HOMES = {
    "Study": "study",
    "Printed": "study",
    "published": "study",
    "Results": "results",
    "UNITS": "results",
    "ece_beside_floor": "calibration",
    "ece_by_bins_and_batches": "calibration",
    "called": "sentences",
    "claims_table": "sentences",
    "clear": "sentences",
    "finding": "sentences",
    "listing": "sentences",
    "count": "sentences",
    "ranges": "sentences",
    "tally": "sentences",
}

__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
