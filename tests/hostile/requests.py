"""HTTP requests and polling bodies that nobody should send, and the status that answers each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import NamedTuple

EVIL = {"Origin": "https://evil.example"}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Request(NamedTuple):
    """A whole request to the engine's path, or to another."""

    query: str
    status: int = 400
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    path: str = "/socket.io/"


class Body(NamedTuple):
    """What is posted to a polling session that is connected; the session is gone afterwards."""

    sent: bytes
    status: int = 400
    headers: Mapping[str, str] = {"Content-Type": "text/plain;charset=UTF-8"}


def _api(body: bytes, status: int, path: str = "/api/coze/chat", **headers: str) -> Request:
    return Request("", status, "POST", {"Content-Type": "application/json", **headers}, body, path)


POLLING = "EIO=4&transport=polling"
WEBSOCKET = "EIO=4&transport=websocket"

REQUESTS = {
    "no transport": Request("EIO=4"),
    "unknown transport": Request("EIO=4&transport=carrier-pigeon"),
    "transport twice": Request("EIO=4&transport=flash&transport=polling"),
    "no revision": Request("transport=polling"),
    "revision 3": Request("EIO=3&transport=polling"),
    "revision in Arabic": Request("EIO=%D9%A4&transport=polling"),
    "JSONP": Request(f"{POLLING}&j=0"),
    "foreign sid": Request(f"{POLLING}&sid=AAAAAAAAAAAAAAAAAAAA"),
    "empty sid": Request(f"{POLLING}&sid="),
    "sid with a line of log": Request(f"{POLLING}&sid=x%0aCRITICAL%20forged"),
    "sid of 5,000 characters": Request(f"{POLLING}&sid={'s' * 5_000}"),
    "sid that is not UTF-8": Request(f"{POLLING}&sid=%ff%fe"),
    "POST without sid": Request(POLLING, method="POST", body=b"40"),
    "POST to a foreign sid": Request(f"{POLLING}&sid=AAAAAAAAAAAAAAAAAAAA", method="POST", body=b"40"),
    "PUT": Request(POLLING, method="PUT", body=b"x"),
    "DELETE": Request(POLLING, method="DELETE"),
    "PATCH to a foreign sid": Request(f"{POLLING}&sid=A", method="PATCH"),
    "WebSocket without upgrade": Request(WEBSOCKET),
    "polling with upgrade": Request(POLLING, headers=UPGRADE),
    "WebSocket to a foreign sid": Request(f"{WEBSOCKET}&sid=AAAAAAAAAAAAAAAAAAAA", headers=UPGRADE),
    "WebSocket without key": Request(WEBSOCKET, headers={k: v for k, v in UPGRADE.items() if "Key" not in k}),
    "WebSocket with a short key": Request(WEBSOCKET, headers=UPGRADE | {"Sec-WebSocket-Key": "AAAA"}),
    "WebSocket of tomorrow": Request(WEBSOCKET, headers=UPGRADE | {"Sec-WebSocket-Version": "14"}),
    "WebSocket by POST": Request(WEBSOCKET, method="POST", headers=UPGRADE),
    "foreign origin polling": Request(POLLING, 403, headers=EVIL),
    "foreign origin WebSocket": Request(WEBSOCKET, 403, headers=EVIL | UPGRADE),
    "foreign origin preflight": Request(POLLING, 403, "OPTIONS", EVIL),
    "origin null": Request(POLLING, 403, headers={"Origin": "null"}),
    "origin of another port": Request(POLLING, 403, headers={"Origin": "http://127.0.0.1:1"}),
    "origin with our name in front": Request(POLLING, 403, headers={"Origin": "http://127.0.0.1.evil.example"}),
    "forwarded host in development": Request(POLLING, 403, headers=EVIL | {"X-Forwarded-Host": "evil.example"}),
    "foreign Host in development": Request(POLLING, 403, headers={"Host": "evil.example"}),
    "REST without JSON": _api(b"{", 400, **{"X-Session-Id": "hostile"}),
    "REST nested 30,000 levels": _api(b'{"message":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400),
    "REST with NaN": _api(b'{"message":NaN}', 400, **{"X-Session-Id": "hostile"}),
    "REST of 65 KiB": _api(json.dumps({"message": "x" * 66_000}).encode(), 413, **{"X-Session-Id": "hostile"}),
    "REST with a forged token": _api(b'{"message":"x"}', 401, Authorization="Bearer a.b.c"),
    "REST path traversal": Request("", 404, path="/api/..%2f..%2fetc/passwd"),
    "REST by TRACE": Request("", 405, "TRACE", path="/api/sessions"),
}

BODIES = {
    "empty body": Body(b""),
    "not UTF-8": Body(b"4\xff\xfe"),
    "one separator": Body(b"\x1e"),
    "60,000 separators": Body(b"\x1e" * 60_000),
    "good packet and an empty one": Body(b'42["nonsense"]\x1e'),
    "good packet and garbage": Body(b'42["nonsense"]\x1egarbage'),
    "form": Body(b"d=42%5B%5D", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "JSON type": Body(b'["echo"]', headers={"Content-Type": "application/json"}),
    "binary type": Body(b"\x04", headers={"Content-Type": "application/octet-stream"}),
    "compressed": Body(gzip.compress(b'42["nonsense"]'), 415, {"Content-Encoding": "gzip"}),
    "compression bomb": Body(gzip.compress(bytes(5_000_000)), 415, {"Content-Encoding": "gzip"}),
    "64 KiB and a byte": Body(b"4" * 65_537, 413),
    "a megabyte": Body(b"4" * 1_000_000, 413),
    "base64 that is none": Body(b"b!!!!"),
    "attachment nobody announced": Body(b"bAQID"),
    "OPEN of a client": Body(b"0"),
    "PING of a client": Body(b"2"),
    "probe": Body(b"2probe"),
    "UPGRADE": Body(b"5"),
    "letter": Body(b"x"),
    "event with an object": Body(b"42{}"),
    "attachment bomb": Body(b'459999999999-["echo"]'),
    "event nested 900 levels": Body(b'42["e",' + b"[" * 900 + b"]" * 900 + b"]"),
    "event of 1,001 values": Body(b'42["e"' + b",1" * 999 + b"]"),
    "ack id of 100 digits": Body(b"42" + b"9" * 100 + b'["echo"]'),
    "CONNECT with an array": Body(b"40[]"),
    "CONNECT_ERROR": Body(b'44{"message":"x"}'),
    "second CONNECT": Body(b"40", 200),
    "reserved name": Body(b'42["disconnect"]', 200),
    "event of a stranger": Body(b'42/other,["echo"]', 200),
}
"""With 200 the body was read without fault; what its packets ask is found out in their turn."""

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
"""Bytes on a bare connection; each is answered 400 and the connection ends."""
