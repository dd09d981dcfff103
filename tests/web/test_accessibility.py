"""axe-core finds nothing serious, in either colour scheme and at every width."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support.chat import RunningChat
from tests.support.node import NODE_DIR
from tests.web.conftest import StartChat
from tests.web.other_site import OtherSite
from tests.web.support import Visitors, Window, dashboard, sides

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

AXE = NODE_DIR / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = [("light", 1280), ("dark", 320)]


@pytest.fixture(params=LOOKS, ids=[f"{scheme}-{width}" for scheme, width in LOOKS])
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, width = request.param
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 720}, "reduced_motion": "reduce"}


async def serious_findings(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    # Frames of other origins are visited as pages of their own.
    found = await page.evaluate("axe.run({iframes: false})")
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


async def test_test_page(site: RunningChat, visitors: Visitors, look: dict[str, Any]) -> None:
    page = await visitors.open(f"{site.url}/websocket-test.html", **look)
    customer, agent = await sides(page)
    await customer.say("Hello")
    await agent.say("Good day")
    await customer.shows("Hello", "Good day")
    await agent.root.get_by_role("button", name="Cut connection").click()
    await expect(agent.status).to_have_text("Reconnecting…")
    await agent.say("queued")
    assert await serious_findings(page) == []


async def test_widget_and_launcher(start_site: StartChat, visitors: Visitors, look: dict[str, Any]) -> None:
    async with OtherSite() as shop:
        site = await start_site(widget_origins=(shop.url,))
        page = await visitors.open(shop.embed(site.url), **look)
        await page.get_by_role("button", name="Open chat").click()
        window = Window(page.frame_locator("iframe"))
        await window.is_connected()
        await window.say("Hello")
        await window.shows("Hello")
        assert await serious_findings(page) == []
        assert await serious_findings(await visitors.open(f"{site.url}/widget/chatbot-iframe.html", **look)) == []


async def test_dashboard(site: RunningChat, visitors: Visitors, look: dict[str, Any]) -> None:
    customer = await site.customer("customer-1")
    await customer.ask("join_conversation", "conv-1")
    await customer.ask("send_message", {"conversationId": "conv-1", "content": "Hello"})
    page = await visitors.open(f"{site.url}/admin/", **look)
    assert await serious_findings(page) == []
    desk = await dashboard(page)
    assert await serious_findings(desk) == []
    await desk.locator(".row").click()
    await Window(desk.locator("#conversation")).say("Good day")
    await expect(desk.locator(".message.out .message-state")).to_have_text("Sent")
    assert await serious_findings(desk) == []
