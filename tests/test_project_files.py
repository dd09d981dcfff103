"""CI workflows, issue forms and container files agree with the project: versions, make targets, paths, settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chatws.settings import Settings
from chatws.settings.fields import TABLE
from chatws.settings.loader import OTHER_VARIABLES
from tests.support.command_line import parse_command
from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

ROOT = Path(__file__).parent.parent
CI = ROOT / ".github" / "workflows" / "ci.yml"
WORKFLOWS = [CI, ROOT / "examples" / "github-loadtest.yml"]
ISSUE_FORMS = [ROOT / ".github" / "ISSUE_TEMPLATE" / name for name in ("bug_report.yml", "feature_request.yml")]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".github" / "pull_request_template.md"]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
SETTINGS_VARIABLES = {variable for row in TABLE.values() for variable in row.environment} | OTHER_VARIABLES


def read_yaml(path: Path) -> Any:
    return msgspec.yaml.decode(path.read_bytes())


def steps(workflow: Any) -> Iterator[Any]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_reads_only_and_its_jobs_have_a_timeout(path: Path) -> None:
    workflow = read_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_major_version(path: Path) -> None:
    actions = [step["uses"] for step in steps(read_yaml(path)) if "uses" in step]
    assert actions
    pinned = r"\./\.github/actions/[\w-]+|[\w-]+/[\w-]+(/[\w-]+)?@v\d+"
    assert [action for action in actions if not re.fullmatch(pinned, action)] == []


def test_ci_tests_every_python_version_of_the_classifiers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    job = read_yaml(CI)["jobs"]["test"]
    # CI may also run newer versions, which get a classifier after their tests have passed.
    assert job["strategy"]["matrix"]["python"][: len(classified)] == classified
    assert project["requires-python"] == f">={classified[0]}"
    assert "${{ matrix.python }}" in job["container"]["image"]
    assert job["env"]["PYTHON"] == "python3", ".ci/run would use the Python of the image's Debian"


def test_every_script_that_ci_runs_is_in_the_repository() -> None:
    commands = "\n".join(step["run"] for step in steps(read_yaml(CI)) if "run" in step)
    scripts = re.findall(r"^(\.ci/\S+)", commands, re.MULTILINE)
    assert ".ci/run" in scripts
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)


@pytest.mark.parametrize("path", [CI, ROOT / ".ci" / "run", *GUIDES], ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"(?:^\$ |`|exec |run: )make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    assert set(named) <= make_targets()


@pytest.mark.parametrize("path", ISSUE_FORMS, ids=lambda path: path.name)
def test_issue_form_has_the_fields_that_github_requires(path: Path) -> None:
    form = read_yaml(path)
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("Fix lost wake-up in polling transport", 0),
        ("é" * 72, 0),
        ("é" * 73, 1),
        ("Fix lost wake-up in polling transport.", 1),
        (f'Revert "{"x" * 72}"', 0),
    ],
)
def test_commit_message_hook_limits_the_subject(tmp_path: Path, subject: str, code: int) -> None:
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text(f"\n# comment of git\n{subject}\n\nA body may be longer. {'x' * 100}\n", encoding="utf-8")
    done = subprocess.run([ROOT / ".ci" / "check-subjects", message], capture_output=True, check=False)
    assert done.returncode == code, done.stderr


def instructions() -> list[tuple[str, str]]:
    """List the instructions of the Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    parts = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, argument) for name, argument in parts]


def arguments_of(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


def test_dockerfile_copies_what_exists_and_reaches_the_build() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for argument in arguments_of("COPY")
        if not argument.startswith("--from=")
        for source in argument.split()[:-1]
    ]
    assert {"pyproject.toml", "chatws", "cli", "loadtest"} <= set(copied)
    assert "*" in rules, "the build excludes files by default"
    assert [source for source in copied if not (ROOT / source).exists() or f"!{source}" not in rules] == []


def test_package_needs_nothing_that_the_dockerfile_does_not_copy() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]]
    copied = {source for argument in arguments_of("COPY") for source in argument.split()[:-1]}
    assert [path for path in needed if path.split("/")[0] not in copied] == []


def test_image_runs_the_server_as_an_unprivileged_user() -> None:
    (entrypoint,), (command,) = arguments_of("ENTRYPOINT"), arguments_of("CMD")
    words = json.loads(entrypoint) + json.loads(command)
    assert words[0] == "chatws"
    parse_command(words[1:])
    users = [argument for name, argument in instructions() if name in {"FROM", "USER"}]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), "the last stage runs as root or under a user name"


def test_variables_of_the_image_are_settings_that_start_production_mode() -> None:
    variables = dict(re.findall(r"(CHATWS_\w+)=(\S+)", "\n".join(arguments_of("ENV"))))
    assert variables.keys() <= SETTINGS_VARIABLES
    assert variables["CHATWS_MODE"] == "prod"
    assert variables["CHATWS_DATA_DIR"] in json.loads(*arguments_of("VOLUME"))
    assert arguments_of("EXPOSE") == [variables["CHATWS_PORT"]]


def health_check() -> list[str]:
    (argument,) = arguments_of("HEALTHCHECK")
    words: list[str] = json.loads(argument.partition("CMD ")[2])
    return words


def test_health_check_of_the_image_passes_while_the_server_runs(shared_server: ServerProcess) -> None:
    python, option, program = health_check()
    assert (python, option) == ("python", "-c")
    subprocess.run([sys.executable, "-c", program.replace("3000", str(shared_server.port))], timeout=30, check=True)


def test_health_check_of_the_image_fails_without_a_server() -> None:
    command = [sys.executable, "-c", health_check()[2].replace("3000", str(free_port()))]
    assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 1


def test_compose_file_has_checked_services_whose_volumes_and_networks_exist() -> None:
    compose = read_yaml(COMPOSE)
    services = compose["services"]
    assert services.keys() == {"chatws", "postgres", "redis"}
    assert services["chatws"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in ("postgres", "redis")
    }
    assert all("healthcheck" in services[name] for name in ("postgres", "redis"))
    for service in services.values():
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= compose["volumes"].keys()
        assert set(service["networks"]) <= compose["networks"].keys()


def test_compose_file_runs_a_command_with_settings_that_exist() -> None:
    service = read_yaml(COMPOSE)["services"]["chatws"]
    parse_command(service["command"])
    variables = {name for name in service["environment"] if name.startswith("CHATWS_")}
    assert variables <= SETTINGS_VARIABLES
    assert int(service["stop_grace_period"].removesuffix("s")) * 1000 > Settings().drain_ms
    workers = int(service["command"][service["command"].index("--workers") + 1])
    assert service["ports"] == [f"127.0.0.1:3000-{2999 + workers}:3000-{2999 + workers}"]


def test_compose_file_holds_no_secret() -> None:
    for service in read_yaml(COMPOSE)["services"].values():
        for name, value in service["environment"].items():
            if name.endswith("PASSWORD"):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
            else:
                url = re.sub(r"\$\{[^}]*\}", "$", str(value))
                assert re.search(r"://[^/@]*:[^/$@]+@", url) is None, name
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
