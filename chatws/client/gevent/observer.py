"""Observer of a connection: sees all input before the session processes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chatws.client.core.effects import ConnectionEnd
    from chatws.client.gevent.connection import ConnectTimings
    from chatws.protocol.commands import SendMessage
    from chatws.protocol.responses import Ok
    from chatws.protocol.responses import Refused as RefusedReply


class ConnectionObserver(Protocol):
    """Callbacks for all input of a connection, before the session processes it; must not block."""

    def on_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        """Called after a connection was authenticated."""

    def on_upgraded(self, times: ConnectTimings) -> None:
        """Called after a WebSocket has replaced long-polling."""

    def on_upgrade_failed(self, reason: str) -> None:
        """Called after the upgrade to WebSocket has failed; the connection continues over long-polling."""

    def on_ended(self, end: ConnectionEnd, ended_s: float) -> None:
        """Called after a connection or an attempt to connect has ended."""

    def on_event(self, name: str, payload: object, received_s: float) -> None:
        """Called for an event with its struct, or with raw JSON for a name outside the contract."""

    def on_reply(self, name: str, reply: Ok | RefusedReply, received_s: float) -> None:
        """Called for the reply to a request."""

    def on_repeat(self, message: SendMessage) -> None:
        """Called for a message that is sent again, if the server implements only the guide and keeps duplicates."""

    def on_unanswered(self, message: SendMessage) -> None:
        """Called for a message that is sent again because its ack is overdue, although the connection did not end."""

    def on_malformed_ack(self, name: str, raw_json: str) -> None:
        """Called for an ack of another form than the command's, before a refusal takes its place."""

    def on_second_ack(self, raw_json: str) -> None:
        """Called for another ack of the message that was acked last."""
