"""Names of the events that an analysis of a recording needs: the guide's, or those of a mapping file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from chatws.client.mapping import GUIDE_MAPPING, ServerMapping


@dataclass(frozen=True, slots=True)
class ChatEventNames:
    """Names on the wire; an empty one is not offered."""

    send: str = "send_message"
    join: str = "join_conversation"
    leave: str = "leave_conversation"
    typing_start: str = "typing_start"
    typing_stop: str = "typing_stop"
    mark_read: str = "mark_read"
    history: str = "history"
    received: str = "message_received"

    @classmethod
    def of_mapping(cls, mapping: ServerMapping) -> Self:
        """Return the names of a server with this mapping."""
        if mapping == GUIDE_MAPPING:
            return cls()
        return cls(
            send=mapping.send.event,
            join=mapping.join.event,
            leave="" if mapping.leave is None else mapping.leave.event,
            typing_start="" if mapping.typing_start is None else mapping.typing_start.event,
            typing_stop="" if mapping.typing_stop is None else mapping.typing_stop.event,
            mark_read="",
            history="",
            received=mapping.message_received.event,
        )
