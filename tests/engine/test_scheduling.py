from __future__ import annotations

import asyncio
from functools import partial

import pytest

from chatws.engine.scheduling import LoopLimiter


async def test_many_callbacks_run_in_order_over_several_iterations() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=8)
    done: list[int] = []
    for number in range(100):
        limiter.run(partial(done.append, number))
    most = len(done)
    while len(done) < 100:
        before = len(done)
        await asyncio.sleep(0)
        most = max(most, len(done) - before)
    assert done == list(range(100))
    assert most == 8


async def test_callbacks_below_the_limit_run_at_once() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=8)
    done: list[int] = []
    for number in range(100):
        limiter.run(partial(done.append, number))
    for _ in range(100 // 8 + 1):
        await asyncio.sleep(0)
    for number in range(3):
        limiter.run(partial(done.append, number))
    assert done[100:] == [0, 1, 2]


async def test_callback_that_raises_delays_no_other() -> None:
    loop = asyncio.get_running_loop()
    problems: list[object] = []
    loop.set_exception_handler(lambda _, context: problems.append(context["exception"]))
    limiter = LoopLimiter(loop, per_iteration=1)
    done: list[int] = []
    error = ValueError("broken")

    def fail() -> None:
        raise error

    limiter.run(partial(done.append, 0))
    limiter.run(fail)
    limiter.run(partial(done.append, 1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert done == [0, 1]
    assert problems == [error]


async def test_callback_that_runs_at_once_raises_to_its_caller() -> None:
    limiter = LoopLimiter(asyncio.get_running_loop(), per_iteration=1)
    with pytest.raises(ZeroDivisionError):
        limiter.run(lambda: 1 // 0)
