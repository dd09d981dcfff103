"""The benchmark of the tap, with a small load; 6 s."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.commands import run_module

if TYPE_CHECKING:
    from pathlib import Path

CLEAN, INVALID, MISSED = 0, 98, 99


def test_benchmark_measures_both_ways_and_writes_the_results(tmp_path: Path) -> None:
    options = ["--users=4", "--rate=10", "--warmup=0.2", "--duration=1", "--rounds=1", "--out", str(tmp_path)]
    done = run_module("benchmarks.tap", *options)
    # A busy machine delays the generator or the tap.
    assert done.returncode in (CLEAN, INVALID, MISSED), done.stderr
    [row] = json.loads((tmp_path / "tap.json").read_text())["rounds"]
    assert row["direct"]["counts"]["delivered"] == row["tapped"]["counts"]["delivered"] == 12
    assert row["direct"]["proxy_cores"] == 0 < row["tapped"]["tap_rss_mb"]
    assert row["tapped"]["skipped_frames"] == 0
    assert "added to ack p99, ms" in done.stdout
