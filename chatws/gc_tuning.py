"""Garbage collection of processes that hold many long-lived objects."""

from __future__ import annotations

import gc


def tune_gc(threshold: int) -> None:
    """Collect once per ``threshold`` new objects, and ignore the objects that exist now; call it after the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(threshold, *gc.get_threshold()[1:])
