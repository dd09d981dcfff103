"""Participant of the demo: a client, and the lines its user would see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.client import MessageReceived
from chatws_cli.errors import CommandError
from chatws_cli.text_ui.renderer import LineKind, OutputLine, TextRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client import AgentClient, CustomerClient, SendHandle

TIMEOUT_S = 20.0


class Participant:
    """Client that prints the lines its user would see; `wait_for_line` synchronises the script with them."""

    def __init__(self, label: str, client: AgentClient | CustomerClient, write: Callable[[str], None]) -> None:
        self.client = client
        self.conversation_id = ""
        self._label = label
        self._write = write
        self._renderer = TextRenderer("")
        self._lines: list[str] = []
        self._new_lines = asyncio.Event()
        self._deferred: list[object] | None = []
        """Events received before the conversation was entered; None afterwards."""
        self._read_mark_tasks: set[asyncio.Task[object]] = set()
        self._unsubscribe = client.on_event(self._on_event)

    async def enter(self, conversation_id: str) -> None:
        """Connect and join a conversation."""
        user = await self.client.connect()
        self._renderer = TextRenderer(user.user_id)
        ack = await self.client.join_conversation(conversation_id)
        self.conversation_id = conversation_id
        self._show(self._renderer.open(ack.conversation, []))
        deferred, self._deferred = self._deferred, None
        for event in deferred or []:
            self._show_event(event)

    async def leave(self) -> None:
        """Disconnect."""
        self._unsubscribe()
        await self.client.disconnect()

    async def type(self, text: str, seconds: float) -> None:
        """Type a message and send it."""
        await self.client.send_typing_start(self.conversation_id)
        await asyncio.sleep(seconds)
        self.send(text)

    def send(self, text: str) -> None:
        """Send a message, or queue it while there is no connection."""
        pending = self.client.post_message(self.conversation_id, text)
        is_offline = self.client.state != "connected"
        if is_offline:
            self._show(self._renderer.queued(text))
        pending.done.add_done_callback(lambda _: self._stored(pending, was_shown=is_offline))

    async def wait_for_line(self, text: str) -> None:
        """Wait for a line that contains ``text`` and follows the line that the previous call found.

        Raises:
            CommandError: the line was not printed in time.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not any(text in line for line in self._lines):
                    self._new_lines.clear()
                    await self._new_lines.wait()
        except TimeoutError:
            raise CommandError(f"the demo's {self._label} did not see {text!r} within {TIMEOUT_S:g} s") from None
        index = next(index for index, line in enumerate(self._lines) if text in line)
        del self._lines[: index + 1]

    def _stored(self, pending: SendHandle, *, was_shown: bool) -> None:
        if pending.state == "stored":
            ack = pending.done.result()
            self._show(self._renderer.stored(pending.content, ack.seq, ack.timestamp, was_shown=was_shown))

    def _on_event(self, name: str, event: object) -> None:
        del name
        if self._deferred is None:
            self._show_event(event)
        else:
            self._deferred.append(event)

    def _show_event(self, event: object) -> None:
        self._show(self._renderer.apply(event))
        if isinstance(event, MessageReceived) and not event.own:
            task: asyncio.Task[object] = asyncio.create_task(self.client.mark_read(event.conversation_id, event.seq))
            self._read_mark_tasks.add(task)
            task.add_done_callback(self._read_mark_tasks.discard)

    def _show(self, lines: list[OutputLine]) -> None:
        for line in lines:
            if line.kind is LineKind.NOTICE and line.text.strip().startswith("--"):
                continue
            self._write(f"{self._label:<8} | {line.text}")
            self._lines.append(line.text)
        self._new_lines.set()
