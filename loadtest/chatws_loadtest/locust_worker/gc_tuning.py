"""Garbage collection of load processes, whose users consist of many thousands of long-lived objects."""

from __future__ import annotations

import gc

GC_THRESHOLD = 50_000
"""New objects between two collections; with Python's default of 700, the collector traverses all users repeatedly."""


def freeze_garbage() -> None:
    """Collect once, and ignore the remaining objects from then on; call it when every user is connected."""
    gc.collect()
    gc.freeze()
