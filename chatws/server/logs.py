"""Structured log lines: an event name with keys, as text or JSON, without message contents or secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO

from aiohttp import web
from aiohttp.http import HttpProcessingError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
MAX_VALUE_CHARS = 200
_MIN_INTERVAL_S = 1.0

_MALFORMED_HTTP = (HttpProcessingError, web.RequestPayloadError)
"""Errors that are logged for a head, and for a body that no handler reads."""

_STANDARD_ATTRIBUTES = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
"""Attributes of every record; any other was given as ``extra``."""


def log_event(logger: logging.Logger, level: int, name: str, **keys: object) -> None:
    """Log an event with its name and keys."""
    if logger.isEnabledFor(level):
        logger.log(level, name, extra={"keys": keys})


class TextFormatter(logging.Formatter):
    """One line of text: ``2025-10-28T09:30:00.000Z info client_connected userId=agent-1``."""

    def __init__(self, server: int | None = None) -> None:
        super().__init__()
        self._server = server

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line; control characters are escaped, so that no value can begin another line."""
        keys = "".join(f" {key}={_escape(value)}" for key, value in _keys(record, self._server).items())
        line = f"{_timestamp(record)} {record.levelname.lower()} {_escape(record.getMessage())}{keys}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``event``, ``logger`` and the event's keys."""

    def __init__(self, server: int | None = None) -> None:
        super().__init__()
        self._server = server

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as a JSON object."""
        row: dict[str, object] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        for key, value in _keys(record, self._server).items():
            row.setdefault(key, _shorten(value))
        return json.dumps(row)  # ASCII only: no value can end the line, not even for readers that split at U+2028


class BadRequestFilter(logging.Filter):
    """Replaces the tracebacks that aiohttp logs for malformed HTTP by at most one line per second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._next_at = 0.0
        self._suppressed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite or drop a record about malformed HTTP; pass any other unchanged."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name != "aiohttp.server" or not isinstance(error, _MALFORMED_HTTP):
            return True
        now = self._clock()
        if now < self._next_at:
            self._suppressed += 1
            return False
        self._next_at = now + _MIN_INTERVAL_S
        record.msg, record.args, record.exc_info = "bad_http", (), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.keys = {"suppressed": self._suppressed}
        self._suppressed = 0
        return True


def make_handler(stream: TextIO, style: Literal["text", "json"], server: int | None = None) -> logging.Handler:
    """Return the handler of the server's log; ``server`` is its number if there are several."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(server) if style == "json" else TextFormatter(server))
    handler.addFilter(BadRequestFilter())
    return handler


def configure_logging(level: str, style: Literal["text", "json"], server: int | None = None) -> None:
    """Send the log of chatws to stderr; called once per server process."""
    root = logging.getLogger()
    root.handlers[:] = [make_handler(sys.stderr, style, server)]
    root.setLevel(logging.WARNING)
    logging.getLogger("chatws").setLevel(_LEVELS[level])


def _keys(record: logging.LogRecord, server: int | None) -> dict[str, object]:
    """Return the server's number and the keys of a record, given to `log_event` or as ``extra``."""
    keys = getattr(record, "keys", None)
    if not isinstance(keys, dict):
        keys = {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
    return keys if server is None else {"server": server, **keys}


def _timestamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _shorten(value: object) -> object:
    return value if isinstance(value, int | float | bool | None) else str(value)[:MAX_VALUE_CHARS]


def _escape(value: object) -> str:
    text = str(value)[:MAX_VALUE_CHARS]
    return text if text.isprintable() and " " not in text else repr(text)
