"""Where runs are kept, and what is read from there: files, committed records, tables, queries, maintenance."""

from kdlib.store.files import SCHEMA, Store, digest, dump, repository, write_atomically

__all__ = ["SCHEMA", "Store", "digest", "dump", "repository", "write_atomically"]
