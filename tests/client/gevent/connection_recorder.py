"""Listener of one connection that records its packets, below the session with its retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import msgspec

from chatws.client.gevent.endpoint import resolve_endpoint
from chatws.client.gevent.polling import PollingConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.core.effects import ConnectionEnd

TIMEOUT_S = 30.0


class ConnectionRecorder:
    """Connection to a server of the guide's events that polls first and upgrades."""

    def __init__(self, url: str, auth: dict[str, str]) -> None:
        self.events: list[tuple[str, dict[str, str]]] = []
        self.acks: list[int] = []
        self.upgraded_after: int | None = None
        """Number of messages sent before the end of the upgrade."""
        self.failed_upgrades: list[str] = []
        self.ends: list[ConnectionEnd] = []
        self.sent = 0
        self.connection = PollingConnection(resolve_endpoint(url), auth, self, TIMEOUT_S, upgrades=True)

    def join(self, conversation_id: str) -> None:
        """Join a conversation once the server has authenticated the connection."""
        self.wait(lambda: "authenticated" in self.names)
        self.connection.mark_established()
        self.connection.send("join_conversation", (conversation_id,), 0)
        self.wait(lambda: "joined_conversation" in self.names)

    def send_message(self, conversation_id: str, prefix: str) -> None:
        """Send the next message, without waiting for the ack of the one before."""
        self.sent += 1
        message = {"conversationId": conversation_id, "content": f"{prefix}{self.sent}"}
        self.connection.send("send_message", (message,), self.sent)

    def contents(self, prefix: str) -> list[str]:
        """Return the contents of received messages with this prefix, in order."""
        messages = (payload["content"] for name, payload in self.events if name == "message_received")
        return [content for content in messages if content.startswith(prefix)]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Run the hub until the condition is true.

        Raises:
            AssertionError: it is not true in time, or the connection has ended.
        """
        with gevent.Timeout(TIMEOUT_S, AssertionError(f"timeout; {self.names} {self.acks}")):
            while not condition():
                assert not self.ends, self.ends
                gevent.sleep(0.001)

    # ConnectionListener

    def connection_accepted(self, raw_json: str) -> None:
        """Ignore the reply to CONNECT."""

    def connection_event(self, raw_json: str) -> None:
        name, payload = msgspec.json.decode(raw_json)
        self.events.append((name, payload))

    def connection_ack(self, ack_id: int, raw_json: str) -> None:
        del raw_json
        if ack_id:
            self.acks.append(ack_id)

    def connection_upgraded(self) -> None:
        self.upgraded_after = self.sent

    def connection_upgrade_failed(self, reason: str) -> None:
        self.failed_upgrades.append(reason)

    def connection_ended(self, end: ConnectionEnd) -> None:
        self.ends.append(end)
