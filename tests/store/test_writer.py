"""Group commit: waiting jobs share one transaction, and an invalid row fails alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws.store import (
    ConversationFilter,
    Draft,
    IdempotencyConflict,
    NotFound,
    StaleVersion,
    Store,
    Stored,
    Unavailable,
)
from chatws.store.factory import make_store
from tests.store.support import ANN, BEN, BOT, SingleBatch, StoreClock, all_messages, new_conversation

if TYPE_CHECKING:
    from collections.abc import Sequence


async def test_jobs_waiting_during_a_commit_share_the_next_batch(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    stored, reads = await _append_at_once(store, clock, [Draft(room, ANN, str(number)) for number in range(200)])
    assert reads == 1
    assert [answer.message.seq for answer in stored if isinstance(answer, Stored)] == list(range(2, 202))


async def test_batches_are_bounded(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    stored, reads = await _append_at_once(store, clock, [Draft(room, ANN, str(number)) for number in range(600)])
    assert reads == 3
    assert [answer.message.seq for answer in stored if isinstance(answer, Stored)] == list(range(2, 602))


async def test_duplicates_inside_one_batch_share_one_message(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    drafts = [Draft(room, ANN, "hello", "id"), Draft(room, ANN, "hello", "id"), Draft(room, ANN, "next", "id-2")]
    stored, reads = await _append_at_once(store, clock, [*drafts, *drafts])
    assert reads == 1
    assert [(answer.message.seq, answer.duplicate) for answer in stored if isinstance(answer, Stored)] == [
        (2, False),
        (2, True),
        (3, False),
        (2, True),
        (2, True),
        (3, True),
    ]
    assert [message.content for message in await all_messages(store, room)][1:] == ["hello", "next"]


async def test_invalid_rows_fail_alone_and_leave_no_gap(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    drafts = [
        Draft(room, ANN, "1", "id"),
        Draft("nowhere", ANN, "lost"),
        Draft(room, ANN, "other content", "id"),
        Draft(room, BOT, "not assigned to the bot", expected_version=1),
        Draft(room, BEN, "2"),
    ]
    outcomes, reads = await _append_at_once(store, clock, drafts)
    assert reads == 1
    assert [type(outcome) for outcome in outcomes] == [Stored, NotFound, IdempotencyConflict, StaleVersion, Stored]
    assert [message.content for message in await all_messages(store, room)][1:] == ["1", "2"]


async def test_row_that_breaks_the_whole_statement_fails_alone(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    unstorable = Draft(room, ANN, "\ud800")  # no UTF-8 for a lone surrogate
    outcomes, _ = await _append_at_once(store, clock, [Draft(room, ANN, "1"), unstorable, Draft(room, BEN, "2")])
    assert [type(outcome) for outcome in outcomes] == [Stored, UnicodeEncodeError, Stored]
    assert [(message.seq, message.content) for message in await all_messages(store, room)][1:] == [(2, "1"), (3, "2")]


async def test_other_writes_of_a_failing_batch_happen_once(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    async with SingleBatch(store, clock, room):
        change = asyncio.create_task(store.transition(room, version=1, status="assigned", assignee_id=None))
        bad = asyncio.create_task(store.append(Draft(room, ANN, "\ud800")))
    assert (await change).version == 2
    with pytest.raises(UnicodeEncodeError):
        await bad


async def test_reopening_happens_once_in_a_batch(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    await store.transition(room, version=1, status="resolved", assignee_id=None)
    outcomes, _ = await _append_at_once(
        store, clock, [Draft(room, ANN, str(number)) for number in range(3)], blocked="x"
    )
    reopened = [outcome.conversation for outcome in outcomes if isinstance(outcome, Stored)]
    assert [conversation and conversation.version for conversation in reopened] == [3, None, None]


async def test_cancelled_caller_does_not_affect_its_batch(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    async with SingleBatch(store, clock, room):
        kept = asyncio.create_task(store.append(Draft(room, ANN, "kept")))
        cancelled = asyncio.create_task(store.append(Draft(room, ANN, "cancelled", "id")))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert (await kept).message.seq == 2
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    # It was already queued and therefore stored: the retry finds it.
    assert (await store.append(Draft(room, ANN, "cancelled", "id"))).duplicate


async def test_full_queue_rejects_at_once_and_accepts_later(url: str, clock: StoreClock) -> None:
    store = make_store(url, server=True, clock_ms=clock, max_waiting=3)
    await store.open()
    room = await new_conversation(store)
    outcomes, _ = await _append_at_once(store, clock, [Draft(room, ANN, str(number)) for number in range(5)])
    assert [type(outcome) for outcome in outcomes] == [Stored, Stored, Stored, Unavailable, Unavailable]
    assert (await store.append(Draft(room, ANN, "later"))).message.seq == 5
    await store.close()


async def test_close_finishes_queued_jobs_and_rejects_later_ones(store: Store, clock: StoreClock) -> None:
    room = await new_conversation(store)
    await clock.pause()
    waiting = [asyncio.create_task(store.append(Draft(room, ANN, str(number)))) for number in range(300)]
    await clock.wait_until_blocked()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    await clock.resume()
    await closing
    assert [answer.message.seq for answer in await asyncio.gather(*waiting)] == list(range(1, 301))
    await store.close()
    for late in (store.append(Draft(room, ANN, "late")), store.ping(), store.conversations(ConversationFilter())):
        with pytest.raises(Unavailable):
            await late


async def test_use_before_open_is_unavailable(url: str) -> None:
    store = make_store(url, server=True)
    with pytest.raises(Unavailable):
        await store.account("ann")
    with pytest.raises(Unavailable):
        _ = store.epoch


async def _append_at_once(
    store: Store, clock: StoreClock, drafts: Sequence[Draft], *, blocked: str | None = None
) -> tuple[list[Stored | BaseException], int]:
    """Append drafts in the minimum number of batches; return the outcomes and the number of batches."""
    conversation_id = await new_conversation(store, blocked) if blocked else drafts[0].conversation_id
    async with SingleBatch(store, clock, conversation_id):
        tasks = [asyncio.create_task(store.append(draft)) for draft in drafts]
    return await asyncio.gather(*tasks, return_exceptions=True), clock.reads
