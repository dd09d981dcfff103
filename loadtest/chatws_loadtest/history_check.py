"""Check of acked messages against the server's history, read over REST."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from chatws_loadtest.contents import read_origin
from chatws_loadtest.ipc import RoomAssignment

PAGE_SIZE: Final = 100
READERS: Final = 4
"""Threads that read conversations at the same time."""

Connect = Callable[[], http.client.HTTPConnection]


class NotReadable(Exception):
    """The server does not offer its history over REST."""


async def count_unstored(
    connect: Connect, rooms: Sequence[RoomAssignment], acked: Mapping[str, Sequence[tuple[int, int]]], tag: str
) -> int:
    """Count messages that were acked as (seq, number) and are missing at that ``seq`` of their conversation's history.

    Raises:
        NotReadable: the history cannot be read.
    """
    shares = [rooms[start::READERS] for start in range(READERS)]
    counts = await asyncio.gather(*(asyncio.to_thread(_count, connect, share, acked, tag) for share in shares))
    return sum(counts)


def _count(
    connect: Connect, rooms: Sequence[RoomAssignment], acked: Mapping[str, Sequence[tuple[int, int]]], tag: str
) -> int:
    client = connect()
    missing = 0
    try:
        for room in rooms:
            expected = acked.get(room.conversation_id, ())
            if expected:
                stored = _read(client, room, tag, last=max(seq for seq, _ in expected))
                missing += sum(stored.get(seq) != number for seq, number in expected)
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as problem:
        raise NotReadable(f"the history could not be read over REST: {problem!r}") from problem
    finally:
        client.close()
    return missing


def _read(client: http.client.HTTPConnection, room: RoomAssignment, tag: str, *, last: int) -> dict[int, int]:
    """Read a conversation up to ``last``, and return the numbers of messages with our tag by ``seq``."""
    numbers: dict[int, int] = {}
    headers = {"X-Session-Id": room.members[0]["sessionId"]}
    position, more = 0, True
    while more and position < last:
        path = f"/api/conversations/{quote(room.conversation_id)}/messages?afterSeq={position}&limit={PAGE_SIZE}"
        client.request("GET", path, headers=headers)
        response = client.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise NotReadable(f"GET /api/conversations/…/messages answered {response.status}")
        page, before = json.loads(body), position
        for message in page["messages"]:
            position = message["seq"]
            origin = read_origin(message["content"], tag)
            if origin is not None:
                numbers[position] = origin.number
        more = page["hasMoreAfter"]
        if more and position <= before:
            raise NotReadable(
                "GET /api/conversations/…/messages repeats a page, or has none of the messages that follow"
            )
    return numbers
