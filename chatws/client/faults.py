"""Faults injected into a client's own connection, to test how a program copes with an outage."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.client.asyncio_driver import AsyncioDriver
    from chatws.client.base import ChatClient


def cut_connection(client: ChatClient, away_s: float = 0.0) -> None:
    """Simulate an outage: close the connection abruptly and fail reconnects for ``away_s``."""
    _driver_of(client).cut(away_s)


def freeze_connection(client: ChatClient, seconds: float) -> bool:
    """Simulate a network that drops all packets: read and write nothing for a time; false without a WebSocket."""
    return _driver_of(client).freeze(seconds)


def expire_credentials(client: ChatClient) -> None:
    """Simulate an expired token or session; a renewable token is renewed, any other expiry is final."""
    _driver_of(client).expire_credentials()


def _driver_of(client: ChatClient) -> AsyncioDriver:
    return client._driver  # noqa: SLF001  # faults are not part of the client's public interface
