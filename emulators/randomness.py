"""Random numbers by purpose: each purpose has a generator of its own, so that drawing more for one moves no other.

The same seed and purpose give the same numbers in any process.
"""

import zlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """PCG64 for one purpose, e.g. `generator(7, "noise", "gpu-0")`. `seed` is not negative."""
    key = tuple(zlib.crc32(word.encode()) for word in purpose)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
