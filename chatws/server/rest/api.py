"""What the REST part works with."""

from __future__ import annotations

from dataclasses import dataclass

from chatws.engine import Server
from chatws.server.chat import Chat
from chatws.server.drain import Drain
from chatws.server.pipeline import Pipeline
from chatws.server.service import WebSocketService


@dataclass(frozen=True, slots=True)
class Api:
    """The running server's parts."""

    chat: Chat
    pipeline: Pipeline
    server: Server
    service: WebSocketService
    drain: Drain
