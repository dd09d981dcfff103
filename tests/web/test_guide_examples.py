"""The guide's code, word for word (``tests/web/guide``), on a page of another origin that has the helpers it names.

Wrong in the guide for current Socket.IO, and corrected here where a test needs it:

- ``reconnect_attempt``, ``reconnect`` and ``reconnect_failed`` are events of the manager since version 3; on the socket
  they never fire. The correction is ``socket.io.on(...)``.
- ``reconnectionAttempts: 5`` gives up; our own clients never do unless they are told to.
- ``adminWebSocket.disconnect()`` at the end of the usage example would end everything before it: it runs at unmount.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.chat import RunningChat
from tests.web.conftest import StartChat
from tests.web.other_site import OtherSite
from tests.web.support import Visitors

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUIDE = Path(__file__).parent / "guide"

HARNESS = """<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,">
<input id="input"><script src="{server}/socket.io/socket.io.js"></script>
<script type="module">
  import "{server}/widget/websocket-handler.js";
  import adminWebSocket from "{server}/admin/src/services/websocket-client.js";
  const calls = [];
  const AsyncFunction = (async () => {{}}).constructor;
  const helper = (name, result) => (...values) => (calls.push([name, ...values]), result);
  Object.assign(window, {{ adminWebSocket, calls, helper,
    run: (code, names, ending = "") =>
      new AsyncFunction(...Object.keys(names), code + "\\n" + ending)(...Object.values(names)),
  }});
  console.log = helper("log");
</script>"""


@pytest.fixture
def example() -> Any:
    return lambda name: (GUIDE / name).read_text().replace("http://localhost:3000", "' + apiUrl + '")


async def open_app(shop: OtherSite, site: RunningChat, visitors: Visitors) -> Page:
    shop.pages["app"] = HARNESS.format(server=site.url)
    page = await visitors.open(f"{shop.url}/app")
    await page.wait_for_function("window.run !== undefined")
    return page


async def heard(page: Page, *call: Any) -> None:
    await page.wait_for_function(
        "call => calls.some(one => JSON.stringify(one) === JSON.stringify(call))", arg=list(call)
    )


async def calls(page: Page, name: str) -> list[list[Any]]:
    found: list[list[Any]] = await page.evaluate("name => calls.filter(one => one[0] === name)", name)
    return found


async def test_complete_customer_chat_flow(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        page = await open_app(shop, site, visitors)
        await page.evaluate(
            """([code, apiUrl]) => run(code, {
              sessionId: "s-1", apiUrl, userId: "u", input: document.querySelector("#input"), typingTimeout: undefined,
              fetchConversation: async () => ({ id: "conv-1" }), addMessageBubble: helper("bubble"),
            }, "window.sendMessage = sendMessage; window.ws = ws")""",
            [example("customer_flow.js"), site.url],
        )
        await heard(page, "log", "Ready to chat!")
        await page.evaluate("ws.joinConversation('conv-1').then(() => calls.push(['joined']))")
        await heard(page, "joined")
        agent = await site.agent()
        await agent.ask("join_conversation", "conv-1")
        await page.locator("#input").press_sequentially("Hi")
        assert (await agent.expect("typing_indicator"))["isTyping"] is True
        await page.evaluate("sendMessage('Hi!')")
        await heard(page, "bubble", "Hi!", "user")
        await agent.ask("send_message", {"conversationId": "conv-1", "content": "Hello!"})
        await heard(page, "bubble", "Hello!", "admin")
        assert await calls(page, "bubble") == [["bubble", "Hi!", "user"], ["bubble", "Hello!", "admin"]]
        stats = await page.evaluate("ws.stats()")
        assert (stats["delivered"], stats["received"], stats["state"]) == (1, 2, "connected")


async def test_customer_widget_usage(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        page = await open_app(shop, site, visitors)
        await page.evaluate(
            """([code, apiUrl]) => run(code, {
              sessionId: "s-1", apiUrl, conversationId: "conv-1", messageText: "Hello", currentUserId: "u",
              displayMessage: helper("display"), showTypingBubble: helper("show"), hideTypingBubble: helper("hide"),
              updateConnectionBadge: helper("badge"),
            })""",
            [example("customer_usage.js"), site.url],
        )
        await page.wait_for_function("calls.some(([name, state]) => name === 'badge' && state === 'connected')")
        await heard(page, "log", "Message sent!")
        agent = await site.agent()
        await agent.ask("join_conversation", "conv-1")
        await agent.ask("typing_start", "conv-1")
        await heard(page, "show", "Agent-1 is typing...")
        await agent.ask("send_message", {"conversationId": "conv-1", "content": "Good day"})
        await heard(page, "display", "Good day")
        await heard(page, "hide")


async def test_admin_dashboard_usage(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        customer = await site.customer("s-1")
        await customer.ask("join_conversation", "conversation-123")
        page = await open_app(shop, site, visitors)
        await page.evaluate("token => localStorage.setItem('auth_token', token)", site.token())
        code = re.sub(r"^import .*\n", "", example("admin_usage.ts"))
        usage, unmount = code.split("// Cleanup on unmount")
        names = """{ apiUrl, input: document.querySelector("#input"), addMessageToUI: helper("add"),
          showTyping: helper("show"), hideTyping: helper("hide"), updateStatus: helper("status") }"""
        await page.evaluate(f"([code, apiUrl]) => run(code, {names})", [usage, site.url])
        await heard(page, "log", "Message sent")
        assert (await customer.expect("message_received"))["content"] == "Hello customer!"
        await customer.ask("typing_start", "conversation-123")
        await page.wait_for_function("calls.some(([name]) => name === 'show')")
        await customer.ask("send_message", {"conversationId": "conversation-123", "content": "Hello agent!"})
        await heard(page, "log", "Received:", "Hello agent!")
        assert len(await calls(page, "add")) == 1
        await page.evaluate("code => run(code, {})", unmount)
        await page.wait_for_function("calls.some(([name, state]) => name === 'status' && state === 'disconnected')")


async def test_complete_agent_chat_flow(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        customer = await site.customer("s-1")
        await customer.ask("join_conversation", "conv-1")
        page = await open_app(shop, site, visitors)
        await page.evaluate(
            """([code, API_URL, token]) => run(code, {
              API_URL, email: "e", password: "p", login: async () => token, selectedConversation: { id: "conv-1" },
              appendMessage: helper("append"), generateId: () => "id", playNotificationSound: helper("sound"),
              markMessageSent: helper("sent"), showError: helper("failed"), input: document.querySelector("#input"),
              debounce: (callback) => callback,
            }, "window.reply = replyToCustomer")""",
            [example("admin_flow.js"), site.url, site.token()],
        )
        await page.evaluate("reply('How can I help?')")
        await heard(page, "sent", "How can I help?")
        assert (await customer.expect("message_received"))["content"] == "How can I help?"
        sent = await customer.ask("send_message", {"conversationId": "conv-1", "content": "My order"})
        own = {"id": "id", "content": "My order", "sender": "customer", "timestamp": sent["timestamp"]}
        await heard(page, "append", own)
        assert await calls(page, "sound") == [["sound"]]
        await page.locator("#input").press("x")
        assert (await customer.expect("typing_indicator"))["isTyping"] is True


async def test_best_practices(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        page = await open_app(shop, site, visitors)
        await page.evaluate(
            """async ([code, apiUrl]) => {
              const ws = new WidgetWebSocketHandler();
              ws.connect("s-1", apiUrl);
              await ws.joinConversation("conv-1");
              const socket = io(apiUrl, { auth: { sessionId: "s-1" }, forceNew: true });
              await new Promise((resolve) => socket.once("authenticated", resolve));
              const useEffect = (effect) => void (window.unmount = effect());
              const data = { conversationId: "conv-1", content: "" };
              await run(code, { ws, socket, data, useEffect, adminWebSocket, input: document.querySelector("#input"),
                retryMessage: helper("retry") });
              unmount();
            }""",
            [example("best_practices.js"), site.url],
        )
        await heard(page, "retry", {"conversationId": "conv-1", "content": ""})
        agent = await site.agent()
        await agent.ask("join_conversation", "conv-1")
        await page.locator("#input").press("x")
        assert (await agent.expect("typing_indicator"))["isTyping"] is True


async def test_manual_testing_with_devtools(site: RunningChat, visitors: Visitors, example: Any) -> None:
    page = await visitors.open(f"{site.url}/websocket-test.html")
    agent = await site.agent()
    await agent.ask("subscribe_inbox")
    async with page.expect_console_message(lambda message: message.text == "Connected!"):
        await page.evaluate(example("devtools.js").replace("' + apiUrl + '", site.url))
    said = None
    while said is None or said["conversationId"] != "test-conv":
        said = (await agent.expect("conversation_updated"))["conversation"]["lastMessage"]
    assert said["content"] == "Hello!"


async def test_reconnection_events_live_on_the_manager(start_site: StartChat, visitors: Visitors, example: Any) -> None:
    visitors.network_fails = True
    async with OtherSite() as shop:
        site = await start_site(cors_origin=(shop.url,))
        page = await open_app(shop, site, visitors)
        corrected = example("reconnection.js").replace("socket.on('reconnect", "socket.io.on('reconnect")
        for code, name in ((example("reconnection.js"), "as printed"), (corrected, "corrected")):
            await page.evaluate(
                """async ([code, url, name]) => {
                  window.calls.length = 0;
                  const more = { auth: { sessionId: "s-1" }, forceNew: true };
                  const withSession = (address, options) => io(address, { ...options, ...more });
                  const names = { url, io: withSession, currentConversationId: "conv-1", showError: helper("failed") };
                  await run(code, names, "window.socket = socket");
                  await new Promise((resolve) => socket.once("authenticated", resolve));
                  socket.once("joined_conversation", () => calls.push(["joined"]));
                  socket.once("authenticated", () => calls.push(["back", name]));
                  socket.io.engine.close();
                }""",
                [code, site.url, name],
            )
            await heard(page, "back", name)
            if name == "as printed":
                assert await calls(page, "joined") == []
            else:
                await heard(page, "log", "Reconnected after 1 attempts")
                await heard(page, "joined")
