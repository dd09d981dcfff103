"""Socket.IO v5 server over Engine.IO v4 on aiohttp, independent of the chat."""

from chatws.engine.adapter import BroadcastOperator
from chatws.engine.errors import (
    AckTimeout,
    AlreadyAnswered,
    CallFailed,
    ConnectRefused,
    EngineError,
    SocketDisconnected,
)
from chatws.engine.events import DisconnectReason, Handshake, IncomingEvent
from chatws.engine.namespace import EventFailure, Namespace
from chatws.engine.options import EngineOptions, EngineStats
from chatws.engine.origin import block_of
from chatws.engine.server import Server
from chatws.engine.socket import Socket

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
