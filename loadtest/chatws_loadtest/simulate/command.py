"""Command line of ``chatws simulate``."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.cli_base import make_app, run_app
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.simulate.campaign import Campaign, FailedSeed
from chatws_loadtest.simulate.plan import PlanError, read_plan, write_plan
from chatws_loadtest.simulate.result_text import failure_lines, plan_file, replay_lines, result_object, summary_line
from chatws_loadtest.simulate.runner import run_plan

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws simulate")


@app.command(epilog="Example: chatws simulate --seeds 1000")
def simulate(
    file: Annotated[
        Path | None, typer.Argument(help="Plan of a failure (YAML) to repeat, instead of seeds.", metavar="FILE")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Number of seeds, each of which is one run.")] = 100,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="First seed.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of the plans of failures; default: the working directory.", metavar="DIR")
    ] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate servers, clients, database and bus on a virtual clock, and check what the protocol promises.

    The seed decides what people do and which faults are injected. A failure is reduced to the shortest plan that breaks
    the same invariant, and written as a file that this command repeats exactly. Exit codes: 0 all invariants hold,
    99 one is broken, 1 a plan cannot be written, 2 wrong usage or an invalid file, 130 stopped by Ctrl-C.
    """
    if file is not None:
        raise typer.Exit(_repeat(file, as_json=as_json))
    raise typer.Exit(_run_seeds(range(seed, seed + seeds), out, as_json=as_json))


def _repeat(file: Path, *, as_json: bool) -> ExitCode:
    try:
        plan = read_plan(file)
    except PlanError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    result = run_plan(plan)
    if as_json:
        found = {"broken": result.broken, "digest": result.trace.digest(), "trace": result.trace.lines()}
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(replay_lines(result)))
    return ExitCode.DONE if result.broken is None else ExitCode.TARGET_MISSED


def _run_seeds(seeds: range, out: Path, *, as_json: bool) -> ExitCode:
    def report(failure: FailedSeed) -> None:
        file = _write(failure, out)
        if not as_json:
            print("\n".join(failure_lines(failure, file)), flush=True)

    campaign = Campaign(report, hashes_traces=as_json)
    is_stopped = False
    gc.freeze()  # a full collection, every 100 seeds, would take 0.1 s for the objects of the modules
    try:
        campaign.run(seeds)
    except KeyboardInterrupt:
        is_stopped = True
    if as_json:
        print(msgspec.json.encode(result_object(campaign, out)).decode())
    else:
        print(summary_line(campaign))
    if is_stopped:
        return ExitCode.INTERRUPTED
    return ExitCode.TARGET_MISSED if campaign.failures else ExitCode.DONE


def _write(failure: FailedSeed, out: Path) -> Path | None:
    file = plan_file(failure, out)
    if file is not None and failure.plan is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            file.write_text(write_plan(failure.plan), encoding="utf-8")
        except OSError as problem:
            raise CommandExit(f"{file} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
    return file
