"""A contender of the generator benchmark: Locust's own `SocketIOUser`, used as its documentation shows."""

from __future__ import annotations

import random
import sys
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import gevent
from gevent.event import AsyncResult, Event

# Locust comes before everything that may use a socket: it patches the standard library.
from locust import task
from locust.contrib.socketio import SocketIOUser
from locust.env import Environment

from benchmarks.generator import ipc
from chatws_loadtest.locust_worker.chat_user import now_s

if TYPE_CHECKING:
    from collections.abc import Iterator


class AckCounts:
    """What all users of the process share."""

    def __init__(self, wanted: ipc.GeneratorPlan) -> None:
        self.wanted = wanted
        self.began_s = now_s()
        self.begin: AsyncResult[float] = AsyncResult()
        self.entered = 0
        self.turns = 0
        self.sent = 0
        self.acks_us: list[int] = []
        self.seats: Iterator[tuple[str, dict[str, str]]] = iter(
            [(room.conversation_id, auth) for room in wanted.rooms for auth in room.members]
        )


class SocketIOLocustUser(SocketIOUser):
    """One user of Locust's own kind."""

    account: ClassVar[AckCounts]

    @task
    def talk(self) -> None:
        """Connect, enter the room, and send on an open schedule."""
        account, wanted = self.account, self.account.wanted
        conversation_id, auth = next(account.seats)
        turn, account.turns = account.turns, account.turns + 1
        gevent.sleep(max(0.0, account.began_s + turn / wanted.connects_per_s - now_s()))
        authenticated = Event()
        self.sio.on("authenticated", lambda _: authenticated.set())
        self.sio.on("message_received", lambda _: None)
        self.sio.connect(wanted.url, auth=auth, transports=["websocket"])  # type: ignore[no-untyped-call]  # as below
        authenticated.wait()
        self.sio.call("join_conversation", conversation_id)  # type: ignore[no-untyped-call]  # Locust has no types here
        account.entered += 1
        begin_s = account.begin.get()
        due_s = begin_s + random.random() / wanted.rate
        while due_s < begin_s + wanted.seconds:
            gevent.sleep(max(0.0, due_s - now_s()))
            account.sent += 1
            message = {"conversationId": conversation_id, "content": wanted.content}
            self.sio.emit("send_message", message, callback=partial(self._on_ack, due_s))
            due_s += 1 / wanted.rate
        Event().wait()

    def _on_ack(self, due_s: float, ack: dict[str, object]) -> None:
        if ack["success"]:
            self.account.acks_us.append(round((now_s() - due_s) * 1e6))


def main() -> int:
    """Talk as told, and print what came of it."""
    print(ipc.LOADED.decode(), flush=True)
    account = SocketIOLocustUser.account = AckCounts(ipc.decode_talk(sys.stdin.buffer.readline()))
    users = sum(len(room.members) for room in account.wanted.rooms)
    environment = Environment(user_classes=[SocketIOLocustUser], catch_exceptions=False)
    environment.create_local_runner().start(users, spawn_rate=users)
    while account.entered < users:
        gevent.sleep(0.01)
    print(ipc.READY.decode(), flush=True)
    account.begin.set(now_s() + ipc.LEAD_S)
    gevent.sleep(ipc.LEAD_S + account.wanted.seconds + ipc.DRAIN_S)
    print(ipc.encode(ipc.GeneratorResult(sent=account.sent, acks_us=account.acks_us)).decode(), flush=True)
    ipc.wait_for_the_end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
