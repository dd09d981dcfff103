"""Steps of the scenario ``faults``: network and server faults, under which every message must still be delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Final

from chatws_loadtest.ipc import CutConnections

if TYPE_CHECKING:
    from chatws_loadtest.proxy import FaultProxy
    from chatws_loadtest.scenario_run import ScenarioRun

DURATION_S: Final = 48.0
PHASES: Final = 12
"""Number of phases of equal length; some faults last two, and half a phase without faults follows each."""

RECONNECT_TIMEOUT_S: Final = 60.0
KILLS: Final = 3
TOKEN_LIFE_S: Final = 2
SLOW_SHARE: Final = 0.1
UNACKED_SHARE: Final = 0.5
DELAY_S: Final = 0.2
RESETS_PER_S: Final = 0.02

InjectFault = Callable[["ScenarioRun", "FaultProxy"], Awaitable[None]]


async def inject_faults(run: ScenarioRun) -> None:
    """Inject every fault while users send messages, then wait until every user has reconnected."""
    proxy, timeline = run.proxy, run.timeline
    assert proxy is not None, "the scenario declares that it uses a proxy"
    await run.start_sending(run.options.warmup_s)
    for invariant, inject in INVARIANTS.items():
        if inject is _kills and run.server is None:
            run.findings.append("the server is not bundled and was not killed")
            continue
        timeline.mark(invariant.partition(":")[0])
        timeline.phase = invariant
        await inject(run, proxy)
        await timeline.hold(_phase_s(run) / 2)
        run.findings.append(f"invariant under {invariant}")
    if not await timeline.wait_for(lambda: run.stats.connections >= timeline.users, RECONNECT_TIMEOUT_S):
        run.findings.append(f"only {run.stats.connections} of {timeline.users} users reconnected")


def _phase_s(run: ScenarioRun) -> float:
    return (run.options.duration_s or DURATION_S) / PHASES


async def _freeze(run: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.freeze(down=True)
    await asyncio.sleep(_phase_s(run))
    proxy.thaw()


async def _slow_readers(run: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.freeze(down=True, share=SLOW_SHARE)
    await asyncio.sleep(_phase_s(run))
    proxy.thaw()


async def _weak_network(run: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.delay_s, proxy.resets_per_s = DELAY_S, RESETS_PER_S
    await asyncio.sleep(2 * _phase_s(run))
    proxy.delay_s = proxy.resets_per_s = 0.0


async def _half_open(run: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.drop_bytes()
    await asyncio.sleep(_phase_s(run))
    proxy.reset_all()


async def _lost_acks(run: ScenarioRun, proxy: FaultProxy) -> None:
    # Requests reach the server, but half of the senders receive no ack, while other members receive the message; then
    # the connections end.
    proxy.freeze(down=True, share=UNACKED_SHARE)
    await asyncio.sleep(_phase_s(run))
    run.load.pool.send(CutConnections())
    proxy.reset_all()


async def _expired_tokens(run: ScenarioRun, _: FaultProxy) -> None:
    if run.load.expire_tokens(TOKEN_LIFE_S):
        await asyncio.sleep(TOKEN_LIFE_S + _phase_s(run))
    else:
        run.findings.append("there is no key to sign agents' tokens with; none of them expired")


async def _kills(run: ScenarioRun, _: FaultProxy) -> None:
    assert run.server is not None
    rng = Random(run.options.seed)
    for _number in range(KILLS):
        await asyncio.sleep(rng.uniform(0.2, 0.2 + _phase_s(run)))
        await run.server.kill()
        await run.server.start()


INVARIANTS: Final[dict[str, InjectFault]] = {
    "one-way freeze: delayed messages arrive once and in order": _freeze,
    "slow readers: no member loses a message": _slow_readers,
    "200 ms and resets: a repeated message is stored once": _weak_network,
    "half-open: clients detect the dead connection and fetch missed messages": _half_open,
    "acks lost after the store: the repeat is the same message": _lost_acks,
    "tokens expire mid-send: a refused message is repeated under a fresh token": _expired_tokens,
    "kill -9 at random times: acked messages are there afterwards": _kills,
}
"""Each fault, described as ``fault: invariant that must hold under it``, and the function that injects it."""
