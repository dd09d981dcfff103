"""The reference page compared with the protocol's tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chatws.protocol.errors import ErrorCode
from chatws.protocol.rest_spec import OPERATIONS
from chatws.protocol.spec import COMMANDS, EVENTS
from tools import reference

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def page() -> str:
    return reference.render_page()


def test_reference_page_is_current(page: str) -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == page, f"run: {reference.COMMAND}"


def test_every_name_of_the_tables_has_its_row(page: str) -> None:
    for name in (*COMMANDS, *EVENTS, *ErrorCode, *(operation.path for operation in OPERATIONS)):
        assert re.search(rf"^\| .*`{re.escape(name)}`", page, re.MULTILINE), name


def test_every_link_of_the_page_leads_to_one_heading(page: str) -> None:
    headings = [heading.lower() for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]
    for target in re.findall(r"\]\(#([^)]+)\)", page):
        assert headings.count(target) == 1, target


def test_check_option_distinguishes_a_stale_page_from_a_current_one(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "PAGE", tmp_path / "reference.md")
    monkeypatch.setattr(reference, "render_page", lambda: page)
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    reference.PAGE.write_text("old")
    assert reference.main(["--check"]) == 1
    assert "python -m tools.reference" in capsys.readouterr().err
