"""Chat server: an aiohttp application and the process that runs it.

The names below are imported on first use: signing a token must not wait a second for the import of aiohttp.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.server.app import DRAIN as DRAIN
    from chatws.server.app import ENGINE as ENGINE
    from chatws.server.app import SERVICE as SERVICE
    from chatws.server.app import create_app as create_app
    from chatws.server.errors import StartError as StartError
    from chatws.server.runner import run as run
    from chatws.server.service import WebSocketService as WebSocketService
    from chatws.server.workers import run_workers as run_workers

_EXPORTS = {
    "app": ("DRAIN", "ENGINE", "SERVICE", "create_app"),
    "errors": ("StartError",),
    "runner": ("run",),
    "service": ("WebSocketService",),
    "workers": ("run_workers",),
}


def __getattr__(name: str) -> object:
    for module, names in _EXPORTS.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(name)
