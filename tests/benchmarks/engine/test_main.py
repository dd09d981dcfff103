from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.engine.__main__ import main
from benchmarks.engine.thread_meter import ThreadGroup, ThreadTime, group_threads, median_times

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

USAGE_ERROR = 2
PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


@pytest.mark.parametrize("option", ["--servers", "--only"])
def test_unknown_server_or_part_is_reported_with_the_known_ones(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, "chatws,pairs,nothing"])
    assert ended.value.code == USAGE_ERROR
    message = capsys.readouterr().err
    assert "nothing" in message
    assert "node-turn" in message or "fanout" in message


def test_threads_of_the_server_are_told_apart(shared_server: ServerProcess) -> None:
    may_trace = os.geteuid() == 0 or not PTRACE_SCOPE.exists() or PTRACE_SCOPE.read_text().strip() == "0"
    groups = group_threads(shared_server.pid)
    assert groups[shared_server.pid] is ThreadGroup.EVENT_LOOP
    others = {ThreadGroup.STORE, ThreadGroup.READERS} if may_trace else set()
    assert set(groups.values()) == {ThreadGroup.EVENT_LOOP} | others


def test_median_counts_a_round_in_which_the_group_used_no_cpu() -> None:
    store = ThreadGroup.STORE
    rounds = [{store: ThreadTime(3.0, 1.0)}, {}, {store: ThreadTime(2.0, 5.0)}]
    assert median_times(rounds) == {store: ThreadTime(2.0, 1.0)}
