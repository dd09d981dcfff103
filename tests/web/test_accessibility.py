"""Accessibility of the test page, the widget and its launcher, checked with axe-core in several appearances."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.chat import RunningChat
from tests.web.axe import Appearance, both_groups_of_appearances, findings_in
from tests.web.browser import BrowserProfiles, ChatWindow, connected_panels
from tests.web.conftest import StartChatServer
from tests.web.embedding_site import EmbeddingSite

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]


@both_groups_of_appearances
async def test_test_page_is_accessible(
    chat_server: RunningChat, browsers: BrowserProfiles, appearances: tuple[Appearance, ...]
) -> None:
    browsers.ignore_interrupted_handshakes = True
    page = await browsers.open(f"{chat_server.url}/websocket-test.html")
    customer, agent = await connected_panels(page)
    await customer.send("Hello")
    await agent.send("Good day")
    await customer.expect_messages("Hello", "Good day")
    await agent.root.get_by_role("button", name="Cut connection").click()
    await expect(agent.status).to_have_text("Reconnecting…")
    await agent.send("queued")
    assert await findings_in(page, appearances) == []


@both_groups_of_appearances
async def test_widget_and_launcher_are_accessible(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, appearances: tuple[Appearance, ...]
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(widget_origins=(host_site.url,))
        page = await browsers.open(host_site.embed(chat_server.url))
        await page.get_by_role("button", name="Open chat").click()
        window = ChatWindow(page.frame_locator("iframe"))
        await window.expect_connected()
        await window.send("Hello")
        await window.expect_messages("Hello")
        assert await findings_in(page, appearances) == []
        await page.goto(f"{chat_server.url}/widget/chatbot-iframe.html")
        await ChatWindow(page).expect_messages("Hello")
        assert await findings_in(page, appearances) == []
