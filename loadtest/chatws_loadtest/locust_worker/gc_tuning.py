"""Garbage collection of a load process: users hold many thousands of objects, and none of them is garbage."""

from __future__ import annotations

import gc

COLLECT_AFTER = 50_000
"""New objects after which Python looks for cyclic garbage; with its own 700 it looks at all users over and over."""


def collect_seldom() -> None:
    """Look for garbage seldom from now on, and not among what importing has made; call it when that is done."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def freeze_garbage() -> None:
    """Collect once, and never again look at what is left; call it when everybody is connected."""
    gc.collect()
    gc.freeze()
