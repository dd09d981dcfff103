"""Flows of the guide with the official JavaScript client on every transport."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer
from tests.support.node import NodeRunner


@pytest.mark.parametrize(
    ("transports", "final_transport"),
    [("websocket", "websocket"), ("polling", "polling"), ("polling,websocket", "websocket")],
)
async def test_npm_client_completes_the_guides_flows(
    node: NodeRunner, start_server: StartServer, transports: str, final_transport: str
) -> None:
    server = start_server("--set", "presence_grace_ms=500")
    session = server.new_session()
    conversation = session["conversationId"]
    rows = await node.run(
        "guide_flow.mjs", server.url, transports, session["sessionId"], server.agent_token(), conversation
    )
    steps = {str(row.pop("step")): row for row in rows}

    assert steps["customer authenticated"]["role"] == "customer"
    assert steps["customer authenticated"]["userId"] == session["userId"]
    assert steps["agent authenticated"]["role"] == "admin"
    assert steps["customer joined"] == {"conversationId": conversation}
    assert steps["customer received agent presence"]["status"] == "online"
    assert steps["agent received typing start"]["isTyping"] is True
    assert steps["agent received typing start"]["userName"] == session["userName"]
    assert steps["customer acked"]["success"] is True
    received = steps["agent received"]
    assert received == steps["customer received own"]
    assert received["content"] == "Hello! \U0001f44b äöü"
    assert received["sender"] == {"userId": session["userId"], "userName": session["userName"], "role": "customer"}
    assert received["timestamp"] == steps["customer acked"]["timestamp"]
    assert steps["agent received typing end"]["isTyping"] is False
    sent = ("customer acked", "agent acked", "customer received without ack")
    assert [steps[step]["seq"] for step in sent] == [1, 2, 3]
    failed = steps["customer received error"]
    assert (failed["event"], failed["code"]) == ("send_message", "bad_request")
    assert failed["message"]
    assert steps["customer left"] == {"conversationId": conversation}
    assert steps["agent received customer offline"]["userId"] == session["userId"]
    assert steps["transports"] == {"customer": final_transport, "agent": final_transport}
