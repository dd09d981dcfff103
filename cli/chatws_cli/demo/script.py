"""The demo's script."""

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
"""The demo does not wait the usual 5 s to see somebody go."""


async def play(data_dir: Path, typing_s: float, write: Callable[[str], None]) -> None:
    """Play the whole conversation; ``typing_s`` is how long each message is typed.

    Raises:
        CommandError: something that should have happened did not.
    """
    settings = msgspec.structs.replace(
        Settings(), port=0, data_dir=data_dir, presence_grace_ms=_GRACE_MS, log_level="error"
    )
    async with AsyncExitStack() as ending:
        stage = DemoServer(settings)
        ending.push_async_callback(stage.stop)
        await stage.start()
        write(f"the server listens on {stage.url}")
        customer, conversation_id = await _customer(stage.url, write)
        ending.push_async_callback(customer.leave)
        agent = Participant("agent", AgentClient(stage.url, _token(settings)), write)
        ending.push_async_callback(agent.leave)
        await customer.enter(conversation_id)
        await agent.enter(conversation_id)
        await _chat(customer, agent, typing_s)
        await _restart(stage, customer, agent, write)
        await _part(customer, agent, typing_s)


async def _chat(customer: Participant, agent: Participant, typing_s: float) -> None:
    await customer.sees("an agent is online")
    await customer.type("Hello, where is my parcel?", typing_s)
    await agent.sees("is typing…")
    await agent.sees("where is my parcel?")
    await customer.sees("✓ read by")
    assert isinstance(agent.client, AgentClient)
    await agent.client.claim_conversation(agent.conversation_id, 1)
    await customer.sees("has taken the conversation")
    await agent.type("Let me look.", typing_s)
    await customer.sees("Let me look.")
    await agent.sees("✓ read by")


async def _restart(stage: DemoServer, customer: Participant, agent: Participant, write: Callable[[str], None]) -> None:
    write("the server is stopped")
    await stage.stop()
    await customer.sees("connection lost")
    await agent.sees("connection lost")
    customer.say("It should have come on Monday.")
    write("the server is started again")
    await stage.start()
    await customer.sees("✓ stored")
    await agent.sees("come on Monday.")


async def _part(customer: Participant, agent: Participant, typing_s: float) -> None:
    await agent.type("It is in the van and arrives today.", typing_s)
    await customer.sees("arrives today.")
    await customer.type("Thank you!", typing_s)
    await agent.sees("Thank you!")
    await customer.leave()
    await agent.sees("is offline")


async def _customer(url: str, write: Callable[[str], None]) -> tuple[Participant, str]:
    async with RestClient(url) as rest:
        session = await rest.create_session("Grace")
    assert session.conversation_id is not None
    return Participant("customer", CustomerClient(url, session.session_id), write), session.conversation_id


def _token(settings: Settings) -> str:
    keys = load_keys(settings, create=True)
    return tokens.mint(keys, settings, subject="ada", name="Ada", ttl_s=_TOKEN_TTL_S)
