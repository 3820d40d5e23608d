"""Where runs are kept, and what is read from there. It knows of files and records, not of torch, metrics or images.

runs.py         `Store`: the files of each run, by its key; what others are handed
committed.py    records that came with the checkout, read where the store has none
evaluations.py  what was measured on finished runs
locks.py        which process trains which run
files.py        how any of it is written and read: whole or not at all
tables.py       records as a table
queries.py      runs by condition or by the beginning of their key
listing.py      runs as texts for a person
maintenance.py  prune, retry, export
provenance.py   with which code, versions and machine a record was made
"""

from kdlib.places import repository
from kdlib.store.files import dump, write_atomically
from kdlib.store.runs import SCHEMA, Store

__all__ = ["SCHEMA", "Store", "dump", "repository", "write_atomically"]
