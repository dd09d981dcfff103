"""Heads of requests: their new headers for the target, and the part of Engine.IO that they belong to."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from chatws_loadtest.tap.http_stream import HttpHead

REMOVED: Final = frozenset({"accept-encoding", "sec-websocket-extensions"})
"""Headers of requests that would make the server compress what the analysis reads."""

LENGTH_HEADERS: Final = frozenset({"content-length", "transfer-encoding"})
_PORTS: Final = {"http": 80, "https": 443}


class TapTarget(msgspec.Struct, frozen=True):
    """Address of the server behind the tap."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL, which `chatws_loadtest.options.check_url` has accepted."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])

    @property
    def authority(self) -> str:
        """Value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


class RequestKind(msgspec.Struct, frozen=True):
    """Part of Engine.IO that a request belongs to; ``transport`` is empty for other HTTP."""

    method: str
    path: str
    transport: str = ""
    sid: str = ""

    @classmethod
    def of(cls, head: HttpHead) -> Self:
        """Classify a request: Engine.IO's have the parameters ``EIO`` and ``transport``, on any path."""
        method, _, rest = head.start_line.partition(" ")
        parts = urlsplit(rest.rpartition(" ")[0])
        query = parse_qs(parts.query)
        transport = query.get("transport", [""])[0]
        if "EIO" not in query or transport not in {"polling", "websocket"}:
            return cls(method, parts.path)
        return cls(method, parts.path, transport, query.get("sid", [""])[0])


def rewrite(head: HttpHead, target: TapTarget) -> bytes:
    """Return the head of a request for the target: its ``Host``, its own ``Origin``, and no compression."""
    own = head.header("host")
    lines = [head.start_line]
    for name, value in head.headers:
        key = name.lower()
        if key in REMOVED:
            continue
        if key == "host":
            lines.append(f"{name}: {target.authority}")
        elif key == "origin" and urlsplit(value).netloc == own:
            lines.append(f"{name}: {target.origin}")
        else:
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def replace_length(raw: bytes, body_bytes: int) -> bytes:
    """Return a head for a body of another length."""
    first, *lines = raw.decode("latin-1").rstrip().split("\r\n")
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in LENGTH_HEADERS]
    return "\r\n".join([first, *kept, f"Content-Length: {body_bytes}", "", ""]).encode("latin-1")
