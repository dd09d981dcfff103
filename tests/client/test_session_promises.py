from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chatws.client import Disconnected
from chatws.protocol.responses import SendAck
from tests.client.simulation import Simulation

STEPS = (
    Simulation.post,
    Simulation.post_as_agent,
    Simulation.server_reads,
    Simulation.client_reads,
    Simulation.connect,
    Simulation.join,
    Simulation.fail_to_connect,
    Simulation.cut,
    Simulation.drop_next,
    Simulation.repeat_next,
    Simulation.delay_next,
    Simulation.refuse_next,
    Simulation.hide_outcome,
    Simulation.wait,
)
WEIGHTS = {
    Simulation.post: 3,
    Simulation.post_as_agent: 4,
    Simulation.server_reads: 5,
    Simulation.client_reads: 6,
    Simulation.join: 3,
}
# Hypothesis generates lists about twice as long as the minimum.
schedules = st.lists(st.sampled_from([step for step in STEPS for _ in range(WEIGHTS.get(step, 1))]), min_size=40)


def run(schedule: list[object]) -> Simulation:
    sim = Simulation()
    sim.start()
    sim.join()
    for step in schedule:
        assert callable(step)
        step(sim)
    return sim


@settings(max_examples=60, deadline=None)
@given(schedules)
def test_messages_are_stored_resolved_and_delivered_once_and_in_order_under_any_faults(schedule: list[object]) -> None:
    sim = run(schedule)
    sim.recover()
    assert [message.seq for message in sim.delivered] == list(range(1, len(sim.stored) + 1))
    own_ids = [message.client_message_id for message in sim.stored if message.sender.user_id == "ann"]
    assert own_ids == list(sim.posted.values())
    assert all(sim.resolutions[request_id] == 1 for request_id in sim.posted)
    assert all(isinstance(sim.outcomes[request_id], SendAck) for request_id in sim.posted)


@settings(max_examples=60, deadline=None)
@given(schedules)
def test_stop_at_any_point_resolves_every_request_once(schedule: list[object]) -> None:
    sim = run(schedule)
    sim.perform(sim.session.stop(sim.now))
    sim.wait(60)
    assert all(count == 1 for count in sim.resolutions.values())
    assert sim.resolutions.keys() == set(range(1, sim.new_request_id()))
    unstored = [sim.outcomes[id_] for id_ in sim.posted if not isinstance(sim.outcomes[id_], SendAck)]
    assert all(isinstance(outcome, Disconnected) for outcome in unstored)
    assert sim.connect_at is None or not sim.is_connected
