"""What browser tests share: people with browsers of their own, and the windows they talk in."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, FrameLocator, Locator, Page, expect

CLOSE_TIMEOUT_S = 10.0

NETWORK_COMPLAINT = re.compile(r"net::ERR_|WebSocket connection to|Failed to load resource")
"""What the browser itself writes when a request fails; no page can prevent it."""


class Visitors:
    """People, each with a browser profile of their own; `complaints` collects what any page wrote as an error."""

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        self.network_fails = False  # set by tests that break the network or the server
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    async def person(self, **options: Any) -> BrowserContext:
        """Give somebody new a browser."""
        context = await self._browser.new_context(locale="en-GB", **options)
        context.on("console", self._note)
        context.on("weberror", lambda problem: self.complaints.append(str(problem.error)))
        self._contexts.append(context)
        return context

    async def open(self, url: str, context: BrowserContext | None = None, **options: Any) -> Page:
        """Open a page, for somebody new unless the test says for whom."""
        page = await (context or await self.person(**options)).new_page()
        await page.goto(url)
        return page

    async def close(self) -> None:
        """Close every profile; Chromium never answers for one whose page was just loading: its own end takes that."""
        for context in self._contexts:
            with suppress(TimeoutError):
                await asyncio.wait_for(context.close(), CLOSE_TIMEOUT_S)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if not (self.network_fails and NETWORK_COMPLAINT.search(message.text)):
            self.complaints.append(f"{message.type}: {message.text}")


class Window:
    """A conversation as somebody sees it: a side of the test page, the widget, the dashboard's pane."""

    def __init__(self, root: Page | Locator | FrameLocator) -> None:
        self.root = root
        self.area = root.locator("textarea")
        self.texts = root.locator(".message-text")
        self.status = root.locator(".status")
        self.typing = root.locator(".typing")

    async def say(self, text: str) -> None:
        await self.area.fill(text)
        await self.area.press("Enter")

    async def shows(self, *texts: str) -> None:
        """Wait until exactly these messages stand there, in this order."""
        await expect(self.texts).to_have_text(list(texts))

    async def is_connected(self) -> None:
        await expect(self.status).to_have_attribute("data-state", "connected")


async def sides(page: Page) -> tuple[Window, Window]:
    """Return the customer's and the agent's side of the test page, connected."""
    customer, agent = (Window(page.locator(f"[data-role={role}]")) for role in ("customer", "agent"))
    for side in (customer, agent):
        await side.is_connected()
    return customer, agent


async def dashboard(page: Page) -> Page:
    """Log in as the development agent and wait for the inbox."""
    await page.get_by_role("button", name="Continue as the development agent").click()
    await expect(page.locator("#status")).to_have_text("Connected")
    return page
