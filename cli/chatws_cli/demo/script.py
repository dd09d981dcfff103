"""Script of the demo."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec

from chatws.client import AgentClient, CustomerClient, RestClient
from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from chatws_cli.demo.demo_server import DemoServer
from chatws_cli.demo.participant import Participant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TOKEN_TTL_S = 3_600
_GRACE_MS = 500
"""Presence grace period; with the default of 5 s the demo would wait for the disconnect."""


async def run_script(data_dir: Path, typing_s: float, write: Callable[[str], None]) -> None:
    """Run the whole conversation; each message is typed for ``typing_s``.

    Raises:
        CommandError: an expected line was not printed.
    """
    settings = msgspec.structs.replace(
        Settings(), port=0, data_dir=data_dir, presence_grace_ms=_GRACE_MS, log_level="error"
    )
    async with AsyncExitStack() as ending:
        server = DemoServer(settings)
        ending.push_async_callback(server.stop)
        await server.start()
        write(f"the server listens on {server.url}")
        customer, conversation_id = await _customer(server.url, write)
        ending.push_async_callback(customer.leave)
        agent = Participant("agent", AgentClient(server.url, _token(settings)), write)
        ending.push_async_callback(agent.leave)
        await customer.enter(conversation_id)
        await agent.enter(conversation_id)
        await _chat(customer, agent, typing_s)
        await _restart(server, customer, agent, write)
        await _finish(customer, agent, typing_s)


async def _chat(customer: Participant, agent: Participant, typing_s: float) -> None:
    await customer.wait_for_line("an agent is online")
    await customer.type("Hello, where is my parcel?", typing_s)
    await agent.wait_for_line("is typing…")
    await agent.wait_for_line("where is my parcel?")
    await customer.wait_for_line("✓ read by")
    await agent.type("Let me look.", typing_s)
    await customer.wait_for_line("Let me look.")
    await customer.wait_for_line("has joined the conversation")
    await agent.wait_for_line("✓ read by")


async def _restart(server: DemoServer, customer: Participant, agent: Participant, write: Callable[[str], None]) -> None:
    write("the server is stopped")
    await server.stop()
    await customer.wait_for_line("connection lost")
    await agent.wait_for_line("connection lost")
    customer.send("It should have come on Monday.")
    write("the server is started again")
    await server.start()
    await customer.wait_for_line("✓ stored")
    await agent.wait_for_line("come on Monday.")


async def _finish(customer: Participant, agent: Participant, typing_s: float) -> None:
    await agent.type("It is in the van and arrives today.", typing_s)
    await customer.wait_for_line("arrives today.")
    await customer.type("Thank you!", typing_s)
    await agent.wait_for_line("Thank you!")
    await customer.leave()
    await agent.wait_for_line("is offline")


async def _customer(url: str, write: Callable[[str], None]) -> tuple[Participant, str]:
    async with RestClient(url) as rest:
        session = await rest.create_session("Grace")
    assert session.conversation_id is not None
    return Participant("customer", CustomerClient(url, session.session_id), write), session.conversation_id


def _token(settings: Settings) -> str:
    keys = load_keys(settings, create=True)
    return tokens.mint(keys, settings, subject="ada", name="Ada", ttl_s=_TOKEN_TTL_S)
