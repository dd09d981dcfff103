"""Accessibility of the dashboard's states, checked with axe-core in several appearances; one page for all states."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest
from playwright.async_api import Page, expect

from tests.support.chat import RunningChat
from tests.web.axe import Appearance, appear, both_groups_of_appearances, findings, findings_in
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.dashboard_support import customer_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

CONVERSATION = "#conversation"


class CheckedDashboard:
    """Dashboard with one conversation, and the findings in its states by their names."""

    def __init__(self, chat: RunningChat, page: Page, appearances: tuple[Appearance, ...]) -> None:
        self.found: dict[str, list[str]] = {}
        self._chat = chat
        self._page = page
        self._window = ChatWindow(page.locator(CONVERSATION))
        self._appearances = appearances

    async def check(self, state: str, within: str = "html") -> None:
        """Check the elements that belong to the current state."""
        self.found[state] = await findings_in(self._page, self._appearances, within)

    async def check_list(self) -> None:
        """Check the form of the log-in, and the list."""
        self.found["log-in"] = await findings(self._page)
        await log_in_as_dev_agent(self._page)
        await expect(self._page.locator(".unread")).to_be_visible()
        await self.check("list")

    async def check_conversation(self) -> None:
        """Check a message, a note, the menu of assignees and a draft, and then the menu of canned replies."""
        page, window = self._page, self._window
        await page.locator(".row").click()
        await window.send("Good day")
        await expect(page.locator(".message.out .message-state")).to_have_text("Sent")
        await page.get_by_role("button", name="Note", exact=True).click()
        await window.send("A note")
        await expect(page.locator(".note")).to_be_visible()
        await window.input.fill("A draft")
        await page.get_by_role("button", name="Assign to…").click()
        await expect(page.locator(".menu-item")).to_be_visible()
        await self.check("conversation")
        await page.keyboard.press("Escape")
        await window.input.fill("")
        await page.get_by_role("button", name="Reply", exact=True).click()
        await window.input.fill("/")
        await expect(page.locator(".replies .reply")).to_be_visible()
        await self.check("canned replies", CONVERSATION)
        await window.input.fill("")

    async def check_customer(self) -> None:
        await self._page.get_by_text("Customer", exact=True).click()
        await expect(self._page.get_by_role("link", name="ann@example.com")).to_be_visible()
        await self.check("customer", CONVERSATION)
        await self._page.get_by_text("Customer", exact=True).click()

    async def check_errors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Check the notices of a refused note, on top, and of a refused message, in its place."""

        async def refuse(*_request: Any) -> NoReturn:
            raise RuntimeError("injected")

        page, window = self._page, self._window
        with monkeypatch.context() as patch:
            for name in ("add_note", "append"):
                patch.setattr(self._chat.parts.store, name, refuse)
            await window.send("Good morning")
            await expect(page.get_by_role("button", name="Send again").last).to_be_visible()
            await page.get_by_role("button", name="Note", exact=True).click()
            await window.send("refused")
            await expect(page.locator("#banner")).to_contain_text("A note was not stored")
            await self.check("error notices", "#banner, .messages")
        await window.input.fill("")
        await page.get_by_role("button", name="Reply", exact=True).click()

    async def check_shortcuts(self) -> None:
        await self._page.get_by_role("button", name="Canned replies").focus()
        await self._page.keyboard.press("?")
        await expect(self._page.get_by_role("dialog")).to_be_visible()
        await self.check("shortcuts", "#shortcuts")
        await self._page.keyboard.press("Escape")

    async def check_search(self) -> None:
        """Check found conversations, which only the list shows on a narrow screen."""
        await appear(self._page, ("light", 320))
        await self._page.get_by_role("button", name="Back to the list").click()
        await self._page.get_by_label("Search customers and messages").fill("ann@")
        await expect(self._page.locator(".row-mail")).to_have_text("ann@example.com")
        await self.check("search", ".inbox")


@both_groups_of_appearances
async def test_states_of_the_dashboard_are_accessible(
    chat_server: RunningChat,
    browsers: BrowserProfiles,
    appearances: tuple[Appearance, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies = chat_server.settings.data_dir / "replies.toml"
    await asyncio.to_thread(replies.write_text, 'greeting = "Hello {customer}!"\n')
    await customer_of(chat_server, "Ann", "Hi", email="ann@example.com")
    page = await browsers.open(f"{chat_server.url}/admin/")
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    dashboard = CheckedDashboard(chat_server, page, appearances)
    await dashboard.check_list()
    await dashboard.check_conversation()
    await dashboard.check_customer()
    await dashboard.check_errors(monkeypatch)
    await dashboard.check_shortcuts()
    await dashboard.check_search()
    assert dashboard.found == {state: [] for state in dashboard.found}
