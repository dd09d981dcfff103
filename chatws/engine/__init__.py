"""A Socket.IO v5 server over Engine.IO v4 on aiohttp. It knows nothing of chat."""

from chatws.engine.broadcast import BroadcastOperator
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.errors import (
    AckTimeout,
    AlreadyAnswered,
    CallFailed,
    ConnectRefused,
    EngineError,
    SocketDisconnected,
)
from chatws.engine.events import Handshake, IncomingEvent
from chatws.engine.handlers import EventFailure
from chatws.engine.namespace import Namespace
from chatws.engine.options import EngineOptions
from chatws.engine.origin import block_of
from chatws.engine.server import Server
from chatws.engine.socket import Socket
from chatws.engine.stats import EngineStats

__all__ = [
    "AckTimeout",
    "AlreadyAnswered",
    "BroadcastOperator",
    "CallFailed",
    "ConnectRefused",
    "DisconnectReason",
    "EngineError",
    "EngineOptions",
    "EngineStats",
    "EventFailure",
    "Handshake",
    "IncomingEvent",
    "Namespace",
    "Server",
    "Socket",
    "SocketDisconnected",
    "block_of",
]
