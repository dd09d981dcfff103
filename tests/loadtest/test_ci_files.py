"""Files that ``chatws loadtest --init-ci`` writes: their form, and their shell steps with a small load (10 s)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatws_loadtest.ci.ci_files import TEMPLATES, CiSystem, read_template
from chatws_loadtest.results import read_json
from tests.support.preloaded import CHATWS, run_preloaded
from tests.support.server import environment_of_children

ROOT = Path(__file__).parent.parent.parent
SMALL = "--scenario steady --users 2 --duration 1 --warmup 0 --connects 100 --drain 5 --quiet"


def run_command(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_preloaded("loadtest", *options, env=environment_of_children(), timeout_s=60, folder=folder)


def template(name: str) -> Any:
    return msgspec.yaml.decode(read_template(name))


def step(name: str) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [step for step in template("github-action.yml")["runs"]["steps"] if step.get("name") == name]
    return found


def run_script(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell step as GitHub does, with ``chatws`` on the path."""
    path = f"{folder / 'bin'}:{CHATWS.parent}:{os.environ['PATH']}"
    environment = {**environment_of_children(), "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def fake_chatws(folder: Path, code: int) -> None:
    """Put a command on the path that prints its arguments, one a line, and exits with a code."""
    program = folder / "bin" / "chatws"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit {code}\n")
    program.chmod(0o755)


def test_files_are_written_once_and_overwritten_with_force_only(tmp_path: Path) -> None:
    done = run_command(tmp_path, "--init-ci", "github")
    assert done.returncode == 0, done.stderr
    paths = [tmp_path / name for name in TEMPLATES[CiSystem.GITHUB].files]
    assert all(path.is_file() for path in paths)
    assert all(f"wrote {path.relative_to(tmp_path)}\n" in done.stdout for path in paths)
    assert "next: " in done.stdout
    paths[0].write_text("mine")
    paths[1].unlink()
    refused = run_command(tmp_path, "--init-ci", "github")
    assert (refused.returncode, paths[0].read_text(), paths[1].exists()) == (2, "mine", False)
    assert "--force" in refused.stderr
    assert run_command(tmp_path, "--init-ci", "github", "--force").returncode == 0
    assert paths[0].read_text() != "mine"


def test_example_of_a_workflow_is_the_template() -> None:
    assert (ROOT / "examples" / "github-loadtest.yml").read_text() == read_template("github-workflow.yml")


def test_workflow_uses_the_action_that_is_written_beside_it() -> None:
    [job] = template("github-workflow.yml")["jobs"].values()
    [use] = [step for step in job["steps"] if step["uses"].startswith("./")]
    assert f"{use['uses'].removeprefix('./')}/action.yml" in TEMPLATES[CiSystem.GITHUB].files
    assert use["with"].keys() <= template("github-action.yml")["inputs"].keys()


def test_composite_action_has_the_fields_that_github_requires() -> None:
    action = template("github-action.yml")
    assert {"name", "description", "inputs", "runs"} <= action.keys()
    assert all(entry["description"] for entry in action["inputs"].values())
    assert action["runs"]["using"] == "composite"
    for entry in action["runs"]["steps"]:
        assert ("uses" in entry) is not ("run" in entry)
        assert re.fullmatch(r"[\w-]+/[\w-]+(/[\w-]+)?@v\d+", entry.get("uses", "actions/none@v1"))
        # An expression in a script would be code of the caller.
        assert "run" not in entry or (entry["shell"] == "bash" and "${{" not in entry["run"])


def test_job_without_a_package_to_install_names_the_variable(tmp_path: Path) -> None:
    [job] = template("gitlab.yml").values()
    [install] = job["before_script"]
    for script, environment in ((step("install")["run"], {"PACKAGE": ""}), (install, {"CHATWS_PACKAGE": ""})):
        done = run_script(script, tmp_path, **environment)
        assert done.returncode != 0
        assert "CHATWS_PACKAGE" in done.stdout + done.stderr


def test_gitlab_job_keeps_its_reports_and_tolerates_invalid_runs() -> None:
    [job] = template("gitlab.yml").values()
    assert job["allow_failure"] == {"exit_codes": [98]}
    assert job["artifacts"]["when"] == "always"
    [command] = [line for line in job["script"] if line.startswith("chatws")]
    assert f"--openmetrics {job['artifacts']['reports']['metrics']}" in command
    assert job["artifacts"]["reports"]["junit"] == "loadtest-report/junit.xml"


def test_steps_run_the_load_test_and_write_the_summary_of_the_job(tmp_path: Path) -> None:
    # lost==0 holds, so this threshold is missed however busy the machine is.
    options = f"{SMALL} --target 'lost > 0'"
    done = run_script(step("load test")["run"], tmp_path, SERVER="", OPTIONS=options)
    assert done.returncode == 99, done.stdout + done.stderr
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("## ❌ Load test of the bundled server: FAIL")
    assert "| `lost>0` | 0 | ❌ missed |" in summary
    assert read_json((tmp_path / "loadtest-report" / "report.json").read_bytes()).targets.count("lost>0") == 1
    again = run_script(step("trend")["run"], tmp_path, RUN="7-1")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "loadtest-history" / "7-1.json").exists()
    assert "### Trend" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "loadtest-report" / "trend.html").exists()


@pytest.mark.parametrize(("code", "result"), [(0, 0), (98, 0), (99, 99), (3, 3)])
def test_invalid_run_is_a_warning_and_other_failures_fail_the_job(tmp_path: Path, code: int, result: int) -> None:
    fake_chatws(tmp_path, code)
    options = "--users 9 --target 'a b' $(touch pwned)"
    done = run_script(step("load test")["run"], tmp_path, SERVER="http://server", OPTIONS=options)
    assert (done.returncode, "::warning::" in done.stdout) == (result, code == 98)
    words = done.stdout.split("\n")
    assert words[:9] == [
        "loadtest",
        "--report",
        "loadtest-report",
        "--url",
        "http://server",
        *options.split()[:3],
        "a b",
    ]
    assert not (tmp_path / "pwned").exists()


def test_regression_is_a_warning_and_the_history_is_bounded(tmp_path: Path) -> None:
    fake_chatws(tmp_path, 99)
    history = tmp_path / "loadtest-history"
    history.mkdir()
    for number in range(40):
        (history / f"{number}.json").touch()
        os.utime(history / f"{number}.json", (number, number))
    done = run_script(step("trend")["run"], tmp_path, RUN="7-1")
    assert (done.returncode, "::warning::" in done.stdout) == (0, True)
    assert sorted(int(path.stem) for path in history.iterdir()) == list(range(10, 40))


def test_trend_without_any_report_is_no_failure(tmp_path: Path) -> None:
    fake_chatws(tmp_path, 2)
    done = run_script(step("trend")["run"], tmp_path, RUN="7-1")
    assert (done.returncode, "::warning::" in done.stdout) == (0, False), done.stderr


@pytest.mark.parametrize(("branch", "kept"), [("main", ["7.json"]), ("feature", [])])
def test_gitlab_job_keeps_the_reports_of_the_default_branch(tmp_path: Path, branch: str, kept: list[str]) -> None:
    fake_chatws(tmp_path, 99)
    [job] = template("gitlab.yml").values()
    (tmp_path / "loadtest-report").mkdir()
    (tmp_path / "loadtest-report" / "report.json").touch()
    [script] = job["after_script"]
    done = run_script(script, tmp_path, CI_COMMIT_BRANCH=branch, CI_DEFAULT_BRANCH="main", CI_JOB_ID="7")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "loadtest-history").iterdir()] == kept
    assert "trend" in done.stdout
