"""Identifiers and timestamps follow their standards."""

from __future__ import annotations

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from chatws.protocol.ids import format_timestamp, new_id, new_secret_id

MILLISECONDS = st.integers(min_value=0, max_value=2**48 - 1)


@given(MILLISECONDS)
def test_ids_are_uuid_version_7_of_that_millisecond(now_ms: int) -> None:
    parsed = uuid.UUID(new_id(now_ms))
    assert parsed.variant == uuid.RFC_4122
    assert parsed.version == 7
    assert parsed.int >> 80 == now_ms


@given(MILLISECONDS, MILLISECONDS)
def test_ids_sort_by_time(one_ms: int, other_ms: int) -> None:
    if one_ms != other_ms:
        assert (new_id(one_ms) < new_id(other_ms)) is (one_ms < other_ms)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_id(1) for _ in range(10_000)}) == 10_000


def test_secret_ids_fit_the_alphabet_of_ids_and_differ() -> None:
    made = {new_secret_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", one) for one in made)


def test_timestamps_are_utc_with_milliseconds() -> None:
    assert format_timestamp(1_761_643_800_007) == "2025-10-28T09:30:00.007Z"
