"""The chat server: one application made from the parts below it, and the process that runs it."""

from __future__ import annotations

from chatws.server.app import DRAIN, ENGINE, SERVICE, create_app
from chatws.server.errors import StartError
from chatws.server.runner import run
from chatws.server.service import WebSocketService

__all__ = ["DRAIN", "ENGINE", "SERVICE", "StartError", "WebSocketService", "create_app", "run"]
