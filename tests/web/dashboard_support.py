"""Objects of the dashboard tests: customers with conversations of their own, and logged-in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page

from tests.server.rest.support import new_session
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, log_in_as_dev_agent


@dataclass
class Workplace:
    """Server, and the page of an agent, shared by tests that have customers of their own."""

    chat: RunningChat
    page: Page


class Customer:
    """Customer who writes over REST, with a conversation of its own."""

    def __init__(self, chat: RunningChat, session: dict[str, Any], headers: dict[str, str]) -> None:
        self.conversation_id: str = session["conversationId"]
        self._chat = chat
        self._headers = headers

    async def write(self, *texts: str) -> None:
        for text in texts:
            path = f"/api/conversations/{self.conversation_id}/messages"
            status, _ = await self._chat.post(path, {"content": text}, headers=self._headers)
            assert status == 200

    def row(self, page: Page) -> Locator:
        """Return the row of the conversation in the list."""
        return page.locator(f".row[data-id='{self.conversation_id}']")


async def customer_of(chat: RunningChat, name: str, *texts: str, **session: str) -> Customer:
    """Start a customer who writes these messages; ``session`` has further fields of the session, such as ``email``."""
    customer = Customer(chat, *await new_session(chat, userName=name, **session))
    await customer.write(*texts)
    return customer


async def open_dashboard(chat: RunningChat, browsers: BrowserProfiles, **options: Any) -> Page:
    return await log_in_as_dev_agent(await browsers.open(f"{chat.url}/admin/", **options))
