"""Sample full screens of an agent and a customer without a server, for snapshots, screenshots and benchmarks."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chatws.client import AgentClient, ConnectionChange, CustomerClient
from chatws.protocol.entities import ConversationStatus, Message, Presence, PresenceStatus, ReadMark, User
from chatws.protocol.events import ConversationUpdated, MessageRead, TypingIndicator
from chatws_cli.screen.state import ScreenState
from chatws_cli.tui.chat_view import ChatView
from chatws_cli.tui.controller import ChatController
from tools.screenshots.sample_events import (
    ADA,
    BOB,
    GRACE,
    NOON,
    at,
    authenticated,
    conversation,
    joined,
    message,
    received,
)

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from chatws_cli.tui.app import ChatApp

NO_DIRECTORY = Path("/nonexistent")


class OfflineController(ChatController):
    """Controller that never connects; its screen's state is set once."""

    def begin(self) -> None:
        """Do not connect."""

    def refresh(self) -> None:
        """Keep the latency of the sample."""

    def mark_read(self) -> None:
        """Send no read mark."""


def agent_controller() -> OfflineController:
    """Return the controller of the agent Ada: five customers, one of them typing, and one unsent message."""
    controller = OfflineController(AgentClient("http://localhost", "token"), None, NO_DIRECTORY, "nowhere")
    controller.screen = screen = ScreenState("admin", UTC)
    screen.apply(authenticated(ADA), 0.0)
    screen.apply(ConnectionChange("connected", "connected"), 0.0)
    screen.connection.latency_s = 0.004
    _add_customers(screen)
    taken = conversation(status="assigned", version=2, assignee=ADA, newest=message(4))
    screen.apply(joined(taken), 0.0)
    screen.open("c1")
    screen.load("c1", _messages(), has_more_before=False)
    screen.apply(MessageRead(conversation_id="c1", user_id="grace", seq=3, timestamp=at(4)), 0.0)
    screen.apply(received(5, "That would be lovely 😀 — 日本語でも大丈夫です"), 0.0)
    screen.post("c1", "Of course. I write to the depot now.", "id-6", NOON + timedelta(minutes=6))
    screen.apply(TypingIndicator(conversation_id="c1", user_id="grace", user_name="Grace", is_typing=True), 0.0)
    return controller


def customer_controller() -> OfflineController:
    """Return the controller of the customer Grace, whose client is reconnecting."""
    controller = OfflineController(CustomerClient("http://localhost", "session"), None, NO_DIRECTORY, "nowhere")
    controller.screen = screen = ScreenState("customer", UTC)
    screen.apply(authenticated(GRACE), 0.0)
    screen.apply(ConnectionChange("connected", "connected"), 0.0)
    screen.apply(joined(conversation(status="assigned", version=2, assignee=ADA)), 0.0)
    screen.open("c1")
    screen.load("c1", _messages(), has_more_before=False)
    screen.apply(ConnectionChange("reconnecting", "transport close", 2, None), 0.0)
    screen.post("c1", "Are you still there?", "id-6", NOON + timedelta(minutes=6))
    return controller


async def settle(app: ChatApp, pilot: Pilot[int]) -> None:
    """Stop the view's clock and wait until the screen is drawn."""
    view = app.query(ChatView).first()
    view.clock = lambda: NOON + timedelta(minutes=7)
    view.composer.cursor_blink = False
    await pilot.pause()
    view.invalidate()
    await pilot.pause()
    await pilot.pause()


def _add_customers(screen: ScreenState) -> None:
    others: list[tuple[str, str, ConversationStatus, User | None, str, int]] = [
        ("linus", "Linus", "queued", None, "The link in the mail does not work", 3),
        ("margaret", "Margaret", "assigned", BOB, "Thank you!", 1),
        ("yuki", "雪子", "queued", None, "こんにちは", 2),
        ("edsger", "Edsger", "bot", None, "Is there an invoice?", 0),
    ]
    presence: dict[str, PresenceStatus] = {"grace": "online", "linus": "online", "yuki": "away", "ada": "online"}
    for user_id, status in presence.items():
        screen.users.set_presence(Presence(user_id=user_id, status=status, timestamp=at(0)))
    for user_id, name, state, assignee, words, unread in others:
        user = User(user_id=user_id, user_name=name, role="customer")
        newest = message(4 + unread, words, user, conversation_id=user_id)
        listed = conversation(user_id, state, customer=user, assignee=assignee, newest=newest)
        screen.apply(ConversationUpdated(conversation=listed), 0.0)
        screen.apply(joined(listed, ReadMark(user_id="ada", seq=4)), 0.0)


def _messages() -> list[Message]:
    return [
        message(1, "Good morning! My parcel should have come on Monday. Its number is 7-4711, and I am at home today."),
        message(2, "Good morning Grace, let me look.", ADA),
        message(3, "It is in the van and arrives between two and four.\nShall I ask the driver to ring?", ADA),
    ]
