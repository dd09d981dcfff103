"""Dashboard whose requests fail: notes and messages are repeated and stored once, and nothing is said to be missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
from playwright.async_api import expect

from chatws.store.interface import Unavailable
from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.conftest import StartChatServer
from tests.web.dashboard_support import customer_of, open_dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")


def failing_with(error: Exception) -> Callable[..., Awaitable[NoReturn]]:
    async def fail(*_request: Any) -> NoReturn:
        raise error

    return fail


class LostReplies:
    """Function of the store that does its work, but fails the first ``count`` times."""

    def __init__(self, work: Callable[..., Awaitable[Any]], error: Exception, count: int) -> None:
        self.requests: list[Any] = []
        self._work = work
        self._error = error
        self._count = count

    async def __call__(self, *request: Any) -> Any:
        result = await self._work(*request)
        self.requests.append(request)
        if len(self.requests) <= self._count:
            raise self._error
        return result


async def test_note_or_message_of_unknown_outcome_is_stored_once(
    start_chat_server: StartChatServer, browsers: BrowserProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A comparison with the database would deliver the stored message, and remove the button to send it again.
    chat_server = await start_chat_server(sweep_ms=3_600_000)
    store = chat_server.parts.store
    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    await ann.row(dashboard).click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.expect_messages("Hi")
    await dashboard.get_by_role("button", name="Note", exact=True).click()
    notes, unsent = dashboard.locator(".note .note-text"), dashboard.locator(".note.is-unsent")
    lost = LostReplies(store.add_note, Unavailable("injected"), 2)
    with monkeypatch.context() as patch:
        patch.setattr(store, "add_note", lost)
        await window.send("lost acks")
        await expect(dashboard.locator(".note-author")).to_contain_text("Note by Agent")
    first, *repeated = lost.requests
    assert repeated == [first, first]
    with monkeypatch.context() as patch:
        patch.setattr(store, "add_note", failing_with(Unavailable("injected")))
        await window.send("kept")
        await expect(unsent).to_contain_text("kept")
        await dashboard.reload()
        await expect(unsent).to_contain_text("kept")
    await expect(unsent).to_have_count(0)
    await expect(notes).to_have_text(["lost acks", "kept"])
    await dashboard.get_by_role("button", name="Note", exact=True).click()
    with monkeypatch.context() as patch:
        patch.setattr(store, "add_note", failing_with(RuntimeError("injected")))
        await window.send("refused")
        await expect(dashboard.locator("#banner")).to_contain_text("A note was not stored")
        await expect(window.input).to_have_value("refused")
    await window.input.press("Enter")
    await expect(notes).to_have_text(["lost acks", "kept", "refused"])
    await expect(unsent).to_have_count(0)
    assert [note.content for note in await store.notes(ann.conversation_id)] == ["lost acks", "kept", "refused"]
    await dashboard.get_by_role("button", name="Reply", exact=True).click()
    with monkeypatch.context() as patch:
        patch.setattr(store, "append", LostReplies(store.append, RuntimeError("injected"), 1))
        await window.send("Good morning")
        await expect(dashboard.locator(".message.out")).to_contain_text("Not sent")
        await dashboard.get_by_role("button", name="Send again").click()
        await expect(dashboard.locator(".message.out .message-state")).to_have_text("Sent")
    page = await store.page_after(ann.conversation_id, 0, 10)
    assert [message.content for message in page.messages] == ["Hi", "Good morning"]


async def test_what_the_server_cannot_answer_is_not_reported_as_missing(
    chat_server: RunningChat, browsers: BrowserProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await customer_of(chat_server, "Ann", "Hi")
    dashboard = await open_dashboard(chat_server, browsers)
    banner = dashboard.locator("#banner")
    with monkeypatch.context() as patch:
        patch.setattr(chat_server.parts.store, "search", failing_with(Unavailable("injected")))
        await dashboard.get_by_label("Search customers and messages").fill("Ann")
        await expect(banner).to_have_text("The storage is unavailable; the outcome is unknown.")
    await expect(ann.row(dashboard)).to_be_visible()
    browsers.ignore_network_errors = True
    await dashboard.context.set_offline(True)
    offline = "No connection. Your messages are sent as soon as it is restored."
    await expect(banner).to_have_text(offline)
    await dashboard.clock.install()
    await dashboard.evaluate("location.hash = '#conversation=unknown'")
    await expect(banner).to_have_text("The server cannot be reached.")
    await dashboard.clock.fast_forward("00:08")
    await expect(banner).to_have_text(offline)
    await dashboard.context.set_offline(False)
    await expect(banner).to_be_hidden()
