"""Writer of the files that run the load test on a CI system, from the templates in ``templates/``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final


class CiSystem(StrEnum):
    """CI system that the package has templates for."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True)
class CiTemplates:
    """Templates of a CI system: path in the project → name of the template."""

    files: dict[str, str]
    next_step: str


TEMPLATES: Final = {
    CiSystem.GITHUB: CiTemplates(
        {
            ".github/actions/chatws-loadtest/action.yml": "github-action.yml",
            ".github/workflows/loadtest.yml": "github-workflow.yml",
        },
        "set the variable CHATWS_PACKAGE as the workflow describes, commit the files and push: the job summary shows"
        " the result; `server` in the workflow names another server",
    ),
    CiSystem.GITLAB: CiTemplates(
        {".gitlab/loadtest.yml": "gitlab.yml"},
        "set the variable CHATWS_PACKAGE as the file describes, and include the file in .gitlab-ci.yml:"
        "\n\ninclude:\n  - local: .gitlab/loadtest.yml",
    ),
}


class CiFileExists(Exception):
    """A file to write exists already."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} exists"


def read_template(name: str) -> str:
    """Return the content of a template."""
    return (files("chatws_loadtest.ci") / "templates" / name).read_text(encoding="utf-8")


def write_ci_files(system: CiSystem, folder: Path, *, force: bool) -> list[Path]:
    """Write the files of a CI system into a project, and return their paths.

    Raises:
        CiFileExists: a file exists, and ``force`` is not set; nothing was written.
        OSError: a file cannot be written.
    """
    contents = {folder / path: read_template(name) for path, name in TEMPLATES[system].files.items()}
    if not force:
        for path in contents:
            if path.exists():
                raise CiFileExists(path)
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(contents)
