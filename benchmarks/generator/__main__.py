"""Runs the generator benchmark: rounds of all contenders in turn, each on a fresh server; a table and a JSON file.

CPU is the load process's own, user and system, so that it survives a busy machine; latencies do not, and stand beside
those of a bare WebSocket client that talked to the same server at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.generator.implementations import ON_NODE, OURS, TITLES, GeneratorImplementation, NotInstalled, install
from benchmarks.generator.run import Folders, GeneratorFailed, GeneratorRun, Size, run_trial
from benchmarks.generator.thresholds import FIGURES, judge, judge_many
from chatws_loadtest import procfs
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.samples import Spread, spread
from chatws_loadtest.server_process import ServerStartFailed, reserve_core

EXIT_CANNOT_START = 3
FILE_NAME = "generator.json"
USERS = 500
MANY_USERS = 2_000
"""What one process of ours has to carry without being busy all the time."""

INCLUDED = """\
Per message is counted what it makes the load process do: sending it, its ack, the sender's own copy and the peer's, for
both are users of that process. Typing, history and read marks make that about 1.4 times as many packets. Acks are timed
by the contenders themselves, from the moment a message was due; Artillery has no schedule, it sends a second after the
last ack and times from there."""


class GeneratorReport(msgspec.Struct, frozen=True, kw_only=True):
    """All trials, and how far those of one contender lie apart in which its messages were answered."""

    at: datetime
    machine: dict[str, str]
    seconds: float
    trials: list[GeneratorRun]
    many: GeneratorRun | None
    missing: dict[GeneratorImplementation, str]
    """Who could not take part, and why."""
    spreads: dict[GeneratorImplementation, dict[str, Spread]]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0 measured, 3 something did not start."""
    options = _parser().parse_args(arguments)
    chosen: list[GeneratorImplementation] = options.only or list(GeneratorImplementation)
    rounds, seconds = (1, 8.0) if options.quick else (options.rounds, 20.0)
    _raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="chatws-bench-node-") as node_dir:
        versions, missing = _install(chosen, Path(node_dir))
        wanted = [one for one in chosen if one not in missing]
        core = reserve_core()
        try:
            trials = [
                _run(contender, Size(options.users, seconds), Path(node_dir), core)
                for _ in range(rounds)
                for contender in wanted
            ]
            has_many = GeneratorImplementation.OURS in wanted and not options.quick
            many = (
                _run(GeneratorImplementation.OURS, Size(MANY_USERS, seconds), Path(node_dir), core)
                if has_many
                else None
            )
        except (ServerStartFailed, CredentialsMissing, GeneratorFailed, TimeoutError, OSError) as error:
            print(f"the load could not be built up: {error!r}", file=sys.stderr)
            return EXIT_CANNOT_START
    complete = {one: [trial for trial in trials if trial.contender is one and trial.is_complete] for one in wanted}
    missing |= {one: "messages stayed without an ack" for one, found in complete.items() if not found}
    report = GeneratorReport(
        at=datetime.now(UTC),
        machine=_describe_machine(versions),
        seconds=seconds,
        trials=trials,
        many=many,
        missing=missing,
        spreads={one: _spreads(found) for one, found in complete.items() if found},
    )
    print("\n".join(_table(report)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / FILE_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return 0


def _run(contender: GeneratorImplementation, size: Size, node_dir: Path, core: int | None) -> GeneratorRun:
    with tempfile.TemporaryDirectory(prefix="chatws-bench-") as data_dir:
        trial = asyncio.run(run_trial(contender, size, Folders(Path(data_dir), node_dir), core))
    print(_describe(trial), flush=True)
    return trial


def _install(
    chosen: Sequence[GeneratorImplementation], node_dir: Path
) -> tuple[dict[str, str], dict[GeneratorImplementation, str]]:
    """Install what runs on Node; versions of packages, and who cannot take part."""
    versions: dict[str, str] = {}
    missing: dict[GeneratorImplementation, str] = {}
    for contender in sorted(ON_NODE & set(chosen)):
        try:
            versions |= install(contender, node_dir)
        except NotInstalled as problem:
            missing[contender] = str(problem)
    if versions:
        found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)  # noqa: S607 - the user's own
        versions["node"] = found.stdout.strip()
    return versions, missing


def _describe(trial: GeneratorRun) -> str:
    return (
        f"{trial.contender:<14} {trial.users} users: {trial.us_per_message:.0f} µs per message, "
        f"{trial.ms_per_connect:.2f} ms per connect, {trial.kb_per_user:.1f} kB per user, {trial.cores:.2f} cores; "
        f"ack p99 {trial.ack.p99_ms:.1f} ms, bare {trial.bare.p99_ms:.1f} ms ({trial.ack.count} of {trial.sent} acked)"
    )


def _spreads(trials: Sequence[GeneratorRun]) -> dict[str, Spread]:
    return {name: spread([getattr(trial, name) for trial in trials]) for name in FIGURES}


def _table(report: GeneratorReport) -> Iterator[str]:
    yield "\n" + "\n".join(f"{name}: {value}" for name, value in report.machine.items())
    yield f"\n{INCLUDED}"
    for name, (title, _) in FIGURES.items():
        yield f"\n{title} (lowest, median, highest)"
        for contender, spreads in report.spreads.items():
            found = spreads[name]
            yield f"  {TITLES[contender]:<56}{found.low:10.2f}{found.median:10.2f}{found.high:10.2f}"
    for contender, reason in report.missing.items():
        yield f"\nnot measured: {TITLES[contender]}: {reason}"
    for contender in (one for one in report.spreads if one in OURS):
        yield f"\n{TITLES[contender]}"
        yield from (f"  {line}" for line in judge(report.spreads[contender]))
    if report.many is not None:
        yield f"\n{judge_many(report.many)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generator", description=(__doc__ or "").split("\n\n")[0]
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round: a look, not a result")
    add("--rounds", type=int, default=3, help="rounds of all contenders (3)")
    add("--users", type=int, default=USERS, help=f"users of each contender ({USERS})")
    add(
        "--only",
        action="append",
        type=GeneratorImplementation,
        choices=list(GeneratorImplementation),
        help="this contender (may be repeated)",
    )
    add("--out", type=Path, help=f"folder for {FILE_NAME}")
    return parser


def _describe_machine(versions: dict[str, str]) -> dict[str, str]:
    programs = {name: version(name) for name in ("chatws", "locust", "gevent", "python-socketio")}
    return {
        "machine": f"{procfs.cpu_model()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        **programs,
        **versions,
    }


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
