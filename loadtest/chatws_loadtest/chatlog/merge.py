"""Merge of the recordings of several load processes into one file."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path

from chatws_loadtest.chatlog.reader import RecordStream
from chatws_loadtest.chatlog.records import MarkRecord, Record, Source
from chatws_loadtest.chatlog.writer import ChatlogWriter


def merge_chatlogs(
    parts: Sequence[Path], target: Path, source: Source, url: str, *, start_s: float, marks: Sequence[MarkRecord] = ()
) -> None:
    """Write the records of all parts, whose times count from ``start_s``, and the marks to one file in their order.

    Parts that were never written are skipped; the others are removed.

    Raises:
        OSError: the file cannot be written.
        ChatlogError: a part is broken.
    """
    found = [part for part in parts if part.exists()]
    streams = [RecordStream(part) for part in found]
    is_open = any(stream.header.with_content for stream in streams)
    with ChatlogWriter(target, source, url, with_content=is_open, start_s=start_s) as writer:
        for record in heapq.merge(*streams, sorted(marks, key=_time), key=_time):
            writer.write(record)
    for part in found:
        part.unlink()


def _time(record: Record) -> float:
    return record.t
