"""Rules of ``tools.check_tree``: each reports an example at its line and accepts similar text that is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tools.check_tree.__main__ import ROOT, check, main
from tools.check_tree.class_names import find_repeated_classes
from tools.check_tree.import_cycles import find_cycles
from tools.check_tree.retired_names import RetiredNames, find_retired_names, load_retired_names
from tools.check_tree.source_tree import SourceTree
from tools.check_tree.wording import find_wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.check_tree.source_tree import Violation

RETIRED = RetiredNames(
    modules={"chatws.outlet": "chatws.write_buffer", "chatws.presence": "chatws.presence.manager"},
    identifiers={"Patient": "HeartbeatListener", "_turn_away": "reject"},
    words={"crew": "worker pool"},
    definitions={"chatws.engine": {"Session": "EngineSession"}},
)


def package(**files: str) -> SourceTree:
    """Make modules of the package ``chatws``; ``init`` is its ``__init__``."""
    names = {"init": "__init__"}
    return SourceTree({f"chatws/{names.get(name, name)}.py": dedent(text) for name, text in files.items()})


def places(found: Iterable[Violation]) -> list[tuple[str, int]]:
    return sorted((violation.path, violation.line) for violation in found)


@pytest.mark.parametrize(
    "form",
    [
        "from chatws.first import value",
        "from chatws import first",
        "import chatws.first",
        "import chatws.first as alias",
        "from . import first",
        "from .first import value",
        "def later():\n    from chatws.first import value",
        "if TYPE_CHECKING:\n    from chatws.first import Thing",
        "try:\n    import chatws.first\nexcept ImportError:\n    pass",
    ],
)
def test_cycle_is_found_over_every_form_of_import(form: str) -> None:
    (cycle,) = find_cycles(package(first="\nfrom chatws import second", second=form))
    assert (cycle.path, cycle.line) == ("chatws/first.py", 2)
    assert "chatws.first (chatws/first.py:2) -> chatws.second (chatws/second.py:" in cycle.message


def test_component_is_reported_once_with_its_shortest_cycle_and_all_its_modules() -> None:
    tree = package(
        a="import chatws.b",
        b="import chatws.c",
        c="import chatws.a\nimport chatws.d",
        d="import chatws.c",
        user="import chatws.a",
        leaf="",
    )
    (cycle,) = find_cycles(tree)
    assert (cycle.path, cycle.line) == ("chatws/c.py", 2)
    assert "-> chatws.c; 4 modules import each other: chatws.a, chatws.b, chatws.c, chatws.d" in cycle.message


def test_two_cycles_are_two_violations() -> None:
    tree = package(a="import chatws.b", b="import chatws.a", c="import chatws.d\nimport chatws.a", d="import chatws.c")
    assert places(find_cycles(tree)) == [("chatws/a.py", 1), ("chatws/c.py", 1)]


def test_init_that_reexports_submodules_is_no_cycle() -> None:
    tree = package(
        init="from chatws.first import Thing\nfrom chatws.second import other",
        first="from chatws import second\nimport chatws.second\nfrom chatws.second import other",
        second="",
    )
    assert find_cycles(tree) == []


def test_submodule_that_takes_a_name_from_its_own_init_is_a_cycle() -> None:
    tree = package(init="from chatws.first import Thing", first="from chatws import Other")
    assert places(find_cycles(tree)) == [("chatws/__init__.py", 1)]


def test_importing_a_submodule_from_outside_runs_its_init() -> None:
    tree = SourceTree(
        {
            "chatws/user.py": "import chatws.part.leaf",
            "chatws/part/__init__.py": "\nfrom chatws.part.other import Thing",
            "chatws/part/leaf.py": "",
            "chatws/part/other.py": "import chatws.user",
        }
    )
    (cycle,) = find_cycles(tree)
    assert "chatws.part (chatws/part/__init__.py:2) -> chatws.part.other" in cycle.message


def test_packages_of_a_source_root_are_known_by_their_import_names() -> None:
    tree = SourceTree({"cli/chatws_cli/a.py": "import chatws_cli.b", "cli/chatws_cli/b.py": "import chatws_cli.a"})
    assert places(find_cycles(tree)) == [("cli/chatws_cli/a.py", 1)]


def test_class_name_defined_twice_is_reported_at_both_places() -> None:
    tree = package(
        first="class Shared: ...",
        second="def make():\n    class Shared: ...\n    return Shared",
        third="class Single:\n    class Nested: ...\nclass Singles: ...",
    )
    found = list(find_repeated_classes(tree))
    assert places(found) == [("chatws/first.py", 1), ("chatws/second.py", 2)]
    assert found[0].message == "class Shared is also defined in chatws/second.py:2"


def test_retired_module_is_reported_where_it_is_and_where_it_is_mentioned() -> None:
    tree = SourceTree(
        {
            "chatws/outlet.py": "",
            "chatws/user.py": "\nimport chatws.outlet",
            "docs/page.md": "See\n`chatws/outlet.py` and chatws.outlet.Outlet.\n",
            "Makefile": "run:\n\tpython -m chatws.outlet\n",
            "docs/other.md": "chatws.outlets, my.chatws.outlet and chatws/outlet_size.py are other names.",
        }
    )
    assert places(find_retired_names(tree, RETIRED)) == [
        ("Makefile", 2),
        ("chatws/outlet.py", 1),
        ("chatws/user.py", 2),
        ("docs/page.md", 2),
        ("docs/page.md", 2),
    ]


def test_files_below_a_retired_package_are_reported() -> None:
    retired = RetiredNames(modules={"chatws_cli.line": "chatws_cli.text_ui"})
    tree = SourceTree({"cli/chatws_cli/line/view.py": "", "cli/chatws_cli/line_width.py": ""})
    assert places(find_retired_names(tree, retired)) == [("cli/chatws_cli/line/view.py", 1)]


def test_module_that_became_a_package_may_be_mentioned_but_not_exist_again() -> None:
    as_package = {"chatws/presence/__init__.py": "", "chatws/presence/manager.py": "import chatws.presence"}
    assert list(find_retired_names(SourceTree(as_package), RETIRED)) == []
    as_module = {"chatws/presence.py": ""}
    assert places(find_retired_names(SourceTree(as_module), RETIRED)) == [("chatws/presence.py", 1)]


def test_retired_identifier_is_reported_in_code_and_in_backticks_but_not_in_prose() -> None:
    tree = SourceTree(
        {
            "chatws/code.py": "# Patient readers\nclass Patient:\n    def _turn_away(self): ...\nPatients = 1\n",
            "docs/page.md": "Patient readers\nread `Patient.close`.\n",
        }
    )
    found = places(find_retired_names(tree, RETIRED))
    assert found == [("chatws/code.py", 2), ("chatws/code.py", 3), ("docs/page.md", 2)]


def test_retired_word_is_reported_as_a_part_of_names_and_paths_except_names_of_tests() -> None:
    tree = package(code="crew_size = 1\nclass BigCrew: ...\ndef test_crew_is_tired(): ...\nscrew = 1", test_crew="")
    found = places(find_retired_names(tree, RETIRED))
    assert found == [("chatws/code.py", 1), ("chatws/code.py", 2), ("chatws/test_crew.py", 1)]


def test_definition_is_retired_in_one_module_only() -> None:
    tree = package(engine="\nclass Session: ...", client="class Session: ...\nfrom chatws.engine import Session")
    assert places(find_retired_names(tree, RETIRED)) == [("chatws/engine.py", 2)]


def test_table_can_be_read_and_no_successor_is_retired_itself() -> None:
    retired = load_retired_names()
    assert not retired.modules.keys() & set(retired.modules.values())
    assert not retired.identifiers.keys() & set(retired.identifiers.values())
    assert retired.words


def test_docstring_that_begins_with_a_relative_clause_is_reported_wherever_it_stands() -> None:
    tree = package(
        module='"""What goes out on one WebSocket."""',
        thing='''\
            class Thing:
                """Who reads."""

                size: int = 0
                """How many there are."""

                def close(self) -> None:
                    """It is over."""

            async def run() -> None:
                """When it is due, run."""

            LIMIT = 3
            """Where it ends."""
            ''',
    )
    found = [violation for violation in find_wording(tree) if "begins" in violation.message]
    assert places(found) == [("chatws/module.py", 1), *(("chatws/thing.py", line) for line in (2, 5, 8, 11, 14))]


def test_ordinary_docstrings_and_strings_are_accepted() -> None:
    tree = package(
        module='"""Whether, whatsoever, Howard and Whom_ are other words than those of the table."""',
        code='''\
            def is_open() -> bool:
                """Return whether the transport is open, and who opened it."""
                "Who is not a docstring."
                text = "What a client sees"
                return bool(text)
            ''',
    )
    assert list(find_wording(tree)) == []


def test_sentence_about_nobody_is_reported_in_comments_and_docstrings_but_a_question_is_not() -> None:
    tree = package(
        code='''\
            """Queue of events.

            It is bounded. Whoever is late waits.
            """
            # A comment of two lines.
            # Nobody reads it.
            size = 1  # Somebody sets it
            # Who sets it? Nobodies, or a client that nobody knows.
            '''
    )
    assert places(find_wording(tree)) == [("chatws/code.py", line) for line in (3, 6, 7)]


def test_cannot_in_two_words_is_reported_in_every_text() -> None:
    tree = SourceTree(
        {
            "README.md": "It works.\nIt can not fail, and can not only work.\n",
            "chatws/code.py": "# It can\n# not fail.\nERROR = 'this can not be'\nis_can_notation = CAN_NOT_START\n",
            "chatws/web/page.js": "// canNot\n// It Can Not.\n",
        }
    )
    assert places(find_wording(tree)) == [
        ("README.md", 2),
        ("chatws/code.py", 1),
        ("chatws/code.py", 3),
        ("chatws/code.py", 4),
        ("chatws/web/page.js", 2),
    ]


def test_command_prints_place_and_rule_of_each_violation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chatws").mkdir()
    (tmp_path / "chatws" / "first.py").write_text('"""First module."""\n\n\ndef is_due():\n    """When."""\n')
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "other.py").write_text('"""What is not ours."""\n')
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == "chatws/first.py:5: docstring begins with 'When'\n"


def test_command_accepts_a_clean_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "code.py").write_text('"""Clean module."""\n')
    done = subprocess.run([sys.executable, "-m", "tools.check_tree", str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_files_that_git_ignores_are_left_out_and_new_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "ignored.py").write_text('"""What is generated."""\n')
    (tmp_path / "new.py").write_text('"""What is new."""\n')
    assert [violation.path for violation in check(tmp_path)] == ["new.py"]
