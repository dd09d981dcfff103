"""Address of a server under test, with all that its clients need to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatws.client.mapping import GUIDE_MAPPING, ServerMapping

if TYPE_CHECKING:
    import ssl

    from chatws_loadtest.chatlog.recorder import ChatlogRecorder

REPLY_TIMEOUT_S: Final = 3.0
"""Default time limit of a reply; far above the guide's 100 ms."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Server, and what its clients need to know about it."""

    url: str
    tls: ssl.SSLContext
    """Certificates to trust; unused for http."""
    mapping: ServerMapping = GUIDE_MAPPING
    recorder: ChatlogRecorder | None = None
    """Recording of the connections; None: there is none."""
    reply_timeout_s: float = REPLY_TIMEOUT_S
    """Time after which a reply, or an event that a request causes, counts as missing."""
