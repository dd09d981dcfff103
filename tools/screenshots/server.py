"""Development server with sample conversations: ``chatws serve`` on a temporary data directory."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chatws.client import AgentClient, RestClient
from tools.screenshots.shop import serve_shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHATWS = Path(sys.executable).with_name("chatws")
START_TIMEOUT_S = 30.0

CONVERSATIONS = (
    ("Maya Lindqvist", "Is my order on its way? It says “packed” since Monday."),
    ("Tomás Ortega", "Gracias, that solved it!"),
    ("Priya Raman", "Do you ship to Norway?"),
    ("\u05e0\u05d5\u05e2\u05d4", "\u05e9\u05dc\u05d5\u05dd!"),
)
"""Name and message of each sample customer."""


class SampleServer(NamedTuple):
    """Addresses of a running server and of a page on another origin that embeds its widget."""

    url: str
    shop_url: str
    data_dir: str
    """Contains the key that signs tokens."""
    clients: AsyncExitStack
    """Closes the agents' connections."""

    async def connect_agent(self, user_id: str, name: str) -> AgentClient:
        """Connect an agent, who stays online until the server stops."""
        return await self.clients.enter_async_context(AgentClient(self.url, await self._create_token(user_id, name)))

    async def _create_token(self, user_id: str, name: str) -> str:
        """Return a token of an agent."""
        options = ["--sub", user_id, "--name", name, "--role", "admin", "--ttl", "1h", "--data-dir", self.data_dir]
        child = await asyncio.create_subprocess_exec(CHATWS, "token", "create", *options, stdout=subprocess.PIPE)
        output, _ = await child.communicate()
        return output.decode().strip()


@asynccontextmanager
async def run_sample_server() -> AsyncIterator[SampleServer]:
    """Run a server with the sample conversations and stop it at the end."""
    with tempfile.TemporaryDirectory() as data_dir:
        async with serve_shop() as shop_url:
            options = ["--port", "0", "--data-dir", data_dir, "--set", f"widget_origins={shop_url}"]
            command = [str(CHATWS), "serve", "--log-level", "warning", *options]
            child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            try:
                url = await _read_url(child)
                for user_name, content in CONVERSATIONS:
                    await _start_conversation(url, user_name, content)
                async with AsyncExitStack() as clients:
                    yield SampleServer(url, shop_url, data_dir, clients)
            finally:
                child.terminate()
                await child.communicate()


async def _read_url(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    async with asyncio.timeout(START_TIMEOUT_S):
        async for line in child.stdout:
            if found := re.search(r"listening on (http://\S+)", line.decode()):
                return found[1]
    raise RuntimeError("chatws serve ended before it listened")


async def _start_conversation(url: str, user_name: str, content: str) -> None:
    async with RestClient(url) as customer:
        session = await customer.create_session(user_name)
        assert session.conversation_id is not None
        await customer.send(session.conversation_id, content)
