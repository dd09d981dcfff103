from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chatws.client import Disconnected
from chatws.protocol.responses import SendAck
from tests.client.simulation import World

STEPS = (
    World.post,
    World.other_says,
    World.server_reads,
    World.client_reads,
    World.connect,
    World.settle_in,
    World.fail_to_connect,
    World.cut,
    World.lose_next,
    World.repeat_next,
    World.delay_next,
    World.refuse_next,
    World.lose_outcome,
    World.wait,
)
WEIGHTS = {World.post: 3, World.other_says: 4, World.server_reads: 5, World.client_reads: 6, World.settle_in: 3}
# Hypothesis makes lists about twice as long as the shortest one allowed.
schedules = st.lists(st.sampled_from([step for step in STEPS for _ in range(WEIGHTS.get(step, 1))]), min_size=40)


def play(schedule: list[object]) -> World:
    world = World()
    world.start()
    world.settle_in()
    for step in schedule:
        assert callable(step)
        step(world)
    return world


@settings(max_examples=150, deadline=None)
@given(schedules)
def test_whatever_is_lost_repeated_or_delayed_every_message_is_delivered_once_and_in_order(
    schedule: list[object],
) -> None:
    world = play(schedule)
    world.heal()
    assert [message.seq for message in world.delivered] == list(range(1, len(world.stored) + 1))


@settings(max_examples=150, deadline=None)
@given(schedules)
def test_whatever_happens_every_posted_message_is_stored_once_in_order_and_settled_once(
    schedule: list[object],
) -> None:
    world = play(schedule)
    world.heal()
    mine = [message.client_message_id for message in world.stored if message.sender.user_id == "ann"]
    assert mine == list(world.posted.values())
    assert all(world.settled[request_id] == 1 for request_id in world.posted)
    assert all(isinstance(world.outcomes[request_id], SendAck) for request_id in world.posted)


@settings(max_examples=150, deadline=None)
@given(schedules)
def test_stopping_at_any_point_settles_everything_exactly_once(schedule: list[object]) -> None:
    world = play(schedule)
    world.do(world.session.stop(world.now))
    world.wait(60)
    assert all(count == 1 for count in world.settled.values())
    assert world.settled.keys() == set(range(1, world.ask()))
    unstored = [world.outcomes[id_] for id_ in world.posted if not isinstance(world.outcomes[id_], SendAck)]
    assert all(isinstance(outcome, Disconnected) for outcome in unstored)
    assert world.connect_at is None or not world.up
