from __future__ import annotations

from statistics import fmean

from chatws_loadtest.rng import UserRng


def test_same_seed_gives_the_same_choices_and_users_differ() -> None:
    rows = [[rng.random() for _ in range(5)] for rng in (UserRng("1/0/talk"), UserRng("1/0/talk"), UserRng("1/1/talk"))]
    assert rows[0] == rows[1] != rows[2]


def test_choices_and_the_phases_of_many_users_are_spread_evenly() -> None:
    one = UserRng("1/0/talk")
    for numbers in (
        [one.random() for _ in range(5_000)],
        [UserRng(f"1/{index}/talk").random() for index in range(5_000)],
    ):
        assert 0 <= min(numbers) < max(numbers) < 1
        assert abs(fmean(numbers) - 0.5) < 0.02
        tenths = [sum(tenth <= number * 10 < tenth + 1 for number in numbers) for tenth in range(10)]
        assert min(tenths) > 400
        assert max(tenths) < 600
