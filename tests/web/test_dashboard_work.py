"""Work of agents in the dashboard: overview, drafts, unread counts, unsent messages, and the bot."""

from __future__ import annotations

from typing import NoReturn

import pytest
from playwright.async_api import expect

from chatws.store import Draft
from chatws.store.interface import Unavailable
from tests.support.bots import ScriptedBot, install
from tests.support.chat import until
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.conftest import StartChatServer
from tests.web.dashboard_support import Workplace, customer_of, open_dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_agent_holder_counts_and_waiting_time_are_shown(workplace: Workplace) -> None:
    chat_server, dashboard = workplace.chat, workplace.page
    agnes = await chat_server.agent("agnes")
    listed = (await agnes.call("subscribe_inbox"))["conversations"]
    queued = sum(one["status"] == "queued" for one in listed)
    mine = sum((one["assignee"] or {}).get("userId") == "agent" for one in listed if one["status"] != "resolved")
    await expect(dashboard.locator("#agent")).to_contain_text("Agent")
    ann = await customer_of(chat_server, "Ann", "Hello?")
    bob = await customer_of(chat_server, "Bob", "Anybody?")
    await expect(ann.row(dashboard)).to_contain_text("waiting since")
    await expect(dashboard.get_by_role("button", name=f"Queue {queued + 2}")).to_be_visible()
    conversation = (await agnes.call("join_conversation", bob.conversation_id))["conversation"]
    claim = {"conversationId": bob.conversation_id, "version": conversation["version"]}
    assert (await agnes.call("claim_conversation", claim))["success"]
    await expect(dashboard.get_by_role("button", name=f"Queue {queued + 1}")).to_be_visible()
    await bob.row(dashboard).click()
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to Agnes")
    await ann.row(dashboard).click()
    await expect(dashboard.locator(".holder")).to_have_text("In the queue")
    await ChatWindow(dashboard.locator("#conversation")).send("I am here.")
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to you")
    await expect(ann.row(dashboard)).not_to_contain_text("waiting since")
    await expect(dashboard.get_by_role("button", name=f"Mine {mine + 1}")).to_be_visible()


async def test_unread_counts_come_from_the_server_without_own_messages(
    workplace: Workplace, browsers: BrowserProfiles
) -> None:
    chat_server, dashboard = workplace.chat, workplace.page
    ann = await customer_of(chat_server, "Ann", "one", "two")
    await dashboard.reload()
    await expect(ann.row(dashboard).locator(".unread")).to_contain_text("2")
    await expect(dashboard).to_have_title("(1) chatws · Inbox")
    # The same agent reads in another browser: both windows show it.
    other = await open_dashboard(chat_server, browsers)
    await ann.row(other).click()
    await ChatWindow(other.locator("#conversation")).send("three, my own")
    await expect(ann.row(dashboard)).to_contain_text("three, my own")
    await expect(ann.row(dashboard).locator(".unread")).to_have_count(0)
    await expect(dashboard).to_have_title("chatws · Inbox")
    await other.go_back()
    await expect(other.locator("#nothing")).to_be_visible()
    await ann.write("four")
    await expect(ann.row(other).locator(".unread")).to_contain_text("1")
    await dashboard.reload()
    await expect(ann.row(dashboard).locator(".unread")).to_contain_text("1")
    await ann.row(dashboard).click()


async def test_drafts_and_url_are_kept_per_conversation(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "Hi")
    bob = await customer_of(workplace.chat, "Bob", "Ho")
    dashboard = workplace.page
    window = ChatWindow(dashboard.locator("#conversation"))
    await ann.row(dashboard).click()
    await window.input.fill("Dear Ann")
    await bob.row(dashboard).click()
    await expect(window.input).to_have_value("")
    await window.input.fill("Dear Bob")
    await dashboard.go_back()
    await expect(window.input).to_have_value("Dear Ann")
    await dashboard.go_forward()
    await expect(window.input).to_have_value("Dear Bob")
    assert dashboard.url.endswith(f"#conversation={bob.conversation_id}")
    await dashboard.reload()
    await expect(dashboard.locator("h2", has_text="Bob")).to_be_visible()
    await expect(window.input).to_have_value("Dear Bob")
    await window.input.press("Enter")
    await window.expect_messages("Ho", "Dear Bob")
    await ann.row(dashboard).click()
    await bob.row(dashboard).click()
    await expect(window.input).to_have_value("")


async def test_kept_messages_are_sent_after_a_reload_without_opening_the_conversation(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_draft: Draft) -> NoReturn:
        raise Unavailable("injected")

    ann = await customer_of(workplace.chat, "Ann", "Hi")
    dashboard = workplace.page
    await ann.row(dashboard).click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.expect_messages("Hi")
    with monkeypatch.context() as patch:
        patch.setattr(workplace.chat.parts.store, "append", fail)
        await window.send("kept")
        await expect(dashboard.locator(".message.out")).to_contain_text("Sending")
        await dashboard.goto("about:blank")
    await dashboard.goto(f"{workplace.chat.url}/admin/")
    await expect(ann.row(dashboard)).to_contain_text("kept")
    await expect(dashboard.locator("#nothing")).to_be_visible()
    # Left again: nothing is typed or read there without opening it.
    await until(lambda: not workplace.chat.parts.membership.is_member("agent", ann.conversation_id))


async def test_conversations_pass_between_bot_queue_and_agents_and_failures_of_the_bot_are_shown(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(bot="echo")
    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await expect(ann.row(dashboard).locator(".tag")).to_have_text("Bot")
    await ann.row(dashboard).click()
    holder = dashboard.locator(".holder")
    await expect(holder).to_have_text("The bot replies")
    await dashboard.get_by_role("button", name="Claim").click()
    await expect(holder).to_have_text("Assigned to you")
    await dashboard.get_by_role("button", name="Give to the bot").click()
    await expect(holder).to_have_text("The bot replies")
    await ann.write("And now?")
    await expect(dashboard.locator(".message.bot").last).to_contain_text("And now?")
    await dashboard.get_by_role("button", name="Hand off").click()
    await expect(ann.row(dashboard).locator(".tag")).to_have_text("In the queue")
    bot = ScriptedBot(error=TimeoutError())
    bot.may_reply.set()
    install(chat_server, bot)
    bob = await customer_of(chat_server, "Bob", "Hi")
    await expect(dashboard.locator("#banner")).to_have_text("The bot failed to answer Bob (timeout).")
    await expect(bob.row(dashboard).locator(".row-notice")).to_have_text("The bot failed to answer (timeout)")
    agnes = await chat_server.agent("agnes")
    assert (await agnes.call("handoff", {"conversationId": bob.conversation_id, "reason": "needs a refund"}))["success"]
    await expect(bob.row(dashboard).locator(".row-notice")).to_have_count(0)
    await bob.row(dashboard).click()
    await expect(dashboard.locator(".note-text")).to_have_text("Handed off: needs a refund")
    await expect(dashboard.locator(".note-author")).to_contain_text("Note by Agnes")
