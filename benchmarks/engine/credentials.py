"""Credentials of the load's users: real ones, or invented ones for servers without authentication."""

from __future__ import annotations

from typing import Final

from benchmarks.engine.implementations import RunningServer, ServerImplementation
from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from chatws_loadtest import credentials
from chatws_loadtest.credentials import CustomerCredentials
from chatws_loadtest.server_process import HOST

AGENTS: Final = 25
"""Agents that share all conversations; an agent has one connection for each of its conversations."""


def agent_tokens(implementation: ServerImplementation, server: RunningServer) -> list[str]:
    """Return one token for each agent, signed with the server's own key."""
    names = [f"bench-agent-{number}" for number in range(AGENTS)]
    if not implementation.checks_credentials:
        return names
    return credentials.mint_tokens(load_keys(Settings(data_dir=server.folder), create=False), names)


async def start_sessions(
    implementation: ServerImplementation, server: RunningServer, count: int
) -> list[CustomerCredentials]:
    """Start one session for each customer over REST.

    Raises:
        CredentialsMissing: the server refused a session.
    """
    if not implementation.checks_credentials:
        return [CustomerCredentials(f"session-{number}", f"conversation-{number}") for number in range(count)]
    return await credentials.start_sessions(f"http://{HOST}:{server.port}", count)
