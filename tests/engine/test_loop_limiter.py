from __future__ import annotations

import asyncio

from chatws.engine.loop_limiter import LoopLimiter


async def test_crowd_is_spread_over_turns_in_order_and_a_few_do_not_wait() -> None:
    loop = asyncio.get_running_loop()
    turns = LoopLimiter(loop, per_turn=8)
    done: list[int] = []
    most = 0

    async def leave(number: int) -> None:
        await turns.take()
        done.append(number)

    everybody = asyncio.gather(*(leave(number) for number in range(100)))
    while not everybody.done():
        before = len(done)
        await asyncio.sleep(0)
        most = max(most, len(done) - before)
    assert done == list(range(100))
    assert 8 <= most <= 16
    await asyncio.sleep(0)
    few = [leave(number) for number in range(3)]
    for coroutine in few:
        try:
            coroutine.send(None)
        except StopIteration:
            continue
    assert done[100:] == [0, 1, 2]


async def test_one_that_gave_up_waiting_takes_nobodys_turn() -> None:
    turns = LoopLimiter(asyncio.get_running_loop(), per_turn=1)
    await turns.take()
    waiting = [asyncio.ensure_future(turns.take()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[2].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 30)
    assert [future.cancelled() for future in waiting] == [False, False, True, False]
