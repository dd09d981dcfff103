"""Server-sent events from bytes, without I/O (WHATWG HTML, section 9.2.6, interpreting an event stream)."""

from __future__ import annotations

import codecs
from typing import NamedTuple

MAX_EVENT_CHARS = 256 * 1024
"""An event of a remote that is longer than this is no answer to a customer."""


class ServerSentEvent(NamedTuple):
    """One event; ``data`` is its data lines, joined by line feeds."""

    name: str
    data: str


class TooLong(Exception):
    """An event exceeds `MAX_EVENT_CHARS`."""


class EventStream:
    """Takes the stream in pieces of any size, cut anywhere, also inside a character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        """The beginning of a line whose end has not come."""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        """Characters of the event under way."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that this piece completes; one that the end of the stream cuts off never was.

        Raises:
            TooLong: an event has no end.
        """
        text = self._rest + self._decoder.decode(chunk)
        # A CR at the end may be half of a CRLF.
        held = "\r" if text.endswith("\r") else ""
        body = text.removesuffix("\r") if held else text
        *lines, rest = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + held
        events = [event for line in lines if (event := self._take(line)) is not None]
        if self._size + len(self._rest) > MAX_EVENT_CHARS:
            raise TooLong
        return events

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        if not field:
            return None  # a comment
        self._size += len(line)
        if self._size > MAX_EVENT_CHARS:
            raise TooLong
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event
