"""Flows of the guide with the official JavaScript client on every transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.node import NodeRunner
from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def short_grace_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server that soon reports a customer offline."""
    server = ServerProcess(tmp_path_factory.mktemp("server"), "--set", "presence_grace_ms=500")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("transports", "final_transport"),
    [("websocket", "websocket"), ("polling", "polling"), ("polling,websocket", "websocket")],
)
async def test_npm_client_completes_the_guides_flows(
    node: NodeRunner, short_grace_server: ServerProcess, transports: str, final_transport: str
) -> None:
    server = short_grace_server
    session = server.new_session()
    conversation = session["conversationId"]
    identity = [session["sessionId"], server.sign_token("agent-1"), conversation]
    rows = await node.run("guide_flow.mjs", server.url, transports, *identity)
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
