"""Garbage collection of processes that hold many long-lived objects."""

from __future__ import annotations

import gc

_YOUNG_COLLECTIONS = 2
"""Collections of the youngest generation before one of the middle generation.

With Python's default of 10, the latter stops a server for 0.1 s that has just accepted thousands of connections. The
sum of the pauses is the same.
"""


def tune_gc(threshold: int) -> None:
    """Collect once per ``threshold`` new objects, and exclude those that exist now; called at the end of start-up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(threshold, _YOUNG_COLLECTIONS, gc.get_threshold()[2])
