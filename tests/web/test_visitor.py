"""Widget's first contact: greeting, office hours, the visitor's name and mail address, and the sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.chat import RunningChat
from tests.support.peer import Peer
from tests.web.axe import findings
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.embedding_site import EmbeddingSite

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("node")]

ALL_IMPACTS = ("minor", "moderate", "serious", "critical")

PIXEL = "R0lGODlhAQABAIAAAAECAwQFBiwAAAAAAQABAAACAkQBADs="
FACE = f"data:image/gif;base64,{PIXEL}"
COUNT_TONES = """
  globalThis.tones = 0;
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function (...times) {
    if (this.context instanceof AudioContext && this.context.state === "running") globalThis.tones += 1;
    return start.apply(this, times);
  };
"""
GERMAN_DAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")


@dataclass
class Bakery:
    """Site with the widget, and its chat server, to which no agent is connected at first."""

    site: EmbeddingSite
    chat: RunningChat

    async def open_chat(self, page: Page, button: str) -> ChatWindow:
        await page.get_by_role("button", name=button).click()
        return ChatWindow(page.frame_locator("iframe.frame"))

    async def agent_with(self, content: str) -> tuple[Peer, dict[str, object]]:
        """Connect an agent who joins the conversation with this last message; return both."""
        agent = await self.chat.agent()
        inbox = await agent.call("subscribe_inbox")
        (found,) = [one for one in inbox["conversations"] if one["lastMessage"]["content"] == content]
        await agent.call("join_conversation", found["conversationId"])
        return agent, found


async def inaccessible(page: Page) -> list[str]:
    """Return the findings of axe-core in the chat's frame, in both colour schemes."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{scheme}: {finding}" for finding in await findings(page.frames[1], impacts=ALL_IMPACTS)]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bakery(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bakery]:  # noqa: ARG001  outlives it
    """Run one site and one server for all tests."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(EmbeddingSite())
        chat = await stack.enter_async_context(
            RunningChat(tmp_path_factory.mktemp("chat"), widget_origins=(site.url,), presence_grace_ms=0)
        )
        yield Bakery(site, chat)


async def test_new_visitor_is_asked_before_the_chat_and_greeted_by_name(
    bakery: Bakery, browsers: BrowserProfiles
) -> None:
    options = {"ask": "name email", "agent": "Anna Smith", "avatar": FACE, "leave-mail": "on"}
    page = await browsers.open(bakery.site.embed(bakery.chat.url, **options))
    window = await bakery.open_chat(page, "Open chat")
    frame = window.root
    await expect(frame.get_by_label("Your name")).to_be_focused()
    await page.keyboard.type("Ada")
    email = frame.get_by_role("textbox", name="Your mail address")
    await email.fill("no address")
    await frame.get_by_role("button", name="Start the chat").click()
    await expect(frame.locator(".visitor-form input:invalid")).to_be_focused()
    await expect(window.input).to_be_hidden()
    assert await inaccessible(page) == []
    await email.fill("ada@example.org")
    await page.keyboard.press("Enter")
    await window.expect_connected()
    await expect(window.input).to_be_focused()
    await expect(frame.locator(".greeting .message-author")).to_have_text("Anna Smith")
    await expect(frame.locator(".greeting img")).to_have_js_property("naturalWidth", 1)
    await window.send("Is the shop open?")
    await expect(frame.locator(".message-state")).to_have_text("Sent")
    await expect(frame.locator(".greeting-text")).to_have_text("Hello! How can we help?")
    await expect(frame.locator(".leave-mail")).to_be_hidden()
    agent, conversation = await bakery.agent_with("Is the shop open?")
    assert conversation["customer"]["userName"] == "Ada"  # type: ignore[index]  # JSON
    assert conversation["customerEmail"] == "ada@example.org"
    await agent.close()


async def test_visitor_leaves_an_address_while_no_agent_is_online(bakery: Bakery, browsers: BrowserProfiles) -> None:
    opening = datetime.now(UTC) + timedelta(days=2)
    options = {
        "hours": f"{opening:%a} 9:00-17:00",
        "time-zone": "UTC",
        "language": "de",
        "leave-mail": "on",
        "sound": "on",
        "avatar": "javascript:alert(1)",
    }
    context = await browsers.new_profile(timezone_id="UTC")
    await context.add_init_script(COUNT_TONES)
    page = await browsers.open(bakery.site.embed(bakery.chat.url, **options), context)
    sessions: list[str] = []
    page.on("request", lambda request: sessions.append(request.url) if request.method == "POST" else None)
    await page.get_by_role("button", name="Chat öffnen").hover()
    frame = page.frame_locator("iframe.frame")
    await expect(frame.locator("textarea")).to_be_attached()
    assert sessions == [], "a pointer on the button loads the page, and no more"
    window = await bakery.open_chat(page, "Chat öffnen")
    await window.expect_connected()
    assert sessions == [f"{bakery.chat.url}/api/sessions"]
    presence = frame.locator("#agent-presence")
    await expect(presence).to_have_text(f"Wir sind am {GERMAN_DAYS[opening.weekday()]} um 09:00 wieder da")
    await expect(frame.locator(".greeting .avatar")).to_have_text("UT")
    assert await frame.locator(".greeting img").count() == 0
    form = frame.locator(".leave-mail")
    await expect(form).to_be_hidden()
    await window.send("Gibt es Roggenbrot?")
    await page.set_viewport_size({"width": 320, "height": 568})
    await expect(form).to_be_visible()
    assert await inaccessible(page) == []
    await form.get_by_role("textbox").fill("ada@example.org")
    await form.get_by_role("button", name="Senden").click()
    await expect(form.get_by_role("status")).to_have_text("Danke. Wir antworten an ada@example.org.")
    agent, conversation = await bakery.agent_with("Gibt es Roggenbrot?")
    assert conversation["customerEmail"] == "ada@example.org"
    await expect(presence).to_have_text("Wir sind da")

    reply = {"conversationId": conversation["conversationId"], "content": "Ja"}
    tones = "globalThis.tones"
    await agent.call("send_message", reply)
    await window.expect_messages("Gibt es Roggenbrot?", "Ja")
    assert await page.frames[1].evaluate(tones) == 0, "a message that the visitor sees makes no sound"
    await frame.get_by_role("button", name="Chat schließen").click()
    await expect(page.get_by_role("button", name="Chat öffnen")).to_be_visible()
    await agent.call("send_message", reply)
    await expect(page.get_by_role("button", name="1 ungelesen")).to_be_visible()
    assert await page.frames[1].evaluate(tones) == 2, "two tones for one message"
