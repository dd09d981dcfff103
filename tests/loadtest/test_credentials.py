from __future__ import annotations

from itertools import islice

import pytest

from chatws.server.auth.keys import KeyRing, SigningKey
from chatws_loadtest.credentials import AGENT_CONVERSATIONS, Credentials, CredentialsMissing, seat

KEYS = KeyRing(("HS256",), SigningKey(None, b"k" * 32))


@pytest.mark.parametrize(("places", "agents"), [(1, 2), (2, 2), (20, 2), (21, 3), (250, 25)])
def test_key_gives_two_agents_at_least_and_none_more_places_than_it_may_have(places: int, agents: int) -> None:
    tokens = list(islice(Credentials(keys=KEYS).agents(places), max(2, places)))
    assert len(set(tokens)) == agents
    assert max(map(tokens.count, tokens)) <= AGENT_CONVERSATIONS


@pytest.mark.parametrize(
    ("users", "members", "rooms"),
    [(2, 2, [2]), (5, 2, [2, 2]), (120, 50, [50, 50, 20]), (101, 50, [50, 50]), (20, 50, [20])],
)
def test_everybody_has_a_place_but_who_would_be_alone(users: int, members: int, rooms: list[int]) -> None:
    assert seat(users, members) == rooms


def test_without_key_and_tokens_nobody_can_be_an_agent() -> None:
    with pytest.raises(CredentialsMissing, match="--jwt-secret-file"):
        Credentials().agents(2)
