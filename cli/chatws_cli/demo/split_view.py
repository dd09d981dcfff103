"""Demo in the full screen: customer and agent side by side, with a server in the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws.client import AgentClient, CustomerClient, RestClient
from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from chatws_cli.demo.demo_server import DemoServer
from chatws_cli.tui.app import run_screen
from chatws_cli.tui.controller import ChatController

if TYPE_CHECKING:
    from pathlib import Path

    from chatws_cli.tui.preferences import Preferences

_TOKEN_TTL_S = 24 * 3_600
_WELCOME = "both sides of one conversation; Tab switches sides, /drop 5 cuts the connection, Ctrl+Q quits"


async def show_both(data_dir: Path, preferences: Preferences) -> int:
    """Run until one side quits, and return the exit code; ``data_dir`` holds all data."""
    settings = msgspec.structs.replace(Settings(), port=0, data_dir=data_dir, log_level="error")
    server = DemoServer(settings)
    await server.start()
    try:
        return await run_screen(await make_controllers(server.url, settings), preferences)
    finally:
        await server.stop()


async def make_controllers(url: str, settings: Settings) -> list[ChatController]:
    """Create the controllers of customer and agent, in the same conversation."""
    async with RestClient(url) as rest:
        session = await rest.create_session("Grace")
    assert session.conversation_id is not None
    token = tokens.mint(load_keys(settings), settings, subject="ada", name="Ada", ttl_s=_TOKEN_TTL_S)
    customer = ChatController(
        CustomerClient(url, session.session_id), session.conversation_id, settings.data_dir, "demo", _WELCOME
    )
    agent = ChatController(AgentClient(url, token), session.conversation_id, settings.data_dir, "demo")
    return [customer, agent]
