"""The fault scenario: users talk through a network and a server that fail, and no message may suffer for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chatws_loadtest.ipc import Cut, Habits
from chatws_loadtest.options import find_port
from chatws_loadtest.proxy import HOST, FaultProxy
from chatws_loadtest.thresholds import FAULTS, Threshold

if TYPE_CHECKING:
    from chatws_loadtest.results import ScenarioResult
    from chatws_loadtest.scenario_run import ScenarioRun

FEEDS: Final = frozenset(FAULTS)
DURATION_S: Final = 48.0
PHASES: Final = 12
"""Faults and the lulls after them, in units of `_phase_s`."""

RETURN_TIMEOUT_S: Final = 60.0
KILLS: Final = 3
TOKEN_LIFE_S: Final = 2
SLOW_SHARE: Final = 0.1
DEAF_SHARE: Final = 0.5
DELAY_S: Final = 0.2
RESETS_PER_S: Final = 0.02

Fault = Callable[["ScenarioRun", FaultProxy], Awaitable[None]]


async def faults(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    """Let every fault happen while everybody talks, wait until all are back, and draw the balance."""
    proxy = FaultProxy(urlsplit(arena.url).hostname or "", find_port(arena.url), seed=arena.options.seed)
    await arena.belongings.enter_async_context(proxy)
    # TLS passes through: the users check the server's certificate as if they had come straight to it.
    arena.via = HOST, proxy.port
    await arena.open(Habits(rate=arena.options.rate))
    await arena.talk(arena.options.warmup_s)
    for what, fault in INVARIANTS.items():
        if fault is _kills and arena.subject is None:
            arena.findings.append("the server is not ours to kill; that fault was left out")
            continue
        arena.mark(what.partition(":")[0])
        arena.phase = what
        await fault(arena, proxy)
        await arena.stay(_phase_s(arena) / 2)
        arena.findings.append(f"had to hold under {what}")
    everybody = await arena.until(lambda: arena.recorder.connections >= arena.users, RETURN_TIMEOUT_S)
    if not everybody:
        arena.findings.append(f"only {arena.recorder.connections} of {arena.users} users came back")
    return await arena.conclude(targets, FEEDS)


def _phase_s(arena: ScenarioRun) -> float:
    return (arena.options.duration_s or DURATION_S) / PHASES


async def _freeze(arena: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.freeze(down=True)
    await asyncio.sleep(_phase_s(arena))
    proxy.thaw()


async def _slow_readers(arena: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.freeze(down=True, share=SLOW_SHARE)
    await asyncio.sleep(_phase_s(arena))
    proxy.thaw()


async def _weak_network(arena: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.delay_s, proxy.resets_per_s = DELAY_S, RESETS_PER_S
    await asyncio.sleep(2 * _phase_s(arena))
    proxy.delay_s = proxy.resets_per_s = 0.0


async def _half_open(arena: ScenarioRun, proxy: FaultProxy) -> None:
    proxy.swallow()
    await asyncio.sleep(_phase_s(arena))
    proxy.reset_all()


async def _swallowed_acks(arena: ScenarioRun, proxy: FaultProxy) -> None:
    # Requests reach the server, and some of those who sent them do not hear of it, while others get the message; then
    # the connections end.
    proxy.freeze(down=True, share=DEAF_SHARE)
    await asyncio.sleep(_phase_s(arena))
    arena.crew.order(Cut())
    proxy.reset_all()


async def _expired_tokens(arena: ScenarioRun, _: FaultProxy) -> None:
    if arena.expire_tokens(TOKEN_LIFE_S):
        await asyncio.sleep(TOKEN_LIFE_S + _phase_s(arena))
    else:
        arena.findings.append("there is no key to sign agents' tokens with; none of them expired")


async def _kills(arena: ScenarioRun, _: FaultProxy) -> None:
    assert arena.subject is not None
    rng = Random(arena.options.seed)
    for _number in range(KILLS):
        await asyncio.sleep(rng.uniform(0.2, 0.2 + _phase_s(arena)))
        await arena.subject.kill()
        await arena.subject.start()


INVARIANTS: Final[dict[str, Fault]] = {
    "one-way freeze: what was held back arrives once and in order": _freeze,
    "slow readers: they and the others lose nothing": _slow_readers,
    "200 ms and resets: what is repeated is stored once": _weak_network,
    "half-open: silence is noticed, or the end of it, and what was missed is fetched": _half_open,
    "acks swallowed after the store: the repeat is the same message": _swallowed_acks,
    "tokens expire mid-send: what is refused is repeated under a fresh one": _expired_tokens,
    "kill -9 at random times: what was acked is there afterwards": _kills,
}
"""What happens, and what has to hold in spite of it."""
