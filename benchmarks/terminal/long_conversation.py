"""Response time and memory of the full screen while it shows the longest conversation that it keeps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from textual.events import Resize
from textual.geometry import Size

from benchmarks.common.measurement import BoundedMeasurement
from chatws_cli.presentation.thread import MAX_ITEMS
from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.chat_view import ChatView
from chatws_cli.tui.message_list import MessageList
from chatws_cli.tui.preferences import Preferences
from chatws_loadtest.procfs import resident_bytes
from tools.screenshots.sample_events import ADA, GRACE, message, received
from tools.screenshots.sample_screens import agent_controller

_ROUNDS: Final = 20
_RESIZES: Final = 3
_SIZE: Final = Size(120, 40)
_TEXT: Final = "The parcel left the depot this morning and should be with you between two and four. " * 2
_MIB: Final = 1024 * 1024


async def measure_long_conversation() -> list[BoundedMeasurement]:
    """Measure new messages, scrolling and resizing at `MAX_ITEMS` messages, and the memory of the messages."""
    controller = agent_controller()
    screen = controller.screen
    before_bytes = resident_bytes(os.getpid())
    screen.threads["c1"].reload(
        [screen.item(message(seq, _TEXT, GRACE if seq % 2 else ADA)) for seq in range(1, MAX_ITEMS + 1)],
        has_more_before=True,
    )
    app = ChatApp([controller], Preferences(bell=False))
    async with app.run_test(size=_SIZE) as pilot:
        view, messages = app.query_one(ChatView), app.query_one(MessageList)
        await pilot.pause()
        seqs = iter(range(MAX_ITEMS + 1, MAX_ITEMS + 1_000))

        def add_message() -> None:
            screen.apply(received(next(seqs), _TEXT), 0.0)
            view.invalidate()

        def resize() -> None:
            size = Size(app.size.width - 1, app.size.height)
            app.post_message(Resize(size, size))

        added = [await _time_until_drawn(view, add_message) for _ in range(_ROUNDS)]
        paged = [await _time_until_drawn(view, lambda: messages.page(-1)) for _ in range(_ROUNDS)]
        added_below = [await _time_until_drawn(view, add_message) for _ in range(_ROUNDS)]
        resized = [await _time_until_drawn(view, resize) for _ in range(_RESIZES)]
    await controller.close()
    memory_mib = (resident_bytes(os.getpid()) - before_bytes) / _MIB
    return [
        BoundedMeasurement(f"new message at {MAX_ITEMS} messages (median)", median(added), "ms", 50),
        BoundedMeasurement(f"new message at {MAX_ITEMS} messages (slowest)", max(added), "ms", 150),
        BoundedMeasurement(f"page up at {MAX_ITEMS} messages (median)", median(paged), "ms", 50),
        BoundedMeasurement("new message below the visible ones (median)", median(added_below), "ms", 50),
        BoundedMeasurement(f"resize: {MAX_ITEMS} messages wrapped again (median)", median(resized), "ms", 1_000),
        BoundedMeasurement(f"memory of {MAX_ITEMS} messages of {len(_TEXT)} characters", memory_mib, "MiB", 60),
    ]


async def _time_until_drawn(view: ChatView, change: Callable[[], None]) -> float:
    """Return the milliseconds from a change to the end of the frame that shows it."""
    drawn = asyncio.Event()
    began = time.perf_counter()
    change()
    await asyncio.sleep(0)
    view.call_after_refresh(drawn.set)
    await drawn.wait()
    return (time.perf_counter() - began) * 1000
