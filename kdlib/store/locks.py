"""Which process trains which run: a lock per run, free again when its process is killed."""

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from kdlib.store.runs import Store


def lock(store: Store, key: str) -> FileLock:
    """Held while a process trains the run; entering raises filelock.Timeout where another one does."""
    return FileLock(store.root / f"{key}.lock", timeout=0)


@contextlib.contextmanager
def claim(store: Store, keys: list[str], most: int) -> Iterator[set[str]]:
    """Locks up to `most` of the runs, those that no other process trains or has finished a moment ago, and yields
    their keys."""
    with contextlib.ExitStack() as stack:
        mine = set()
        for key in keys:
            if len(mine) == most:
                break
            with contextlib.suppress(Timeout):
                stack.enter_context(lock(store, key))
                if not _settled(store, key):
                    mine.add(key)
        yield mine


def _settled(store: Store, key: str) -> bool:
    """Whether there is nothing left to train; a record may be there and the weights not (a committed teacher)."""
    record = store.record(key)
    return record is not None and (record["status"] == "failed" or store.has_weights(key))
