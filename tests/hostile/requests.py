"""Invalid HTTP requests and polling bodies, each with its response status."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import NamedTuple

FOREIGN = {"Origin": "https://evil.example"}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class HostileRequest(NamedTuple):
    """Request to the engine's path, or to another."""

    query: str
    status: int = 400
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    path: str = "/socket.io/"


class HostileBody(NamedTuple):
    """Body posted to a connected polling session, which is closed by it."""

    sent: bytes
    status: int = 400
    headers: Mapping[str, str] = {"Content-Type": "text/plain;charset=UTF-8"}


def _api(body: bytes, status: int, path: str = "/api/coze/chat", **headers: str) -> HostileRequest:
    return HostileRequest("", status, "POST", {"Content-Type": "application/json", **headers}, body, path)


POLLING = "EIO=4&transport=polling"
WEBSOCKET = "EIO=4&transport=websocket"

REQUESTS = {
    "no transport": HostileRequest("EIO=4"),
    "unknown transport": HostileRequest("EIO=4&transport=carrier-pigeon"),
    "transport twice": HostileRequest("EIO=4&transport=flash&transport=polling"),
    "no revision": HostileRequest("transport=polling"),
    "revision 3": HostileRequest("EIO=3&transport=polling"),
    "revision in Arabic": HostileRequest("EIO=%D9%A4&transport=polling"),
    "JSONP": HostileRequest(f"{POLLING}&j=0"),
    "foreign sid": HostileRequest(f"{POLLING}&sid=AAAAAAAAAAAAAAAAAAAA"),
    "empty sid": HostileRequest(f"{POLLING}&sid="),
    "sid with a line of log": HostileRequest(f"{POLLING}&sid=x%0aCRITICAL%20forged"),
    "sid of 5,000 characters": HostileRequest(f"{POLLING}&sid={'s' * 5_000}"),
    "sid that is not UTF-8": HostileRequest(f"{POLLING}&sid=%ff%fe"),
    "POST without sid": HostileRequest(POLLING, method="POST", body=b"40"),
    "POST to a foreign sid": HostileRequest(f"{POLLING}&sid=AAAAAAAAAAAAAAAAAAAA", method="POST", body=b"40"),
    "PUT": HostileRequest(POLLING, method="PUT", body=b"x"),
    "DELETE": HostileRequest(POLLING, method="DELETE"),
    "PATCH to a foreign sid": HostileRequest(f"{POLLING}&sid=A", method="PATCH"),
    "WebSocket without upgrade": HostileRequest(WEBSOCKET),
    "polling with upgrade": HostileRequest(POLLING, headers=UPGRADE),
    "WebSocket to a foreign sid": HostileRequest(f"{WEBSOCKET}&sid=AAAAAAAAAAAAAAAAAAAA", headers=UPGRADE),
    "WebSocket without key": HostileRequest(WEBSOCKET, headers={k: v for k, v in UPGRADE.items() if "Key" not in k}),
    "WebSocket with a short key": HostileRequest(WEBSOCKET, headers=UPGRADE | {"Sec-WebSocket-Key": "AAAA"}),
    "WebSocket of tomorrow": HostileRequest(WEBSOCKET, headers=UPGRADE | {"Sec-WebSocket-Version": "14"}),
    "WebSocket by POST": HostileRequest(WEBSOCKET, method="POST", headers=UPGRADE),
    "foreign origin polling": HostileRequest(POLLING, 403, headers=FOREIGN),
    "foreign origin WebSocket": HostileRequest(WEBSOCKET, 403, headers=FOREIGN | UPGRADE),
    "foreign origin preflight": HostileRequest(POLLING, 403, "OPTIONS", FOREIGN),
    "origin null": HostileRequest(POLLING, 403, headers={"Origin": "null"}),
    "origin of another port": HostileRequest(POLLING, 403, headers={"Origin": "http://127.0.0.1:1"}),
    "origin with the own host in front": HostileRequest(
        POLLING, 403, headers={"Origin": "http://127.0.0.1.evil.example"}
    ),
    "forwarded host in development": HostileRequest(
        POLLING, 403, headers=FOREIGN | {"X-Forwarded-Host": "evil.example"}
    ),
    "foreign Host in development": HostileRequest(POLLING, 403, headers={"Host": "evil.example"}),
    "REST without JSON": _api(b"{", 400, **{"X-Session-Id": "hostile"}),
    "REST nested 30,000 levels": _api(b'{"message":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400),
    "REST with NaN": _api(b'{"message":NaN}', 400, **{"X-Session-Id": "hostile"}),
    "REST of 65 KiB": _api(json.dumps({"message": "x" * 66_000}).encode(), 413, **{"X-Session-Id": "hostile"}),
    "REST with a forged token": _api(b'{"message":"x"}', 401, Authorization="Bearer a.b.c"),
    "REST path traversal": HostileRequest("", 404, path="/api/..%2f..%2fetc/passwd"),
    "REST by TRACE": HostileRequest("", 405, "TRACE", path="/api/sessions"),
}

BODIES = {
    "empty body": HostileBody(b""),
    "not UTF-8": HostileBody(b"4\xff\xfe"),
    "one separator": HostileBody(b"\x1e"),
    "60,000 separators": HostileBody(b"\x1e" * 60_000),
    "good packet and an empty one": HostileBody(b'42["nonsense"]\x1e'),
    "good packet and garbage": HostileBody(b'42["nonsense"]\x1egarbage'),
    "form": HostileBody(b"d=42%5B%5D", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "JSON type": HostileBody(b'["echo"]', headers={"Content-Type": "application/json"}),
    "binary type": HostileBody(b"\x04", headers={"Content-Type": "application/octet-stream"}),
    "compressed": HostileBody(gzip.compress(b'42["nonsense"]'), 415, {"Content-Encoding": "gzip"}),
    "compression bomb": HostileBody(gzip.compress(bytes(5_000_000)), 415, {"Content-Encoding": "gzip"}),
    "64 KiB and a byte": HostileBody(b"4" * 65_537, 413),
    "a megabyte": HostileBody(b"4" * 1_000_000, 413),
    "base64 that is none": HostileBody(b"b!!!!"),
    "unannounced attachment": HostileBody(b"bAQID"),
    "OPEN of a client": HostileBody(b"0"),
    "PING of a client": HostileBody(b"2"),
    "probe": HostileBody(b"2probe"),
    "UPGRADE": HostileBody(b"5"),
    "letter": HostileBody(b"x"),
    "event with an object": HostileBody(b"42{}"),
    "attachment bomb": HostileBody(b'459999999999-["echo"]'),
    "event nested 900 levels": HostileBody(b'42["e",' + b"[" * 900 + b"]" * 900 + b"]"),
    "event of 1,001 values": HostileBody(b'42["e"' + b",1" * 999 + b"]"),
    "ack id of 100 digits": HostileBody(b"42" + b"9" * 100 + b'["echo"]'),
    "CONNECT with an array": HostileBody(b"40[]"),
    "CONNECT_ERROR": HostileBody(b'44{"message":"x"}'),
    "second CONNECT": HostileBody(b"40", 200),
    "reserved name": HostileBody(b'42["disconnect"]', 200),
    "event of an unknown namespace": HostileBody(b'42/other,["echo"]', 200),
}
"""With status 200 the body is valid; its packets fail when they are handled."""

STREAMS = {
    "two lengths": b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length in words": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
    "header of 100 KiB": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "target of 100 KiB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP of tomorrow": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "WebSocket frame": b"\x81\x82abcd\x00\x00\r\n\r\n",
}
"""Bytes on a TCP connection; each gets status 400 and the connection is closed."""
