"""Open conversation in the dashboard: notes, canned replies, transfer, search and width; one page for all tests."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from chatws.store import Draft
from tests.web.browser import ChatWindow
from tests.web.dashboard_support import Workplace, customer_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_notes_stand_where_they_were_written_and_only_agents_see_them(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "first", "second")
    agnes = await workplace.chat.agent("agnes")
    await agnes.call("join_conversation", ann.conversation_id)
    note = {"conversationId": ann.conversation_id, "content": "known customer"}
    assert (await agnes.call("add_note", note))["success"]
    assert (await agnes.expect("note_added"))["content"] == "known customer"
    await ann.write("third")
    await ann.row(workplace.page).click()
    lines = workplace.page.locator(".messages > .message .message-text, .messages > .note .note-text")
    await expect(lines).to_have_text(["first", "second", "known customer", "third"])
    await expect(workplace.page.locator(".note-author")).to_contain_text("Note by Agnes")
    await workplace.page.get_by_role("button", name="Note", exact=True).click()
    await ChatWindow(workplace.page.locator("#conversation")).send("I call back")
    await expect(lines).to_have_text(["first", "second", "known customer", "third", "I call back"])
    assert (await agnes.expect("note_added"))["content"] == "I call back"
    # Written by the other agent while the conversation is open.
    await agnes.call("add_note", note | {"content": "called"})
    await expect(lines.last).to_have_text("called")
    await expect(workplace.page.locator(".message")).to_have_count(3)


async def test_canned_reply_is_inserted_with_the_customers_name(workplace: Workplace) -> None:
    replies = workplace.chat.settings.data_dir / "replies.toml"
    await asyncio.to_thread(replies.write_text, 'greeting = "Hello {customer}!"\nhours = "9 to 17"\n')
    ann = await customer_of(workplace.chat, "Ann", "Hi")
    await ann.row(workplace.page).click()
    window = ChatWindow(workplace.page.locator("#conversation"))
    await window.input.press_sequentially("/gre")
    await expect(workplace.page.locator(".reply")).to_have_count(1)
    await window.input.press("Enter")
    await expect(window.input).to_have_value("Hello Ann!")
    await window.input.press("Enter")
    await window.expect_messages("Hi", "Hello Ann!")
    await workplace.page.get_by_role("button", name="Canned replies").click()
    await workplace.page.locator(".reply").nth(1).press("Enter")
    await expect(window.input).to_have_value("9 to 17")


async def test_agents_take_over_and_transfer(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "Hi")
    agnes = await workplace.chat.agent("agnes")
    conversation = (await agnes.call("join_conversation", ann.conversation_id))["conversation"]
    claim = {"conversationId": ann.conversation_id, "version": conversation["version"]}
    await agnes.call("claim_conversation", claim)
    await ann.row(workplace.page).click()
    await workplace.page.get_by_role("button", name="Take over").click()
    await expect(workplace.page.locator(".holder")).to_have_text("Assigned to you")
    while (await agnes.expect("conversation_updated"))["conversation"]["assignee"]["userId"] != "agent":
        pass
    await workplace.page.get_by_role("button", name="Assign to…").press("Enter")
    await expect(workplace.page.locator(".menu-item")).to_have_text(["AgentOnline", "AgnesOnline"])
    await expect(workplace.page.locator(".menu-item").first).to_be_focused()
    await workplace.page.keyboard.press("ArrowDown")
    await workplace.page.keyboard.press("Enter")
    await expect(workplace.page.locator(".holder")).to_have_text("Assigned to Agnes")
    while (await agnes.expect("conversation_updated"))["conversation"]["assignee"]["userId"] != "agnes":
        pass


async def test_search_finds_customers_and_messages(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "My parcel is late", "Are you there?")
    bob = await customer_of(workplace.chat, "Bob", "Hi")
    await expect(bob.row(workplace.page)).to_be_visible()
    await workplace.page.keyboard.press("Escape")
    await workplace.page.keyboard.press("/")
    field = workplace.page.get_by_label("Search customers and messages")
    await expect(field).to_be_focused()
    await field.press_sequentially("PARCEL")
    await expect(workplace.page.locator(".row")).to_have_count(1)
    await expect(ann.row(workplace.page)).to_contain_text("My parcel is late")
    await field.fill("bob")
    await expect(bob.row(workplace.page)).to_be_visible()
    await expect(workplace.page.locator(".row")).to_have_count(1)
    await field.fill("nothing")
    await expect(workplace.page.locator("#list-empty")).to_have_text("Nothing found.")
    await field.press("Escape")
    for customer in (ann, bob):
        await expect(customer.row(workplace.page)).to_be_visible()


async def test_wide_window_shows_lines_of_at_most_75_characters(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "x" * 300)
    await ann.row(workplace.page).click()
    await expect(workplace.page.locator(".message")).to_be_visible()
    character = await workplace.page.evaluate(
        "() => { const probe = document.createElement('span'); probe.textContent = '0'.repeat(75);"
        "document.querySelector('.messages').append(probe); const { width } = probe.getBoundingClientRect();"
        "probe.remove(); return width; }"
    )
    for selector in (".messages", ".composer-area"):
        box = await workplace.page.locator(selector).bounding_box()
        assert box is not None
        assert box["width"] <= character + 1


async def test_customers_other_conversations_are_listed_and_opened(workplace: Workplace) -> None:
    ann = await customer_of(workplace.chat, "Ann", "My first question")
    store = workplace.chat.parts.store
    conversation = await store.conversation(ann.conversation_id)
    assert conversation is not None
    await store.create_conversation("second-of-ann", conversation.customer, "queued")
    await ann.row(workplace.page).click()
    await workplace.page.get_by_text("Customer", exact=True).click()
    await expect(workplace.page.locator(".customer-content")).to_contain_text("Ann, first seen: Today")
    await expect(workplace.page.locator(".customer-list li")).to_have_count(0)
    await store.append(Draft("second-of-ann", conversation.customer, "My second question"))
    await workplace.page.get_by_text("Customer", exact=True).click()
    await workplace.page.get_by_text("Customer", exact=True).click()
    await workplace.page.locator(".customer-list").get_by_text("My second question").click()
    await ChatWindow(workplace.page.locator("#conversation")).expect_messages("My second question")
    assert workplace.page.url.endswith("#conversation=second-of-ann")
