"""Steps that the command lines of the benchmarks share: options, machine, rounds, results and exit codes."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from benchmarks.common.client import ConnectionFailed
from benchmarks.common.opening import LoadFailed
from chatws.exit_codes import ExitCode
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.machine import describe_machine, describe_software, raise_file_limit
from chatws_loadtest.samples import Spread
from chatws_loadtest.server_process import ServerStartFailed

T = TypeVar("T")
R = TypeVar("R")

DATA_DIR_PREFIX: Final = "chatws-bench-"
SPREAD_TITLE: Final = "lowest / median / highest"
SETUP_ERRORS: Final = (ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed, OSError)
"""Exceptions after which nothing was measured; a timeout is an `OSError`."""


def make_parser(module: str, summary: str) -> argparse.ArgumentParser:
    """Make the parser of ``python -m MODULE``."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=summary)


def add_round_options(parser: argparse.ArgumentParser, full_rounds: int) -> None:
    """Add ``--quick`` and ``--rounds``; `count_rounds` reads them."""
    parser.add_argument("--quick", action="store_true", help="one short round, for a first impression only")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"number of rounds ({full_rounds}; 1 with --quick)")


def add_out_option(parser: argparse.ArgumentParser, file_name: str) -> None:
    """Add ``--out``."""
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"write the results to DIR/{file_name}")


def count_rounds(options: argparse.Namespace, full_rounds: int) -> int:
    """Return the number of rounds given by the options of `add_round_options`."""
    if options.rounds is not None:
        return int(options.rounds)
    return 1 if options.quick else full_rounds


def prepare_machine(packages: Iterable[str], more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Raise the limit of open files; print and return the description of the machine and of the software.

    ``more`` holds versions of software that is no Python package, by name.
    """
    raise_file_limit()
    machine = describe_machine() | describe_software(packages) | dict(more or {})
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n", flush=True)
    return machine


def node_version() -> str:
    """Return the version of the installed Node."""
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)  # noqa: S607 - found on the user's PATH
    return found.stdout.strip()


def run_rounds(
    implementations: Sequence[T],
    rounds: int,
    measure: Callable[[T, int, Path], R],
    describe: Callable[[R], str],
    *,
    data_root: Path | None = None,
) -> list[R]:
    """Measure all implementations in turn in every round, and print each result.

    Taking turns exposes all implementations to the same interference from other processes of the machine.

    Args:
        implementations: the first argument of ``measure``.
        rounds: number of rounds; ``measure`` gets the number of the round, from 1 on.
        measure: measures once; its last argument is an empty directory, removed afterwards.
        describe: makes the text to print.
        data_root: parent of the directories; by default the system's directory for temporary files.
    """
    results: list[R] = []
    for number in range(1, rounds + 1):
        for implementation in implementations:
            with tempfile.TemporaryDirectory(prefix=DATA_DIR_PREFIX, dir=data_root) as data_dir:
                result = measure(implementation, number, Path(data_dir))
            print(describe(result), flush=True)
            results.append(result)
    return results


def run_guarded(measure: Callable[[], int]) -> int:
    """Return the exit code of ``measure``, or 3 with a message on standard error if the load could not be set up."""
    try:
        return measure()
    except SETUP_ERRORS as error:
        print(f"the load could not be set up: {error!r}", file=sys.stderr)
        return ExitCode.CANNOT_CONNECT


def exit_code(*, is_clean: bool = True, is_valid: bool = True, is_within_targets: bool = True) -> ExitCode:
    """Return 1 for lost messages, 98 for an invalid run, 99 for a missed target, and 0 otherwise."""
    if not is_clean:
        return ExitCode.FAILED
    if not is_valid:
        return ExitCode.INVALID_RUN
    return ExitCode.DONE if is_within_targets else ExitCode.TARGET_MISSED


def write_json(results: object, folder: Path, file_name: str) -> Path:
    """Write the results as JSON into the folder, which is created if missing, and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    return path


def format_spread(values: Spread, digits: int) -> str:
    """Format a spread as a cell of a table with the title `SPREAD_TITLE`."""
    return " / ".join(f"{value:.{digits}f}" for value in (values.low, values.median, values.high))
