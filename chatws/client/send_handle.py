"""A message that was posted, and what has become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from chatws.protocol.responses import SendAck

SendState = Literal["queued", "sent", "stored", "failed"]


class SendHandle:
    """One message on its way.

    ``done`` gives the `SendAck`, or raises what made it final: `Refused`, `Disconnected` or `CannotConnect`.
    """

    def __init__(
        self,
        conversation_id: str,
        content: str,
        client_message_id: str,
        done: asyncio.Future[SendAck],
        has_left: Callable[[], bool],
    ) -> None:
        self.conversation_id = conversation_id
        self.content = content
        self.client_message_id = client_message_id
        self.done = done
        self._has_left = has_left

    @property
    def state(self) -> SendState:
        """``queued``, ``sent`` (no answer yet), ``stored`` or ``failed``."""
        if not self.done.done():
            return "sent" if self._has_left() else "queued"
        return "failed" if self.done.cancelled() or self.done.exception() is not None else "stored"
