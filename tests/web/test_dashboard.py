"""Agent dashboard: log-in, inbox, conversation actions and notifications."""

from __future__ import annotations

from typing import NoReturn

import pytest
from playwright.async_api import Locator, Page, expect

from chatws.store import Draft
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.conftest import StartChatServer
from tests.web.dashboard_support import Workplace

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def send_as_customer(chat_server: RunningChat, text: str, conversation_id: str = "conv-1") -> None:
    customer = await chat_server.customer(f"customer of {conversation_id}")
    await customer.call("join_conversation", conversation_id)
    sent = await customer.call("send_message", {"conversationId": conversation_id, "content": text})
    assert sent["success"]


def row_of(workplace: Workplace, conversation_id: str) -> Locator:
    return workplace.page.locator(f".row[data-id='{conversation_id}']")


async def log_in(page: Page, password: str) -> None:
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_new_message_is_unread_until_the_conversation_is_opened_also_after_a_reload(
    workplace: Workplace,
) -> None:
    await send_as_customer(workplace.chat, "Is anybody there?", "conv-1")
    row = row_of(workplace, "conv-1")
    await expect(row).to_contain_text("Is anybody there?")
    await expect(row.locator(".unread")).to_contain_text("1")
    await expect(row.locator(".avatar")).to_have_attribute("data-presence", "online")
    await row.click()
    await expect(row.locator(".unread")).to_have_count(0)
    await workplace.page.reload()
    await expect(row).to_contain_text("Is anybody there?")
    await expect(workplace.page.locator(".unread")).to_have_count(0)


async def test_claimed_conversation_shows_its_assignee_and_accepts_replies(workplace: Workplace) -> None:
    await send_as_customer(workplace.chat, "Is anybody there?", "conv-2")
    row = row_of(workplace, "conv-2")
    await row.click()
    await workplace.page.get_by_role("button", name="Claim").click()
    await expect(row.locator(".tag")).to_have_text("Agent")
    window = ChatWindow(workplace.page.locator("#conversation"))
    await window.send("I am.")
    await window.expect_messages("Is anybody there?", "I am.")


async def test_resolved_conversation_returns_to_the_open_ones_with_the_next_message(workplace: Workplace) -> None:
    await send_as_customer(workplace.chat, "Is anybody there?", "conv-3")
    row = row_of(workplace, "conv-3")
    filters = workplace.page.locator("#filters")
    await row.click()
    await workplace.page.get_by_role("button", name="Claim").click()
    await workplace.page.get_by_role("button", name="Resolve", exact=True).click()
    await expect(row).to_have_count(0)
    await filters.get_by_role("button", name="Resolved").click()
    await expect(row.locator(".tag")).to_have_text("Resolved")
    await send_as_customer(workplace.chat, "One more thing", "conv-3")
    await expect(row).to_have_count(0)
    await filters.get_by_role("button", name="Open").click()
    await expect(row).to_contain_text("One more thing")
    window = ChatWindow(workplace.page.locator("#conversation"))
    await window.expect_messages("Is anybody there?", "One more thing")


async def test_finally_refused_message_is_marked_and_can_be_sent_again(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_as_customer(workplace.chat, "Hello?", "conv-4")
    await row_of(workplace, "conv-4").click()

    async def fail(_draft: Draft) -> NoReturn:
        raise RuntimeError("injected")

    window = ChatWindow(workplace.page.locator("#conversation"))
    await window.expect_messages("Hello?")
    with monkeypatch.context() as patch:
        patch.setattr(workplace.chat.parts.store, "append", fail)
        await window.send("Good morning")
        await expect(workplace.page.locator(".message.out")).to_contain_text("Not sent")
    await workplace.page.get_by_role("button", name="Send again").click()
    await expect(workplace.page.locator(".message.out .message-state")).to_have_text("Sent")
    await window.expect_messages("Hello?", "Good morning")


async def test_concurrent_claim_shows_the_current_assignee(workplace: Workplace) -> None:
    await send_as_customer(workplace.chat, "Who takes me?", "conv-5")
    row = row_of(workplace, "conv-5")
    await row.click()
    await expect(workplace.page.get_by_role("button", name="Claim")).to_be_visible()
    other = await workplace.chat.agent("agnes")
    conversation = (await other.call("join_conversation", "conv-5"))["conversation"]
    claim = {"conversationId": "conv-5", "version": conversation["version"]}
    await other.call("claim_conversation", claim)
    await expect(row.locator(".tag")).to_have_text("Agnes")
    await expect(workplace.page.get_by_role("button", name="Claim")).to_have_count(0)


@pytest.mark.usefixtures("cheap_hashes")
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


async def test_expiring_token_is_renewed_on_the_open_connection(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    # It expires in a minute, of which a busy browser may need some seconds; the warning comes after a second.
    chat_server = await start_chat_server(token_ttl_s=60, token_expiring_ms=59_000, token_grace_ms=0)
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    first = await dashboard.evaluate("sessionStorage.getItem('auth_token')")
    await dashboard.wait_for_function("first => sessionStorage.getItem('auth_token') !== first", arg=first)
    await send_as_customer(chat_server, "still there?")
    await expect(dashboard.locator(".row")).to_contain_text("still there?")
    await expect(dashboard.locator("#status")).to_have_text("Connected")
