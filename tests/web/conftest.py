"""Fixtures: a server in the test's event loop, and Chromium profiles that fail a test on console errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from chatws.server.frontend.static import VENDOR
from tests.server.conftest import cheap_hashes  # noqa: F401  a fixture
from tests.support.chat import RunningChat
from tests.support.tools import require_tool, skip_if_missing
from tests.web.browser import CHROMIUM_OPTIONS, CLOSE_TIMEOUT_S, LAUNCH_TIMEOUT_MS, BrowserProfiles, ReusedPage
from tests.web.dashboard_support import Workplace, open_dashboard
from tools.services.programs import find_chromium

EXPECT_TIMEOUT_MS = 40_000
"""Upper bound for slow machines; a passing test does not wait for it."""

StartChatServer = Callable[..., Awaitable[RunningChat]]


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    """Run a development server."""
    async with RunningChat(tmp_path / "chat") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def start_chat_server(tmp_path: Path) -> AsyncIterator[StartChatServer]:
    """Run servers for browser tests, with any settings."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> RunningChat:
            return await stack.enter_async_context(RunningChat(tmp_path / "chat", **settings))

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def chat_server(start_chat_server: StartChatServer) -> RunningChat:
    """Run a development server for a browser test."""
    return await start_chat_server()


@pytest.fixture(scope="session")
def assets() -> None:
    """Require the assets of the build: the official client and the compiled dashboard."""
    if not (VENDOR / "stamp.json").exists():
        require_tool("npm", "apt install npm")
        pytest.fail("chatws was installed without npm; install it again: pip install -e .")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(assets: None) -> AsyncIterator[Browser]:  # noqa: ARG001  required by the pages
    """Start the system's Chromium once per session."""
    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    with skip_if_missing():
        program = find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=CHROMIUM_OPTIONS, timeout=LAUNCH_TIMEOUT_MS
        )
        yield browser
        with suppress(TimeoutError):
            await asyncio.wait_for(browser.close(), CLOSE_TIMEOUT_S)
        # The pipes are closed in the next iteration of the event loop.
        await asyncio.sleep(0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_workplace(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Workplace, list[str]]]:
    """Share one server and one page, because loading a page takes longer than most tests of the dashboard."""
    browsers = BrowserProfiles(browser)
    async with RunningChat(tmp_path_factory.mktemp("workplace")) as chat:
        page = await open_dashboard(chat, browsers, viewport={"width": 1920, "height": 800})
        yield Workplace(chat, page), browsers.console_errors
        await browsers.close()
    assert browsers.console_errors == []


@pytest.fixture
def workplace(shared_workplace: tuple[Workplace, list[str]]) -> Iterator[Workplace]:
    """Provide the shared server and page, and fail the test, not a later one, if the page logged an error."""
    shared, errors = shared_workplace
    yield shared
    logged = errors.copy()
    errors.clear()
    assert logged == []


@pytest.fixture(scope="session")
def idle_pages() -> list[ReusedPage]:
    """Pages of earlier tests."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def browsers(browser: Browser, idle_pages: list[ReusedPage]) -> AsyncIterator[BrowserProfiles]:
    """Provide browser profiles, and fail the test if a page logged an error."""
    browsers = BrowserProfiles(browser, idle_pages)
    yield browsers
    await browsers.close()
    assert browsers.console_errors == []
