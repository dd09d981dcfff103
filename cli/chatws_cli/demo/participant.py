"""Somebody who plays in the demo: a client, and the lines its user would see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.client import MessageReceived
from chatws_cli.errors import CommandError
from chatws_cli.text_ui.renderer import LineKind, OutputLine, TextRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client import AgentClient, CustomerClient, SendHandle

PATIENCE_S = 20.0


class Participant:
    """Prints what one side sees; `sees` waits for a line, so the play goes on when something happened, not by time."""

    def __init__(self, label: str, client: AgentClient | CustomerClient, write: Callable[[str], None]) -> None:
        self.client = client
        self.conversation_id = ""
        self._label = label
        self._write = write
        self._view = TextRenderer("")
        self._lines: list[str] = []
        self._more = asyncio.Event()
        self._held: list[object] | None = []
        """What happened before the conversation was entered; None afterwards."""
        self._marks: set[asyncio.Task[object]] = set()
        self._stop_listening = client.on_event(self._heard)

    async def enter(self, conversation_id: str) -> None:
        """Connect and join."""
        user = await self.client.connect()
        self._view = TextRenderer(user.user_id)
        ack = await self.client.join_conversation(conversation_id)
        self.conversation_id = conversation_id
        self._show(self._view.open(ack.conversation, []))
        held, self._held = self._held, None
        for happening in held or []:
            self._react(happening)

    async def leave(self) -> None:
        """Disconnect."""
        self._stop_listening()
        await self.client.disconnect()

    async def type(self, text: str, seconds: float) -> None:
        """Type a message and send it."""
        await self.client.send_typing_start(self.conversation_id)
        await asyncio.sleep(seconds)
        self.say(text)

    def say(self, text: str) -> None:
        """Send a message, or queue it while there is no connection."""
        pending = self.client.post_message(self.conversation_id, text)
        is_offline = self.client.state != "connected"
        if is_offline:
            self._show(self._view.queued(text))
        pending.done.add_done_callback(lambda _: self._stored(pending, was_shown=is_offline))

    async def sees(self, text: str) -> None:
        """Wait until a line with this text was printed after the last one waited for.

        Raises:
            CommandError: it did not come in time.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not any(text in line for line in self._lines):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise CommandError(f"the demo's {self._label} did not see {text!r} within {PATIENCE_S:g} s") from None
        index = next(index for index, line in enumerate(self._lines) if text in line)
        del self._lines[: index + 1]

    def _stored(self, pending: SendHandle, *, was_shown: bool) -> None:
        if pending.state == "stored":
            ack = pending.done.result()
            self._show(self._view.stored(pending.content, ack.seq, ack.timestamp, was_shown=was_shown))

    def _heard(self, name: str, happening: object) -> None:
        del name
        if self._held is None:
            self._react(happening)
        else:
            self._held.append(happening)

    def _react(self, happening: object) -> None:
        self._show(self._view.apply(happening))
        if isinstance(happening, MessageReceived) and not happening.own:
            mark: asyncio.Task[object] = asyncio.create_task(
                self.client.mark_read(happening.conversation_id, happening.seq)
            )
            self._marks.add(mark)
            mark.add_done_callback(self._marks.discard)

    def _show(self, lines: list[OutputLine]) -> None:
        for line in lines:
            if line.kind is LineKind.NOTICE and line.text.strip().startswith("--"):
                continue
            self._write(f"{self._label:<8} | {line.text}")
            self._lines.append(line.text)
        self._more.set()
