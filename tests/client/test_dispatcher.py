from __future__ import annotations

import asyncio

from chatws.client.dispatcher import Dispatcher


async def test_producer_waits_until_half_of_the_bound_is_free() -> None:
    dispatcher = Dispatcher(4)
    received: list[object] = []
    permit = asyncio.Semaphore(0)

    async def take(payload: object) -> None:
        await permit.acquire()
        received.append(payload)

    dispatcher.on("event", take)
    for number in range(6):
        dispatcher.put("event", number)
    assert dispatcher.is_full
    dispatcher.start()
    waiting = asyncio.create_task(dispatcher.wait_for_room())
    for _ in range(3):
        assert not waiting.done()
        permit.release()
        await asyncio.sleep(0)
    await asyncio.wait_for(waiting, 30)
    assert len(received) >= 3
    for _ in range(3):
        permit.release()
    await dispatcher.stop()
    assert received == list(range(6))
