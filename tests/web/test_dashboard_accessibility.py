"""Accessibility of the dashboard's states, checked with axe-core at three widths and in both colour schemes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.chat import RunningChat
from tests.support.node import NODE_DIR
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.dashboard_support import Customer, customer_of, open_dashboard

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

AXE = NODE_DIR / "node_modules" / "axe-core" / "axe.min.js"
CASES = [
    ("light", 320),
    ("dark", 1440),
    *(
        pytest.param(*case, marks=pytest.mark.extended)
        for case in (("light", 768), ("light", 1440), ("dark", 320), ("dark", 768))
    ),
]
"""By default one scheme for each of the two layouts; their colours and sizes do not depend on each other."""


class OpenDashboard:
    """Dashboard with an open conversation, shared by the cases of this module."""

    def __init__(self, chat: RunningChat, page: Page, ann: Customer) -> None:
        self.chat = chat
        self.page = page
        self.ann = ann
        self.window = ChatWindow(page.locator("#conversation"))

    async def open_ann(self) -> None:
        await self.page.goto(f"{self.chat.url}/admin/#conversation={self.ann.conversation_id}")
        await expect(self.page.locator("h2", has_text="Ann")).to_be_visible()

    async def findings(self) -> list[str]:
        """Return the serious findings of the current state."""
        found = await self.page.evaluate("axe.run({iframes: false})")
        return [
            f"{one['id']}: {node['html']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dashboard(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDashboard]:
    browsers = BrowserProfiles(browser)
    async with RunningChat(tmp_path_factory.mktemp("dashboard")) as chat:
        replies = chat.settings.data_dir / "replies.toml"
        await asyncio.to_thread(replies.write_text, 'greeting = "Hello {customer}!"\n')
        ann = await customer_of(chat, "Ann", "Hi", email="ann@example.com")
        page = await open_dashboard(chat, browsers, reduced_motion="reduce")
        await page.evaluate(AXE.read_text())
        yield OpenDashboard(chat, page, ann)
        await browsers.close()
    assert browsers.console_errors == []


@pytest.mark.parametrize(("scheme", "width"), CASES)
async def test_states_of_the_conversation_are_accessible(
    dashboard: OpenDashboard, scheme: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_request: Any) -> NoReturn:
        raise RuntimeError("injected")

    page, window = dashboard.page, dashboard.window
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 720})
    await dashboard.open_ann()
    found: dict[str, list[str]] = {}
    # Canned replies, with the preview of their texts.
    await window.input.fill("/")
    await expect(page.locator(".replies .reply")).to_be_visible()
    found["canned replies"] = await dashboard.findings()
    await window.input.fill("")
    # Customer.
    await page.get_by_text("Customer", exact=True).click()
    await expect(page.get_by_role("link", name="ann@example.com")).to_be_visible()
    found["customer"] = await dashboard.findings()
    await page.get_by_text("Customer", exact=True).click()
    # Error notices: of a refused note on top, and of a refused message in its place.
    with monkeypatch.context() as patch:
        for name in ("add_note", "append"):
            patch.setattr(dashboard.chat.parts.store, name, refuse)
        await window.send("Good morning")
        await expect(page.get_by_role("button", name="Send again").last).to_be_visible()
        await page.get_by_role("button", name="Note", exact=True).click()
        await window.send("refused")
        await expect(page.locator("#banner")).to_contain_text("A note was not stored")
        found["error notices"] = await dashboard.findings()
    await window.input.fill("")
    await page.get_by_role("button", name="Reply", exact=True).click()
    await page.get_by_role("button", name="Canned replies").focus()
    # The list of shortcuts, and found conversations, which only the list shows at 320 pixels.
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["shortcuts"] = await dashboard.findings()
    await page.keyboard.press("Escape")
    if await page.get_by_role("button", name="Back to the list").is_visible():
        await page.get_by_role("button", name="Back to the list").click()
    await page.get_by_label("Search customers and messages").fill("ann@")
    await expect(page.locator(".row-mail")).to_have_text("ann@example.com")
    found["search"] = await dashboard.findings()
    await page.get_by_label("Search customers and messages").fill("")
    await expect(page.locator("#filters")).to_be_visible()
    assert found == {state: [] for state in found}
