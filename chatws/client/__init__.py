"""Client SDK: chat connections with ordered, exactly-once delivery across reconnects and server restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.client.agent import AgentClient
from chatws.client.core.event_names import Event
from chatws.client.core.sdk_events import (
    ConnectionChange,
    ConnectionState,
    ConversationJoined,
    ConversationReloaded,
    MessageReceived,
)
from chatws.client.core.stats import ClientStats
from chatws.client.customer import CustomerClient
from chatws.client.errors import CannotConnect, ClientError, ConnectionLost, Disconnected, OutboxFull, RequestRefused
from chatws.client.options import ClientOptions
from chatws.client.send_handle import SendHandle

if TYPE_CHECKING:
    from chatws.client.rest import RestClient

__all__ = [
    "AgentClient",
    "CannotConnect",
    "ClientError",
    "ClientOptions",
    "ClientStats",
    "ConnectionChange",
    "ConnectionLost",
    "ConnectionState",
    "ConversationJoined",
    "ConversationReloaded",
    "CustomerClient",
    "Disconnected",
    "Event",
    "MessageReceived",
    "OutboxFull",
    "RequestRefused",
    "RestClient",
    "SendHandle",
]


def __getattr__(name: str) -> type[RestClient]:
    # Importing aiohttp takes 200 ms, which would delay the first screen of a terminal program.
    if name == "RestClient":
        from chatws.client.rest import RestClient  # noqa: PLC0415

        return RestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
