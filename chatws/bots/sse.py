"""Sans-I/O parser of server-sent events (WHATWG HTML, section 9.2.6, interpreting an event stream)."""

from __future__ import annotations

import codecs
from typing import NamedTuple

MAX_EVENT_CHARS = 256 * 1024
"""Maximum size of an event; no reply to a customer is that long."""


class ServerSentEvent(NamedTuple):
    """Event; ``data`` contains its data lines, joined by line feeds."""

    name: str
    data: str


class EventTooLong(Exception):
    """Event that exceeds `MAX_EVENT_CHARS`."""


class EventStream:
    """Incremental parser; chunks may end anywhere, even inside a character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        """Start of an incomplete line."""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        """Characters of the current event."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that this chunk completes; an incomplete event at the end of the stream is discarded.

        Raises:
            EventTooLong: an event exceeds the size limit.
        """
        text = self._rest + self._decoder.decode(chunk)
        # A CR at the end may be the first half of a CRLF.
        pending_cr = "\r" if text.endswith("\r") else ""
        body = text.removesuffix("\r") if pending_cr else text
        *lines, rest = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + pending_cr
        events = [event for line in lines if (event := self._take(line)) is not None]
        if self._size + len(self._rest) > MAX_EVENT_CHARS:
            raise EventTooLong
        return events

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        if not field:
            return None  # a comment
        self._size += len(line)
        if self._size > MAX_EVENT_CHARS:
            raise EventTooLong
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
