"""Work of agents in the dashboard: overview, notes, canned replies, drafts, unread counts and keyboard."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest
from playwright.async_api import Locator, Page, expect

from chatws.store import Draft
from chatws.store.interface import Unavailable
from tests.server.rest.support import new_session
from tests.support.bots import ScriptedBot, install
from tests.support.chat import RunningChat, until
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.conftest import StartChatServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def customer_of(chat: RunningChat, name: str, *texts: str) -> Customer:
    """Start a customer who writes these messages."""
    customer = Customer(chat, *await new_session(chat, userName=name))
    await customer.write(*texts)
    return customer


async def open_dashboard(chat: RunningChat, browsers: BrowserProfiles, **options: Any) -> Page:
    return await log_in_as_dev_agent(await browsers.open(f"{chat.url}/admin/", **options))


async def test_agent_holder_counts_and_waiting_time_are_shown(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    dashboard = await open_dashboard(chat_server, browsers)
    await expect(dashboard.locator("#agent")).to_contain_text("Agent")
    empty = await dashboard.locator("#list-empty").bounding_box()
    filters = await dashboard.locator("#filters").bounding_box()
    assert empty is not None
    assert filters is not None
    assert empty["y"] - (filters["y"] + filters["height"]) < 40
    ann = await customer_of(chat_server, "Ann", "Hello?")
    bob = await customer_of(chat_server, "Bob", "Anybody?")
    await expect(ann.row(dashboard)).to_contain_text("waiting since")
    await expect(dashboard.get_by_role("button", name="Queue 2")).to_be_visible()
    agnes = await chat_server.agent("agnes")
    conversation = (await agnes.call("join_conversation", bob.conversation_id))["conversation"]
    claim = {"conversationId": bob.conversation_id, "version": conversation["version"]}
    assert (await agnes.call("claim_conversation", claim))["success"]
    await expect(dashboard.get_by_role("button", name="Queue 1")).to_be_visible()
    await bob.row(dashboard).click()
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to Agnes")
    await ann.row(dashboard).click()
    await expect(dashboard.locator(".holder")).to_have_text("In the queue")
    await ChatWindow(dashboard.locator("#conversation")).send("I am here.")
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to you")
    await expect(ann.row(dashboard)).not_to_contain_text("waiting since")
    await expect(dashboard.get_by_role("button", name="Mine 1")).to_be_visible()


async def test_notes_stand_where_they_were_written_and_only_agents_see_them(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    ann = await customer_of(chat_server, "Ann", "first", "second")
    agnes = await chat_server.agent("agnes")
    await agnes.call("join_conversation", ann.conversation_id)
    note = {"conversationId": ann.conversation_id, "content": "known customer"}
    assert (await agnes.call("add_note", note))["success"]
    assert (await agnes.expect("note_added"))["content"] == "known customer"
    await ann.write("third")
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    lines = dashboard.locator(".messages > .message .message-text, .messages > .note .note-text")
    await expect(lines).to_have_text(["first", "second", "known customer", "third"])
    await expect(dashboard.locator(".note-author")).to_contain_text("Note by Agnes")
    await dashboard.get_by_role("button", name="Note", exact=True).click()
    await ChatWindow(dashboard.locator("#conversation")).send("I call back")
    await expect(lines).to_have_text(["first", "second", "known customer", "third", "I call back"])
    assert (await agnes.expect("note_added"))["content"] == "I call back"
    # Written by the other agent while the conversation is open.
    await agnes.call("add_note", note | {"content": "called"})
    await expect(lines.last).to_have_text("called")
    await expect(dashboard.locator(".message")).to_have_count(3)


async def test_canned_reply_is_inserted_with_the_customers_name(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    replies = chat_server.settings.data_dir / "replies.toml"
    await asyncio.to_thread(replies.write_text, 'greeting = "Hello {customer}!"\nhours = "9 to 17"\n')
    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.input.press_sequentially("/gre")
    await expect(dashboard.locator(".reply")).to_have_count(1)
    await window.input.press("Enter")
    await expect(window.input).to_have_value("Hello Ann!")
    await window.input.press("Enter")
    await window.expect_messages("Hi", "Hello Ann!")
    await dashboard.get_by_role("button", name="Canned replies").click()
    await dashboard.locator(".reply").nth(1).press("Enter")
    await expect(window.input).to_have_value("9 to 17")


async def test_unread_counts_come_from_the_server_without_own_messages(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    ann = await customer_of(chat_server, "Ann", "one", "two")
    dashboard = await open_dashboard(chat_server, browsers)
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
    third = await open_dashboard(chat_server, browsers)
    await expect(ann.row(third).locator(".unread")).to_contain_text("1")


async def test_drafts_and_url_are_kept_per_conversation(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    ann = await customer_of(chat_server, "Ann", "Hi")
    bob = await customer_of(chat_server, "Bob", "Ho")
    dashboard = await open_dashboard(chat_server, browsers)
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
    chat_server: RunningChat, browsers: BrowserProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_draft: Draft) -> NoReturn:
        raise Unavailable("injected")

    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.expect_messages("Hi")
    with monkeypatch.context() as patch:
        patch.setattr(chat_server.parts.store, "append", fail)
        await window.send("kept")
        await expect(dashboard.locator(".message.out")).to_contain_text("Sending")
        await dashboard.goto("about:blank")
    await dashboard.goto(f"{chat_server.url}/admin/")
    await expect(ann.row(dashboard)).to_contain_text("kept")
    await expect(dashboard.locator("#nothing")).to_be_visible()
    # Left again: nothing is typed or read there without opening it.
    await until(lambda: not chat_server.parts.membership.is_member("agent", ann.conversation_id))


async def test_agents_take_over_and_transfer(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    ann = await customer_of(chat_server, "Ann", "Hi")
    agnes = await chat_server.agent("agnes")
    conversation = (await agnes.call("join_conversation", ann.conversation_id))["conversation"]
    claim = {"conversationId": ann.conversation_id, "version": conversation["version"]}
    await agnes.call("claim_conversation", claim)
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    await dashboard.get_by_role("button", name="Take over").click()
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to you")
    while (await agnes.expect("conversation_updated"))["conversation"]["assignee"]["userId"] != "agent":
        pass
    await dashboard.get_by_role("button", name="Assign to…").press("Enter")
    await expect(dashboard.locator(".menu-item")).to_have_text(["AgentOnline", "AgnesOnline"])
    await expect(dashboard.locator(".menu-item").first).to_be_focused()
    await dashboard.keyboard.press("ArrowDown")
    await dashboard.keyboard.press("Enter")
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to Agnes")
    while (await agnes.expect("conversation_updated"))["conversation"]["assignee"]["userId"] != "agnes":
        pass


async def test_conversation_is_given_to_the_bot_and_taken_from_it(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(bot="echo")
    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    await expect(dashboard.locator(".holder")).to_have_text("The bot replies")
    await dashboard.get_by_role("button", name="Claim").click()
    await expect(dashboard.locator(".holder")).to_have_text("Assigned to you")
    await dashboard.get_by_role("button", name="Give to the bot").click()
    await expect(dashboard.locator(".holder")).to_have_text("The bot replies")
    await ann.write("And now?")
    await expect(dashboard.locator(".message.bot").last).to_contain_text("And now?")


async def test_failure_of_the_bot_and_reason_of_a_handoff_are_shown(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(bot="echo")
    bot = ScriptedBot(error=TimeoutError())
    bot.may_reply.set()
    install(chat_server, bot)
    dashboard = await open_dashboard(chat_server, browsers)
    ann = await customer_of(chat_server, "Ann", "Hi")
    await expect(dashboard.locator("#banner")).to_have_text("The bot failed to answer Ann (timeout).")
    await expect(ann.row(dashboard).locator(".row-notice")).to_have_text("The bot failed to answer (timeout)")
    agnes = await chat_server.agent("agnes")
    assert (await agnes.call("handoff", {"conversationId": ann.conversation_id, "reason": "needs a refund"}))["success"]
    await expect(ann.row(dashboard).locator(".row-notice")).to_have_count(0)
    await ann.row(dashboard).click()
    await expect(dashboard.locator(".note-text")).to_have_text("Handed off: needs a refund")
    await expect(dashboard.locator(".note-author")).to_contain_text("Note by Agnes")


async def test_search_finds_customers_and_messages(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    ann = await customer_of(chat_server, "Ann", "My parcel is late", "Are you there?")
    bob = await customer_of(chat_server, "Bob", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await expect(dashboard.locator(".row")).to_have_count(2)
    await dashboard.keyboard.press("/")
    field = dashboard.get_by_label("Search customers and messages")
    await expect(field).to_be_focused()
    await field.press_sequentially("PARCEL")
    await expect(dashboard.locator(".row")).to_have_count(1)
    await expect(ann.row(dashboard)).to_contain_text("My parcel is late")
    await field.fill("bob")
    await expect(bob.row(dashboard)).to_be_visible()
    await expect(dashboard.locator(".row")).to_have_count(1)
    await field.fill("nothing")
    await expect(dashboard.locator("#list-empty")).to_have_text("Nothing found.")
    await field.press("Escape")
    await expect(dashboard.locator(".row")).to_have_count(2)
