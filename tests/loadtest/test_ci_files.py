"""Files that ``chatws loadtest --init-ci`` writes (2 s)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from chatws_loadtest.ci.ci_files import TEMPLATES, CiSystem, read_template
from tests.loadtest.command import CHATWS

ROOT = Path(__file__).parent.parent.parent


def run_command(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHATWS, "loadtest", *options], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


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
