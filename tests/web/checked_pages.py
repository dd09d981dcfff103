"""Widget and dashboard in Chromium for ``chatws check-client``: ``python -m tests.web.checked_pages widget|dashboard``.

A message is typed and sent every 400 ms, key by key, through the page's own input. The messages that the page shows are
printed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from playwright.async_api import Browser, Error, Page, async_playwright

from tests.web.browser import CHROMIUM_OPTIONS, BrowserProfiles, ChatWindow
from tests.web.embedding_site import EmbeddingSite
from tools.services.programs import find_chromium

INTERVAL_S = 0.4
INPUT_TIMEOUT_MS = 2_000

REPORT_SHOWN = """
const shown = new Map();
new MutationObserver(() => {
  const counts = new Map();
  const added = [];
  for (const { textContent: text } of document.querySelectorAll(".message-text")) {
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    if (count > (shown.get(text) ?? 0)) added.push(text);
    shown.set(text, Math.max(count, shown.get(text) ?? 0));
  }
  if (added.length) reportShown(added);
}).observe(document, { childList: true, subtree: true });
"""
"""Script that reports each message once for each time that the page shows it at once."""


class CheckedPage(ABC):
    """Page in a browser profile of its own, in which messages are written until it is closed."""

    ending = ""

    def __init__(self, browser: Browser, on_shown: Callable[[str], object] = lambda _: None) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        """Exceptions that no script of the page has caught."""
        self._browser = browser
        self._on_shown = on_shown
        self._task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self._task is None or self._task.done()

    async def start(self, url: str) -> None:
        await self.stop()
        self.lines.clear()
        self._task = asyncio.create_task(self._run(url))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def open(self, page: Page, url: str, site: EmbeddingSite) -> ChatWindow:
        """Open the page of the server, and return its conversation."""

    async def _run(self, url: str) -> None:
        profiles = BrowserProfiles(self._browser)
        context = await profiles.new_profile()
        try:
            context.on("weberror", lambda event: self.errors.append(str(event.error)))
            await context.expose_function("reportShown", self._add_shown)
            await context.add_init_script(REPORT_SHOWN)
            async with EmbeddingSite() as site:
                await _write(await self.open(await context.new_page(), url, site))
        finally:
            await profiles.close()

    def _add_shown(self, texts: list[str]) -> None:
        for text in texts:
            self.lines.append(text)
            self._on_shown(text)


class WidgetPage(CheckedPage):
    """Site that embeds the widget, which is opened with the launcher's button."""

    async def open(self, page: Page, url: str, site: EmbeddingSite) -> ChatWindow:
        await page.goto(site.embed(url))
        await page.get_by_role("button", name="Open chat").click()
        return ChatWindow(page.frame_locator("iframe"))


class DashboardPage(CheckedPage):
    """Dashboard of an agent who logs in and opens the first conversation of the list."""

    async def open(self, page: Page, url: str, site: EmbeddingSite) -> ChatWindow:
        del site
        await page.goto(f"{url}/admin/")
        await page.get_by_label("Email").fill("ada@example.com")
        await page.get_by_label("Password").fill("any password")
        await page.get_by_role("button", name="Log in").click()
        await page.locator(".row").first.click()
        return ChatWindow(page.locator("#conversation"))


PAGES: dict[str, type[WidgetPage | DashboardPage]] = {"widget": WidgetPage, "dashboard": DashboardPage}


async def _write(window: ChatWindow) -> None:
    """Write numbered messages; a page that has ended the conversation has no input, or a disabled one."""
    for number in itertools.count(1):
        with suppress(Error):
            await window.input.press_sequentially(f"text {number}", timeout=INPUT_TIMEOUT_MS)
            await window.input.press("Enter", timeout=INPUT_TIMEOUT_MS)
        await asyncio.sleep(INTERVAL_S)


async def main(name: str) -> None:
    """Run the page until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_OPTIONS)
        page = PAGES[name](browser, _print)
        await page.start(os.environ["CHATWS_URL"])
        await ended.wait()
        await page.stop()
        await browser.close()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
