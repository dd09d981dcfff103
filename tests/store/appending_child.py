"""Program, forked by `tests.support.fork_server`, that appends until it is killed.

It appends one message after another per sender, and prints each ack at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from chatws.protocol.entities import User
from chatws.store import Draft, Store
from chatws.store.factory import make_store


async def _send(store: Store, sender: int, last_acked: int) -> None:
    user = User(user_id=f"sender-{sender}", user_name="Sender", role="customer")
    room = f"room-{sender % 3}"
    await store.create_conversation(room, user, "queued")
    number = last_acked
    while True:
        number += 1
        await store.append(Draft(room, user, str(number), str(number)))
        os.write(1, json.dumps([sender, number]).encode() + b"\n")


async def _append(url: str, acked: list[int]) -> None:
    store = make_store(url, server=True)
    await store.open()
    await asyncio.gather(*(_send(store, sender, last) for sender, last in enumerate(acked)))


def main() -> None:
    """Append to the database of the last argument but one, after the numbers in the last one."""
    *_, url, acked = sys.argv
    asyncio.run(_append(url, json.loads(acked)))
