"""Widget: embedding, page reloads, several tabs, long histories and the REST fallback."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from chatws.protocol.entities import User
from chatws.server.frontend.bundle import FOLDER, Manifest
from chatws.server.frontend.static import ROOT, WebFile, find_web_files
from chatws.store.interface import Draft
from tests.server.rest.support import bearer
from tests.support.chat import RunningChat
from tests.support.proxy import Proxy
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.conftest import StartChatServer
from tests.web.embedding_site import EmbeddingSite

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDGET = "/widget/chatbot-iframe.html"


async def open_widget(browsers: BrowserProfiles, chat_server: RunningChat) -> tuple[Page, ChatWindow]:
    page = await browsers.open(chat_server.url + WIDGET)
    window = ChatWindow(page)
    await window.expect_connected()
    return page, window


async def send_embedded(page: Page, text: str) -> ChatWindow:
    """Open the widget of an embedding page, and send a message until it is stored."""
    await page.get_by_role("button", name="Open chat").click()
    window = ChatWindow(page.frame_locator("iframe"))
    await window.expect_connected()
    await window.send(text)
    await expect(window.root.locator(".message-state")).to_have_text("Sent")
    return window


async def conversation_of(chat_server: RunningChat, page: Page) -> str:
    session_id = await page.evaluate("localStorage.getItem('chatws.session')")
    _, session = await chat_server.get("/api/sessions/current", headers={"X-Session-Id": session_id})
    conversation_id: str = session["conversationId"]
    return conversation_id


async def store_messages(chat_server: RunningChat, conversation_id: str, count: int) -> None:
    """Store ``count`` messages of agent-1; that user must have connected before."""
    sender = User(user_id="agent-1", user_name="Agent-1", role="admin")
    drafts = [Draft(conversation_id, sender, f"message {number}") for number in range(1, count + 1)]
    for start in range(0, count, 500):
        await asyncio.gather(*(chat_server.parts.store.append(draft) for draft in drafts[start : start + 500]))


async def test_embedded_widget_is_operated_by_keyboard(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(widget_origins=(host_site.url,))
        page = await browsers.open(host_site.embed(chat_server.url, title="Ask us", greeting="What can we do for you?"))
        launcher = page.get_by_role("button", name="Open chat")
        await launcher.focus()
        await page.keyboard.press("Enter")
        frame = page.frame_locator("iframe")
        window = ChatWindow(frame)
        await window.expect_connected()
        await expect(frame.get_by_role("heading", name="Ask us")).to_be_visible()
        await expect(frame.get_by_text("What can we do for you?")).to_be_visible()
        await expect(window.input).to_be_focused()
        await page.keyboard.type("Hello from the shop")
        await page.keyboard.press("Enter")
        await window.expect_messages("Hello from the shop")
        await page.keyboard.press("Escape")
        await expect(launcher).to_be_focused()
        await expect(launcher).to_have_attribute("aria-expanded", "false")


async def test_snippet_works_under_a_strict_content_security_policy(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(widget_origins=("http://127.0.0.1:*",))
    host_site = EmbeddingSite(
        f"default-src 'none'; img-src data:; script-src {chat_server.url}; frame-src {chat_server.url}"
    )
    async with host_site:
        page = await browsers.open(host_site.embed(chat_server.url, accent="#ffcc00", position="left"))
        await page.get_by_role("button", name="Open chat").click()
        await ChatWindow(page.frame_locator("iframe")).expect_connected()
        box = await page.get_by_role("button", name="Close chat").first.bounding_box()
        assert box is not None
        assert box["x"] < 100


async def test_widget_works_without_a_bundle(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {path: file for path, file in find_web_files().items() if not path.startswith(f"/{FOLDER}/")}
    sources["/widget/embed.js"] = WebFile(ROOT / "widget" / "embed.js", "text/javascript")
    monkeypatch.setattr("chatws.server.frontend.pages.find_web_files", lambda: sources)
    monkeypatch.setattr("chatws.server.frontend.pages.find_manifest", Manifest)
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(widget_origins=(host_site.url,))
        page = await browsers.open(host_site.embed(chat_server.url))
        await send_embedded(page, "One module at a time")


async def test_page_reload_keeps_session_history_and_unsent_messages(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True
    page, window = await open_widget(browsers, chat_server)
    await window.send("before")
    await expect(window.root.locator(".message-state")).to_have_text("Sent")
    await page.context.set_offline(True)
    await expect(window.status).to_have_text("Reconnecting…")
    await window.send("written offline")
    await page.context.set_offline(False)
    await page.reload()
    await window.expect_connected()
    await window.expect_messages("before", "written offline")
    await expect(window.root.locator(".message-state").last).to_have_text("Sent")
    _, history = await chat_server.get(
        "/api/messages",
        headers={"X-Session-Id": await page.evaluate("localStorage.getItem('chatws.session')")},
    )
    assert [message["content"] for message in history["messages"]] == ["before", "written offline"]


async def test_two_tabs_of_one_customer_show_the_same_conversation(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    page, first = await open_widget(browsers, chat_server)
    second = ChatWindow(await browsers.open(chat_server.url + WIDGET, page.context))
    await second.expect_connected()
    await first.send("from the first tab")
    await second.expect_messages("from the first tab")
    await second.send("from the second tab")
    for window in (first, second):
        await window.expect_messages("from the first tab", "from the second tab")
        await expect(window.root.locator(".message.out")).to_have_count(2)


@pytest.mark.parametrize("count", [200, pytest.param(3_000, marks=pytest.mark.extended)])
async def test_long_history_loads_completely_by_scrolling_and_keeps_the_position(
    chat_server: RunningChat, browsers: BrowserProfiles, count: int
) -> None:
    page, window = await open_widget(browsers, chat_server)
    conversation_id = await conversation_of(chat_server, page)
    agent = await chat_server.agent("agent-1")
    await agent.call("join_conversation", conversation_id)
    await store_messages(chat_server, conversation_id, count)
    await page.reload()
    await window.expect_connected()
    await expect(window.messages.last).to_have_text(f"message {count}")
    await expect(window.messages).to_have_count(50)
    await page.locator(".thread-scroll").evaluate("element => (element.scrollTop = 100)")
    anchor = page.get_by_text(f"message {count - 46}", exact=True)
    before = await anchor.bounding_box()
    await expect(window.messages).not_to_have_count(50)
    after = await anchor.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
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
    assert seqs == list(range(1, count + 1))
    await agent.call("send_message", {"conversationId": conversation_id, "content": "one more"})
    await page.get_by_role("button", name="1 new message").click()
    await expect(window.messages.last).to_be_in_viewport()
    await expect(window.messages.last).to_have_text("one more")


async def test_without_a_socket_messages_are_exchanged_over_rest(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True
    context = await browsers.new_profile()
    await context.route("**/socket.io/?*", lambda route: route.abort())
    async with Proxy(int(chat_server.url.rpartition(":")[2]), refuses_upgrade=True).running() as proxy:
        page = await browsers.open(proxy.url + WIDGET, context)
        window = ChatWindow(page)
        await expect(page.locator("#banner")).to_contain_text("Limited connection")
        await window.send("is this thing on?")
        await expect(window.root.locator(".message.out .message-state")).to_have_text("Sent")
        conversation_id = await conversation_of(chat_server, page)
        agent = await chat_server.agent()
        await agent.call("join_conversation", conversation_id)
        await agent.call("send_message", {"conversationId": conversation_id, "content": "it is"})
        await window.expect_messages("is this thing on?", "it is")
    assert proxy.refused


async def test_customer_and_agent_chat_in_different_browsers(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    _, customer = await open_widget(browsers, chat_server)
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/"))
    await customer.send("Hello?")
    await dashboard.get_by_role("button", name="Hello?").click()
    agent = ChatWindow(dashboard.locator("#conversation"))
    await agent.expect_messages("Hello?")
    await expect(customer.root.locator("#agent-presence")).to_have_text("We are here")
    await customer.watch_typing()
    await agent.input.press_sequentially("Good")
    await customer.expect_typing("is typing")
    await agent.send("Good morning")
    await customer.expect_messages("Hello?", "Good morning")
    await expect(dashboard.locator(".message.out .message-state")).to_have_text("Seen")


async def test_customer_hands_off_from_bot_to_human(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    chat_server = await start_chat_server(bot="echo")
    page, window = await open_widget(browsers, chat_server)
    await window.send("Hello, bot")
    await expect(window.messages).to_have_count(2)
    await expect(window.root.locator(".message.bot")).to_have_count(1)
    await page.get_by_role("button", name="Talk to a human").click()
    await expect(page.get_by_role("button", name="Talk to a human")).to_be_hidden()
    _, reply = await chat_server.get(
        f"/api/conversations/{await conversation_of(chat_server, page)}", headers=bearer(chat_server.token())
    )
    assert reply["conversation"]["status"] == "queued"


async def test_expired_session_is_replaced_by_a_new_one(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True  # the refused session is a failed request
    chat_server = await start_chat_server(mode="prod")
    context = await browsers.new_profile()
    await context.add_init_script("if (location.hostname) localStorage['chatws.session'] ??= 'x'.repeat(32)")
    page = await browsers.open(chat_server.url + WIDGET, context)
    window = ChatWindow(page)
    await window.expect_connected()
    assert await page.evaluate("localStorage.getItem('chatws.session')") != "x" * 32
