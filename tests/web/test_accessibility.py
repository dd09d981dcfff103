"""Accessibility of all pages, checked with axe-core in both colour schemes and at several widths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.support.chat import RunningChat
from tests.support.node import NODE_DIR
from tests.web.browser import BrowserProfiles, ChatWindow, connected_panels, log_in_as_dev_agent
from tests.web.conftest import StartChatServer
from tests.web.embedding_site import EmbeddingSite

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

AXE = NODE_DIR / "node_modules" / "axe-core" / "axe.min.js"

Appearance = tuple[Literal["light", "dark"], int]

APPEARANCES: tuple[Appearance, ...] = (("light", 1440), ("dark", 320))
FURTHER_APPEARANCES: tuple[Appearance, ...] = (("dark", 1440), ("light", 320), ("light", 768), ("dark", 768))
"""A check takes half a second of processor time; colours depend on the scheme, and positions on the width."""

both_groups_of_appearances = pytest.mark.parametrize(
    "appearances",
    [
        pytest.param(APPEARANCES, id="each-once"),
        pytest.param(FURTHER_APPEARANCES, id="further", marks=pytest.mark.extended),
    ],
)


async def serious_findings(page: Page) -> list[str]:
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    # Frames of other origins are checked as separate pages.
    found = await page.evaluate("axe.run({iframes: false, resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


async def findings_in(page: Page, appearances: Iterable[Appearance]) -> list[str]:
    """Check one page in several colour schemes and widths."""
    found: list[str] = []
    for scheme, width in appearances:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 720})
        found += [f"{scheme} {width}: {finding}" for finding in await serious_findings(page)]
    return found


@both_groups_of_appearances
async def test_test_page_is_accessible(
    chat_server: RunningChat, browsers: BrowserProfiles, appearances: tuple[Appearance, ...]
) -> None:
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
        widget_page = await browsers.open(f"{chat_server.url}/widget/chatbot-iframe.html")
        assert await findings_in(widget_page, appearances) == []


@both_groups_of_appearances
async def test_dashboard_is_accessible(
    chat_server: RunningChat, browsers: BrowserProfiles, appearances: tuple[Appearance, ...]
) -> None:
    customer = await chat_server.customer("customer-1")
    await customer.call("join_conversation", "conv-1")
    await customer.call("send_message", {"conversationId": "conv-1", "content": "Hello"})
    page = await browsers.open(f"{chat_server.url}/admin/")
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert await serious_findings(page) == []
    dashboard = await log_in_as_dev_agent(page)
    await expect(dashboard.locator(".unread")).to_be_visible()
    assert await findings_in(dashboard, appearances) == []
    await dashboard.locator(".row").click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.send("Good day")
    await expect(dashboard.locator(".message.out .message-state")).to_have_text("Sent")
    await dashboard.get_by_role("button", name="Note", exact=True).click()
    await window.send("A note")
    await expect(dashboard.locator(".note")).to_be_visible()
    await window.input.fill("A draft")
    await dashboard.get_by_role("button", name="Assign to…").click()
    await expect(dashboard.locator(".menu-item")).to_be_visible()
    assert await findings_in(dashboard, appearances) == []
    await dashboard.keyboard.press("Escape")
    await dashboard.keyboard.press("?")
    await expect(dashboard.get_by_role("dialog")).to_be_visible()
    assert await serious_findings(dashboard) == []
