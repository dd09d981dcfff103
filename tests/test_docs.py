"""Checks of README.md and docs/ against the code: commands, options, links, programs, settings and exit codes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws.exit_codes import ExitCode
from chatws.settings.docs import reference
from chatws.settings.loader import OTHER_VARIABLES
from tests.support.command_line import parse_command

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
]
SETTINGS = ROOT / "docs" / "settings.md"


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every ``chatws`` command in the console blocks of a page."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE):
            for part in re.split(r"\s(?:\||>|&&)\s|<\(|\)", line):
                if found := re.fullmatch(r"(?:[A-Z_]+=\S+ )*chatws (.*)", part):
                    yield shlex.split(found[1].replace("…", ""), comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_one_with_its_options(page: Path) -> None:
    for words in commands_of(page):
        parse_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_has_a_target(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], target


def test_python_programs_of_the_pages_run_against_a_server(server: ServerProcess) -> None:
    """Run them in order: the agent of the second page joins the conversation created by the first page's customer."""
    for page, output in ((PAGES[0], "Hello!"), (ROOT / "docs" / "clients.md", "How can I help?")):
        (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        program = block.replace("http://localhost:3000", server.url).replace("TOKEN", server.sign_token("ada"))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert output in done.stdout


def test_settings_page_has_the_reference_table() -> None:
    assert reference() in SETTINGS.read_text(encoding="utf-8"), "insert the output of 'chatws config reference'"


def test_settings_page_has_every_variable_and_exit_code() -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    for variable in OTHER_VARIABLES:
        assert f"`{variable}`" in text
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE) for code in row.split(",")}
    assert set(ExitCode) <= codes
