"""Reader of ``.chatlog`` files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatws_loadtest.chatlog.errors import BrokenLine, ChatlogUnreadable, NewerVersion
from chatws_loadtest.chatlog.records import VERSION, ChatlogHeader, Record

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Longest line that is read: a file without line feeds must not fill the memory."""

_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_header = msgspec.json.Decoder(ChatlogHeader).decode
_decode_record = msgspec.json.Decoder(Record).decode


class _AnyHeader(msgspec.Struct, frozen=True, tag_field="type", tag="header"):
    """Header of any version."""

    version: int


@dataclass(frozen=True, slots=True)
class Chatlog:
    """Recording in memory."""

    header: ChatlogHeader
    records: list[Record]
    is_cut: bool = False
    """The last line is incomplete: the recording tool was killed."""

    @property
    def duration_s(self) -> float:
        """Time of the last record."""
        return self.records[-1].t if self.records else 0.0


class RecordStream:
    """Records of a file in the order of its lines, for recordings that are larger than the memory."""

    def __init__(self, path: Path) -> None:
        """Open a recording and read its header.

        Raises:
            ChatlogUnreadable: the file cannot be opened, or is no recording.
            NewerVersion: this release does not know its version.
        """
        self.is_cut = False
        """Set at the end if the last line is incomplete."""
        self._path = path
        self._lines = _read_lines(path)
        self.header = _read_header(path, next(self._lines, b""))

    def __iter__(self) -> Iterator[Record]:
        """Yield the records; an incomplete last line is left out.

        Raises:
            BrokenLine: a line is no record.
        """
        for number, line in enumerate(self._lines, start=2):
            try:
                yield _decode_record(line)
            except _UNDECODABLE as problem:
                if line.endswith(b"\n"):
                    raise BrokenLine(self._path, number, _describe(problem)) from problem
                self.is_cut = True


def read_chatlog(path: Path) -> Chatlog:
    """Read a whole recording; an incomplete last line is left out.

    Raises:
        ChatlogError: the file cannot be opened, is no recording, is of a newer version, or has a broken line.
    """
    stream = RecordStream(path)
    records = list(stream)
    # A line that waited for a lock or another process may follow one that is later by milliseconds.
    records.sort(key=lambda record: record.t)
    return Chatlog(stream.header, records, is_cut=stream.is_cut)


def _read_header(path: Path, line: bytes) -> ChatlogHeader:
    if not line:
        raise ChatlogUnreadable(path, "the file is empty")
    try:
        version = msgspec.json.decode(line, type=_AnyHeader).version
        if version > VERSION:
            raise NewerVersion(path, version, VERSION)
        return _decode_header(line)
    except _UNDECODABLE as problem:
        raise ChatlogUnreadable(path, f"no recording of chatws: line 1: {_describe(problem)}") from problem


def _read_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            number = 1
            while line := file.readline(MAX_LINE_BYTES):
                if len(line) == MAX_LINE_BYTES:
                    raise BrokenLine(path, number, f"longer than {MAX_LINE_BYTES // 1024 // 1024} MiB")
                yield line
                number += 1
    except OSError as problem:
        raise ChatlogUnreadable(path, problem.strerror or str(problem)) from problem


def _describe(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "nested too deeply"
    return "not UTF-8 text" if isinstance(problem, UnicodeDecodeError) else str(problem)
