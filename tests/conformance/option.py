"""The option that runs the conformance tests on other traces, and the line that says how many passed.

A plugin rather than a conftest: it must be there in the process that prints, wherever the tests run.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

OPTION = "--otp-traces"
TEST = "test_engine_does_what_otp_did"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option. It must be known before the tests are collected: hence the conftest at the top."""
    parser.addoption(
        OPTION,
        action="append",
        default=[],
        metavar="FILE",
        help="run the conformance tests on the traces in FILE (repeatable) in place of those of the project",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Say last of all how many traces passed, if any were run."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter):
        return
    counts = {
        outcome: sum(f"::{TEST}[" in report.nodeid for report in reporter.stats.get(outcome, ()))
        for outcome in ("passed", "failed", "error")
    }
    total = sum(counts.values())
    if total:
        reporter.write_line(f"otp traces: {counts['passed']}/{total}")
