"""Garbage collection of processes that hold many long-lived objects."""

from __future__ import annotations

import gc


def collect_seldom(after: int) -> None:
    """Collect once per ``after`` new objects, and ignore the objects that exist now; call it after the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(after, *gc.get_threshold()[1:])
