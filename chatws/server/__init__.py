"""Chat server: an aiohttp application and the process that runs it.

The names below are imported on first use: signing a token must not wait a second for the import of aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from chatws.server.app import DRAIN as DRAIN
    from chatws.server.app import ENGINE as ENGINE
    from chatws.server.app import SERVICE as SERVICE
    from chatws.server.app import create_app as create_app
    from chatws.server.errors import StartError as StartError
    from chatws.server.runner import run as run
    from chatws.server.service import WebSocketService as WebSocketService
    from chatws.server.workers import run_workers as run_workers

__getattr__ = lazy_exports(
    __name__,
    {
        "app": ["DRAIN", "ENGINE", "SERVICE", "create_app"],
        "errors": ["StartError"],
        "runner": ["run"],
        "service": ["WebSocketService"],
        "workers": ["run_workers"],
    },
)
