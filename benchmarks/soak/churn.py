"""People who come, say something and go, one in a hundred of them with garbage: what is left afterwards."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

from benchmarks.common.client import BenchmarkConnection, ConnectionFailed
from benchmarks.soak.clients import StalledReader, ask, enter
from benchmarks.soak.measurements import SoakMeasurement, SoakPlan
from benchmarks.soak.server_stats import ResourceCounts, SoakServer, host

_SEED = 20251028
_GARBAGE_SHARE = 0.01
_STAY_S = (0.5, 3.0)
_WARM_UP_SHARE = 0.1
_SETTLE_S = 30.0
_MIB = 1024 * 1024
_GARBAGE = ("42{", "garbage", '42["connect"]', "459999999999-[]", "40", "42[" + "[" * 900)
_SLACK_TIMERS = 4
"""The server's own periodic work has a timer or not, depending on the moment."""


async def churn(plan: SoakPlan) -> list[SoakMeasurement]:
    """Count before and after, once the server has met everything it will meet."""
    dice = random.Random(_SEED)
    async with host(**plan.settings) as hosted:
        await _come_and_go(hosted, plan.churn_s * _WARM_UP_SHARE, plan.churn_per_s, dice, _GARBAGE_SHARE * 10)
        before = await _settled(hosted)
        came = await _come_and_go(hosted, plan.churn_s, plan.churn_per_s, dice, _GARBAGE_SHARE)
        after = await _settled(hosted)
    return [
        SoakMeasurement(f"churn of {plan.churn_s:g} s: came and went", came, "clients"),
        SoakMeasurement("churn: sessions, sockets and rooms kept", after.sessions + after.sockets + after.rooms, "", 0),
        SoakMeasurement("churn: tasks kept", after.tasks - before.tasks, "", 0),
        SoakMeasurement("churn: timers kept", after.timers - before.timers, "", _SLACK_TIMERS),
        SoakMeasurement("churn: RSS kept", (after.rss_bytes - before.rss_bytes) / _MIB, "MiB", 8),
    ]


async def _come_and_go(hosted: SoakServer, seconds: float, per_s: float, dice: random.Random, garbage: float) -> int:
    """Let clients come on an even schedule; gives how many came once all have gone."""
    began, came = time.monotonic(), 0
    async with asyncio.TaskGroup() as visits:
        while time.monotonic() - began < seconds:
            came += 1
            name = f"churn-{came % 500}"
            if dice.random() < garbage:
                visits.create_task(_spoil(hosted, name, dice.choice(_GARBAGE)))
            else:
                visits.create_task(_visit(hosted, name, dice.uniform(*_STAY_S)))
            await asyncio.sleep(max(0.0, began + came / per_s - time.monotonic()))
    return came


async def _visit(hosted: SoakServer, name: str, stay_s: float) -> None:
    connection: BenchmarkConnection = await enter(hosted, name)
    conversation_id = f"conv-{name}"
    await ask(connection, "typing_start", conversation_id)
    await ask(connection, "send_message", {"conversationId": conversation_id, "content": "passing by"})
    await asyncio.sleep(stay_s)
    connection.close()


async def _spoil(hosted: SoakServer, name: str, garbage: str) -> None:
    with suppress(OSError, ConnectionFailed):
        reader = await StalledReader.enter(hosted, name)
        reader.say(garbage)
        await asyncio.sleep(_STAY_S[0])
        reader.close()


async def _settled(hosted: SoakServer) -> ResourceCounts:
    """Count when nobody is there and nothing is on its way: typing, presence and lingering connections have run out."""
    await hosted.until(lambda census: census.sessions == 0, _SETTLE_S)
    fewest = await hosted.count(thoroughly=True)
    end = time.monotonic() + _SETTLE_S
    while time.monotonic() < end:
        await asyncio.sleep(1.0)
        census = await hosted.count(thoroughly=True)
        if (census.tasks, census.timers) == (fewest.tasks, fewest.timers):
            return census
        fewest = census
    return fewest
