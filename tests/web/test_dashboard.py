"""Agent dashboard: log-in, inbox, conversation actions and notifications."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from playwright.async_api import Page, expect

from chatws.store import Draft
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.conftest import StartChatServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def send_as_customer(
    chat_server: RunningChat, text: str, session_id: str = "customer-1", name: str = "conv-1"
) -> None:
    customer = await chat_server.customer(session_id)
    await customer.call("join_conversation", name)
    assert (await customer.call("send_message", {"conversationId": name, "content": text}))["success"]


async def log_in(page: Page, password: str) -> None:
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_new_message_is_unread_until_the_conversation_is_opened(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await expect(dashboard.locator("#list-empty")).to_be_visible()
    await send_as_customer(chat_server, "Is anybody there?")
    row = dashboard.locator(".row")
    await expect(row).to_contain_text("Is anybody there?")
    await expect(row.locator(".unread")).to_contain_text("1")
    await expect(row.locator(".avatar")).to_have_attribute("data-presence", "online")
    await row.click()
    await expect(row.locator(".unread")).to_have_count(0)


async def test_claimed_conversation_shows_its_assignee_and_accepts_replies(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    await send_as_customer(chat_server, "Is anybody there?")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    row = dashboard.locator(".row")
    await row.click()
    await dashboard.get_by_role("button", name="Claim").click()
    await expect(row.locator(".tag")).to_have_text("Agent")
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.send("I am.")
    await window.expect_messages("Is anybody there?", "I am.")


async def test_resolved_conversation_returns_to_the_open_ones_with_the_next_message(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    await send_as_customer(chat_server, "Is anybody there?")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    row = dashboard.locator(".row")
    await row.click()
    await dashboard.get_by_role("button", name="Claim").click()
    await dashboard.get_by_role("button", name="Resolve", exact=True).click()
    await expect(row).to_have_count(0)
    await dashboard.get_by_role("button", name="Resolved").click()
    await expect(row.locator(".tag")).to_have_text("Resolved")
    await send_as_customer(chat_server, "One more thing")
    await expect(row).to_have_count(0)
    await dashboard.get_by_role("button", name="Open").click()
    await expect(row).to_contain_text("One more thing")
    await ChatWindow(dashboard.locator("#conversation")).expect_messages("Is anybody there?", "One more thing")


async def test_finally_refused_message_is_marked_and_can_be_sent_again(
    chat_server: RunningChat, browsers: BrowserProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_as_customer(chat_server, "Hello?")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await dashboard.locator(".row").click()

    async def fail(_draft: Draft) -> NoReturn:
        raise RuntimeError("injected")

    window = ChatWindow(dashboard.locator("#conversation"))
    with monkeypatch.context() as patch:
        patch.setattr(chat_server.parts.store, "append", fail)
        await window.send("Good morning")
        await expect(dashboard.locator(".message.out")).to_contain_text("Not sent")
    await dashboard.get_by_role("button", name="Send again").click()
    await expect(dashboard.locator(".message.out .message-state")).to_have_text("Sent")
    await window.expect_messages("Hello?", "Good morning")


async def test_concurrent_claim_shows_the_current_assignee(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    await send_as_customer(chat_server, "Who takes me?")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await dashboard.locator(".row").click()
    other = await chat_server.agent("agnes")
    conversation = (await other.call("join_conversation", "conv-1"))["conversation"]
    claim = {"conversationId": "conv-1", "version": conversation["version"]}
    await other.call("claim_conversation", claim)
    await expect(dashboard.locator(".row .tag")).to_have_text("Agnes")
    await expect(dashboard.get_by_role("button", name="Claim")).to_have_count(0)


async def test_bot_is_handed_off_to_the_queue(start_chat_server: StartChatServer, browsers: BrowserProfiles) -> None:
    chat_server = await start_chat_server(bot="echo")
    await send_as_customer(chat_server, "Hello, bot")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await expect(dashboard.locator(".row .tag")).to_have_text("Bot")
    await dashboard.locator(".row").click()
    await dashboard.get_by_role("button", name="Hand off").click()
    await expect(dashboard.locator(".row .tag")).to_have_text("In the queue")


async def test_password_log_in_and_log_out_of_all_windows(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True  # the refused log-in is a failed request
    chat_server = await start_chat_server(mode="prod")
    await add_agent(chat_server)
    page = await browsers.open(f"{chat_server.url}/admin/")
    await expect(page.get_by_role("button", name="development agent")).to_be_hidden()
    await log_in(page, "wrong")
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await log_in(page, PASSWORD)
    await expect(page.locator("#status")).to_have_text("Connected")
    other = await browsers.open(f"{chat_server.url}/admin/")
    await log_in(other, PASSWORD)
    await expect(other.locator("#status")).to_have_text("Connected")
    # Log-out reloads the page; Chromium never confirms closing a profile during a load.
    async with page.expect_event("load"):
        await page.get_by_role("button", name="Log out").click()
    for window in (page, other):
        await expect(window.get_by_role("button", name="Log in")).to_be_visible()


async def test_page_reload_keeps_the_log_in_and_read_marks(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    await send_as_customer(chat_server, "Hello")
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await dashboard.locator(".row").click()
    await expect(dashboard.locator(".unread")).to_have_count(0)
    await dashboard.reload()
    await expect(dashboard.locator(".row")).to_contain_text("Hello")
    await expect(dashboard.locator(".unread")).to_have_count(0)


async def test_expiring_token_is_renewed_on_the_open_connection(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(token_ttl_s=4, token_expiring_ms=3_000, token_grace_ms=0)
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    first = await dashboard.evaluate("sessionStorage.getItem('auth_token')")
    await dashboard.wait_for_function("first => sessionStorage.getItem('auth_token') !== first", arg=first)
    await send_as_customer(chat_server, "still there?")
    await expect(dashboard.locator(".row")).to_contain_text("still there?")
    await expect(dashboard.locator("#status")).to_have_text("Connected")


async def test_sound_plays_for_new_messages_until_switched_off(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    context = await browsers.new_profile()
    await context.add_init_script(
        "window.tones = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...at) { window.tones += 1; return start.apply(this, at); };"
    )
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/", context))
    await send_as_customer(chat_server, "ding")
    await expect(dashboard.locator(".row")).to_contain_text("ding")
    assert await dashboard.evaluate("window.tones") > 0
    await dashboard.get_by_role("button", name="Notification sound").click()
    tones = await dashboard.evaluate("window.tones")
    await send_as_customer(chat_server, "silence")
    await expect(dashboard.locator(".row")).to_contain_text("silence")
    assert await dashboard.evaluate("window.tones") == tones
    await dashboard.reload()
    await expect(dashboard.get_by_role("button", name="Notification sound")).to_have_attribute("aria-pressed", "false")


async def test_small_screen_shows_either_list_or_conversation(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    await send_as_customer(chat_server, "Hello")
    page = await browsers.open(f"{chat_server.url}/admin/", viewport={"width": 320, "height": 640})
    dashboard = await log_in_as_dev_agent(page)
    await expect(dashboard.locator("#conversation")).to_be_hidden()
    await dashboard.locator(".row").click()
    await expect(dashboard.locator(".inbox")).to_be_hidden()
    assert await dashboard.evaluate("document.documentElement.scrollWidth") <= 320
    await dashboard.get_by_role("button", name="Back to the list").click()
    await expect(dashboard.locator(".row")).to_be_visible()


async def test_conversations_beyond_the_first_page_are_fetched_on_demand(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(sessions_per_s=1_000)

    async def write(number: int) -> None:
        _, session = await chat_server.post("/api/sessions", {"userName": f"Customer {number}"})
        path = f"/api/conversations/{session['conversationId']}/messages"
        await chat_server.post(path, {"content": "hello"}, headers={"X-Session-Id": session["sessionId"]})

    await asyncio.gather(*(write(number) for number in range(130)))
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await expect(dashboard.locator(".row")).to_have_count(100)
    await dashboard.get_by_role("button", name="Show older conversations").click()
    await expect(dashboard.locator(".row")).to_have_count(130)
    await expect(dashboard.get_by_role("button", name="Show older conversations")).to_be_hidden()
