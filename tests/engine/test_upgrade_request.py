"""Upgrade requests that the engine parses itself, and those that it leaves to aiohttp."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import HttpVersion11

from chatws.engine.upgrade_request import MAX_HEAD_BYTES, parse_upgrade
from tests.engine.support import UPGRADE

TCP = asyncio.Transport()
HEAD = UPGRADE.removesuffix(b"\r\n")


def test_properties_of_an_ordinary_request() -> None:
    request = parse_upgrade(HEAD + b"Origin:  https://shop.example \r\nX-Empty:\r\n\r\n", TCP)
    assert request is not None
    assert request.transport is TCP
    assert (request.method, request.version, request.scheme) == ("GET", HttpVersion11, "http")
    assert request.path == "/socket.io/"
    assert request.query == {"EIO": "4", "transport": "websocket"}
    assert request.headers["ORIGIN"] == "https://shop.example"
    assert request.headers["upgrade"] == "websocket"
    assert request.headers.getall("connection") == ["Upgrade"]
    assert not request.headers["x-empty"]
    assert not request.body_exists


def test_scheme_of_an_encrypted_connection() -> None:
    request = parse_upgrade(UPGRADE, asyncio.Transport({"sslcontext": object()}))
    assert request is not None
    assert request.scheme == "https"


@pytest.mark.parametrize(
    "received",
    [
        b"",
        UPGRADE[:-2],
        UPGRADE + b"\x81\x80abcd",
        UPGRADE + UPGRADE,
        UPGRADE.replace(b"GET", b"POST"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"/socket.io/", b"http://x/socket.io/"),
        UPGRADE.replace(b"/socket.io/", b"/socket%2Eio/"),
        UPGRADE.replace(b"websocket HTTP", b"web%73ocket HTTP"),
        UPGRADE.replace(b"websocket HTTP", b"websocket&EIO=3 HTTP"),
        UPGRADE.replace(b"websocket HTTP", b"websocket#part HTTP"),
        UPGRADE.replace(b"Upgrade: websocket\r\n", b""),
        UPGRADE.replace(b"Host: ", b"X-Host: "),
        UPGRADE.replace(b"\r\n", b"\n"),
        HEAD + b"host: y\r\n\r\n",
        HEAD + b"Content-Length: 4\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Sec-WebSocket-Key1: a\r\n\r\n",
        HEAD + b"Cookie : a\r\n\r\n",
        HEAD + b"Cookie\r\n\r\n",
        HEAD + b": a\r\n\r\n",
        HEAD + b"Cookie: a\r\n b\r\n\r\n",
        HEAD + b"Cookie: a\x00\r\n\r\n",
        HEAD + b"Cookie: a\rb\r\n\r\n",
        HEAD + b"Cookie: \xe4\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + b"\r\n",
        HEAD + b"Cookie: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_unusual_request_is_left_to_aiohttp(received: bytes) -> None:
    assert parse_upgrade(received, TCP) is None
