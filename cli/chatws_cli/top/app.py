"""Main loop of ``chatws top``: polls the servers once per interval and shows the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from rich.console import Console
from rich.live import Live

from chatws.exit_codes import ExitCode
from chatws.standard_streams import abandon_stdout
from chatws_cli.exit_signals import handle_exit_signals
from chatws_cli.output import print_json
from chatws_cli.top.poller import Frame, MetricsPoller
from chatws_cli.top.table import line, record, table

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

Show = Callable[[Frame], None]


async def watch(
    urls: Sequence[str], tls: ssl.SSLContext | None, *, interval_s: float, limit: int | None, as_json: bool
) -> ExitCode:
    """Show at most ``limit`` frames; return the exit code."""
    ended: asyncio.Future[ExitCode] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(ExitCode(code))

    handle_exit_signals(asyncio.get_running_loop(), end)
    with _screen(as_json=as_json) as show:
        async with aiohttp.ClientSession() as http:
            polling = asyncio.create_task(_poll(MetricsPoller(urls, http, tls), show, interval_s, limit))
            await asyncio.wait([ended, polling], return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                return polling.result()
            polling.cancel()
            await asyncio.wait([polling])
    return ended.result()


async def _poll(poller: MetricsPoller, show: Show, interval_s: float, limit: int | None) -> ExitCode:
    loop = asyncio.get_running_loop()
    due = loop.time()
    shown = 0
    while limit is None or shown < limit:
        await asyncio.sleep(due - loop.time())
        try:
            show(await poller.poll())
        except BrokenPipeError:
            abandon_stdout()
            return ExitCode.BROKEN_PIPE
        shown += 1
        due = max(due + interval_s, loop.time())
    return ExitCode.DONE


@contextmanager
def _screen(*, as_json: bool) -> Iterator[Show]:
    """Return a function that shows a frame: a table updated in place on a terminal, otherwise a line or JSON."""
    console = Console(highlight=False)
    if as_json:
        yield lambda frame: print_json(record(frame))
    elif not console.is_terminal or console.is_dumb_terminal:
        yield lambda frame: print(line(frame), flush=True)
    else:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda frame: live.update(table(frame, console.width), refresh=True)
