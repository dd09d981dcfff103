"""Test page, with the steps of the guide's Local Testing section."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.conftest import StartServer
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, connected_panels
from tests.web.conftest import StartChatServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTHS = (320, 768, 1280)


async def test_messages_typing_presence_and_read_marks_reach_both_users_of_one_page(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(typing_expire_ms=1_500)
    customer, agent = await connected_panels(await browsers.open(f"{chat_server.url}/websocket-test.html"))
    for panel in (customer, agent):
        await expect(panel.root.locator(".panel-peer .presence")).to_have_text("Online")
    for panel in (customer, agent):
        await panel.watch_typing()
    await customer.input.press_sequentially("Hel")
    await agent.expect_typing("is typing")
    await customer.send("Hello")
    await expect(agent.typing).to_be_empty()
    await agent.send("Good day")
    for panel in (customer, agent):
        await panel.expect_messages("Hello", "Good day")
        await expect(panel.root.locator(".message.out .message-state")).to_have_text("Seen")
        await expect(panel.root.locator(".stats")).to_contain_text("0 waiting")
        await expect(panel.root.locator(".stats")).to_contain_text("last arrival")
    # Nothing is sent after this key: the indicator expires.
    await agent.input.press_sequentially("h")
    await customer.expect_typing("Agent is typing")
    await expect(customer.typing).to_be_empty()
    # A second page has a conversation of its own.
    other, _ = await connected_panels(await browsers.open(f"{chat_server.url}/websocket-test.html"))
    await other.send("only here")
    await other.expect_messages("only here")
    await agent.expect_messages("Hello", "Good day")


async def test_offline_browser_and_cut_connection_lose_and_duplicate_nothing(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    page = await browsers.open(f"{chat_server.url}/websocket-test.html")
    customer, agent = await connected_panels(page)
    await customer.send("before")
    await agent.expect_messages("before")
    browsers.ignore_network_errors = True
    await page.context.set_offline(True)
    await expect(customer.status).to_have_text("Reconnecting…")
    await customer.send("written offline")
    await expect(customer.root.locator(".message.out").last).to_contain_text("Waiting for connection")
    await page.context.set_offline(False)
    for panel in (customer, agent):
        await panel.expect_connected()
        await panel.expect_messages("before", "written offline")
    await expect(customer.root.locator(".stats")).to_contain_text("1 reconnections")
    browsers.ignore_network_errors = False
    browsers.ignore_interrupted_handshakes = True
    await customer.root.get_by_role("button", name="Cut connection").click()
    await expect(customer.status).to_have_text("Reconnecting…")
    for text in ("one", "two"):
        await agent.send(text)
    await customer.send("three")
    await agent.expect_messages("before", "written offline", "one", "two")
    await customer.expect_messages("before", "written offline", "three")
    await customer.root.get_by_role("button", name="Restore connection").click()
    for panel in (customer, agent):
        await panel.expect_messages("before", "written offline", "one", "two", "three")
    await expect(customer.root.locator(".stats")).to_contain_text("2 reconnections")


async def test_queued_message_is_delivered_after_a_server_restart(
    start_server: StartServer, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True
    server = await asyncio.to_thread(start_server)
    customer, agent = await connected_panels(await browsers.open(f"{server.url}/websocket-test.html"))
    await customer.send("before")
    await agent.expect_messages("before")
    await asyncio.to_thread(server.kill)
    for panel in (customer, agent):
        await expect(panel.status).to_have_text("Reconnecting…")
    await customer.send("from the customer")
    await asyncio.to_thread(server.start)
    await agent.expect_messages("before", "from the customer")
    await agent.send("from the agent")
    for panel in (customer, agent):
        await panel.expect_messages("before", "from the customer", "from the agent")


@pytest.mark.usefixtures("cheap_hashes")
async def test_production_mode_requires_the_agents_log_in(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True  # the refused log-in is a failed request
    chat_server = await start_chat_server(mode="prod", test_page="on")
    await add_agent(chat_server)
    page = await browsers.open(f"{chat_server.url}/websocket-test.html")
    await page.get_by_label("Agent's email").fill(EMAIL)
    await page.get_by_label("Password").fill("guess")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    assert await page.locator(".panel").count() == 0
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Start").click()
    customer, agent = await connected_panels(page)
    await agent.send("Good day")
    await customer.expect_messages("Good day")


async def test_hostile_and_long_messages_are_shown_as_text_without_scrolling_sideways(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    page = await browsers.open(f"{chat_server.url}/websocket-test.html", viewport={"width": WIDTHS[0], "height": 700})
    page.on("dialog", lambda dialog: browsers.console_errors.append(dialog.message))
    customer, agent = await connected_panels(page)
    hostile = (
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(2)</script>",
        "\u202egnp.exe \u2066 right to left \u05e9\u05dc\u05d5\u05dd",
        "x" * 4_000,
        "\U0001f469\u200d\U0001f680 &lt;b&gt; %s ${alert(3)} {{alert(4)}}",
        "W" * 300,
    )
    for count, text in enumerate(hostile, 1):
        await customer.send(text)
        await expect(agent.messages).to_have_count(count)
    assert await agent.messages.evaluate_all("all => all.map(one => one.textContent)") == list(hostile)
    assert await page.locator(".message-text *").count() == 0
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 700})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await customer.input.fill("\U0001f600" * 4_001)
    await expect(customer.root.get_by_role("button", name="Send")).to_be_disabled()
    await expect(customer.root.locator(".composer-count")).to_have_text("4001 of 4000")
