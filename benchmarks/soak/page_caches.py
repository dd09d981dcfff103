"""Filling of the database's page caches, which would otherwise grow while the memory is measured."""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.soak.clients import join_all, request
from benchmarks.soak.server_stats import SoakServer

_CHARS: Final = 3_900
_PAGE: Final = 100
_AT_ONCE: Final = 50
_READERS: Final = 4


async def fill_page_caches(server: SoakServer, size_bytes: int) -> None:
    """Write and read messages of ``size_bytes`` in all, which should be more than SQLite's bounded caches hold."""
    writer, *readers = await join_all(server, ["cached"] * (_READERS + 1))
    message = {"conversationId": "conv-cached", "content": "x" * _CHARS}
    count = size_bytes // _CHARS
    for _ in range(0, count, _AT_ONCE):
        await asyncio.gather(*(request(writer, "send_message", message) for _ in range(_AT_ONCE)))
    for before_seq in range(count, 0, -_PAGE):
        page = {"conversationId": "conv-cached", "beforeSeq": before_seq, "limit": _PAGE}
        await asyncio.gather(*(request(reader, "history", page) for reader in readers))
    for connection in (writer, *readers):
        connection.close()
