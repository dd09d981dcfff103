"""A Socket.IO v5 server over Engine.IO v4 on aiohttp. It knows nothing of chat."""

from chatws.engine.broadcast import Broadcast
from chatws.engine.errors import AckTimeout, AlreadyAnswered, CallFailed, ConnectRefused, Disconnected, EngineError
from chatws.engine.events import Handshake, IncomingEvent
from chatws.engine.handlers import Failure
from chatws.engine.namespace import Namespace
from chatws.engine.options import EngineOptions
from chatws.engine.origin import block_of
from chatws.engine.reasons import Reason
from chatws.engine.server import Server
from chatws.engine.socket import Socket
from chatws.engine.stats import Stats

__all__ = [
    "AckTimeout",
    "AlreadyAnswered",
    "Broadcast",
    "CallFailed",
    "ConnectRefused",
    "Disconnected",
    "EngineError",
    "EngineOptions",
    "Failure",
    "Handshake",
    "IncomingEvent",
    "Namespace",
    "Reason",
    "Server",
    "Socket",
    "Stats",
    "block_of",
]
