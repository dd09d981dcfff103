"""Garbage collection of processes that hold many long-lived objects."""

from __future__ import annotations

import gc


def tune_gc(threshold: int) -> None:
    """Collect once per ``threshold`` new objects, and exclude those that exist now; called at the end of start-up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(threshold, *gc.get_threshold()[1:])
