"""Tests of a chat in the synchronous style: each call blocks until it is done."""

from __future__ import annotations


def test_message_reaches_the_agent(agent, customer):
    alice = customer("Alice")
    bob = agent("Bob", join=alice)
    alice.send("Where is my parcel?")
    message = bob.expect("message_received", content="Where is my parcel?")
    assert message.conversation_id == alice.conversation_id
    bob.start_typing()
    alice.expect("typing_indicator", is_typing=True)
    bob.mark_read(alice.conversation_id, message.seq)
    alice.expect("message_read", seq=message.seq)


def test_other_conversations_stay_private(agent, customer):
    alice, mallory = customer("Alice"), customer("Mallory")
    agent("Bob", join=alice).send("Your code is 1234.")
    alice.expect("message_received", content="Your code is 1234.")
    mallory.expect_nothing("message_received")


def test_messages_sent_during_an_outage_arrive_once_and_in_order(agent, customer, network):
    alice = customer()
    bob = agent(join=alice)
    with network.outage():
        for number in range(3):
            alice.post_message(alice.conversation_id, f"message {number}")
    for number in range(3):
        bob.expect("message_received", content=f"message {number}", within=15)
    assert [message.content for message in bob.received("message_received")] == ["message 0", "message 1", "message 2"]


def test_frozen_connection_delivers_after_the_thaw(agent, customer, network):
    alice = customer()
    bob = agent(join=alice)
    network.freeze()
    alice.post_message(alice.conversation_id, "Are you there?")
    bob.expect_nothing("message_received", during=0.3)
    network.thaw()
    bob.expect("message_received", content="Are you there?")
    assert bob.state == "connected"


def test_messages_survive_a_killed_server(agent, customer, chatws_fresh_server):
    alice = customer()
    alice.send("stored before the kill")
    chatws_fresh_server.restart()
    bob = agent()
    history = bob.history(alice.conversation_id)
    assert [message.content for message in history.messages] == ["stored before the kill"]


def test_question_is_read_and_answered(scenario):
    scenario("question.yaml")
