"""Example of ``docs/recording.md``: its commands, with the output that the page shows (about 15 s)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from chatws_loadtest.chatlog.records import json_schema
from tests.loadtest.command import run_command

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "recording.md"


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8").partition("## Example")[2].partition("## Replay")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+ s|\d+ ms", "TIME", text)


async def test_example_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [script] = blocks("yaml")
    write(tmp_path / "talk.yaml", script)
    parts = [part for block in blocks("console") for part in re.split(r"^\$ chatws ", block, flags=re.MULTILINE)[1:]]
    shown = {}
    for part in parts:
        command, _, expected = part.partition("\n")
        done = await run_command(*shlex.split(command))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if expected.strip():
            shown[command] = expected
            assert without_times(done.stdout) == without_times(expected.rstrip("\n") + "\n")
    assert list(shown) == ["timeline talk.chatlog --explain m2"]
    assert "Are you there" not in read(tmp_path / "talk.html")


def test_page_names_every_kind_of_record() -> None:
    definitions = json_schema()["$defs"]
    assert isinstance(definitions, dict)
    kinds = {row["properties"]["type"]["enum"][0] for row in definitions.values()}
    table = PAGE.read_text(encoding="utf-8").partition("## Format")[2]
    assert {kind for kind in kinds if f"`{kind}`" not in table} == {"header"}


def write(file: Path, text: str) -> None:
    file.write_text(text)


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
