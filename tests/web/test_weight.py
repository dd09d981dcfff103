"""Weight of the widget on the wire: requests and transferred bytes, counted in Chromium."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Request, WebSocket, expect

from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.conftest import StartChatServer
from tests.web.embedding_site import EmbeddingSite

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSED_BYTES = 4_000
OPEN_BYTES = 45_000
OPEN_REQUESTS = 6


class TransferCounter:
    """Requests of a profile to one server, WebSockets included."""

    def __init__(self, context: BrowserContext, server: str) -> None:
        self._host = urlsplit(server).netloc
        self._requests: list[Request] = []
        self._sockets: list[WebSocket] = []
        context.on("request", self._on_request)
        context.on("page", lambda page: page.on("websocket", self._on_socket))

    async def take(self) -> tuple[list[str], int]:
        """Return the addresses requested since the last call, and the bytes of the responses with their headers."""
        requests = [request for request in self._requests if urlsplit(request.url).netloc == self._host]
        addresses = [request.url for request in requests] + [socket.url for socket in self._sockets]
        total = 0
        for request in requests:
            await request.response()
            sizes = await request.sizes()
            total += sizes["responseHeadersSize"] + sizes["responseBodySize"]
        self._requests.clear()
        self._sockets.clear()
        return addresses, total

    def _on_request(self, request: Request) -> None:
        self._requests.append(request)

    def _on_socket(self, socket: WebSocket) -> None:
        self._sockets.append(socket)


async def test_closed_and_opened_widget_stay_within_their_weight(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(widget_origins=(host_site.url,))
        context = await browsers.new_profile()
        traffic = TransferCounter(context, chat_server.url)
        page = await browsers.open(host_site.embed(chat_server.url, title="Ask us"), context)
        launcher = page.get_by_role("button", name="Open chat")
        await expect(launcher).to_be_visible()
        addresses, size = await traffic.take()
        assert len(addresses) == 1, addresses
        assert 0 < size <= CLOSED_BYTES
        await launcher.click()
        window = ChatWindow(page.frame_locator("iframe"))
        await window.expect_connected()
        await window.send("Hello")
        await expect(window.root.locator(".message-state")).to_have_text("Sent")
        addresses, size = await traffic.take()
        assert len(addresses) <= OPEN_REQUESTS, addresses
        assert 0 < size <= OPEN_BYTES


async def test_returning_visitor_loads_no_bundle_again(
    start_chat_server: StartChatServer, browsers: BrowserProfiles
) -> None:
    async with EmbeddingSite() as host_site:
        chat_server = await start_chat_server(widget_origins=(host_site.url,))
        page = await browsers.open(host_site.embed(chat_server.url), await browsers.new_profile())
        window = ChatWindow(page.frame_locator("iframe"))
        await page.get_by_role("button", name="Open chat").click()
        sizes = []
        for _ in range(2):
            await window.expect_connected()
            loaded = await page.frames[1].evaluate(
                "performance.getEntriesByType('resource').filter(one => one.name.includes('/built/'))"
                ".map(one => one.transferSize)"
            )
            assert len(loaded) == 2
            sizes.append(sum(loaded))
            await page.reload()
        assert sizes[0] > 10_000
        assert sizes[1] == 0
