"""Writer of ``junit.xml`` for CI systems: a suite for each scenario, a test case for each threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from chatws_loadtest.results import name_scenarios
from chatws_loadtest.text_summary import format_value, printable
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from chatws_loadtest.results import Report, ScenarioResult
    from chatws_loadtest.verdict import VerdictRow


def write_junit(report: Report) -> bytes:
    """Return the content of the file: a missed threshold is a failure, an invalid one an error.

    An invalid threshold is not "skipped", because CI systems show that as passed.
    """
    root = ET.Element("testsuites", name="chatws loadtest")
    for name, result in name_scenarios(report):
        root.append(_suite(name, result))
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _suite(name: str, result: ScenarioResult) -> ET.Element:
    rows = result.verdict.rows
    is_invalid = result.verdict.outcome is Outcome.INVALID and all(row.outcome is Outcome.PASS for row in rows)
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(rows) + is_invalid),
        failures=str(sum(row.outcome is Outcome.FAIL for row in rows)),
        errors=str(sum(row.outcome is Outcome.INVALID for row in rows) + is_invalid),
        time=f"{result.duration_s:.3f}",
    )
    for row in rows:
        suite.append(_case(name, row))
    if is_invalid:
        case = ET.SubElement(suite, "testcase", classname=f"loadtest.{name}", name="valid")
        ET.SubElement(case, "error", message=printable("; ".join(result.verdict.invalid_because)))
    return suite


def _case(scenario: str, row: VerdictRow) -> ET.Element:
    case = ET.Element("testcase", classname=f"loadtest.{scenario}", name=row.target)
    measured = f"measured {format_value(row.metric, row.value)}"
    if row.statistic is not None:
        measured += f", {row.samples} samples"
    if row.outcome is not Outcome.PASS:
        kind = "failure" if row.outcome is Outcome.FAIL else "error"
        ET.SubElement(case, kind, message=printable(f"{row.reason}: {measured}"))
    ET.SubElement(case, "system-out").text = measured
    return case
