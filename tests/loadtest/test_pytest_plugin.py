"""The pytest plugin, in a project of its own with the package installed from a wheel; 15 s."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "pytest-project"
TIMEOUT_S = 300
pytestmark = pytest.mark.timeout(2 * TIMEOUT_S)
SOURCES = {"chatws": ROOT, "chatws_cli": ROOT / "cli", "chatws_loadtest": ROOT / "loadtest"}
"""Folder of the source of each package."""

FAILING = """
import pytest


def test_wrong_text(agent, customer):
    alice = customer("Alice")
    bob = agent("Bob", join=alice)
    alice.send("hello")
    bob.expect("message_received", content="bye", within=0.2)


async def test_unexpected_message(agent, customer):
    alice = await customer("Alice")
    bob = await agent("Bob", join=alice)
    await alice.send("hello")
    await bob.expect_nothing("message_received")


def test_unknown_event(customer):
    customer().expect("mesage_received")


async def test_scenario_whose_step_fails(scenario, tmp_path):
    script = "people: {anna: agent, ben: customer}\\nsteps:\\n  - ben: {send: Hello}\\n"
    step = "  - anna: {expect: {message_received: {content: Bye}}, within: 100ms}\\n"
    (tmp_path / "talk.yaml").write_text(script + step)
    await scenario(tmp_path / "talk.yaml")


@pytest.mark.chatws_options("--set", "nonsense=1")
def test_server_that_does_not_start(chatws_fresh_server):
    pass
"""

AGAINST_ANOTHER_SERVER = """
import pytest


def test_load_test_runs_on_the_server(loadtest, chatws_server):
    report = loadtest("--scenario=steady", "--users=2", "--duration=1", "--warmup=0", "--connects=100")
    assert report.url == chatws_server.url
    assert report.scenarios[0].balance.sent > 0


def test_server_is_the_one_of_the_option(agent, customer, chatws_server):
    alice = customer("Alice")
    agent("Bob", join=alice).send("hello")
    assert alice.expect("message_received").sender.user_name == "Bob"
    with pytest.raises(Exception, match="cannot kill it; leave out --chatws-url"):
        chatws_server.kill()
"""


@pytest.fixture(scope="session")
def project_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment with the wheel of this tree; dependencies are those of the tests' environment."""
    folder = tmp_path_factory.mktemp("environment")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=True)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    [packages] = (folder / "venv").glob("lib/*/site-packages")
    # A plain path: the .pth file of an editable install in that folder has no effect.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    [wheel] = folder.glob("*.whl")
    # Installers also create the scripts, which the plugin does not need.
    with ZipFile(wheel) as archive:
        archive.extractall(packages)
    for path in packages.rglob("*.py"):
        copy_compiled(path, SOURCES[path.relative_to(packages).parts[0]] / path.relative_to(packages))
    return python


def copy_compiled(path: Path, source: Path) -> None:
    """Copy the compiled form of an installed module from an equal source: compiling all modules takes seconds."""
    compiled = Path(cache_from_source(str(source)))
    if compiled.exists() and source.read_bytes() == path.read_bytes():
        shutil.copystat(source, path)
        target = Path(cache_from_source(str(path)))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(compiled.read_bytes())


def run_tests(python: Path, folder: Path, *options: str) -> str:
    """Run pytest in a project, and return its output."""
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.stdout


@pytest.fixture(scope="session")
def output_of_example(project_python: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Output of pytest in the example project, with a file of failing tests added."""
    folder = tmp_path_factory.mktemp("example") / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    (folder / "tests" / "test_failing.py").write_text(FAILING)
    return run_tests(project_python, folder, "-rA", "-W", "error")


def test_example_project_passes_in_both_styles(output_of_example: str) -> None:
    passed = re.findall(r"^PASSED (\S+)", output_of_example, re.MULTILINE)
    tests = "\n".join(path.read_text() for path in (EXAMPLE / "tests").glob("test_*.py"))
    expected = set(re.findall(r"def (test_\w+)", tests))
    assert {name.partition("::")[2].partition("[")[0] for name in passed} == expected, output_of_example


def test_failed_expectation_names_the_event_and_those_that_arrived(output_of_example: str) -> None:
    assert "Bob expected message_received with content='bye' within 0.2 s; these events arrived:" in output_of_example
    assert re.search(r"message_received content='hello' sender='Alice' seq=\d", output_of_example)
    assert "Bob expected no message_received; these events arrived:" in output_of_example
    assert "there is no event 'mesage_received'; there are authenticated, message_received" in output_of_example
    assert "Log of the chat server" in output_of_example
    assert "info client_connected" in output_of_example
    # The traceback ends in the test.
    assert "test_failing.py:9: ExpectationFailed" in output_of_example
    assert "event_recorder.py" not in output_of_example


def test_failed_scenario_names_the_step_and_the_events_that_arrived(output_of_example: str) -> None:
    failure = output_of_example.partition("talk.yaml did not pass:\n")[2].partition("____")[0]
    assert re.search(r"^FAIL +anna: .*content: Bye", failure, re.MULTILINE), output_of_example
    assert re.search(r"talk.yaml:4:\d", failure)
    assert "Hello" in failure


def test_server_that_does_not_start_shows_its_reason(output_of_example: str) -> None:
    assert "ERROR tests/test_failing.py::test_server_that_does_not_start" in output_of_example
    assert "chatws serve did not start" in output_of_example
    assert "nonsense" in output_of_example


@pytest.mark.extended
def test_another_server_is_used_with_its_key(
    project_python: Path, tmp_path: Path, shared_server: ServerProcess
) -> None:
    (tmp_path / "test_other.py").write_text(AGAINST_ANOTHER_SERVER)
    key = shared_server.data_dir / "secret"
    options = ("--chatws-url", shared_server.url, "--chatws-jwt-secret-file", str(key))
    output = run_tests(project_python, tmp_path, *options)
    assert "2 passed" in output, output


def test_plugin_imports_nothing_until_a_fixture_is_used() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import chatws_loadtest.pytest_plugin.plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    added = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert added == ["chatws_loadtest", "chatws_loadtest.pytest_plugin", "chatws_loadtest.pytest_plugin.plugin"]
