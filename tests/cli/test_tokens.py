from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import jwt
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand


def create(chatws: RunCommand, data_dir: Path, *options: str) -> str:
    done = chatws("token", "create", "--sub", "alice", "--data-dir", str(data_dir), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_create_prints_the_token_alone_and_keeps_the_secret_private(chatws: RunCommand, tmp_path: Path) -> None:
    token = create(chatws, tmp_path / "new", "--name", "Alice", "--email", "a@example.org", "--ttl", "90s")
    claims = jwt.decode(token.strip(), options={"verify_signature": False})
    assert token.count("\n") == 1
    assert (claims["sub"], claims["name"], claims["role"]) == ("alice", "Alice", "admin")
    assert claims["email"] == "a@example.org"
    assert abs(claims["exp"] - claims["iat"] - 90) <= 1
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}


@pytest.mark.parametrize("ttl", ["0", "25h", "1w", "-1h", ""])
def test_lifetime_out_of_bounds_is_a_usage_error(chatws: RunCommand, tmp_path: Path, ttl: str) -> None:
    done = chatws("token", "create", "--sub", "alice", f"--ttl={ttl}", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--ttl" in done.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--sub", "a b"], "'a b' is not the id of a user"),
        (["--sub", "", "--role", "service"], "'' is not the id of a user"),
        ([], "--sub is missing"),
    ],
)
def test_sub_that_is_missing_or_not_an_id_is_a_usage_error(
    chatws: RunCommand, tmp_path: Path, options: list[str], problem: str
) -> None:
    done = chatws("token", "create", *options, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr


@pytest.mark.parametrize("way", ["stdin", "file", "variable"])
def test_inspect_reads_a_token_from_anywhere_but_the_arguments(chatws: RunCommand, tmp_path: Path, way: str) -> None:
    token = create(chatws, tmp_path)
    file = tmp_path / "alice.token"
    file.write_text(token)
    options = ["--token-file", str(file)] if way == "file" else []
    env = {"CHATWS_TOKEN": token.strip()} if way == "variable" else {}
    done = chatws(
        "token", "inspect", "--json", "--data-dir", str(tmp_path), *options,
        stdin=token if way == "stdin" else "", env=env,
    )  # fmt: skip
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["accepted"], shown["claims"]["sub"]) == (0, True, "alice")


def test_inspect_refuses_a_token_as_argument_and_names_the_safe_ways(chatws: RunCommand, tmp_path: Path) -> None:
    token = create(chatws, tmp_path).strip()
    done = chatws("token", "inspect", token, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout, token in done.stderr) == (2, "", False)
    assert "the process list and the history of the shell show it" in done.stderr
    assert "checked here and never sent" in done.stderr
    piped = chatws("token", "inspect", "-", "--data-dir", str(tmp_path), stdin=token)
    assert (piped.returncode, "accepted: yes" in piped.stdout) == (0, True)


def test_inspect_reports_why_a_token_is_not_accepted(chatws: RunCommand, tmp_path: Path) -> None:
    token = create(chatws, tmp_path / "one")
    create(chatws, tmp_path / "other")
    done = chatws("token", "inspect", "--data-dir", str(tmp_path / "other"), stdin=token)
    assert done.returncode == 4
    assert "sub: alice" in done.stdout
    assert "accepted: no" in done.stdout


@pytest.mark.parametrize(("stdin", "code"), [("garbage\n", 4), ("", 2)])
def test_inspect_without_a_token_fails(chatws: RunCommand, tmp_path: Path, stdin: str, code: int) -> None:
    done = chatws("token", "inspect", "--data-dir", str(tmp_path), stdin=stdin)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
