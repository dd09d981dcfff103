"""The bus over Redis, on the connections of the ``redis`` package.

With its parser in C, because every server hears each note of the conversations it hosts: measured per received note,
decoding included, on a busy machine (CPython 3.11, uvloop), 27-35 µs, and 56-69 µs with the one in Python.
"""

from __future__ import annotations

from chatws.bus.redis.bus import RedisBus

__all__ = ["RedisBus"]
