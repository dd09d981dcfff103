"""Generator process with Locust's own `SocketIOUser`, used as its documentation shows."""

from __future__ import annotations

import random
import sys
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import gevent
from gevent.event import AsyncResult, Event

# Locust patches the standard library: it is imported before everything that may use a socket.
from locust import task
from locust.contrib.socketio import SocketIOUser
from locust.env import Environment

from benchmarks.generator import ipc
from chatws_loadtest.load_state import now_s

if TYPE_CHECKING:
    from collections.abc import Iterator


class SharedLoad:
    """Plan and counters that all users of the process share."""

    def __init__(self, plan: ipc.GeneratorPlan) -> None:
        self.plan = plan
        self.started_s = now_s()
        self.begin: AsyncResult[float] = AsyncResult()
        self.connecting = 0
        self.joined = 0
        self.sent = 0
        self.acks_us: list[int] = []
        self.logins: Iterator[tuple[str, dict[str, str]]] = iter(
            [(room.conversation_id, auth) for room in plan.rooms for auth in room.members]
        )


class SocketIOLocustUser(SocketIOUser):
    """User that sends messages on an open schedule."""

    shared: ClassVar[SharedLoad]

    @task
    def run_load(self) -> None:
        """Connect, join the room, and send the messages."""
        shared, plan = self.shared, self.shared.plan
        conversation_id, auth = next(shared.logins)
        number, shared.connecting = shared.connecting, shared.connecting + 1
        gevent.sleep(max(0.0, shared.started_s + number / plan.connects_per_s - now_s()))
        authenticated = Event()
        self.sio.on("authenticated", lambda _: authenticated.set())
        self.sio.on("message_received", lambda _: None)
        self.sio.connect(plan.url, auth=auth, transports=["websocket"])  # type: ignore[no-untyped-call]  # as below
        authenticated.wait()
        self.sio.call("join_conversation", conversation_id)  # type: ignore[no-untyped-call]  # Locust has no types here
        shared.joined += 1
        begin_s = shared.begin.get()
        scheduled_s = begin_s + random.random() / plan.rate
        while scheduled_s < begin_s + plan.seconds:
            gevent.sleep(max(0.0, scheduled_s - now_s()))
            shared.sent += 1
            message = {"conversationId": conversation_id, "content": plan.content}
            self.sio.emit("send_message", message, callback=partial(self._on_ack, scheduled_s))
            scheduled_s += 1 / plan.rate
        Event().wait()

    def _on_ack(self, scheduled_s: float, ack: dict[str, object]) -> None:
        if ack["success"]:
            self.shared.acks_us.append(round((now_s() - scheduled_s) * 1e6))


def main() -> int:
    """Run the load of the plan on standard input and print the result."""
    print(ipc.LOADED.decode(), flush=True)
    shared = SocketIOLocustUser.shared = SharedLoad(ipc.decode_plan(sys.stdin.buffer.readline()))
    users = sum(len(room.members) for room in shared.plan.rooms)
    environment = Environment(user_classes=[SocketIOLocustUser], catch_exceptions=False)
    environment.create_local_runner().start(users, spawn_rate=users)
    while shared.joined < users:
        gevent.sleep(0.01)
    print(ipc.READY.decode(), flush=True)
    shared.begin.set(now_s() + ipc.LEAD_S)
    gevent.sleep(ipc.LEAD_S + shared.plan.seconds + ipc.DRAIN_S)
    print(ipc.encode(ipc.GeneratorResult(sent=shared.sent, acks_us=shared.acks_us)).decode(), flush=True)
    ipc.wait_for_end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
