"""The widget: embedded on other sites, over reloads and tabs, with long histories, and without any socket."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from chatws.protocol.entities import User
from chatws.store.interface import Draft
from tests.server.rest.support import bearer
from tests.support.chat import RunningChat
from tests.web.conftest import StartChat
from tests.web.other_site import OtherSite
from tests.web.support import Visitors, Window, dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDGET = "/widget/chatbot-iframe.html"


async def open_widget(visitors: Visitors, site: RunningChat) -> tuple[Page, Window]:
    page = await visitors.open(site.url + WIDGET)
    window = Window(page)
    await window.is_connected()
    return page, window


async def conversation_of(site: RunningChat, page: Page) -> str:
    session_id = await page.evaluate("localStorage.getItem('chatws.session')")
    _, session = await site.get("/api/sessions/current", headers={"X-Session-Id": session_id})
    conversation_id: str = session["conversationId"]
    return conversation_id


async def fill(site: RunningChat, conversation_id: str, count: int) -> None:
    """Let the agent, who has connected once, have said so much."""
    sender = User(user_id="agent-1", user_name="Agent-1", role="admin")
    drafts = [Draft(conversation_id, sender, f"message {number}") for number in range(1, count + 1)]
    for start in range(0, count, 500):
        await asyncio.gather(*(site.parts.store.append(draft) for draft in drafts[start : start + 500]))


async def test_one_line_on_a_listed_site_opens_a_chat_by_keyboard(start_site: StartChat, visitors: Visitors) -> None:
    async with OtherSite() as shop:
        site = await start_site(widget_origins=(shop.url,))
        page = await visitors.open(shop.embed(site.url, title="Ask us", greeting="What can we do for you?"))
        launcher = page.get_by_role("button", name="Open chat")
        await launcher.focus()
        await page.keyboard.press("Enter")
        frame = page.frame_locator("iframe")
        window = Window(frame)
        await window.is_connected()
        await expect(frame.get_by_role("heading", name="Ask us")).to_be_visible()
        await expect(frame.get_by_text("What can we do for you?")).to_be_visible()
        await expect(window.area).to_be_focused()
        await page.keyboard.type("Hello from the shop")
        await page.keyboard.press("Enter")
        await window.shows("Hello from the shop")
        await page.keyboard.press("Escape")
        await expect(launcher).to_be_focused()
        await expect(launcher).to_have_attribute("aria-expanded", "false")


async def test_messages_to_a_closed_widget_are_counted_on_the_launcher(
    start_site: StartChat, visitors: Visitors
) -> None:
    async with OtherSite() as shop:
        site = await start_site(widget_origins=(shop.url,))
        page = await visitors.open(shop.embed(site.url))
        await page.get_by_role("button", name="Open chat").click()
        window = Window(page.frame_locator("iframe"))
        await window.is_connected()
        await window.say("Anybody there?")
        await expect(window.root.locator(".message-state")).to_have_text("Sent")
        await page.get_by_role("button", name="Close chat").first.click()
        agent = await site.agent()
        inbox = await agent.ask("subscribe_inbox")
        conversation_id = inbox["conversations"][0]["conversationId"]
        await agent.ask("join_conversation", conversation_id)
        await agent.ask("send_message", {"conversationId": conversation_id, "content": "Yes"})
        await expect(page.get_by_role("button", name="Open chat, 1 unread")).to_be_visible()
        await page.get_by_role("button", name="Open chat, 1 unread").click()
        await window.shows("Anybody there?", "Yes")
        await expect(page.get_by_role("button", name="unread")).to_have_count(0)


async def test_site_that_is_not_listed_cannot_frame_the_widget(site: RunningChat, visitors: Visitors) -> None:
    async with OtherSite() as shop:
        page = await visitors.open(shop.embed(site.url))
        async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            await page.get_by_role("button", name="Open chat").click()
        assert await page.frame_locator("iframe").locator("textarea").count() == 0
        complaint = visitors.complaints.pop()
        assert "frame-ancestors 'self'" in complaint


async def test_snippet_works_under_a_strict_policy_of_the_site(start_site: StartChat, visitors: Visitors) -> None:
    shop = OtherSite()
    site = await start_site(widget_origins=("http://127.0.0.1:*",))
    shop = OtherSite(f"default-src 'none'; img-src data:; script-src {site.url}; frame-src {site.url}")
    async with shop:
        page = await visitors.open(shop.embed(site.url, accent="#ffcc00", position="left"))
        await page.get_by_role("button", name="Open chat").click()
        await Window(page.frame_locator("iframe")).is_connected()
        box = await page.get_by_role("button", name="Close chat").first.bounding_box()
        assert box is not None
        assert box["x"] < 100


async def test_reload_keeps_session_history_and_what_was_not_sent_yet(site: RunningChat, visitors: Visitors) -> None:
    visitors.network_fails = True
    page, window = await open_widget(visitors, site)
    await window.say("before")
    await expect(window.root.locator(".message-state")).to_have_text("Sent")
    await page.context.set_offline(True)
    await expect(window.status).to_have_text("Reconnecting…")
    await window.say("written offline")
    await page.context.set_offline(False)
    await page.reload()
    await window.is_connected()
    await window.shows("before", "written offline")
    await expect(window.root.locator(".message-state").last).to_have_text("Sent")
    _, history = await site.get(
        "/api/messages",
        headers={"X-Session-Id": await page.evaluate("localStorage.getItem('chatws.session')")},
    )
    assert [message["content"] for message in history["messages"]] == ["before", "written offline"]


async def test_two_tabs_of_one_customer_show_the_same_conversation(site: RunningChat, visitors: Visitors) -> None:
    page, first = await open_widget(visitors, site)
    second = Window(await visitors.open(site.url + WIDGET, page.context))
    await second.is_connected()
    await first.say("from the first tab")
    await second.shows("from the first tab")
    await second.say("from the second tab")
    for window in (first, second):
        await window.shows("from the first tab", "from the second tab")
        await expect(window.root.locator(".message.out")).to_have_count(2)


async def test_history_of_3000_messages_is_scrolled_to_its_beginning(site: RunningChat, visitors: Visitors) -> None:
    page, window = await open_widget(visitors, site)
    conversation_id = await conversation_of(site, page)
    agent = await site.agent("agent-1")
    await agent.ask("join_conversation", conversation_id)
    await fill(site, conversation_id, 3_000)
    await page.reload()
    await window.is_connected()
    await expect(window.texts.last).to_have_text("message 3000")
    await page.evaluate(
        """async () => {
            const scroller = document.querySelector(".thread-scroll");
            const first = () => document.querySelector(".message").dataset.seq;
            while (first() !== "1") {
              const before = first();
              scroller.scrollTop = 0;
              while (first() === before) await new Promise((resolve) => setTimeout(resolve, 10));
            }
        }"""
    )
    seqs = await window.root.locator(".message").evaluate_all("all => all.map(one => Number(one.dataset.seq))")
    assert seqs == list(range(1, 3_001))
    await agent.ask("send_message", {"conversationId": conversation_id, "content": "one more"})
    await page.get_by_role("button", name="1 new message").click()
    await expect(window.texts.last).to_be_in_viewport()
    await expect(window.texts.last).to_have_text("one more")


async def test_prepending_older_messages_keeps_the_readers_place(site: RunningChat, visitors: Visitors) -> None:
    page, window = await open_widget(visitors, site)
    conversation_id = await conversation_of(site, page)
    await site.agent("agent-1")
    await fill(site, conversation_id, 120)
    await page.reload()
    await window.is_connected()
    await expect(window.texts).to_have_count(50)
    await page.locator(".thread-scroll").evaluate("element => (element.scrollTop = 100)")
    anchor = page.get_by_text("message 74", exact=True)
    before = await anchor.bounding_box()
    await expect(window.texts).to_have_count(120)
    after = await anchor.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2


async def test_without_any_socket_the_chat_goes_over_rest(site: RunningChat, visitors: Visitors) -> None:
    visitors.network_fails = True
    context = await visitors.person()
    await context.route("**/socket.io/?*", lambda route: route.abort())
    await context.route_web_socket("**/socket.io/**", lambda socket: asyncio.ensure_future(socket.close()))
    page = await visitors.open(site.url + WIDGET, context)
    window = Window(page)
    await expect(page.locator("#banner")).to_contain_text("the slow way")
    await window.say("is this thing on?")
    await expect(window.root.locator(".message.out .message-state")).to_have_text("Sent")
    conversation_id = await conversation_of(site, page)
    agent = await site.agent()
    await agent.ask("join_conversation", conversation_id)
    await agent.ask("send_message", {"conversationId": conversation_id, "content": "it is"})
    await window.shows("is this thing on?", "it is")


async def test_customer_and_agent_in_different_browsers(site: RunningChat, visitors: Visitors) -> None:
    _, customer = await open_widget(visitors, site)
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await customer.say("Hello?")
    await desk.get_by_role("button", name="Hello?").click()
    agent = Window(desk.locator("#conversation"))
    await agent.shows("Hello?")
    await expect(customer.root.locator("#who")).to_have_text("We are here")
    await agent.area.press_sequentially("Good")
    await expect(customer.typing).to_contain_text("is typing")
    await agent.say("Good morning")
    await customer.shows("Hello?", "Good morning")
    await expect(desk.locator(".message.out .message-state")).to_have_text("Seen")


async def test_customer_leaves_the_bot_for_a_human(start_site: StartChat, visitors: Visitors) -> None:
    site = await start_site(bot="echo")
    page, window = await open_widget(visitors, site)
    await window.say("Hello, bot")
    await expect(window.texts).to_have_count(2)
    await expect(window.root.locator(".message.bot")).to_have_count(1)
    await page.get_by_role("button", name="Talk to a human").click()
    await expect(page.get_by_role("button", name="Talk to a human")).to_be_hidden()
    _, reply = await site.get(f"/api/conversations/{await conversation_of(site, page)}", headers=bearer(site.token()))
    assert reply["conversation"]["status"] == "queued"


async def test_session_that_has_ended_is_replaced_by_a_new_one(start_site: StartChat, visitors: Visitors) -> None:
    visitors.network_fails = True  # the refused session is a failed request
    site = await start_site(mode="prod")
    context = await visitors.person()
    await context.add_init_script("if (location.hostname) localStorage['chatws.session'] ??= 'x'.repeat(32)")
    page = await visitors.open(site.url + WIDGET, context)
    window = Window(page)
    await window.is_connected()
    assert await page.evaluate("localStorage.getItem('chatws.session')") != "x" * 32
