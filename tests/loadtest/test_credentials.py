from __future__ import annotations

from itertools import islice

import pytest

from chatws.server.auth.keys import KeyRing, SigningKey
from chatws_loadtest.credentials import MAX_AGENT_CONNECTIONS, Credentials, CredentialsMissing, divide_users

KEYS = KeyRing(("HS256",), SigningKey(None, b"k" * 32))


@pytest.mark.parametrize(("connections", "agents"), [(1, 2), (2, 2), (20, 2), (21, 3), (250, 25)])
def test_key_signs_at_least_two_agents_and_none_exceeds_its_connections(connections: int, agents: int) -> None:
    tokens = list(islice(Credentials(keys=KEYS).agents(connections), max(2, connections)))
    assert len(set(tokens)) == agents
    assert max(map(tokens.count, tokens)) <= MAX_AGENT_CONNECTIONS


@pytest.mark.parametrize(
    ("users", "members", "rooms"),
    [(2, 2, [2]), (5, 2, [2, 2]), (120, 50, [50, 50, 20]), (101, 50, [50, 50]), (20, 50, [20])],
)
def test_every_user_has_a_room_unless_it_would_be_alone(users: int, members: int, rooms: list[int]) -> None:
    assert divide_users(users, members) == rooms


def test_agents_need_a_key_or_tokens() -> None:
    with pytest.raises(CredentialsMissing, match="--jwt-secret-file"):
        Credentials().agents(2)
