"""The chat server: one application made from the parts below it, and the process that runs it.

Names are loaded at first use: signing a token takes none of the web stack, and would wait a second for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.server.app import DRAIN, ENGINE, SERVICE, create_app
    from chatws.server.errors import StartError
    from chatws.server.runner import run
    from chatws.server.service import WebSocketService
    from chatws.server.workers import run_workers

__all__ = ["DRAIN", "ENGINE", "SERVICE", "StartError", "WebSocketService", "create_app", "run", "run_workers"]

_HOMES = {
    "DRAIN": "app",
    "ENGINE": "app",
    "SERVICE": "app",
    "StartError": "errors",
    "WebSocketService": "service",
    "create_app": "app",
    "run": "runner",
    "run_workers": "workers",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
