"""Sender of one user's messages: records each message and its outcome in the ledger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chatws.client.errors import OutboxFull, RequestRefused
from chatws.protocol.errors import ErrorCode
from chatws.protocol.responses import SendAck
from chatws_loadtest.load_state import now_s

if TYPE_CHECKING:
    from chatws.client.gevent.driver import GeventDriver, Outcome
    from chatws.protocol.commands import SendMessage
    from chatws_loadtest.load_state import RoomState, SharedState


class UserMessageSender:
    """Messages of one member of a room."""

    def __init__(self, shared: SharedState, room: RoomState, member: int, driver: GeventDriver) -> None:
        self.has_unclear_ack = False
        """Set between an ack of an unknown form and the outcome of its message."""
        self._shared = shared
        self._ledger = shared.ledger
        self._room = room
        self._member = member
        self._driver = driver

    def send(self, scheduled_s: float) -> int:
        """Send a message that was scheduled for ``scheduled_s``, and return its number."""
        ledger, plan = self._ledger, self._shared.plan
        number = ledger.send(self._room.index, self._member, scheduled_s, now_s())
        self._shared.requests += 1
        content = self._shared.contents.compose(self._room.index, self._member, number)
        ledger.expect(number, content)
        if not plan.mapping.message_received.echo:
            ledger.skip_echo(number)
        client_message_id = f"{plan.tag}-{number}"
        session, conversation_id = self._driver.session, self._room.conversation_id
        try:
            self._driver.ask(
                lambda request_id, now: session.post(request_id, conversation_id, content, client_message_id, now),
                partial(self._on_sent, number),
            )
        except OutboxFull:
            ledger.refuse(number, "outbox_full")
            self._shared.fail("outbox_full")
        return number

    def repeated(self, message: SendMessage) -> None:
        """Record that a message was sent again to a server without idempotent send."""
        self._ledger.send_again(_number_of(message))

    def unanswered(self, message: SendMessage) -> None:
        """Record that the server did not answer in time, although the connection did not end."""
        self._ledger.miss_ack(_number_of(message))

    def _on_sent(self, number: int, outcome: Outcome) -> None:
        if isinstance(outcome, SendAck):
            self._ledger.ack(number, outcome.seq, now_s())
        elif isinstance(outcome, RequestRefused):
            if self.has_unclear_ack and outcome.code is ErrorCode.INTERNAL:
                # The ack counts as malformed; the message is expected to arrive, as after any other ack.
                self._ledger.ack(number, 0, now_s())
            else:
                self._ledger.refuse(number, outcome.code)
        self.has_unclear_ack = False


def _number_of(message: SendMessage) -> int:
    return int(str(message.client_message_id).rpartition("-")[2])
