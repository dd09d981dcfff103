"""Writer of JUnit XML: a suite for the file, a test case for each step."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from chatws_loadtest.scenario_file.play_report import PlayReport, StepOutcome
from chatws_loadtest.scenario_file.text_output import describe_step
from chatws_loadtest.text_summary import printable


def junit_of(report: PlayReport) -> bytes:
    """Return the content of the file: a failed step is a failure, one that is not judgeable an error."""
    outcomes = [step.outcome for step in report.steps]
    root = ET.Element("testsuites", name="chatws run")
    suite = ET.SubElement(
        root,
        "testsuite",
        name=report.file,
        tests=str(len(outcomes)),
        failures=str(outcomes.count(StepOutcome.FAIL)),
        errors=str(outcomes.count(StepOutcome.INVALID)),
        skipped=str(outcomes.count(StepOutcome.NOT_RUN)),
        time=f"{report.duration_s:.3f}",
    )
    for step in report.steps:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=report.file,
            name=f"{step.number:03} {step.text}",
            file=report.file,
            line=str(step.line),
            time=f"{step.duration_s:.3f}",
        )
        if step.outcome is StepOutcome.NOT_RUN:
            reason = "the run was stopped" if report.stopped else "an earlier step did not pass"
            ET.SubElement(case, "skipped", message=reason)
        elif step.outcome is not StepOutcome.PASS:
            kind = "failure" if step.outcome is StepOutcome.FAIL else "error"
            element = ET.SubElement(case, kind, message=printable(step.reason))
            element.text = printable("\n".join(describe_step(step, report.file, None)))
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml
