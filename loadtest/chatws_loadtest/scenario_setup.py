"""Set-up of a scenario run: the server under test, the fault proxy, the load and the monitor."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chatws_loadtest.credentials import Credentials
from chatws_loadtest.ipc import CONNECT_TIMEOUT_S
from chatws_loadtest.options import find_port
from chatws_loadtest.proxy import HOST, FaultProxy
from chatws_loadtest.run_request import RunRequest
from chatws_loadtest.scenario_load import LoadSpec, ScenarioLoad
from chatws_loadtest.scenario_run import ScenarioRun
from chatws_loadtest.scenarios import Scenario
from chatws_loadtest.server_monitor import ServerMonitor
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.timeline import CONNECTING, Timeline

REPORT_TIMEOUT_S: Final = 15.0
"""Time in which a load process must report the users that are connected, after its own time limit."""


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """Address of the server under test, and credentials for it."""

    url: str
    credentials: Credentials
    process: ServerUnderTest | None
    """None unless the server is bundled."""


@asynccontextmanager
async def provide_server(request: RunRequest, core: int | None) -> AsyncIterator[ServerAccess]:
    """Yield access to the server under test; without a URL, start a bundled server and stop it afterwards.

    Raises:
        ServerStartFailed: the bundled server did not start.
    """
    if request.url is not None:
        yield ServerAccess(request.url, request.credentials, None)
        return
    with tempfile.TemporaryDirectory(prefix="chatws-loadtest-") as data_dir:
        server = ServerUnderTest(Path(data_dir), core)
        await server.start()
        try:
            yield ServerAccess(server.url, Credentials(keys=server.keys), server)
        finally:
            await server.stop()


async def set_up(
    stack: AsyncExitStack,
    scenario: Scenario,
    request: RunRequest,
    access: ServerAccess,
    timeline: Timeline,
    *,
    number: int,
) -> ScenarioRun:
    """Connect every user that can; ``stack`` closes what was opened, also after an error; ``number`` counts from 1.

    Raises:
        CredentialsMissing: there are not enough credentials.
        LoadRefused: no user could connect.
    """
    options, stats = request.options, timeline.stats
    room_sizes = scenario.room_sizes(options.users)
    start_users = sum(room_sizes) if scenario.start_users is None else scenario.start_users(sum(room_sizes))
    proxy: FaultProxy | None = None
    if scenario.uses_proxy:
        # The proxy passes TLS through: users still verify the server's certificate against the host name in the URL.
        proxy = FaultProxy(urlsplit(access.url).hostname or "", find_port(access.url), seed=options.seed)
        await stack.enter_async_context(proxy)
    timeline.phase = "preparing users"
    name = scenario.name if number == 1 else f"{scenario.name}-{number}"
    is_only_run = len(request.scenarios) == request.repeat == 1
    spec = LoadSpec(
        name=name,
        url=access.url,
        via=None if proxy is None else (HOST, proxy.port),
        credentials=access.credentials,
        room_sizes=room_sizes,
        start_users=start_users,
        workload=msgspec.structs.replace(scenario.workload, rate=options.rate),
        options=options,
        chatlog=options.chatlog if options.chatlog is None or is_only_run else options.chatlog.of_run(name),
    )
    load = await ScenarioLoad.prepare(spec, stats)
    timeline.phase = CONNECTING
    # Called after the load processes have ended, also after an error.
    stack.callback(lambda: load.save_chatlog([(stats.start_s + mark.at, mark.what) for mark in timeline.marks]))
    stack.push_async_callback(load.pool.stop)
    await load.pool.start()
    monitor = ServerMonitor(access.url, access.process, stats)
    await stack.enter_async_context(monitor.running())
    connect_s = start_users / options.connects_per_s + CONNECT_TIMEOUT_S
    await load.pool.wait_until_ready(connect_s + REPORT_TIMEOUT_S)
    timeline.users -= load.pool.refusals.total()
    return ScenarioRun(options, request.thresholds, timeline, stats, load, monitor, access.process, proxy)
