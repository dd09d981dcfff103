from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.common import runner
from benchmarks.common.opening import LoadFailed, open_all

if TYPE_CHECKING:
    from pathlib import Path


def test_implementations_take_turns_in_every_round_with_new_directories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directories: list[Path] = []

    def measure(implementation: str, number: int, data_dir: Path) -> str:
        assert list(data_dir.iterdir()) == []
        directories.append(data_dir)
        return f"{implementation}{number}"

    results = runner.run_rounds(["a", "b"], 2, measure, "result {}".format, data_root=tmp_path)
    assert results == ["a1", "b1", "a2", "b2"]
    assert capsys.readouterr().out.splitlines() == ["result a1", "result b1", "result a2", "result b2"]
    assert len(set(directories)) == 4
    assert not any(directory.exists() for directory in directories)


@pytest.mark.parametrize(
    ("arguments", "rounds"), [([], 3), (["--quick"], 1), (["--rounds", "2"], 2), (["--quick", "--rounds", "2"], 2)]
)
def test_quick_measures_one_round_unless_the_number_is_given(arguments: list[str], rounds: int) -> None:
    parser = runner.make_parser("benchmarks.example", "Example.")
    runner.add_round_options(parser, 3)
    assert runner.count_rounds(parser.parse_args(arguments), 3) == rounds


def test_load_that_cannot_be_set_up_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> int:
        raise LoadFailed("the server refused a join")

    assert runner.run_guarded(measure) == 3
    assert "the server refused a join" in capsys.readouterr().err


def test_exit_code_is_that_of_the_most_severe_problem() -> None:
    assert runner.exit_code() == 0
    assert runner.exit_code(is_within_targets=False) == 99
    assert runner.exit_code(is_valid=False, is_within_targets=False) == 98
    assert runner.exit_code(is_clean=False, is_valid=False) == 1


async def test_connections_are_opened_in_order_and_the_first_failure_is_raised() -> None:
    async def double(number: int) -> int:
        if number > 50:
            raise LoadFailed(f"number {number}")
        return 2 * number

    assert await open_all(double, range(50)) == list(range(0, 100, 2))
    with pytest.raises(LoadFailed, match="number 51"):
        await open_all(double, [1, 51])
