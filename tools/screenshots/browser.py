"""Chromium for the screenshots: the system's program, driven by Playwright."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from tools.services.programs import find_chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start Chromium and close it at the end."""
    async with async_playwright() as playwright:
        # Containers have no user namespaces for the sandbox; only the project's own pages are opened.
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        await browser.close()
