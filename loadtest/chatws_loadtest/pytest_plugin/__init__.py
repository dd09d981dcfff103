"""Plugin for pytest: a chat server, clients and network faults as fixtures; these are the types of the fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws_loadtest.pytest_plugin.blocking_client import BlockingClient, BlockingFactory
    from chatws_loadtest.pytest_plugin.client_factory import ClientFactory
    from chatws_loadtest.pytest_plugin.network_faults import NetworkFaults
    from chatws_loadtest.pytest_plugin.recorded_client import RecordedAgent, RecordedClient, RecordedCustomer
    from chatws_loadtest.pytest_plugin.target_server import LocalServer, TargetServer

__all__ = [
    "BlockingClient",
    "BlockingFactory",
    "ClientFactory",
    "LocalServer",
    "NetworkFaults",
    "RecordedAgent",
    "RecordedClient",
    "RecordedCustomer",
    "TargetServer",
]

_MODULES = {
    "BlockingClient": "blocking_client",
    "BlockingFactory": "blocking_client",
    "ClientFactory": "client_factory",
    "LocalServer": "target_server",
    "NetworkFaults": "network_faults",
    "RecordedAgent": "recorded_client",
    "RecordedClient": "recorded_client",
    "RecordedCustomer": "recorded_client",
    "TargetServer": "target_server",
}


def __getattr__(name: str) -> object:
    # pytest imports this package in every project where chatws is installed; the SDK would add 0.5 s to each start.
    if name in _MODULES:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
