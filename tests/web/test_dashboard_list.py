"""Long lists of conversations in the dashboard, and the customer's mail address in list and details."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from chatws.store import Draft
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles
from tests.web.dashboard_support import Customer, customer_of, open_dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONVERSATIONS = 210
WATCH = """() => {
  window.moved = 0;
  const count = (changes) => { for (const { addedNodes } of changes) window.moved += addedNodes.length; };
  new MutationObserver(count).observe(document.querySelector("#list"), { childList: true, subtree: true });
}"""


async def add_conversations(chat: RunningChat, customer: Customer) -> None:
    """Add further conversations of a customer, with a message each."""
    store = chat.parts.store
    conversation = await store.conversation(customer.conversation_id)
    assert conversation is not None
    for number in range(CONVERSATIONS):
        await store.create_conversation(f"conv-{number}", conversation.customer, "queued")
    drafts = [Draft(f"conv-{number}", conversation.customer, "Hello") for number in range(CONVERSATIONS)]
    await asyncio.gather(*(store.append(draft) for draft in drafts))


async def test_long_list_loads_on_demand_and_changes_only_the_row_of_an_event(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    dashboard = await open_dashboard(chat_server, browsers, viewport={"width": 1440, "height": 800})
    await expect(dashboard.locator("#list-empty")).to_contain_text("New ones appear here by themselves.")
    empty = await dashboard.locator("#list-empty").bounding_box()
    filters = await dashboard.locator("#filters").bounding_box()
    assert empty is not None
    assert filters is not None
    assert empty["y"] - (filters["y"] + filters["height"]) < 40
    ann = await customer_of(chat_server, "Ann", "Hi", email="ann@example.com")
    await add_conversations(chat_server, ann)
    await dashboard.reload()
    rows = dashboard.locator(".row")
    await expect(rows).to_have_count(100)
    older = dashboard.get_by_role("button", name="Show older conversations")
    await rows.first.focus()
    await dashboard.keyboard.press("End")
    await expect(rows).to_have_count(200)
    await older.click()
    await expect(rows).to_have_count(CONVERSATIONS + 1)
    await expect(older).to_be_hidden()
    await dashboard.evaluate(WATCH)
    await ann.write("Are you there?")
    await expect(rows.first).to_contain_text("Are you there?")
    # The parts of one row, and the row itself, which moves to the top.
    assert await dashboard.evaluate("window.moved") < 20
    # The details of the customer stand beside the messages, and stay open for the next conversation.
    await ann.row(dashboard).click()
    await dashboard.get_by_text("Customer", exact=True).click()
    details = dashboard.locator(".customer-content")
    await expect(details.get_by_role("link")).to_have_attribute("href", "mailto:ann@example.com")
    thread = await dashboard.locator(".thread").bounding_box()
    panel = await dashboard.locator(".customer").bounding_box()
    assert thread is not None
    assert panel is not None
    assert panel["x"] >= thread["x"] + thread["width"] - 1
    await details.get_by_role("button").first.click()
    await expect(dashboard.locator(".holder")).to_have_text("In the queue")
    await expect(details).to_contain_text("first seen")
    await dashboard.get_by_label("Search customers and messages").fill("ann@example")
    await expect(dashboard.locator(".row-mail").first).to_have_text("ann@example.com")
    # A small screen shows the list or the conversation.
    await dashboard.set_viewport_size({"width": 320, "height": 640})
    await expect(dashboard.locator(".inbox")).to_be_hidden()
    assert await dashboard.evaluate("document.documentElement.scrollWidth") <= 320
    await dashboard.get_by_role("button", name="Back to the list").click()
    await expect(dashboard.locator("#conversation")).to_be_hidden()
    await rows.first.click()
    await expect(dashboard.locator(".inbox")).to_be_hidden()


async def test_page_of_the_list_that_a_reconnect_overtakes_leaves_no_hole(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    await add_conversations(chat_server, await customer_of(chat_server, "Ann", "Hi"))
    dashboard = await open_dashboard(chat_server, browsers, viewport={"width": 1440, "height": 800})
    rows, older = dashboard.locator(".row"), dashboard.get_by_role("button", name="Show older conversations")
    await expect(rows).to_have_count(100)
    await older.click()
    await expect(rows).to_have_count(200)
    third_page: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        if third_page.done():
            await route.continue_()
        else:
            third_page.set_result(route)

    await dashboard.route("**/api/conversations?*cursor=*", hold)
    await older.click()
    held = await third_page
    await chat_server.engine.close_all()
    await expect(rows).to_have_count(100)
    async with dashboard.expect_response(lambda response: response.url == held.request.url):
        await held.continue_()
    await older.click()
    await expect(rows).to_have_count(200)
    await older.click()
    await expect(rows).to_have_count(CONVERSATIONS + 1)
