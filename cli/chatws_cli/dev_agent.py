"""Development agent: an identity stored in the data directory, whose tokens are created on demand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.settings import Settings

FILE_NAME = "dev-agent.json"
TOKEN_TTL_S = 3_600


class DevAgent(msgspec.Struct, frozen=True, rename="camel"):
    """Identity of the development agent."""

    user_id: str = "agent"
    user_name: str = "Agent"
    email: str = "agent@localhost"


def create_dev_agent(data_dir: Path) -> bool:
    """Create the development agent unless it exists; return whether it was created."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(data_dir / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(DevAgent()) + b"\n")
    return True


def read_dev_agent(data_dir: Path) -> DevAgent | None:
    """Return the development agent; None if no server has created one here."""
    try:
        return msgspec.json.decode((data_dir / FILE_NAME).read_bytes(), type=DevAgent)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def mint_dev_token(settings: Settings, *, is_operator: bool = False) -> str | None:
    """Return a new token of the development agent; None without an agent in the data directory.

    Raises:
        chatws.server.StartError: the key is missing or unusable.
    """
    from chatws.server.auth import tokens
    from chatws.server.auth.keys import load_keys

    agent = read_dev_agent(settings.data_dir)
    if agent is None:
        return None
    return tokens.mint(
        load_keys(settings, create=False),
        settings,
        subject=agent.user_id,
        name=agent.user_name,
        email=agent.email,
        ttl_s=TOKEN_TTL_S,
        is_operator=is_operator,
    )
