from __future__ import annotations

from statistics import fmean

from chatws_loadtest.rng import Dice


def test_same_seed_gives_the_same_choices_and_users_differ() -> None:
    rows = [[dice.random() for _ in range(5)] for dice in (Dice("1/0/talk"), Dice("1/0/talk"), Dice("1/1/talk"))]
    assert rows[0] == rows[1] != rows[2]


def test_choices_and_the_phases_of_many_users_are_spread_evenly() -> None:
    one = Dice("1/0/talk")
    for numbers in ([one.random() for _ in range(5_000)], [Dice(f"1/{turn}/talk").random() for turn in range(5_000)]):
        assert 0 <= min(numbers) < max(numbers) < 1
        assert abs(fmean(numbers) - 0.5) < 0.02
        tenths = [sum(tenth <= number * 10 < tenth + 1 for number in numbers) for tenth in range(10)]
        assert min(tenths) > 400
        assert max(tenths) < 600
