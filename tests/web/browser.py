"""Browser profiles and page objects shared by the browser tests."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Frame,
    FrameLocator,
    Locator,
    Page,
    ViewportSize,
    WebError,
    expect,
)

CLOSE_TIMEOUT_S = 10.0
TYPING_TIMEOUT_S = 30.0

VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
"""Size of a page by default."""

LAUNCH_TIMEOUT_MS = 100_000
"""Beside the other tests' processes, Chromium needs 20 s to start."""

WATCH_TEXTS = """element => {
  element.texts = [element.textContent];
  new MutationObserver(() => element.texts.push(element.textContent)).observe(element, { childList: true });
}"""
"""Function that records all texts of an element, also one that is gone before a busy test can look at it."""

WAIT_FOR_TEXT = """async (element, text) => {
  while (!element.texts.some((one) => one.includes(text))) await new Promise((resolve) => setTimeout(resolve, 20));
}"""

CHROMIUM_OPTIONS = ("--no-sandbox", "--disable-gpu")
"""Containers have no user namespaces for the sandbox, and only pages of the tests are opened. Software rendering by a
GPU process takes a tenth of the time."""

INTERRUPTED_HANDSHAKE = re.compile(r"WebSocket is closed before the connection is established")
"""Warning of the browser about a page that closes a WebSocket while it is being opened."""

NETWORK_ERROR = re.compile(r"net::ERR_|WebSocket connection to|Failed to load resource")
"""Console messages of the browser itself about failed requests; a page cannot suppress them."""


class ReusedPage:
    """Page of a profile that tests use one after the other; one in a new profile takes 0.2 s more processor time."""

    def __init__(self, page: Page, storage: CDPSession) -> None:
        self.page = page
        self._storage = storage
        self._origins: set[str] = set()
        page.on("framenavigated", self._remember_origin)

    @classmethod
    async def create(cls, context: BrowserContext) -> ReusedPage:
        page = await context.new_page()
        return cls(page, await context.new_cdp_session(page))

    async def clear(self) -> None:
        """Remove everything that a test has left."""
        context = self.page.context
        for other in context.pages:
            if other is not self.page:
                await other.close()
        await context.set_offline(False)
        for frame in self.page.frames:
            with suppress(Error):  # an error page of the browser has no storage
                await frame.evaluate("sessionStorage.clear()")
        await self.page.goto("about:blank")
        for origin in self._origins:
            await self._storage.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
        self._origins.clear()
        await self.page.emulate_media(color_scheme="null")
        await self.page.set_viewport_size(VIEWPORT)

    def _remember_origin(self, frame: Frame) -> None:
        address = urlsplit(frame.url)
        if address.netloc:
            self._origins.add(f"{address.scheme}://{address.netloc}")


class BrowserProfiles:
    """Separate browser profiles; `console_errors` collects errors and warnings from the consoles of all pages.

    ``idle`` are the pages that earlier tests have used; the first page without options is one of them.
    """

    def __init__(self, browser: Browser, idle: list[ReusedPage] | None = None) -> None:
        self.console_errors: list[str] = []
        self.ignore_network_errors = False
        """Set by tests that interrupt the network or the server."""
        self.ignore_interrupted_handshakes = False
        """Set by tests whose page closes its connection, maybe during the upgrade to a WebSocket."""
        self._browser = browser
        self._idle = idle
        self._reused: ReusedPage | None = None
        self._contexts: list[BrowserContext] = []

    async def new_profile(self, **options: Any) -> BrowserContext:
        """Create a browser profile, without animations unless a test sets `reduced_motion`.

        A fifth of the processor time of a page goes into its animations.
        """
        context = await self._browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **options})
        self._listen(context)
        self._contexts.append(context)
        return context

    async def open(self, url: str, context: BrowserContext | None = None, **options: Any) -> Page:
        """Open a page in the given profile, or in another one, without data of earlier tests."""
        if context is None and not options and self._idle is not None and self._reused is None:
            page = await self._reuse_page(self._idle)
        else:
            page = await (context or await self.new_profile(**options)).new_page()
        await page.goto(url)
        return page

    async def close(self) -> None:
        """Close all profiles, except that of a page that another test can use.

        Chromium does not close a profile whose page is loading; such a profile is closed with the browser.
        """
        if self._reused is not None and self._idle is not None:
            context = self._reused.page.context
            context.remove_listener("console", self._on_console)
            context.remove_listener("weberror", self._on_error)
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._reused.clear()
                self._idle.append(self._reused)
            except (TimeoutError, Error):
                self._contexts.append(context)
        for context in self._contexts:
            with suppress(TimeoutError):
                await asyncio.wait_for(context.close(), CLOSE_TIMEOUT_S)

    async def _reuse_page(self, idle: list[ReusedPage]) -> Page:
        if idle:
            self._reused = idle.pop()
            self._listen(self._reused.page.context)
        else:
            self._reused = await ReusedPage.create(await self.new_profile())
            self._contexts.remove(self._reused.page.context)
        return self._reused.page

    def _listen(self, context: BrowserContext) -> None:
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)

    def _on_error(self, event: WebError) -> None:
        self.console_errors.append(str(event.error))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        ignored = (self.ignore_network_errors and NETWORK_ERROR.search(message.text)) or (
            self.ignore_interrupted_handshakes and INTERRUPTED_HANDSHAKE.search(message.text)
        )
        if not ignored:
            self.console_errors.append(f"{message.type}: {message.text}")


class ChatWindow:
    """Page object of one conversation view: a panel of the test page, the widget, or the view in the dashboard."""

    def __init__(self, root: Page | Locator | FrameLocator) -> None:
        self.root = root
        self.input = root.locator("textarea")
        self.messages = root.locator(".message-text")
        self.status = root.locator(".status")
        self.typing = root.locator(".typing")

    async def send(self, text: str) -> None:
        await self.input.fill(text)
        await self.input.press("Enter")

    async def expect_messages(self, *texts: str) -> None:
        """Wait until exactly these messages are shown, in this order."""
        await expect(self.messages).to_have_text(list(texts))

    async def expect_connected(self) -> None:
        await expect(self.status).to_have_attribute("data-state", "connected")

    async def watch_typing(self) -> None:
        """Record what is shown about typing, for `expect_typing`."""
        await self.typing.evaluate(WATCH_TEXTS)

    async def expect_typing(self, text: str) -> None:
        """Wait until the other user was shown as typing since `watch_typing`; that ends by itself after seconds."""
        async with asyncio.timeout(TYPING_TIMEOUT_S):
            await self.typing.evaluate(WAIT_FOR_TEXT, text)


async def connected_panels(page: Page) -> tuple[ChatWindow, ChatWindow]:
    """Wait until both panels of the test page are connected, and return the customer's and the agent's."""
    customer, agent = (ChatWindow(page.locator(f"[data-role={role}]")) for role in ("customer", "agent"))
    for panel in (customer, agent):
        await panel.expect_connected()
    return customer, agent


async def log_in_as_dev_agent(page: Page) -> Page:
    """Log in as the development agent and wait for the inbox."""
    await page.get_by_role("button", name="Continue as the development agent").click()
    await expect(page.locator("#status")).to_have_text("Connected")
    return page
