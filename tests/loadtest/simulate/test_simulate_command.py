"""``chatws simulate``: seeds that pass, repeated plans, the page's example, refused files; 10 s."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatws_loadtest.simulate.invariants import INVARIANTS
from chatws_loadtest.simulate.planner import draw_plan
from chatws_loadtest.simulate.runner import run_plan
from tests.support.commands import run_chatws

PAGE = Path(__file__).parents[3] / "docs" / "simulate.md"


def blocks() -> dict[str, str]:
    """Return the last code block of each language in the page."""
    return dict(re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


def test_seeds_pass() -> None:
    done = run_chatws("simulate", "--seeds", "30")
    assert done.returncode == 0, done.stdout
    assert re.match(r"30 seeds, each with \d+ actions, .*: pass$", done.stdout)


@pytest.mark.parametrize("seed", [618, 645, 898, 1749])
def test_seed_that_failed_once_passes(seed: int) -> None:
    """They showed a user's presence wrongly after reconnects to other servers."""
    assert run_plan(draw_plan(seed)).broken is None


def test_same_seeds_give_the_same_trace_in_every_process() -> None:
    """The other process orders sets of texts differently: its hash function has another seed than that of the first."""
    options = ("--seeds=8", "--seed=38", "--json")
    forked = run_chatws("simulate", *options)
    executed = subprocess.run(
        [sys.executable, "-m", "chatws_loadtest.simulate", *options],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert json.loads(forked.stdout)["digest"] == json.loads(executed.stdout)["digest"]


def test_example_of_the_page_gives_the_trace_of_the_page(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(blocks()["yaml"], encoding="utf-8")
    done = run_chatws("simulate", str(plan))
    assert (done.stdout, done.returncode) == (blocks()[""], 0)


def test_page_lists_every_invariant() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| \[(.*?)\]\(", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: (section, promise) for name, promise, section in rows} == INVARIANTS


def test_file_that_is_no_plan_is_a_usage_error(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    example = blocks()["yaml"]
    for text, problem in (
        ("steps: [", ":1:9: not YAML: expected the node content, but found '<stream end>'"),
        ("seed: 1", ":1:1: plan: the key 'servers' is missing"),
        ("seed: 2026-13-32", ":1:7: plan: expected a whole number, not 2026-13-32"),
        (example.replace("who: anna,", "who: nina,"), ": step 3: join does not take who: 'nina'"),
        (example + example.splitlines()[-1], ": step 7: the text 'm1' occurs twice"),
    ):
        plan.write_text(text, encoding="utf-8")
        done = run_chatws("simulate", str(plan))
        assert (done.returncode, done.stderr) == (2, f"chatws simulate: {plan}{problem}\n")


@pytest.mark.extended
def test_many_seeds_pass() -> None:
    done = run_chatws("simulate", "--seeds", "150", "--seed", "1000")
    assert done.returncode == 0, done.stdout
