"""Code examples of the guide, unchanged (``tests/web/guide``), on a page of another origin with the helpers they use.

Errors in the guide for current Socket.IO versions, corrected here where a test needs it:

- ``reconnect_attempt``, ``reconnect`` and ``reconnect_failed`` are events of the manager since version 3; the
  socket does not emit them. The correction is ``socket.io.on(...)``.
- ``reconnectionAttempts: 5`` stops reconnecting; the clients of chatws have no limit by default.
- ``adminWebSocket.disconnect()`` at the end of the usage example would disconnect at once; the test runs it at unmount.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles
from tests.web.conftest import StartChatServer
from tests.web.embedding_site import EmbeddingSite

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


async def open_app(host_site: EmbeddingSite, chat_server: RunningChat, browsers: BrowserProfiles) -> Page:
    host_site.pages["app"] = HARNESS.format(server=chat_server.url)
    page = await browsers.open(f"{host_site.url}/app")
    await page.wait_for_function("window.run !== undefined")
    return page


async def wait_for_call(page: Page, *call: Any) -> None:
    await page.wait_for_function(
        "call => calls.some(one => JSON.stringify(one) === JSON.stringify(call))", arg=list(call)
    )


async def calls(page: Page, name: str) -> list[list[Any]]:
    found: list[list[Any]] = await page.evaluate("name => calls.filter(one => one[0] === name)", name)
    return found


async def test_complete_customer_chat_flow(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        page = await open_app(host_site, chat_server, browsers)
        await page.evaluate(
            """([code, apiUrl]) => run(code, {
              sessionId: "s-1", apiUrl, userId: "u", input: document.querySelector("#input"), typingTimeout: undefined,
              fetchConversation: async () => ({ id: "conv-1" }), addMessageBubble: helper("bubble"),
            }, "window.sendMessage = sendMessage; window.ws = ws")""",
            [example("customer_flow.js"), chat_server.url],
        )
        await wait_for_call(page, "log", "Ready to chat!")
        await page.evaluate("ws.joinConversation('conv-1').then(() => calls.push(['joined']))")
        await wait_for_call(page, "joined")
        agent = await chat_server.agent()
        await agent.call("join_conversation", "conv-1")
        await page.locator("#input").press_sequentially("Hi")
        assert (await agent.expect("typing_indicator"))["isTyping"] is True
        await page.evaluate("sendMessage('Hi!')")
        await wait_for_call(page, "bubble", "Hi!", "user")
        await agent.call("send_message", {"conversationId": "conv-1", "content": "Hello!"})
        await wait_for_call(page, "bubble", "Hello!", "admin")
        assert await calls(page, "bubble") == [["bubble", "Hi!", "user"], ["bubble", "Hello!", "admin"]]
        stats = await page.evaluate("ws.stats()")
        assert (stats["delivered"], stats["received"], stats["state"]) == (1, 2, "connected")


async def test_customer_widget_usage(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        page = await open_app(host_site, chat_server, browsers)
        await page.evaluate(
            """([code, apiUrl]) => run(code, {
              sessionId: "s-1", apiUrl, conversationId: "conv-1", messageText: "Hello", currentUserId: "u",
              displayMessage: helper("display"), showTypingBubble: helper("show"), hideTypingBubble: helper("hide"),
              updateConnectionBadge: helper("badge"),
            })""",
            [example("customer_usage.js"), chat_server.url],
        )
        await page.wait_for_function("calls.some(([name, state]) => name === 'badge' && state === 'connected')")
        await wait_for_call(page, "log", "Message sent!")
        agent = await chat_server.agent()
        await agent.call("join_conversation", "conv-1")
        await agent.call("typing_start", "conv-1")
        await wait_for_call(page, "show", "Agent-1 is typing...")
        await agent.call("send_message", {"conversationId": "conv-1", "content": "Good day"})
        await wait_for_call(page, "display", "Good day")
        await wait_for_call(page, "hide")


async def test_admin_dashboard_usage(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        customer = await chat_server.customer("s-1")
        await customer.call("join_conversation", "conversation-123")
        page = await open_app(host_site, chat_server, browsers)
        await page.evaluate("token => localStorage.setItem('auth_token', token)", chat_server.token())
        code = re.sub(r"^import .*\n", "", example("admin_usage.ts"))
        usage, unmount = code.split("// Cleanup on unmount")
        names = """{ apiUrl, input: document.querySelector("#input"), addMessageToUI: helper("add"),
          showTyping: helper("show"), hideTyping: helper("hide"), updateStatus: helper("status") }"""
        await page.evaluate(f"([code, apiUrl]) => run(code, {names})", [usage, chat_server.url])
        await wait_for_call(page, "log", "Message sent")
        assert (await customer.expect("message_received"))["content"] == "Hello customer!"
        await customer.call("typing_start", "conversation-123")
        await page.wait_for_function("calls.some(([name]) => name === 'show')")
        await customer.call("send_message", {"conversationId": "conversation-123", "content": "Hello agent!"})
        await wait_for_call(page, "log", "Received:", "Hello agent!")
        assert len(await calls(page, "add")) == 1
        await page.evaluate("code => run(code, {})", unmount)
        await page.wait_for_function("calls.some(([name, state]) => name === 'status' && state === 'disconnected')")


async def test_complete_agent_chat_flow(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        customer = await chat_server.customer("s-1")
        await customer.call("join_conversation", "conv-1")
        page = await open_app(host_site, chat_server, browsers)
        await page.evaluate(
            """([code, API_URL, token]) => run(code, {
              API_URL, email: "e", password: "p", login: async () => token, selectedConversation: { id: "conv-1" },
              appendMessage: helper("append"), generateId: () => "id", playNotificationSound: helper("sound"),
              markMessageSent: helper("sent"), showError: helper("failed"), input: document.querySelector("#input"),
              debounce: (callback) => callback,
            }, "window.reply = replyToCustomer")""",
            [example("admin_flow.js"), chat_server.url, chat_server.token()],
        )
        await page.evaluate("reply('How can I help?')")
        await wait_for_call(page, "sent", "How can I help?")
        assert (await customer.expect("message_received"))["content"] == "How can I help?"
        sent = await customer.call("send_message", {"conversationId": "conv-1", "content": "My order"})
        own = {"id": "id", "content": "My order", "sender": "customer", "timestamp": sent["timestamp"]}
        await wait_for_call(page, "append", own)
        assert await calls(page, "sound") == [["sound"]]
        await page.locator("#input").press("x")
        assert (await customer.expect("typing_indicator"))["isTyping"] is True


async def test_best_practices(start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any) -> None:
    browsers.ignore_interrupted_handshakes = True
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        page = await open_app(host_site, chat_server, browsers)
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
            [example("best_practices.js"), chat_server.url],
        )
        await wait_for_call(page, "retry", {"conversationId": "conv-1", "content": ""})
        agent = await chat_server.agent()
        await agent.call("join_conversation", "conv-1")
        await page.locator("#input").press("x")
        assert (await agent.expect("typing_indicator"))["isTyping"] is True


async def test_manual_testing_with_devtools(chat_server: RunningChat, browsers: BrowserProfiles, example: Any) -> None:
    page = await browsers.open(f"{chat_server.url}/websocket-test.html")
    agent = await chat_server.agent()
    await agent.call("subscribe_inbox")
    async with page.expect_console_message(lambda message: message.text == "Connected!"):
        await page.evaluate(example("devtools.js").replace("' + apiUrl + '", chat_server.url))
    last = None
    while last is None or last["conversationId"] != "test-conv":
        last = (await agent.expect("conversation_updated"))["conversation"]["lastMessage"]
    assert last["content"] == "Hello!"


async def test_reconnection_events_are_emitted_by_the_manager(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, example: Any
) -> None:
    browsers.ignore_network_errors = True
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(cors_origin=(host_site.url,))
        page = await open_app(host_site, chat_server, browsers)
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
                [code, chat_server.url, name],
            )
            await wait_for_call(page, "back", name)
            if name == "as printed":
                assert await calls(page, "joined") == []
            else:
                await wait_for_call(page, "log", "Reconnected after 1 attempts")
                await wait_for_call(page, "joined")
