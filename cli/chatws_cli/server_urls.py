"""URLs of the configured servers, as reached from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.settings import Settings

_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  targets of requests, not listening addresses


def own_servers(settings: Settings) -> list[str]:
    """Return the base URL of each process of ``chatws serve``."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.tls_cert else "http"
    return [f"{scheme}://{_ANY.get(host, host)}:{settings.port + index}" for index in range(settings.workers)]
