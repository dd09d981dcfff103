"""The client SDK: a chat connection that keeps its promises across lost links and restarted servers."""

from chatws.client.agent import AgentClient
from chatws.client.core.happenings import (
    ConnectionChange,
    ConnectionState,
    ConversationJoined,
    ConversationReloaded,
    MessageReceived,
)
from chatws.client.core.names import Event
from chatws.client.core.stats import Stats
from chatws.client.customer import CustomerClient
from chatws.client.errors import CannotConnect, ClientError, ConnectionLost, Disconnected, OutboxFull, Refused
from chatws.client.options import ClientOptions
from chatws.client.pending import Pending
from chatws.client.rest import RestClient

__all__ = [
    "AgentClient",
    "CannotConnect",
    "ClientError",
    "ClientOptions",
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
    "Pending",
    "Refused",
    "RestClient",
    "Stats",
]
