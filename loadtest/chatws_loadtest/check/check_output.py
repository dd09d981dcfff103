"""Output of checks of a server or of a client: a line for each result, counts, JSON and JUnit XML."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from chatws.exit_codes import ExitCode
from chatws_loadtest.check.registry import CheckOutcome, CheckResult
from chatws_loadtest.errors import CommandExit

SKIPPED = (CheckOutcome.NOT_OFFERED, CheckOutcome.NOT_JUDGED)


def print_check(result: CheckResult) -> None:
    """Print the lines of one result."""
    print(f"{result.result:<11}  {result.name:<24}  {result.what}")
    if result.reason:
        print(f"{'':<39}{result.reason}")
    if result.advice:
        print(f"{'':<39}try: {result.advice}")
    sys.stdout.flush()


def put_out_checks(
    command: str, subject: str, results: Sequence[CheckResult], junit: Path | None, *, as_json: bool
) -> ExitCode:
    """Print the counts, or all results as one JSON object, write the JUnit file, and return the exit code.

    ``command`` is the name of the command without ``chatws``, and ``subject`` the URL or program that was checked.

    Raises:
        CommandExit: the file cannot be written.
    """
    counts = {outcome: sum(result.result is outcome for result in results) for outcome in CheckOutcome}
    if as_json:
        key = "url" if command == "check" else "client"
        print(msgspec.json.encode({key: subject, "counts": counts, "checks": results}).decode())
    else:
        # Only the check of a webhook can be unjudged.
        shown = [f"{count} {kind}" for kind, count in counts.items() if count or kind is not CheckOutcome.NOT_JUDGED]
        print(f"\n{subject}: " + ", ".join(shown))
    if junit is not None:
        _save(junit, junit_of_checks(command, subject, results))
    return ExitCode.FAILED if counts[CheckOutcome.FAIL] else ExitCode.DONE


def junit_of_checks(command: str, subject: str, results: Sequence[CheckResult]) -> bytes:
    """Return the content of the JUnit file: a check that is not offered or not judged counts as skipped."""
    failed = sum(result.result is CheckOutcome.FAIL for result in results)
    skipped = sum(result.result in SKIPPED for result in results)
    root = ET.Element("testsuites", name=f"chatws {command}")
    suite = ET.SubElement(
        root, "testsuite", name=subject, tests=str(len(results)), failures=str(failed), skipped=str(skipped)
    )
    for result in results:
        group, _, name = result.name.partition(".")
        case = ET.SubElement(
            suite, "testcase", classname=f"{command}.{group}", name=name, time=f"{result.duration_s:.3f}"
        )
        if result.result is CheckOutcome.FAIL:
            ET.SubElement(case, "failure", message=result.reason).text = result.advice
        elif result.result in SKIPPED:
            ET.SubElement(case, "skipped", message=result.reason)
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise CommandExit(f"--junit {path} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
