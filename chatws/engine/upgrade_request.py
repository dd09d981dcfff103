"""WebSocket upgrade request parsed by the engine itself, if it is an ordinary one.

aiohttp's parser, request, routing and response, with the three tasks that they take, were a fifth of the CPU time of a
connection. They still handle every other request, and every upgrade request that is unusual in any way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiohttp import HttpVersion, HttpVersion11, hdrs, web
from multidict import CIMultiDict

MAX_HEAD_BYTES: Final = 8 * 1024
_HEAD = re.compile(
    rb"GET (/[A-Za-z0-9._~/-]*)\?([A-Za-z0-9._~=&-]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[\t\x20-\x7e]*\r\n){1,100})\r\n"
)
_UNUSUAL = (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.SEC_WEBSOCKET_KEY1)


class UpgradeRequest(NamedTuple):
    """Head of an upgrade request, with those properties of aiohttp's request that the handshake reads."""

    transport: asyncio.Transport | None
    scheme: str
    path: str
    query: Mapping[str, str]
    headers: CIMultiDict[str]
    method: str = hdrs.METH_GET
    version: HttpVersion = HttpVersion11
    body_exists: bool = False


HttpRequest = web.BaseRequest | UpgradeRequest
"""Request of a handshake."""


def parse_upgrade(received: bytes, tcp: asyncio.Transport) -> UpgradeRequest | None:
    """Parse the first bytes of a connection; return None unless they are exactly the head of one upgrade request.

    A head without Host, with a repeated header, an escaped or repeated parameter, or a body is left to aiohttp, too.
    """
    if len(received) > MAX_HEAD_BYTES or (head := _HEAD.fullmatch(received)) is None:
        return None
    path, query, fields = (part.decode("ascii") for part in head.groups())
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields.splitlines())}
    parameters = dict(pair.partition("=")[::2] for pair in query.split("&"))
    if len(headers) != fields.count("\r\n") or len(parameters) != query.count("&") + 1:
        return None
    found = CIMultiDict(headers)
    if hdrs.HOST not in found or hdrs.UPGRADE not in found or any(name in found for name in _UNUSUAL):
        return None
    scheme = "http" if tcp.get_extra_info("sslcontext") is None else "https"
    return UpgradeRequest(tcp, scheme, path, parameters, found)
