"""Fixtures of the full screen: a server in the loop of the test, and running applications."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
from textual._context import active_app

from chatws_cli.tui.preferences import Preferences
from tests.cli.tui.tui_driver import ObservedApp, TuiDriver, agent_controller, customer_controller
from tests.support.chat import RunningChat, until
from tests.support.peer import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from chatws_cli.tui.controller import ChatController


class OpenTui(Protocol):
    """Runs the full screen of a controller until the end of the test."""

    async def __call__(
        self, controller: ChatController, size: tuple[int, int] = (100, 24), preferences: Preferences | None = None
    ) -> TuiDriver: ...


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    # Typing lasts until the message, also on a machine that needs seconds to show it.
    async with RunningChat(tmp_path / "server", typing_expire_ms=60_000) as running:
        yield running


@asynccontextmanager
async def running_app(
    controllers: Sequence[ChatController], size: tuple[int, int], preferences: Preferences
) -> AsyncIterator[TuiDriver]:
    """Run an application in a separate task, because Textual uses context variables, which fixtures do not share."""
    app = ObservedApp(controllers, preferences)
    opened: asyncio.Future[Pilot[int]] = asyncio.get_running_loop().create_future()
    closing = asyncio.Event()

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            opened.set_result(pilot)
            await closing.wait()

    task = asyncio.create_task(run())
    waited: list[asyncio.Future[object]] = [task, opened]  # type: ignore[list-item]  # a future's type is invariant
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    active_app.set(app)
    try:
        yield TuiDriver(app, opened.result(), controllers[0])
    finally:
        closing.set()
        async with asyncio.timeout(TIMEOUT_S):
            await task
        for controller in controllers:
            await controller.close()


@pytest.fixture
async def open_tui(chat: RunningChat) -> AsyncIterator[OpenTui]:
    del chat  # must start before the screens and stop after them
    async with AsyncExitStack() as stack:

        async def open_controller(
            controller: ChatController, size: tuple[int, int] = (100, 24), preferences: Preferences | None = None
        ) -> TuiDriver:
            return await stack.enter_async_context(
                running_app([controller], size, preferences or Preferences(bell=False))
            )

        yield open_controller


@pytest.fixture
async def ada(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> TuiDriver:
    """Full screen of the agent Ada in the conversation with Grace, which has one message."""
    grace = await chat.customer("ses-grace")
    await grace.call("join_conversation", "conv-1")
    await grace.call("send_message", {"conversationId": "conv-1", "content": "Where is my parcel?"})
    driver = await open_tui(agent_controller(chat, tmp_path))
    await driver.wait_for("Where is my parcel")
    # The list shows the message before the conversation is open.
    await until(lambda: driver.controller.screen.current is not None and driver.controller.screen.current.is_loaded)
    return driver


@pytest.fixture
async def grace(chat: RunningChat, open_tui: OpenTui, tmp_path: Path) -> TuiDriver:
    """Full screen of the customer Grace in her conversation."""
    driver = await open_tui(customer_controller(chat, tmp_path, "conv-1"))
    await driver.wait_for("connected")
    return driver
