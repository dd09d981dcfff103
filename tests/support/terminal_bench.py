"""What the terminals cost: ``python -m tests.support.terminal_bench`` prints each number and its target.

Exit code 99 when a target is missed, as everywhere in chatws.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from chatws.exit_codes import ExitCode
from chatws_cli.presentation.thread import MAX_ITEMS
from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.chat_view import ChatView
from chatws_cli.tui.preferences import Preferences
from tests.support.server import CHATWS, ServerProcess, environment_of_children
from tests.support.terminal import TerminalProcess
from tools.screenshots.sample_events import ADA, GRACE, message, received
from tools.screenshots.sample_screens import agent_controller

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 20
_STARTS = 5
_SIZE = (120, 40)
_WORDS = "The parcel left the depot this morning and should be with you between two and four. " * 2


class Number(NamedTuple):
    """One measurement; milliseconds unless the unit says otherwise."""

    name: str
    value: float
    target: float
    unit: str = "ms"


def main() -> None:
    """Measure, print, and say by the exit code whether every target is met."""
    numbers = [*asyncio.run(_long_conversation()), *_starts()]
    for number in numbers:
        verdict = "ok" if number.value < number.target else "MISSED"
        sys.stdout.write(f"{number.name:<58}{number.value:9.1f} {number.unit:<3} target {number.target:g}  {verdict}\n")
    sys.exit(ExitCode.DONE if all(number.value < number.target for number in numbers) else ExitCode.TARGET_MISSED)


async def _long_conversation() -> list[Number]:
    desk = agent_controller()
    screen = desk.screen
    before_mib = _rss_mib()
    screen.threads["c1"].reload(
        [screen.item(message(seq, _WORDS, GRACE if seq % 2 else ADA)) for seq in range(1, MAX_ITEMS + 1)],
        has_more_before=True,
    )
    app = ChatApp([desk], Preferences(bell=False))
    async with app.run_test(size=_SIZE) as pilot:
        view = app.query(ChatView).first()
        await pilot.pause()
        seqs = iter(range(MAX_ITEMS + 1, MAX_ITEMS + 1_000))

        def add() -> None:
            screen.apply(received(next(seqs), _WORDS), 0.0)
            view.invalidate()

        def wrap_anew() -> None:
            view.message_list._laid = {}
            view.message_list._drawn = view.message_list._drawn._replace(read_seq=-1)
            view.invalidate()

        one_more = [await _drawn(view, add) for _ in range(_ROUNDS)]
        up = [await _drawn(view, lambda: view.message_list.page(-1)) for _ in range(_ROUNDS)]
        above = [await _drawn(view, add) for _ in range(_ROUNDS)]
        reflow = [await _drawn(view, wrap_anew) for _ in range(3)]
    await desk.close()
    return [
        Number(f"one more message at {MAX_ITEMS} (median)", median(one_more), 50),
        Number(f"one more message at {MAX_ITEMS} (slowest)", max(one_more), 150),
        Number(f"a page up at {MAX_ITEMS} (median)", median(up), 50),
        Number("one more message while reading further up (median)", median(above), 50),
        Number(f"all {MAX_ITEMS} wrapped anew after a resize (median)", median(reflow), 1_000),
        Number(f"memory of {MAX_ITEMS} messages of {len(_WORDS)} characters", _rss_mib() - before_mib, 60, "MiB"),
    ]


async def _drawn(view: ChatView, change: Callable[[], None]) -> float:
    """Return the milliseconds from a change to the end of the frame that shows it."""
    done = asyncio.Event()
    begun = time.perf_counter()
    change()
    await asyncio.sleep(0)
    view.call_after_refresh(done.set)
    await done.wait()
    return (time.perf_counter() - begun) * 1000


def _starts() -> list[Number]:
    numbers = [
        Number("chatws --version (fastest)", _fastest(lambda: _run("--version")), 150),
        Number("chatws --help (fastest)", _fastest(lambda: _run("--help")), 400),
    ]
    with tempfile.TemporaryDirectory(prefix="chatws-bench-") as directory:
        server = ServerProcess(Path(directory))
        server.start()
        options = ["agent", "--url", server.url, "--data-dir", directory]
        try:
            paints = _fastest(lambda: _until(options, "connecting|connected"))
            ready = _fastest(lambda: _until(options, "waiting for the first one"))
        finally:
            server.stop()
    return [*numbers, Number("chatws agent to first paint", paints, 1_000), Number("… to its inbox", ready, 2_000)]


def _fastest(measure: Callable[[], None]) -> float:
    def once() -> float:
        begun = time.perf_counter()
        measure()
        return (time.perf_counter() - begun) * 1000

    return min(once() for _ in range(_STARTS))


def _run(option: str) -> None:
    subprocess.run([CHATWS, option], env=environment_of_children(), capture_output=True, check=True)


def _until(options: list[str], pattern: str) -> None:
    terminal = TerminalProcess(*options, env={"COLUMNS": "120", "LINES": "40"})
    try:
        terminal.sees(pattern)
    finally:
        terminal.close()


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    main()
