"""Chat on PostgreSQL: a conversation, a server restart, and an unreachable database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.client.test_real_server import join_both
from tests.support.commands import run_chatws
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer
    from tests.support.postgres import PostgresServer


async def test_conversation_continues_after_a_server_restart(
    start_server: StartServer, postgres: PostgresServer
) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    server = await asyncio.to_thread(start_server, "--database-url", url)
    session, token = await asyncio.to_thread(server.new_session), await asyncio.to_thread(server.agent_token)
    customer, agent, conversation_id = await join_both(server.url, session["sessionId"], token)
    await customer.client.post_message(conversation_id, "Is anybody there?").done
    await agent.client.post_message(conversation_id, "I am.").done
    await asyncio.to_thread(server.restart)
    ack = await customer.client.post_message(conversation_id, "Good.").done
    assert ack.seq == 3
    texts = ["Is anybody there?", "I am.", "Good."]
    assert await agent.wait_messages(3) == texts
    assert await customer.wait_messages(3) == texts
    await asyncio.gather(customer.client.disconnect(), agent.client.disconnect())


def test_unreachable_database_is_reported_in_one_line_without_password(tmp_path: Path) -> None:
    port = free_port()
    done = run_chatws(
        *("serve", "--port", "0", "--data-dir", str(tmp_path)),
        *("--database-url", f"postgresql://chat:hush-hush@127.0.0.1:{port}/chat", "--set", "database_wait_s=1"),
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1] == (
        "chatws: the database: the store is unavailable: no connection to PostgreSQL: Connection refused"
    )
    assert f"warning waiting_for_database address=127.0.0.1:{port} " in done.stderr
    assert "hush-hush" not in done.stderr
