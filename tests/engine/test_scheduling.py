from __future__ import annotations

import asyncio

from chatws.engine.scheduling import LoopLimiter


async def test_many_callers_proceed_in_order_over_several_iterations() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=8)
    done: list[int] = []
    most = 0

    async def take(number: int) -> None:
        await limiter.take()
        done.append(number)

    callers = asyncio.gather(*(take(number) for number in range(100)))
    while not callers.done():
        before = len(done)
        await asyncio.sleep(0)
        most = max(most, len(done) - before)
    assert done == list(range(100))
    assert 8 <= most <= 16


async def test_callers_below_the_limit_do_not_wait() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=8)
    await asyncio.gather(*(limiter.take() for _ in range(100)))
    await asyncio.sleep(0)
    done = 0
    for coroutine in [limiter.take() for _ in range(3)]:
        try:
            coroutine.send(None)
        except StopIteration:
            done += 1
    assert done == 3


async def test_cancelled_caller_uses_no_slot() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=1)
    await limiter.take()
    waiting = [asyncio.ensure_future(limiter.take()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[2].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 30)
    assert [future.cancelled() for future in waiting] == [False, False, True, False]
