"""Checks of the pages against the code: commands, options, links, paths, modules, programs, settings and exit codes."""

from __future__ import annotations

import pkgutil
import re
import shlex
from collections.abc import Iterator
from functools import cache
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
    ROOT / "tests" / "README.md",
]
SETTINGS = ROOT / "docs" / "settings.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
TESTS_PAGE = ROOT / "tests" / "README.md"
CONTRIBUTOR_PAGES = [ROOT / "CONTRIBUTING.md", ARCHITECTURE, TESTS_PAGE]
FOLDERS = ("chatws", "cli", "loadtest", "benchmarks", "tools", "tests", "docs", "examples", ".ci")
PARENTS = {"chatws_cli": "cli", "chatws_loadtest": "loadtest"}
"""Folders of the packages that are not in the root folder."""

PATH = re.compile(r"\.?\w[\w-]*/(?:[\w.*-]+/?)*|[\w.-]+\.(?:py|md|toml|yml|mjs|js|ts)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every ``chatws`` command in the console blocks of a page."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE):
            for part in re.split(r"\s(?:\||>|&&)\s|<\(|\)", line):
                if found := re.fullmatch(r"(?:[A-Z_]+=\S+ )*chatws (.*)", part):
                    yield shlex.split(found[1].replace("…", ""), comments=True)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_page_is_one_with_its_options(page: Path) -> None:
    for words in commands_of(page):
        parse_command(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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


def quoted(text: str) -> set[str]:
    """Return the words that a page has in backticks, outside of its blocks."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {word for span in spans for word in span.split()}


def first_column(text: str) -> set[str]:
    """Return the words in backticks in the first column of the tables."""
    return {word for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for word in quoted(cell)}


@cache
def list_paths() -> str:
    """List the paths of this project, each after a slash."""
    known = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return "\n".join(f"/{path.relative_to(ROOT).as_posix()}" for path in known if "node_modules" not in path.parts)


@pytest.mark.parametrize("page", CONTRIBUTOR_PAGES, ids=name_of)
def test_every_path_of_a_contributor_page_exists(page: Path) -> None:
    """The front of a path may be missing, as in ``handlers/__init__.py``."""
    words = quoted(page.read_text(encoding="utf-8")) - {"chatws.toml"}
    paths = {word.rstrip("/") for word in words if PATH.fullmatch(word) and not word.startswith(".venv/")}
    listing = list_paths()
    assert paths
    for path in paths:
        pattern = re.escape(path).replace(r"\*", r"[^/\n]*")
        assert re.search(rf"/{pattern}(?:\.py)?$", listing, re.MULTILINE), path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_dotted_name_of_a_page_exists(page: Path) -> None:
    for word in quoted(page.read_text(encoding="utf-8")) - {"chatws.toml"}:
        if name := re.match(r"(?:chatws|chatws_cli|chatws_loadtest|benchmarks|tools)(?:\.\w+)+", word):
            pkgutil.resolve_name(name[0])


def folder_of(package: str) -> Path:
    parts = package.split(".")
    return ROOT.joinpath(PARENTS.get(parts[0], ""), *parts)


def test_architecture_page_lists_existing_modules_and_every_package() -> None:
    """The names of a section's tables are relative to a package in its heading, or to the folder of that package."""
    tables, _, _ = ARCHITECTURE.read_text(encoding="utf-8").partition("## Path of a message")
    for section in re.split(r"^### ", tables, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        roots = [folder_of(package) for package in re.findall(r"chatws[\w.]+", heading)]
        bases = [*roots, *(root.parent for root in roots)]
        listed = {name: [base / name for base in bases] for name in first_column(body)}
        missing = {
            name
            for name, places in listed.items()
            if not any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)
        }
        assert missing == set(), heading
        packages = {path.parent for root in roots for path in root.glob("*/__init__.py")}
        assert packages - {place for places in listed.values() for place in places} == set(), heading


def test_page_of_the_tests_lists_every_support_module() -> None:
    _, table = TESTS_PAGE.read_text(encoding="utf-8").split("Modules of `tests/support`:")
    assert first_column(table) == {path.stem for path in (ROOT / "tests" / "support").glob("[!_]*.py")}


def test_python_programs_of_the_pages_run_against_a_server(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run them in order: the agent of the second page joins the conversation created by the first page's customer."""
    for page, output in ((PAGES[0], "Hello!"), (ROOT / "docs" / "clients.md", "How can I help?")):
        (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        program = block.replace("http://localhost:3000", server.url).replace("TOKEN", server.sign_token("ada"))
        exec(compile(program, page.name, "exec"), {"__name__": "__main__"})  # noqa: S102  from our own page
        printed = capsys.readouterr()
        assert (output in printed.out, printed.err) == (True, "")


def test_settings_page_has_the_reference_table() -> None:
    assert reference() in SETTINGS.read_text(encoding="utf-8"), "insert the output of 'chatws config reference'"


def test_settings_page_has_every_variable_and_exit_code() -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    for variable in OTHER_VARIABLES:
        assert f"`{variable}`" in text
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE) for code in row.split(",")}
    assert set(ExitCode) <= codes
