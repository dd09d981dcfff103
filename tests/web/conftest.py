"""A server in the test's own event loop, and a real browser that notices every error on its console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from chatws.server.frontend.static import VENDOR
from tests.support.chat import RunningChat
from tests.support.tools import require_tool
from tests.web.support import CLOSE_TIMEOUT_S, Visitors

PATIENCE_MS = 20_000
"""For what a busy machine does late; no test waits for it to pass."""

StartChat = Callable[..., Awaitable[RunningChat]]


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    """Run a development server."""
    async with RunningChat(tmp_path / "chat") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def start_site(tmp_path: Path) -> AsyncIterator[StartChat]:
    """Run servers for browser tests, with any settings."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> RunningChat:
            return await stack.enter_async_context(RunningChat(tmp_path / "chat", **settings))

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def site(start_site: StartChat) -> RunningChat:
    """Run a development server for a browser test."""
    return await start_site()


@pytest.fixture(scope="session")
def assets() -> None:
    """Need what the build brings: the official client, and the dashboard compiled."""
    if not (VENDOR / "stamp.json").exists():
        require_tool("npm", "apt install npm")
        pytest.fail("chatws was installed without npm; install it again: pip install -e .")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(assets: None) -> AsyncIterator[Browser]:  # noqa: ARG001  the pages need them
    """Start the system's Chromium once."""
    expect.set_options(timeout=PATIENCE_MS)
    program = require_tool("chromium", "apt install chromium")
    async with async_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; only our own pages are opened. Without a graphics card a
        # process that imitates one costs a tenth of the time.
        options = ["--no-sandbox", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        with suppress(TimeoutError):
            await asyncio.wait_for(browser.close(), CLOSE_TIMEOUT_S)
        # Its pipes are closed by the loop's next turns.
        await asyncio.sleep(0)


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser) -> AsyncIterator[Visitors]:
    """Let people visit pages; a test in which a page complained fails."""
    visitors = Visitors(browser)
    yield visitors
    await visitors.close()
    assert visitors.complaints == []
