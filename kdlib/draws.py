"""Counter-based random numbers: what is drawn depends on its key alone, never on what was drawn before.

Raw Philox words (Salmon et al. 2011) are the same in every version of numpy; its higher-level draws need not be.
"""

import hashlib

import numpy as np
from scipy.special import ndtri


def words(count: int, *key) -> np.ndarray:
    """`count` random 64-bit words for the key, a tuple of texts and numbers: shape (count,), uint64."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.Philox(key=np.frombuffer(digest[:16], "<u8")).random_raw(count)


def uniform(count: int, *key) -> np.ndarray:
    """Numbers between 0 and 1, neither included: shape (count,), float64."""
    return ((words(count, *key) >> 11) + 0.5) / 2**53


def normal(count: int, *key) -> np.ndarray:
    """Standard normal numbers: shape (count,), float64."""
    return ndtri(uniform(count, *key))


def permutation(count: int, *key) -> np.ndarray:
    """A random order of 0..count-1, int64."""
    return np.argsort(words(count, *key), kind="stable")
