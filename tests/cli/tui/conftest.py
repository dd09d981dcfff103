"""A server in the test's own loop, and people at full screens."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
from textual._context import active_app

from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.preferences import Preferences
from tests.cli.tui.tui_driver import Seat, agent_desk, customer_desk
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from chatws_cli.tui.controller import ChatController


class Sit(Protocol):
    """Opens a screen around a desk; it ends with the test."""

    async def __call__(
        self, desk: ChatController, size: tuple[int, int] = (100, 24), preferences: Preferences | None = None
    ) -> Seat: ...


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "server") as running:
        yield running


@asynccontextmanager
async def seated(
    desks: Sequence[ChatController], size: tuple[int, int], preferences: Preferences
) -> AsyncIterator[Seat]:
    """Run an application in a task of its own: Textual keeps it in context variables, which fixtures do not share."""
    app = ChatApp(desks, preferences)
    opened: asyncio.Future[Pilot[int]] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def live() -> None:
        async with app.run_test(size=size) as pilot:
            opened.set_result(pilot)
            await leave.wait()

    task = asyncio.create_task(live())
    waited: list[asyncio.Future[object]] = [task, opened]  # type: ignore[list-item]  # a future's type is invariant
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    active_app.set(app)
    try:
        yield Seat(app, opened.result(), desks[0])
    finally:
        leave.set()
        await task
        for desk in desks:
            await desk.close()


@pytest.fixture
async def sit(chat: RunningChat) -> AsyncIterator[Sit]:
    del chat  # is there before the screens, and after them
    async with AsyncExitStack() as stack:

        async def open_seat(
            desk: ChatController, size: tuple[int, int] = (100, 24), preferences: Preferences | None = None
        ) -> Seat:
            return await stack.enter_async_context(seated([desk], size, preferences or Preferences(bell=False)))

        yield open_seat


@pytest.fixture
async def ada(chat: RunningChat, sit: Sit, tmp_path: Path) -> Seat:
    """An agent in the conversation with Grace, which has one message."""
    grace = await chat.customer("ses-grace")
    await grace.ask("join_conversation", "conv-1")
    await grace.ask("send_message", {"conversationId": "conv-1", "content": "Where is my parcel?"})
    seat = await sit(agent_desk(chat, tmp_path))
    await seat.sees("Where is my parcel")
    return seat


@pytest.fixture
async def grace(chat: RunningChat, sit: Sit, tmp_path: Path) -> Seat:
    """A customer in a conversation of her own."""
    seat = await sit(customer_desk(chat, tmp_path, "conv-1"))
    await seat.sees("connected")
    return seat
