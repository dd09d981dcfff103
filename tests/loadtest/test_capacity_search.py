"""Order of the steps of a capacity search, against servers that are functions (no time)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.capacity_search import CapacityLimit, CapacitySearch, first_users
from chatws_loadtest.capacity_search import CapacityStepResult as Result

if TYPE_CHECKING:
    from collections.abc import Callable


def search(most: int, serve: Callable[[int], tuple[Result, int]]) -> tuple[CapacitySearch, list[int]]:
    """Run a search to its end; ``serve`` returns the result and the connections of a step."""
    found, steps = CapacitySearch(most), []
    while found.users is not None:
        steps.append(found.users)
        found.record(*serve(found.users))
        assert len(steps) < 20
    return found, steps


def carries(limit: int, beyond: Result = Result.MISSED) -> Callable[[int], tuple[Result, int]]:
    return lambda users: (Result.PASSED if users <= limit else beyond, users)


def test_steps_grow_from_an_eighth_to_the_most_users() -> None:
    found, steps = search(500, carries(1000))
    assert steps == [62, 88, 126, 176, 250, 354, 500]
    assert (found.passed, found.limit) == (500, CapacityLimit.USERS)
    assert first_users(500) == 62


@pytest.mark.parametrize("limit", [70, 150, 199, 353, 420])
def test_limit_is_found_to_a_tenth_by_two_steps_in_between(limit: int) -> None:
    found, steps = search(500, carries(limit))
    assert limit * 0.88 <= found.passed <= limit
    assert found.limit is CapacityLimit.THRESHOLD
    assert all(users % 2 == 0 for users in steps)


def test_first_step_that_misses_is_followed_by_fewer_users() -> None:
    found, steps = search(500, carries(20))
    assert steps == [62, 30, 14]
    assert found.passed == 14
    assert search(500, carries(0))[0].passed == 0


def test_refused_connections_end_the_search_with_those_that_remained() -> None:
    found, steps = search(500, lambda users: (Result.PASSED, users) if users <= 150 else (Result.REFUSED, 150))
    assert steps == [62, 88, 126, 176]
    assert (found.passed, found.limit) == (150, CapacityLimit.CONNECTIONS)


def test_limit_of_the_generator_is_repeated_before_it_is_believed() -> None:
    found, steps = search(500, carries(200, beyond=Result.GENERATOR))
    assert steps[:6] == [62, 88, 126, 176, 250, 250]
    assert found.limit is CapacityLimit.GENERATOR
    assert 176 <= found.passed <= 200
    stalls = iter([True])
    recovered, _ = search(
        100,
        lambda users: (
            Result.GENERATOR if users > 50 and next(stalls, False) else Result.PASSED,
            users,
        ),
    )
    assert (recovered.passed, recovered.limit) == (100, CapacityLimit.USERS)


def test_steps_with_too_few_samples_decide_nothing() -> None:
    found, steps = search(64, lambda users: (Result.UNDECIDED if users < 20 else Result.PASSED, users))
    assert steps[0] == 8
    assert (found.passed, found.limit) == (64, CapacityLimit.USERS)
    assert search(64, lambda users: (Result.UNDECIDED, users))[0].passed == 0


@pytest.mark.parametrize("most", [2, 3, 4, 7, 16])
def test_small_numbers_of_users_are_pairs(most: int) -> None:
    _, steps = search(most, carries(1000))
    assert steps == sorted(set(steps))
    assert steps[-1] == most - most % 2
    assert steps[0] >= 2
