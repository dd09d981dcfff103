"""Client SDK: chat connections with ordered, exactly-once delivery across reconnects and server restarts.

The names below are imported on first use, because programs on gevent need neither asyncio nor aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.lazy_exports import lazy_exports

if TYPE_CHECKING:
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
    from chatws.client.errors import (
        CannotConnect,
        ClientError,
        ConnectionLost,
        ConnectionRejected,
        Disconnected,
        OutboxFull,
        RequestRefused,
    )
    from chatws.client.options import ClientOptions
    from chatws.client.rest import RestClient
    from chatws.client.send_handle import SendHandle

__all__ = [
    "AgentClient",
    "CannotConnect",
    "ClientError",
    "ClientOptions",
    "ClientStats",
    "ConnectionChange",
    "ConnectionLost",
    "ConnectionRejected",
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

__getattr__ = lazy_exports(
    __name__,
    {
        "agent": ["AgentClient"],
        "core.event_names": ["Event"],
        "core.sdk_events": [
            "ConnectionChange",
            "ConnectionState",
            "ConversationJoined",
            "ConversationReloaded",
            "MessageReceived",
        ],
        "core.stats": ["ClientStats"],
        "customer": ["CustomerClient"],
        "errors": [
            "CannotConnect",
            "ClientError",
            "ConnectionLost",
            "ConnectionRejected",
            "Disconnected",
            "OutboxFull",
            "RequestRefused",
        ],
        "options": ["ClientOptions"],
        "rest": ["RestClient"],
        "send_handle": ["SendHandle"],
    },
)
