"""Handle of a posted message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from chatws.protocol.responses import SendAck

SendState = Literal["queued", "sent", "stored", "failed"]


class SendHandle:
    """A posted message and its state.

    ``done`` returns the `SendAck`, or raises the final error: `RequestRefused` or its subclass `ConnectionRejected`,
    `Disconnected` or `CannotConnect`.
    """

    def __init__(
        self,
        conversation_id: str,
        content: str,
        client_message_id: str,
        done: asyncio.Future[SendAck],
        *,
        was_sent: Callable[[], bool],
        is_outcome_unknown: Callable[[], bool],
    ) -> None:
        self.conversation_id = conversation_id
        self.content = content
        self.client_message_id = client_message_id
        self.done = done
        self._was_sent = was_sent
        self._is_outcome_unknown = is_outcome_unknown

    @property
    def state(self) -> SendState:
        """``queued``, ``sent`` (not acknowledged), ``stored`` or ``failed``."""
        if not self.done.done():
            return "sent" if self._was_sent() else "queued"
        return "failed" if self.done.cancelled() or self.done.exception() is not None else "stored"

    @property
    def is_outcome_unknown(self) -> bool:
        """Whether it failed after it was sent, and without an answer: the server may have stored it."""
        return self._is_outcome_unknown()
